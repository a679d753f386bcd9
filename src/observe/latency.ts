/*
 * One set of latency buckets for everything that counts durations: rollups, Prometheus, OTLP. Every bound that
 * OpenTelemetry's HTTP conventions advise for `http.*.request.duration` is among them.
 */

/** Upper bounds in milliseconds, inclusive; one more bucket is for what is longer. */
export const latencyBounds: readonly number[] = [
  0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3.5, 5, 7.5, 10, 15, 25, 35, 50, 75, 100, 150, 250, 350, 500, 750, 1000, 1500, 2500,
  3500, 5000, 7500, 10_000, 15_000, 30_000, 60_000,
]

export const latencyBuckets = latencyBounds.length + 1

/** Place of a duration among the buckets: a binary search, five or six comparisons. */
export function latencyBucket(ms: number): number {
  let low = 0
  let high = latencyBounds.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ms > (latencyBounds[middle] as number)) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * A percentile (0 to 100) as the buckets tell it, between the bounds of its bucket by proportion; ms.
 *
 * @param max longest that was counted: the end of the last bucket that holds any
 */
export function latencyPercentile(counts: ArrayLike<number>, percentile: number, max: number): number {
  let total = 0
  for (let at = 0; at < counts.length; at++) total += counts[at] as number
  if (total === 0) return 0
  const rank = (percentile / 100) * total
  let seen = 0
  for (let at = 0; at < counts.length; at++) {
    const count = counts[at] as number
    if (count > 0 && seen + count >= rank) {
      const from = at === 0 ? 0 : (latencyBounds[at - 1] as number)
      const to = Math.min(latencyBounds[at] ?? max, max)
      return to <= from ? to : from + (to - from) * ((rank - seen) / count)
    }
    seen += count
  }
  return max
}
