import type { MetricSample } from './exposition.ts'

/**
 * Bounds that OpenTelemetry advises for `http.server.request.duration` and `http.client.request.duration`, in seconds
 * (semantic conventions for HTTP metrics). All are among `latencyBounds`, so rollups tell them exactly.
 */
export const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const

/** Its labels without `le`; counts by bucket, the last for what is longer than every bound. */
export function histogramSamples(
  labels: Readonly<Record<string, string>>,
  bounds: readonly number[],
  counts: Float64Array,
  sum: number,
): readonly MetricSample[] {
  let count = 0
  const samples: MetricSample[] = []
  for (let slot = 0; slot <= bounds.length; slot++) {
    count += counts[slot] ?? 0
    const bound = bounds[slot]
    const le = bound === undefined ? '+Inf' : String(bound)
    samples.push({ suffix: '_bucket', labels: { ...labels, le }, value: count })
  }
  samples.push({ suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: count })
  return samples
}
