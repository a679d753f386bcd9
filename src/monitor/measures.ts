import { latencyBuckets, latencyPercentile } from '../observe/latency.ts'
import type { Aggregate } from './query.ts'

/** What a matrix or a series can show of an aggregate. */
export const measures = [
  'requests',
  'faults',
  'errors',
  'targetErrors',
  /** Requests a second. */
  'rate',
  /** Errors by requests, 0 to 1. */
  'errorRate',
  /** Faults by requests, 0 to 1. */
  'faultRate',
  'average',
  'max',
  'p50',
  'p90',
  'p95',
  'p99',
] as const

export type Measure = (typeof measures)[number]

/** Of the client's request, or of the backend's part of it. */
export type Clock = 'total' | 'target'

export type Counts = Omit<Aggregate, 'at' | 'values'>

const noCounts: Counts = {
  requests: 0,
  faults: 0,
  errors: 0,
  targetErrors: 0,
  totalMs: 0,
  maxMs: 0,
  targetRequests: 0,
  targetMs: 0,
  targetMaxMs: 0,
  requestBytes: 0,
  responseBytes: 0,
  total: emptyBuckets(),
  target: emptyBuckets(),
}

export function addCounts(rows: readonly Counts[]): Counts {
  const [first] = rows
  if (first === undefined) return noCounts
  if (rows.length === 1) return first
  const sum = (of: (row: Counts) => number): number => rows.reduce((all, row) => all + of(row), 0)
  const most = (of: (row: Counts) => number): number => rows.reduce((all, row) => Math.max(all, of(row)), 0)
  return {
    requests: sum((row) => row.requests),
    faults: sum((row) => row.faults),
    errors: sum((row) => row.errors),
    targetErrors: sum((row) => row.targetErrors),
    totalMs: sum((row) => row.totalMs),
    maxMs: most((row) => row.maxMs),
    targetRequests: sum((row) => row.targetRequests),
    targetMs: sum((row) => row.targetMs),
    targetMaxMs: most((row) => row.targetMaxMs),
    requestBytes: sum((row) => row.requestBytes),
    responseBytes: sum((row) => row.responseBytes),
    total: addBuckets(rows.map(({ total }) => total)),
    target: addBuckets(rows.map(({ target }) => target)),
  }
}

/** null: there is nothing to measure, such as the average of no request. */
export function measureOf(counts: Counts, measure: Measure, clock: Clock, seconds: number): number | null {
  const { requests } = counts
  const timed = clock === 'total' ? requests : counts.targetRequests
  const buckets = clock === 'total' ? counts.total : counts.target
  const longest = clock === 'total' ? counts.maxMs : counts.targetMaxMs
  switch (measure) {
    case 'requests':
    case 'faults':
    case 'errors':
    case 'targetErrors':
      return counts[measure]
    case 'rate':
      return seconds === 0 ? null : requests / seconds
    case 'errorRate':
      return requests === 0 ? null : counts.errors / requests
    case 'faultRate':
      return requests === 0 ? null : counts.faults / requests
    case 'average':
      return timed === 0 ? null : (clock === 'total' ? counts.totalMs : counts.targetMs) / timed
    case 'max':
      return timed === 0 ? null : longest
    default:
      return timed === 0 ? null : latencyPercentile(buckets, Number(measure.slice(1)), longest)
  }
}

function emptyBuckets(): number[] {
  return Array.from({ length: latencyBuckets }, () => 0)
}

function addBuckets(all: readonly (readonly number[])[]): readonly number[] {
  const sums = emptyBuckets()
  for (const buckets of all) for (const [at, count] of buckets.entries()) sums[at] = (sums[at] ?? 0) + count
  return sums
}
