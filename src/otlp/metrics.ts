import type { MetricFamily, MetricSample } from '../observe/exposition.ts'
import type { HistogramPoint, KeyValue, Metric, NumberPoint, SummaryPoint } from './messages.ts'

import { attributeName, isInteger, metricName } from './metric-names.ts'
import { double, text, unixNano } from './messages.ts'

/**
 * Families in the form of Prometheus as metrics of OTLP. Counters and histograms are cumulative; a series that has been
 * counted down began anew after the export before (metrics data model, "Resets and Gaps"). A summary stays one.
 */
export class MetricConverter {
  #beganAt: number
  #lastAt: number
  /** What each cumulative series had, and since when it counts; of the last export alone, so as many as that had (I10). */
  #series: ReadonlyMap<string, Cumulative> = new Map()

  /** @param beganAt since when counters count, ms since the epoch; the start of the process, where a family says it, goes before it */
  constructor(beganAt: number) {
    this.#beganAt = beganAt
    this.#lastAt = beganAt
  }

  convert(at: number, families: readonly MetricFamily[]): readonly Metric[] {
    const series = new Map<string, Cumulative>()
    const started = families.find(({ name }) => name === 'process_start_time_seconds')?.samples[0]?.value
    if (started !== undefined && started > 0) this.#beganAt = started * 1000
    const since = (family: string, labels: string, value: number): string => {
      const key = `${family}\n${labels}`
      const before = this.#series.get(key)
      const start = before === undefined ? this.#beganAt : value < before.value ? this.#lastAt : before.start
      series.set(key, { value, start })
      return unixNano(Math.min(start, at))
    }
    const metrics = families
      .filter(({ samples }) => samples.length > 0)
      .map((family) => metricOf(family, unixNano(at), (labels, value) => since(family.name, labels, value)))
    this.#series = series
    this.#lastAt = at
    return metrics
  }
}

interface Cumulative {
  readonly value: number
  readonly start: number
}

type Since = (labels: string, value: number) => string

function metricOf(family: MetricFamily, timeUnixNano: string, since: Since): Metric {
  const { name, unit } = metricName(family)
  const said = { name, description: text(family.help), ...(unit === '' ? {} : { unit }) }
  switch (family.type) {
    case 'gauge':
      return { ...said, gauge: { dataPoints: family.samples.map((sample) => point(sample, timeUnixNano)) } }
    case 'counter': {
      const dataPoints = family.samples.map((sample) => ({
        ...point(sample, timeUnixNano),
        startTimeUnixNano: since(labelKey(sample.labels), sample.value),
      }))
      return { ...said, sum: { dataPoints, aggregationTemporality: 2, isMonotonic: true } }
    }
    case 'histogram': {
      const dataPoints = grouped(family.samples, 'le').map((group) => histogramPoint(group, timeUnixNano, since))
      return { ...said, histogram: { dataPoints, aggregationTemporality: 2 } }
    }
    default: {
      const dataPoints = grouped(family.samples, 'quantile').map((group) => summaryPoint(group, timeUnixNano, since))
      return { ...said, summary: { dataPoints } }
    }
  }
}

function point({ labels, value }: MetricSample, timeUnixNano: string): NumberPoint {
  return { attributes: attributesOf(labels), timeUnixNano, asDouble: double(value) }
}

/** The samples of one series: by its labels without the one that tells them apart. */
interface Group {
  readonly key: string
  readonly attributes: readonly KeyValue[]
  /** By that label. */
  readonly parts: (readonly [of: number, value: number])[]
  sum: number
  count: number
}

function grouped(samples: readonly MetricSample[], apart: 'le' | 'quantile'): readonly Group[] {
  const groups = new Map<string, Group>()
  for (const { suffix = '', labels, value } of samples) {
    const { [apart]: of, ...rest } = labels
    const key = labelKey(rest)
    let group = groups.get(key)
    if (group === undefined)
      groups.set(key, (group = { key, attributes: attributesOf(rest), parts: [], sum: 0, count: 0 }))
    if (suffix === '_sum') group.sum = value
    else if (suffix === '_count') group.count = value
    else if (of !== undefined) group.parts.push([of === '+Inf' ? Number.POSITIVE_INFINITY : Number(of), value])
  }
  return [...groups.values()]
}

/** Buckets of Prometheus hold those below them, too; both include their upper bound. */
function histogramPoint(
  { key, attributes, parts, sum, count }: Group,
  timeUnixNano: string,
  since: Since,
): HistogramPoint {
  const ordered = parts
    .toSorted(([one], [other]) => one - other)
    .filter(([bound]) => bound !== Number.POSITIVE_INFINITY)
  let below = 0
  const counts = ordered.map(([, cumulative]) => {
    const own = Math.max(0, cumulative - below)
    below = Math.max(below, cumulative)
    return own
  })
  counts.push(Math.max(0, count - below))
  return {
    attributes,
    startTimeUnixNano: since(key, count),
    timeUnixNano,
    count: String(counts.reduce((all, own) => all + own, 0)),
    sum: double(sum),
    bucketCounts: counts.map(String),
    explicitBounds: ordered.map(([bound]) => bound),
  }
}

function summaryPoint({ key, attributes, parts, sum, count }: Group, timeUnixNano: string, since: Since): SummaryPoint {
  const quantileValues = parts.map(([quantile, value]) => ({ quantile, value: double(value) }))
  return {
    attributes,
    startTimeUnixNano: since(key, count),
    timeUnixNano,
    count: String(count),
    sum: double(sum),
    ...(quantileValues.length === 0 ? {} : { quantileValues }),
  }
}

function labelKey(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(labels)
}

/** A label that is '' is none, as in Prometheus. */
function attributesOf(labels: Readonly<Record<string, string>>): readonly KeyValue[] {
  const list: KeyValue[] = []
  for (const label in labels) {
    const value = labels[label] as string
    if (value === '') continue
    const key = attributeName(label)
    const number = isInteger(key) && /^\d{1,9}$/.test(value)
    list.push({ key, value: number ? { intValue: value } : { stringValue: text(value) } })
  }
  return list
}
