import type { RequestSample, RollupKey } from '../observe/rollup.ts'

/*
 * Questions to the rollups. Every surface (Investigate, Edge's statistics and API Monitoring, alerts, support) asks these and
 * computes the rest itself. Times are ms since the epoch; `from` inclusive, `to` exclusive.
 */

export const dimensions = [
  'organization',
  'environment',
  'proxy',
  'revision',
  'basePath',
  'listener',
  'method',
  /** In filters, also what its proxy calls it. */
  'target',
  /** What its proxy calls it: of one environment, more than one target may be called so. */
  'targetName',
  'status',
  /** `2xx`, ...; `none` where nothing was sent. */
  'statusClass',
  'targetStatus',
  'fault',
  'verdict',
  'party',
  'faultCode',
  'faultSource',
] as const

export type Dimension = (typeof dimensions)[number]

export interface Filter {
  readonly dimension: Dimension
  /** Any of them. */
  readonly values: readonly string[]
  /** None of them instead. */
  readonly not?: boolean
}

export interface AggregateQuery {
  readonly from: number
  readonly to: number
  /** Milliseconds, a multiple of a minute; null: all of the time in one. Hours and days begin by UTC. */
  readonly interval: number | null
  readonly by: readonly Dimension[]
  readonly where: readonly Filter[]
  /** Groups (not intervals) with the most requests that are given; default 1000, at most 10,000. */
  readonly limit?: number
}

export interface Aggregate {
  /** Start of the interval; `from` where there is one for all. */
  readonly at: number
  /** In the order of `by`. */
  readonly values: readonly string[]
  readonly requests: number
  /** With a fault. */
  readonly faults: number
  /** Status from 400 on, or none. */
  readonly errors: number
  /** Faults and statuses from 400 on of which the backend is the source. */
  readonly targetErrors: number
  readonly totalMs: number
  readonly maxMs: number
  readonly targetRequests: number
  readonly targetMs: number
  readonly targetMaxMs: number
  readonly requestBytes: number
  readonly responseBytes: number
  /** Counts by `latencyBucket`. */
  readonly total: readonly number[]
  readonly target: readonly number[]
}

export interface AggregateAnswer {
  readonly rows: readonly Aggregate[]
  /** Groups beyond the limit were left out. */
  readonly truncated: boolean
  /** Finest that the data of this time still has; ms. */
  readonly resolution: number
}

export interface SampleQuery {
  readonly from: number
  readonly to: number
  readonly where: readonly Filter[]
  /** Default 10, at most 1000; newest first. */
  readonly limit?: number
}

export interface StoredSample {
  readonly key: RollupKey
  readonly sample: RequestSample
}

/** What the store has lost, and why; counted since the start of the process. */
export interface MonitorHealth {
  /** null: in memory, nothing is kept over a restart. */
  readonly file: string | null
  readonly bytes: number
  readonly rows: number
  readonly oldest: number | null
  /** Requests whose rollups were not kept. */
  readonly lostRequests: number
  /** Of the last failure; '' while all is well. */
  readonly problem: string
}

/** Reading the rollups, from the main thread. Rejects with PosternError `monitoring-*`. What the workers saw a second ago is there. */
export interface Monitor {
  aggregate(query: AggregateQuery): Promise<AggregateAnswer>
  samples(query: SampleQuery): Promise<readonly StoredSample[]>
  /** The sample of a request; null: it was not kept, or is gone. */
  find(id: string): Promise<StoredSample | null>
  health(): Promise<MonitorHealth>
}
