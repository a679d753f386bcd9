import type { AggregateAnswer, AggregateQuery, MonitorHealth, SampleQuery, StoredSample } from '../monitor/query.ts'
import type { MetricFamily } from '../observe/exposition.ts'
import type { SpanBatch } from '../observe/recording.ts'
import type { RollupMessage } from '../observe/rollup.ts'
import type { OtlpPlan, OutletPlan } from './plan.ts'

/*
 * The observer is a thread beside the main one: it keeps the rollups, and sends spans, metrics and log lines away. Whatever
 * stalls in it (a disk, a receiver) stalls nobody else; what it cannot take is dropped and counted.
 */

export interface ObserverPlan {
  readonly resource: {
    readonly organization: string
    readonly environment: string
    readonly region: string
    readonly hostName: string
    readonly version: string
    readonly instance: string
  }
  readonly monitoring: {
    /** null: in memory. */
    readonly file: string | null
    /** How long rows of a minute, of an hour and of a day are kept; ms. */
    readonly minutesMs: number
    readonly hoursMs: number
    readonly daysMs: number
    /** At most; the oldest go first. */
    readonly maxBytes: number
  } | null
  readonly otlp: OtlpPlan | null
  /** Log sinks that are not files; see `sinkKey`. */
  readonly outlets: readonly { readonly key: string; readonly plan: OutletPlan }[]
}

export type ObserverQuestion =
  | { readonly kind: 'aggregate'; readonly query: AggregateQuery }
  | { readonly kind: 'samples'; readonly query: SampleQuery }
  | { readonly kind: 'find'; readonly id: string }
  | { readonly kind: 'health' }

/** By `kind` of the question. */
export interface ObserverAnswers {
  readonly aggregate: AggregateAnswer
  readonly samples: readonly StoredSample[]
  readonly find: StoredSample | null
  readonly health: MonitorHealth
}

export type ToObserver =
  | { readonly type: 'configure'; readonly plan: ObserverPlan }
  | { readonly type: 'rollup'; readonly message: RollupMessage }
  | { readonly type: 'spans'; readonly batch: SpanBatch }
  | { readonly type: 'metrics'; readonly at: number; readonly families: readonly MetricFamily[] }
  /** `bytes` are a copy, so that no worker waits for the thread; `log-done` says that they are written. */
  | {
      readonly type: 'log'
      readonly ticket: number
      readonly sink: string
      readonly bytes: Uint8Array
      readonly records: number
    }
  | { readonly type: 'ask'; readonly ticket: number; readonly question: ObserverQuestion }
  /** Sends away what it has, at most for this long, and ends. */
  | { readonly type: 'close'; readonly timeoutMs: number }

export type FromObserver =
  /** One message of this type has been dealt with; `waiting`: requests whose rollups are in memory and in no file yet. */
  | { readonly type: 'taken'; readonly what: 'rollup' | 'spans' | 'metrics'; readonly waiting: number }
  /** By itself, when rows were written meanwhile. */
  | { readonly type: 'waiting'; readonly waiting: number }
  | { readonly type: 'log-done'; readonly ticket: number }
  | { readonly type: 'answer'; readonly ticket: number; readonly result: ObserverAnswers[ObserverQuestion['kind']] }
  | { readonly type: 'refused'; readonly ticket: number; readonly code: string; readonly message: string }
  /** All counted since the thread began; sent when one of them has changed, at most once a second. */
  | { readonly type: 'losses'; readonly losses: Losses }
  | { readonly type: 'warning'; readonly code: string; readonly message: string }
  | { readonly type: 'closed' }

/** Things that could not be kept or delivered. */
export interface Losses {
  readonly rollupRequests: number
  readonly spans: number
  readonly metricExports: number
  /** By sink. */
  readonly logRecords: Readonly<Record<string, number>>
}
