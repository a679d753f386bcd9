import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface StartOptions {
  /** CPU number, as `taskset -c` takes it. */
  readonly core: number
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Gets stdout and stderr, appended: HAProxy's access log is its stdout, so it must be a file, not a pipe of ours. */
  readonly outputFile: string
}

export interface Child {
  readonly pid: number
  readonly exited: Promise<void>
  hasExited(): boolean
  /** The end of what it printed; evidence when it fails. */
  outputTail(): string
  stop(): Promise<void>
}

const living = new Set<ChildProcess>()

// The last resort, for a way out that skipped the orderly one.
process.on('exit', () => {
  for (const child of living) signalGroup(child, 'SIGKILL')
})

/** Starts a long-lived child on one core. It leads its own process group, so its workers are stopped with it. */
export function start(command: string, args: readonly string[], options: StartOptions): Child {
  const output = openSync(options.outputFile, 'a')
  // pdeathsig: a harness that is itself killed with SIGKILL leaves nothing running.
  const pinned = ['--pdeathsig', 'TERM', 'taskset', '-c', String(options.core), command, ...args]
  const launcher = 'setpriv'
  const child = spawn(launcher, pinned, {
    cwd: options.cwd,
    detached: true,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  const exited = track(child)
  const { pid } = child
  if (pid === undefined) throw new Error(`cannot start setpriv for ${command}: is util-linux installed?`)
  const ended = () => child.exitCode !== null || child.signalCode !== null
  return {
    pid,
    exited,
    hasExited: ended,
    outputTail: () => readFileSync(options.outputFile, 'utf8').slice(-1500).trim(),
    stop: async () => {
      if (ended()) return
      signalGroup(child, 'SIGTERM')
      await Promise.race([exited, sleep(3_000, undefined, { ref: false })])
      // Also after an orderly end: what is left of the group (a worker that outlived its master) goes too.
      signalGroup(child, 'SIGKILL')
      await exited
    },
  }
}

export interface RunOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly core?: number
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a command to its end and gives its stdout; anything but exit 0 in time is an error with the output's tail. */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  options.signal.throwIfAborted()
  const pinned = options.core === undefined ? [] : ['taskset', '-c', String(options.core)]
  const [program = command, ...rest] = [...pinned, command, ...args]
  const child = spawn(program, rest, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    detached: true,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4000)))
  const kill = () => signalGroup(child, 'SIGKILL')
  const timer = setTimeout(kill, options.timeoutMs)
  options.signal.addEventListener('abort', kill, { once: true })
  try {
    await track(child)
  } finally {
    clearTimeout(timer)
    options.signal.removeEventListener('abort', kill)
  }
  options.signal.throwIfAborted()
  if (child.exitCode === 0) return out
  const end = child.signalCode === null ? `exit ${child.exitCode}` : `${child.signalCode} after ${options.timeoutMs} ms`
  throw new Error(`${command}: ${end}: ${(errors.trim() || out.trim()).slice(-800)}`)
}

/** Stops whatever is still running; the orderly way out. */
export async function stopAll(): Promise<void> {
  const left = [...living]
  for (const child of left) signalGroup(child, 'SIGTERM')
  const ends = left.map((child) => new Promise<void>((resolve) => child.once('close', () => resolve())))
  await Promise.race([Promise.all(ends), sleep(3_000, undefined, { ref: false })])
  for (const child of living) signalGroup(child, 'SIGKILL')
}

function track(child: ChildProcess): Promise<void> {
  living.add(child)
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => {
      living.delete(child)
      reject(cause)
    })
    child.once('close', () => {
      living.delete(child)
      resolve()
    })
  })
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // ESRCH: the whole group is gone, which is what was asked for.
  }
}
