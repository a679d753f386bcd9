import type { Measured, Sample, ScenarioRun } from './measure.ts'
import type { Bar, Measure, Scenario } from './scenarios.ts'

interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

interface Row {
  readonly label: string
  readonly version: string
  readonly figure: Spread
  /** Paired: each round's figure over the yardstick's figure of the same round. */
  readonly ratio: Spread | null
  readonly p99Ratio: Spread | null
  readonly requestsPerSecond: Spread
  readonly p50Micros: Spread
  readonly p99Micros: Spread
  readonly busy: Spread
  readonly noise: Spread
  readonly failedRounds: number
  readonly samples: readonly (Sample | null)[]
}

interface BarResult extends Bar {
  /** null: an entrant it needs was not measured. */
  readonly value: number | null
  readonly met: boolean | null
}

export interface ScenarioReport {
  readonly name: string
  readonly about: string
  readonly measure: Measure
  readonly unit: string
  readonly rows: readonly Row[]
  readonly skipped: ScenarioRun['skipped']
  readonly excluded: ScenarioRun['excluded']
  readonly bars: readonly BarResult[]
}

const units: Readonly<Record<Measure, string>> = {
  'cpu-per-request': 'CPU µs/request',
  'cpu-per-mib': 'CPU µs/MiB',
  'rss-per-connection': 'KiB/connection',
}

/** The result as data; the table below and the JSON file are two renderings of it. */
export function summarise({ scenario, measured, skipped, excluded }: ScenarioRun): ScenarioReport {
  const find = (label: string) => measured.find(({ entrant }) => entrant.label === label)
  const rows = measured.map((of): Row => {
    const yardstick = of.entrant.against === null ? undefined : find(of.entrant.against)
    const column = (pick: (sample: Sample) => number) =>
      spread(of.samples.flatMap((s) => (s === null ? [] : [pick(s)])))
    return {
      label: of.entrant.label,
      version: of.version,
      figure: column(({ figure }) => figure),
      ratio: yardstick === undefined ? null : pairedRatio(of, [yardstick], ({ figure }) => figure),
      p99Ratio: yardstick === undefined ? null : pairedRatio(of, [yardstick], ({ p99Micros }) => p99Micros),
      requestsPerSecond: column(({ requestsPerSecond }) => requestsPerSecond),
      p50Micros: column(({ p50Micros }) => p50Micros),
      p99Micros: column(({ p99Micros }) => p99Micros),
      busy: column(({ busy }) => busy),
      noise: column(({ noise }) => noise),
      failedRounds: of.samples.filter((sample) => sample === null).length,
      samples: of.samples,
    }
  })
  const bars = scenario.bars.map((bar) => judgeBar(bar, find))
  const { name, about, measure } = scenario
  return { name, about, measure, unit: units[measure], rows, skipped, excluded, bars }
}

function judgeBar(bar: Bar, find: (label: string) => Measured | undefined): BarResult {
  const entrant = find(bar.entrant)
  const yardsticks = (bar.against ?? []).flatMap((label) => find(label) ?? [])
  if (entrant === undefined || (bar.against !== null && yardsticks.length === 0))
    return { ...bar, value: null, met: null }
  const figures = entrant.samples.flatMap((sample) => (sample === null ? [] : [sample.figure]))
  const value =
    bar.against === null ? spread(figures).median : pairedRatio(entrant, yardsticks, ({ figure }) => figure)?.median
  return value === undefined ? { ...bar, value: null, met: null } : { ...bar, value, met: value <= bar.atMost }
}

function pairedRatio(of: Measured, yardsticks: readonly Measured[], pick: (sample: Sample) => number): Spread | null {
  const ratios = of.samples.flatMap((sample, round) => {
    const others = yardsticks.flatMap(({ samples }) => samples[round] ?? [])
    return sample === null || others.length === 0 ? [] : [pick(sample) / Math.min(...others.map(pick))]
  })
  return ratios.length === 0 ? null : spread(ratios)
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle] : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
  return { median: median ?? 0, min: sorted[0] ?? 0, max: sorted.at(-1) ?? 0 }
}

/** The table of one scenario with what was left out, the bars, and a warning where the machine was not quiet. */
export function renderReport(report: ScenarioReport, scenario: Scenario): string {
  const memory = report.measure === 'rss-per-connection'
  const head = memory
    ? ['proxy', 'version', report.unit, 'ratio (min-max)']
    : ['proxy', 'version', report.unit, 'ratio (min-max)', 'requests/s', 'p50 µs', 'p99 µs', 'p99 ratio', 'core']
  const cells = report.rows.map((row) => {
    const first = [row.label, row.version, row.figure.median.toFixed(1), ratioText(row.ratio, 2)]
    if (memory) return first
    const latency = [row.p50Micros, row.p99Micros].map(({ median }) => median.toFixed(0))
    const core = `${(row.busy.median * 100).toFixed(0)}%`
    const p99Ratio = row.p99Ratio === null ? '' : row.p99Ratio.median.toFixed(2)
    return [...first, row.requestsPerSecond.median.toFixed(0), ...latency, p99Ratio, core]
  })
  const noisy = Math.max(0, ...report.rows.map(({ noise }) => noise.median))
  return [
    `${report.name}: ${scenario.about}`,
    ...table([head, ...cells]),
    ...report.rows
      .filter((row) => row.failedRounds > 0)
      .map((row) => `${row.label}: ${row.failedRounds} rounds failed`),
    ...report.skipped.map(({ label, reason }) => `${label}: skipped: ${reason}`),
    ...report.excluded.map(({ label, reason }) => `${label}: excluded: ${reason}`),
    ...report.bars.map((bar) => barText(bar, report.unit)),
    ...(noisy > 0.05 ? [`noise: others used ${(noisy * 100).toFixed(0)}% of the proxy's core; read ratios only`] : []),
  ].join('\n')
}

function ratioText(ratio: Spread | null, digits: number): string {
  if (ratio === null) return '1'
  const [median, min, max] = [ratio.median, ratio.min, ratio.max].map((value) => value.toFixed(digits))
  return `${median} (${min}-${max})`
}

function barText({ entrant, against, atMost, value, met }: BarResult, unit: string): string {
  const what = against === null ? `${entrant}, ${unit}` : `${entrant} / ${against.join(' or ')}`
  if (value === null) return `bar: ${what} <= ${atMost}: not measured`
  return `bar: ${what} <= ${atMost}: ${value.toFixed(2)}, ${met === true ? 'met' : 'MISSED'}`
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  // Names to the left, figures to the right.
  const pad = (text: string, i: number) => (i < 2 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))
  return rows.map((row) => `  ${row.map(pad).join('  ')}`)
}
