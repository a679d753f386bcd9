import type { LogRotation, LogSinkPlan } from '../proxy/plan.ts'
import type { LogBatch } from './log-batcher.ts'
import type { LogSinkHooks } from './log-sink.ts'

import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { sinkKey } from './log-batcher.ts'
import { type LogFile, openLog } from './log-file.ts'
import { LogSink } from './log-sink.ts'

export interface LogSinksOptions {
  readonly maxQueuedBytes?: number
  /** Longest time `close()` waits for a sink that does not take its lines. */
  readonly closeTimeoutMs?: number
  /** How long a file that could not be rotated is written on before the next try. */
  readonly rotateRetryMs?: number
  /** Where `stdout` goes; another descriptor in tests. */
  readonly stdoutFd?: number
  /** Called once when a sink starts to fail, not for every batch it loses. */
  readonly onError?: (sink: string, message: string) => void
  /** Called once when it takes lines again; `lost`: records, since it began to fail. */
  readonly onRestored?: (sink: string, lost: number) => void
  /** Records lost to a failing or slow sink; it is named by its `sinkKey`. */
  readonly onDrop?: (records: number, sink: string) => void
  /** Takes the lines of sinks that the observer serves. */
  readonly outlet?: (batch: LogBatch, done: () => void) => void
}

/**
 * The main thread's half: owns the descriptors and writes whole batches in order. Nothing in here throws because a disk
 * is full or a reader has gone: a gateway that stops for want of a log is worse than one whose counters say that lines
 * are missing.
 *
 * `process.stdout` is not used: its writes to a pipe are synchronous, and a reader that stalls would stall us.
 */
export class LogSinks {
  #sinks = new Map<string, LogSink>()
  /** Sinks of the configuration before: workers that finish its requests still write to them. */
  #retired = new Map<string, LogSink>()
  #options: Required<LogSinksOptions>
  #dropped = 0
  #droppedBySink = new Map<string, number>()

  constructor(options: LogSinksOptions = {}) {
    this.#options = {
      maxQueuedBytes: options.maxQueuedBytes ?? 8 * 1024 * 1024,
      closeTimeoutMs: options.closeTimeoutMs ?? 2000,
      rotateRetryMs: options.rotateRetryMs ?? 10_000,
      stdoutFd: options.stdoutFd ?? 1,
      onError: options.onError ?? (() => {}),
      onRestored: options.onRestored ?? (() => {}),
      onDrop: options.onDrop ?? (() => {}),
      outlet: options.outlet ?? ((batch, done) => this.#lose(batch, done)),
    }
  }

  /** Records lost since the start. */
  get dropped(): number {
    return this.#dropped
  }

  /** The same by `sinkKey`, of every sink there is or that has lost some. Those of an outlet are counted by the observer. */
  get droppedBySink(): Readonly<Record<string, number>> {
    const known = [...this.#retired.keys(), ...this.#sinks.keys()].map((key): [string, number] => [key, 0])
    return Object.fromEntries([...known, ...this.#droppedBySink])
  }

  /** Opens what a generation asks for. Throws `log-sink-unusable`, and changes nothing, if one cannot be opened (I3). */
  async apply(plans: readonly LogSinkPlan[]): Promise<void> {
    const next = new Map<string, LogSink>()
    const opened: LogSink[] = []
    const rotations = new Map<LogSink, LogRotation | null>()
    try {
      for (const plan of plans) {
        const key = sinkKey(plan)
        if (plan.kind === 'outlet' || next.has(key)) continue
        const known = this.#sinks.get(key) ?? this.#retired.get(key)
        const sink = known ?? (await this.#open(plan))
        if (known === undefined) opened.push(sink)
        next.set(key, sink)
        rotations.set(sink, plan.kind === 'file' ? plan.rotate : null)
      }
    } catch (error) {
      await Promise.all(opened.map((sink) => sink.close(0)))
      throw error
    }
    for (const [sink, rotation] of rotations) sink.rotation = rotation
    const kept = new Set(next.values())
    const closing = [...this.#retired.values()].filter((sink) => !kept.has(sink))
    this.#retired = new Map([...this.#sinks].filter(([, sink]) => !kept.has(sink)))
    this.#sinks = next
    await Promise.all(closing.map((sink) => sink.close(this.#options.closeTimeoutMs)))
  }

  /** Queues a batch. `done` is called once, when it is written or given up: acknowledge it to the worker then. */
  write(batch: LogBatch, done: () => void = () => {}): void {
    if (batch.sink.startsWith('outlet:')) return this.#options.outlet(batch, done)
    const sink = this.#sinks.get(batch.sink) ?? this.#retired.get(batch.sink)
    if (sink !== undefined) return sink.write({ bytes: batch.bytes, records: batch.records, done })
    this.#lose(batch, done)
  }

  /** Opens every file again under its name, for log rotation. A file that cannot be opened keeps its old descriptor. */
  async reopen(): Promise<void> {
    await Promise.all([...this.#sinks.values()].map((sink) => sink.reopen()))
  }

  /** Waits until all that is queued is written or given up. */
  async flush(): Promise<void> {
    await Promise.all([...this.#retired.values(), ...this.#sinks.values()].map((sink) => sink.idle()))
  }

  async close(): Promise<void> {
    const all = [...this.#retired.values(), ...this.#sinks.values()]
    this.#retired = new Map()
    this.#sinks = new Map()
    await Promise.all(all.map((sink) => sink.close(this.#options.closeTimeoutMs)))
  }

  async #open(plan: Exclude<LogSinkPlan, { kind: 'outlet' }>): Promise<LogSink> {
    const key = sinkKey(plan)
    const hooks: LogSinkHooks = {
      maxQueuedBytes: this.#options.maxQueuedBytes,
      onError: (message) => this.#options.onError(key, message),
      onRestored: (lost) => this.#options.onRestored(key, lost),
      rotateRetryMs: this.#options.rotateRetryMs,
      onDrop: (records) => this.#drop(key, records),
    }
    if (plan.kind === 'stdout') return new LogSink(stdoutOf(this.#options.stdoutFd), hooks)
    try {
      return new LogSink(await openLog(plan.path), hooks)
    } catch (error) {
      throw new PosternError('log-sink-unusable', `log file ${plan.path} cannot be opened: ${messageOf(error)}`, {
        evidence: { path: plan.path, code: codeOf(error) },
        cause: error,
      })
    }
  }

  #lose({ sink, records }: LogBatch, done: () => void): void {
    this.#drop(sink, records)
    done()
  }

  #drop(sink: string, records: number): void {
    this.#dropped += records
    this.#droppedBySink.set(sink, (this.#droppedBySink.get(sink) ?? 0) + records)
    this.#options.onDrop(records, sink)
  }
}

function stdoutOf(fd: number): LogFile {
  return { fd, path: null, size: 0, regular: false }
}
