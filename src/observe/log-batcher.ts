import type { LogPlan } from '../proxy/plan.ts'

import type { LogSegments } from './log-segments.ts'
import { PosternError } from '../core/errors.ts'

export type LogSinkPlan = LogPlan['sink']

/** Identity of a sink across generations and threads. */
export function sinkKey(sink: LogSinkPlan): string {
  return sink.kind === 'stdout' ? 'stdout' : `file:${sink.path}`
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
  readonly batchCharacters?: number
  readonly delayMs?: number
}

/**
 * The worker's half: gathers lines and sends them in batches, so that logging costs a request one string append. What
 * the main thread has not written yet is bounded by the segments; beyond that lines are dropped and counted (I10), never
 * awaited.
 */
export class LogBatcher {
  #sinks: { readonly key: string; text: string; records: number }[]
  #segments: LogSegments
  #send: (message: LogMessage) => void
  #onDrop: (records: number) => void
  #batchCharacters: number
  #delayMs: number
  #timer: NodeJS.Timeout | null = null

  constructor(options: LogBatcherOptions) {
    this.#sinks = options.sinks.map((sink) => ({ key: sinkKey(sink), text: '', records: 0 }))
    this.#segments = options.segments
    this.#send = options.send
    this.#onDrop = options.onDrop
    // Half a segment: a line more, and characters of two bytes, still fit.
    this.#batchCharacters = options.batchCharacters ?? this.#segments.bytes >> 1
    this.#delayMs = options.delayMs ?? 100
  }

  /** `text` is complete lines; '' is nothing. */
  append(sink: number, text: string): void {
    if (text === '') return
    const pending = this.#sinks[sink]
    if (pending === undefined) throw new PosternError('log-sink-unknown', `no log sink has the index ${sink}`)
    pending.text += text
    pending.records++
    if (pending.text.length >= this.#batchCharacters) this.#flushSink(pending)
    // The process may end while lines wait: whoever ends it calls flush().
    else this.#timer ??= setTimeout(() => this.flush(), this.#delayMs).unref()
  }

  /** Sends what is pending now. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    for (const pending of this.#sinks) this.#flushSink(pending)
  }

  #flushSink(pending: { readonly key: string; text: string; records: number }): void {
    if (pending.records === 0) return
    const { key, text, records } = pending
    pending.text = ''
    pending.records = 0
    const segment = this.#segments.take()
    if (segment === null) {
      this.#onDrop(records)
      return
    }
    const length = this.#segments.write(segment, text)
    if (length === -1) {
      this.#segments.release(segment)
      this.#onDrop(records)
      return
    }
    this.#send({ sink: key, segment, length, records })
  }
}
