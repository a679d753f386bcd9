import type { LogPlan } from '../proxy/plan.ts'

import { PosternError } from '../core/errors.ts'

export type LogSinkPlan = LogPlan['sink']

/** Identity of a sink across generations and threads. */
export function sinkKey(sink: LogSinkPlan): string {
  return sink.kind === 'stdout' ? 'stdout' : `file:${sink.path}`
}

/** What a worker hands to the main thread: whole lines only, in a buffer of their own that can be transferred. */
export interface LogBatch {
  readonly sink: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly records: number
}

export interface LogBatcherOptions {
  /** Index in here is the `sink` of `append`. */
  readonly sinks: readonly LogSinkPlan[]
  readonly send: (batch: LogBatch) => void
  /** Records that were given up because the main thread is behind. */
  readonly onDrop: (records: number) => void
  readonly batchCharacters?: number
  readonly delayMs?: number
  readonly maxUnacknowledgedBytes?: number
}

/**
 * The worker's half: gathers lines and sends them in batches, so that logging costs a request one string append. What
 * the main thread has not acknowledged is bounded; beyond that lines are dropped and counted (I10), never awaited.
 */
export class LogBatcher {
  #sinks: { readonly key: string; text: string; records: number }[]
  #send: (batch: LogBatch) => void
  #onDrop: (records: number) => void
  #batchCharacters: number
  #delayMs: number
  #maxUnacknowledgedBytes: number
  #unacknowledgedBytes = 0
  #timer: NodeJS.Timeout | null = null
  #encoder = new TextEncoder()

  constructor(options: LogBatcherOptions) {
    this.#sinks = options.sinks.map((sink) => ({ key: sinkKey(sink), text: '', records: 0 }))
    this.#send = options.send
    this.#onDrop = options.onDrop
    this.#batchCharacters = options.batchCharacters ?? 256 * 1024
    this.#delayMs = options.delayMs ?? 100
    this.#maxUnacknowledgedBytes = options.maxUnacknowledgedBytes ?? 4 * 1024 * 1024
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

  /** The main thread has written a batch, or given it up. */
  acknowledge(bytes: number): void {
    this.#unacknowledgedBytes = Math.max(0, this.#unacknowledgedBytes - bytes)
  }

  #flushSink(pending: { readonly key: string; text: string; records: number }): void {
    if (pending.records === 0) return
    const { key, text, records } = pending
    pending.text = ''
    pending.records = 0
    // Characters are a lower bound of bytes, so this may pass the limit by less than one batch.
    if (this.#unacknowledgedBytes + text.length > this.#maxUnacknowledgedBytes) {
      this.#onDrop(records)
      return
    }
    const bytes = this.#encoder.encode(text)
    this.#unacknowledgedBytes += bytes.byteLength
    this.#send({ sink: key, bytes, records })
  }
}
