import { Worker } from 'node:worker_threads'
import type { Input, StoredInput } from './target.ts'

/** CPU time that one input may take. */
export const maxCpuMs = 1000
/** Without CPU time being used, an oracle that waits for ever. */
const maxWaitMs = 10_000

export interface Job {
  readonly target: string
  readonly seed: number
  /** Ends with whichever comes first; either may be Infinity. */
  readonly milliseconds: number
  readonly inputs: number
  /** The input under way: an ordinal, its length, and the input as JSON. */
  readonly shared: SharedArrayBuffer
}

export interface Finding {
  readonly target: string
  readonly kind: string
  /** Gives the input that was found, before it was made smaller. */
  readonly seed: number
  readonly input: StoredInput
  readonly text: string
}

export interface Outcome {
  readonly runs: number
  /** How far how many inputs came. */
  readonly tally: Readonly<Record<string, number>>
  readonly findings: readonly Finding[]
}

const headWords = 2
const sharedBytes = 4 * 1024 * 1024
/** A target that keeps what it has seen ends here, and is found. */
const maxHeapMb = 512
const progressMs = 10_000

/**
 * Fuzzes one target in a thread of its own, so that an input it never returns from is caught and kept.
 *
 * @param progress is told how many inputs there were, every ten seconds
 */
export async function fuzz(options: Omit<Job, 'shared'>, progress: (runs: number) => void): Promise<Outcome> {
  const shared = new SharedArrayBuffer(sharedBytes)
  const words = new Int32Array(shared, 0, headWords)
  const findings: Finding[] = []
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: { ...options, shared },
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
  })
  const { promise: ended, resolve } = Promise.withResolvers<number | string>()
  const lost = (kind: string, text: string): void => {
    findings.push({ target: options.target, kind, seed: options.seed, input: readInput(shared), text })
  }
  let tally: Outcome['tally'] = {}
  worker.on('message', (message: { readonly finding?: Finding; readonly tally?: Outcome['tally'] }) => {
    if (message.finding !== undefined) findings.push(message.finding)
    if (message.tally !== undefined) tally = message.tally
  })
  worker.on('error', (error) => resolve(error instanceof Error ? (error.stack ?? error.message) : String(error)))
  worker.on('exit', (code) => resolve(code))

  let cut = false
  let ordinal = -1
  let since = performance.now()
  let usage = process.cpuUsage()
  const watchdog = setInterval(() => {
    const now = Atomics.load(words, 0)
    if (now !== ordinal) {
      ordinal = now
      since = performance.now()
      usage = process.cpuUsage()
      return
    }
    // This thread only waits, so the process's time is the worker's, whatever else the machine is doing.
    const used = process.cpuUsage(usage)
    const hangs = ordinal > 0 && used.user + used.system > 2 * maxCpuMs * 1000
    if (!hangs && performance.now() - since < maxWaitMs) return
    lost(hangs ? 'hangs' : 'waits for ever', hangs ? 'no end within the CPU time' : 'no progress')
    cut = true
    void worker.terminate()
  }, 250)
  const reporting = setInterval(() => progress(Atomics.load(words, 0)), progressMs)
  const outcome = await ended
  clearInterval(watchdog)
  clearInterval(reporting)
  // Nothing left to wait for, and yet not at its end.
  if (outcome !== 0 && !cut) lost(`ended early: ${outcome}`.split('\n')[0] as string, `${outcome}`)
  return { runs: Atomics.load(words, 0), tally, findings }
}

export function writeInput(shared: SharedArrayBuffer, input: Input): void {
  const words = new Int32Array(shared, 0, headWords)
  const bytes = Buffer.from(shared, headWords * 4)
  let at = bytes.writeUInt32LE(input.knob >>> 0, 0)
  at = bytes.writeUInt32LE(input.parts.length, at)
  for (const part of input.parts) {
    if (at + 4 + part.length > bytes.length) break
    at = bytes.writeUInt32LE(part.length, at)
    at += part.copy(bytes, at)
  }
  words[1] = at
  Atomics.add(words, 0, 1)
}

function readInput(shared: SharedArrayBuffer): StoredInput {
  const bytes = Buffer.from(shared, headWords * 4, new Int32Array(shared, 0, headWords)[1])
  if (bytes.length < 8) return { parts: [], knob: 0 }
  const parts: string[] = []
  for (let at = 8, left = bytes.readUInt32LE(4); left > 0 && at < bytes.length; left--) {
    const length = bytes.readUInt32LE(at)
    parts.push(bytes.toString('hex', at + 4, at + 4 + length))
    at += 4 + length
  }
  return { parts, knob: bytes.readUInt32LE(0) }
}
