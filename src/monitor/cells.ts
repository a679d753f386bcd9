import { latencyBuckets } from '../observe/latency.ts'
import type { RollupCounts } from '../observe/rollup.ts'

/** Counts of one key in some time. Times are whole microseconds: sums are the same in whatever order they are made. */
export interface Cell {
  requests: number
  totalUs: number
  maxUs: number
  targetRequests: number
  targetUs: number
  targetMaxUs: number
  requestBytes: number
  responseBytes: number
  /** By `latencyBucket`. */
  readonly total: number[]
  readonly target: number[]
}

const none = Array.from({ length: latencyBuckets }, () => 0)

export function emptyCell(): Cell {
  return {
    requests: 0,
    totalUs: 0,
    maxUs: 0,
    targetRequests: 0,
    targetUs: 0,
    targetMaxUs: 0,
    requestBytes: 0,
    responseBytes: 0,
    total: none.slice(),
    target: none.slice(),
  }
}

export function addCounts(to: Cell, counts: RollupCounts): void {
  to.requests += counts.requests
  to.totalUs += Math.round(counts.totalMs * 1000)
  to.maxUs = Math.max(to.maxUs, Math.round(counts.maxMs * 1000))
  to.targetRequests += counts.targetRequests
  to.targetUs += Math.round(counts.targetMs * 1000)
  to.targetMaxUs = Math.max(to.targetMaxUs, Math.round(counts.targetMaxMs * 1000))
  to.requestBytes += counts.requestBytes
  to.responseBytes += counts.responseBytes
  addBuckets(to.total, counts.total)
  addBuckets(to.target, counts.target)
}

export function addCell(to: Cell, cell: Cell): void {
  to.requests += cell.requests
  to.totalUs += cell.totalUs
  to.maxUs = Math.max(to.maxUs, cell.maxUs)
  to.targetRequests += cell.targetRequests
  to.targetUs += cell.targetUs
  to.targetMaxUs = Math.max(to.targetMaxUs, cell.targetMaxUs)
  to.requestBytes += cell.requestBytes
  to.responseBytes += cell.responseBytes
  addBuckets(to.total, cell.total)
  addBuckets(to.target, cell.target)
}

export function clearCell(cell: Cell): void {
  cell.requests = 0
  cell.totalUs = 0
  cell.maxUs = 0
  cell.targetRequests = 0
  cell.targetUs = 0
  cell.targetMaxUs = 0
  cell.requestBytes = 0
  cell.responseBytes = 0
  cell.total.fill(0)
  cell.target.fill(0)
}

function addBuckets(to: number[], from: ArrayLike<number>): void {
  for (let at = 0; at < to.length; at++) to[at]! += from[at] ?? 0
}

const scratch = new Uint8Array(8 * 10 + 2 * (2 + latencyBuckets * 12))

/** Numbers of seven bits a byte, lowest first; of the buckets those that hold any. Some sixty bytes where all at full length is 600. */
export function packCell(cell: Cell): Uint8Array {
  let end = 0
  for (const value of [
    cell.requests,
    cell.totalUs,
    cell.maxUs,
    cell.targetRequests,
    cell.targetUs,
    cell.targetMaxUs,
    cell.requestBytes,
    cell.responseBytes,
  ])
    end = put(end, value)
  end = putBuckets(end, cell.total)
  end = putBuckets(end, cell.target)
  return scratch.slice(0, end)
}

function putBuckets(at: number, buckets: number[]): number {
  let filled = 0
  for (const count of buckets) if (count > 0) filled++
  let end = put(at, filled)
  for (let bucket = 0; bucket < buckets.length; bucket++) {
    const count = buckets[bucket] as number
    if (count === 0) continue
    end = put(end, bucket)
    end = put(end, count)
  }
  return end
}

function put(at: number, value: number): number {
  let end = at
  let rest = value
  while (rest >= 0x80) {
    scratch[end++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  scratch[end++] = rest
  return end
}

/** Reading goes on from here; one reader for all, as nothing waits in between. */
let place = 0

/** Adds what was packed, without making a cell of it first. */
export function addPacked(to: Cell, bytes: Uint8Array): void {
  place = 0
  to.requests += take(bytes)
  to.totalUs += take(bytes)
  to.maxUs = Math.max(to.maxUs, take(bytes))
  to.targetRequests += take(bytes)
  to.targetUs += take(bytes)
  to.targetMaxUs = Math.max(to.targetMaxUs, take(bytes))
  to.requestBytes += take(bytes)
  to.responseBytes += take(bytes)
  takeBuckets(to.total, bytes)
  takeBuckets(to.target, bytes)
}

/** Requests of what was packed: the first of its numbers. */
export function packedRequests(bytes: Uint8Array): number {
  place = 0
  return take(bytes)
}

function takeBuckets(to: number[], bytes: Uint8Array): void {
  for (let filled = take(bytes); filled > 0; filled--) {
    const bucket = take(bytes)
    const count = take(bytes)
    // A later version may count in more of them.
    to[Math.min(bucket, to.length - 1)]! += count
  }
}

function take(bytes: Uint8Array): number {
  let value = 0
  for (let unit = 1; ; unit *= 0x80) {
    const byte = bytes[place++] ?? 0
    value += (byte & 0x7f) * unit
    if (byte < 0x80) return value
  }
}
