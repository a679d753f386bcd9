import type { LogSinkPlan } from '../proxy/plan.ts'
import type { LogSegments } from './log-segments.ts'
import { PosternError } from '../core/errors.ts'

/** Identity of a sink across generations and threads. */
export function sinkKey(sink: LogSinkPlan): string {
  switch (sink.kind) {
    case 'stdout':
      return 'stdout'
    case 'file':
      return `file:${sink.path}`
    case 'outlet':
      return `outlet:${sink.key}`
    default:
      return sink satisfies never
  }
}

/** Whole lines for one sink. */
export interface LogBatch {
  /** See `sinkKey`. */
  readonly sink: string
  readonly bytes: Uint8Array
  readonly records: number
}

/** A batch on its way from a worker: its bytes are in a segment of the memory both threads share. */
export interface LogMessage {
  readonly sink: string
  readonly segment: number
  readonly length: number
  readonly records: number
}

export interface LogBatcherOptions {
  /** Index in here is the `sink` of `append`. */
  readonly sinks: readonly LogSinkPlan[]
  readonly segments: LogSegments
  readonly send: (message: LogMessage) => void
  /** Records that were given up because the main thread is behind. */
  readonly onDrop: (records: number) => void
  /** Characters that are gathered before they are written into a segment. */
  readonly chunkCharacters?: number
  /** Characters of a sink that may wait for a free segment. */
  readonly waitingCharacters?: number
  readonly delayMs?: number
}

interface PendingSink {
  readonly key: string
  /** Lines not yet in memory of the main thread's; short, or every collection of garbage would carry them along. */
  text: string
  records: number
  segment: number | null
  used: number
  segmentRecords: number
}

/**
 * The worker's half: gathers lines and sends them in batches, so that logging costs a request one string append. What
 * the main thread has not written yet is bounded by the segments; beyond that lines are dropped and counted (I10), never
 * awaited.
 */
export class LogBatcher {
  #sinks: readonly PendingSink[]
  #segments: LogSegments
  #send: (message: LogMessage) => void
  #onDrop: (records: number) => void
  #chunkCharacters: number
  #waitingCharacters: number
  #delayMs: number
  #timer: NodeJS.Timeout | null = null

  constructor(options: LogBatcherOptions) {
    this.#sinks = options.sinks.map((sink) => ({
      key: sinkKey(sink),
      text: '',
      records: 0,
      segment: null,
      used: 0,
      segmentRecords: 0,
    }))
    this.#segments = options.segments
    this.#send = options.send
    this.#onDrop = options.onDrop
    this.#chunkCharacters = options.chunkCharacters ?? 8192
    this.#waitingCharacters = options.waitingCharacters ?? 131_072
    this.#delayMs = options.delayMs ?? 100
  }

  /** `text` is complete lines; '' is nothing. */
  append(sink: number, text: string): void {
    if (text === '') return
    const pending = this.#sinks[sink]
    if (pending === undefined) throw new PosternError('log-sink-unknown', `no log sink has the index ${sink}`)
    pending.text += text
    pending.records++
    if (pending.text.length >= this.#chunkCharacters) this.#write(pending)
    // The process may end while lines wait: whoever ends it calls flush().
    this.#arm()
  }

  /** Sends what is pending now. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    for (const pending of this.#sinks) {
      this.#write(pending)
      this.#post(pending)
    }
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => this.flush(), this.#delayMs).unref()
  }

  /** Puts the gathered lines into the sink's segment, or into another one where they do not fit. */
  #write(pending: PendingSink): void {
    const { text, records } = pending
    if (records === 0) return
    pending.text = ''
    pending.records = 0
    let written = pending.segment === null ? -1 : this.#segments.write(pending.segment, pending.used, text)
    if (written === -1) {
      this.#post(pending)
      pending.segment = this.#segments.take()
      written = pending.segment === null ? -1 : this.#segments.write(pending.segment, 0, text)
    }
    if (written === -1) {
      // The main thread may be busy for a moment, and several sinks want a segment each: a little may wait. (I10)
      if (pending.segment === null && text.length < this.#waitingCharacters) {
        pending.text = text
        pending.records = records
        this.#arm()
      } else {
        this.#onDrop(records)
      }
      return
    }
    pending.used += written
    pending.segmentRecords += records
  }

  /** Hands the sink's segment to the main thread. */
  #post(pending: PendingSink): void {
    const { segment, used, segmentRecords } = pending
    if (segment === null) return
    pending.segment = null
    pending.used = 0
    pending.segmentRecords = 0
    if (used === 0) this.#segments.release(segment)
    else this.#send({ sink: pending.key, segment, length: used, records: segmentRecords })
  }
}
