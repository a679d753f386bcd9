import { performance } from 'node:perf_hooks'
import type { AccessRecord } from '../observe/events.ts'
import type { RecordedBatch } from '../observe/recording.ts'
import type { Downstream } from './downstream.ts'
import type { ProxyRuntime } from './generation.ts'
import type { TracingPlan } from './plan.ts'
import { failedTransaction, recordedTransaction } from './recorded-transaction.ts'
import { Recording, spanLimits } from './recording.ts'
import { sessionsOf, type Takers, takersOf } from './recording-orders.ts'
import { RecordingOutbox } from './recording-outbox.ts'
import { requestHeader } from './request-header.ts'
import { TraceIds } from './trace-ids.ts'
import { type RequestTrace, Tracing } from './tracing.ts'

/** Why and where one request is recorded; an exchange has one for as long as a request of it is observed. */
export interface Observation {
  /** null: only its end may be told. */
  readonly recording: Recording | null
  readonly trace: RequestTrace | null
  readonly takers: Takers | null
}

/** Single requests of one worker: who of them is recorded, for whom, and how it is told. */
export class Recorder {
  /** null: off, and trace headers cross as they came. */
  tracing: Tracing | null = null
  readonly #ids = new TraceIds()
  readonly #outbox: RecordingOutbox

  constructor(post: (batch: RecordedBatch) => void) {
    this.#outbox = new RecordingOutbox(post)
  }

  /** Another generation is in force. */
  configure(plan: TracingPlan | null): void {
    this.tracing = plan === null ? null : new Tracing(plan, this.#ids)
  }

  /**
   * A request begins whose proxy has debug sessions, or that may be traced.
   *
   * @param start in the time of `performance.now`
   * @returns null: nobody is interested
   */
  begin(client: Downstream, route: ProxyRuntime | null, start: number): Observation | null {
    const { head } = client
    const trace = this.tracing?.begin(head) ?? null
    const orders = route?.orders ?? null
    const takers = orders === null ? null : takersOf(orders, { head, header: (name) => requestHeader(client, name) })
    if (takers !== null) {
      const recording = new Recording(start, true, takers)
      client.recordHead(recording)
      return { recording, trace, takers }
    }
    if (trace === null) return null
    const told = trace.context?.sampled === true && this.tracing?.spans === true
    const recording = told ? new Recording(start, false, spanLimits) : null
    return { recording, trace, takers: null }
  }

  /**
   * A request has ended, its record is complete.
   *
   * @returns id of the trace it is in; ''
   */
  ended(record: AccessRecord, observation: Observation | null, start: number, lines: string): string {
    const failed = record.fault !== null || record.status >= 500
    // Nearly all of them: in no trace, and nothing to be told.
    if (observation === null && !failed) return ''
    const recording = observation?.recording ?? null
    const trace = observation?.trace ?? null
    const takers = observation?.takers ?? null
    const sessions = takers === null ? [] : sessionsOf(takers, record.status, failed)
    const startedAt = performance.timeOrigin + start
    const sampled = trace?.context?.sampled === true
    const context = sampled
      ? (trace?.context ?? null)
      : failed && this.tracing?.failures === true
        ? this.tracing.failed(trace, lines)
        : null
    const told = context !== null && this.tracing?.spans === true
    if (recording !== null && (sessions.length > 0 || told)) {
      recording.ended()
      this.#outbox.add(recordedTransaction(record, recording, startedAt, sessions, context))
    } else if (told) {
      this.#outbox.add(failedTransaction(record, startedAt, context))
    }
    return context?.traceId ?? trace?.context?.traceId ?? ''
  }

  took(transactions: number): void {
    this.#outbox.took(transactions)
  }

  flush(): void {
    this.#outbox.flush()
  }
}
