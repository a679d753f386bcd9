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
  /** Rounds in which all it compares were measured; null where nothing is compared. */
  readonly pairs: number | null
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
  'p99-latency': 'p99 µs',
  'heap-per-request': 'heap B/request',
  'rss-per-connection': 'KiB/connection',
}

/** Fewer pairs than this are a look, not a measurement. */
export const leastPairs = 7

/** What `--enforce` fails on: a bar missed, or not measured over enough pairs. */
export function failsEnforcement({ bars, skipped }: ScenarioReport): boolean {
  return bars.some(({ entrant, against, whereInstallable, met, pairs }) => {
    const absent = [entrant, ...(against ?? [])].some((of) => skipped.some(({ label }) => label === of))
    if (whereInstallable === true && absent) return false
    return met !== true || (pairs !== null && pairs < leastPairs)
  })
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
      ratio: yardstick === undefined ? null : pairedRatio(of, yardstick, ({ figure }) => figure),
      p99Ratio: yardstick === undefined ? null : pairedRatio(of, yardstick, ({ p99Micros }) => p99Micros),
      requestsPerSecond: column(({ requestsPerSecond }) => requestsPerSecond),
      p50Micros: column(({ p50Micros }) => p50Micros),
      p99Micros: column(({ p99Micros }) => p99Micros),
      busy: column(({ busy }) => busy),
      noise: column(({ noise }) => noise),
      failedRounds: of.samples.filter((sample) => sample === null).length,
      samples: of.samples,
    }
  })
  // A bar about a peer that --peers left out was not asked about.
  const asked = new Set([...measured.map(({ entrant }) => entrant), ...skipped, ...excluded].map(({ label }) => label))
  const bars = scenario.bars
    .filter(({ entrant, against }) => [entrant, ...(against ?? [])].every((label) => asked.has(label)))
    .map((bar) => judgeBar(bar, find))
  const { name, about, measure } = scenario
  return { name, about, measure, unit: units[measure], rows, skipped, excluded, bars }
}

function judgeBar(bar: Bar, find: (label: string) => Measured | undefined): BarResult {
  const entrant = find(bar.entrant)
  if (entrant === undefined) return { ...bar, value: null, met: null, pairs: null }
  if (bar.against === null) {
    const { median } = spread(entrant.samples.flatMap((sample) => (sample === null ? [] : [sample.figure])))
    return { ...bar, value: median, met: median <= bar.atMost, pairs: null }
  }
  // All of them: the cheapest of those that happen to be installed is an easier bar than the cheapest.
  const yardsticks = bar.against.flatMap((label) => find(label) ?? [])
  const complete = yardsticks.length === bar.against.length
  const ratios = complete ? pairedRatios(entrant, yardsticks, ({ figure }) => figure) : []
  if (ratios.length === 0) return { ...bar, value: null, met: null, pairs: 0 }
  const { median } = spread(ratios)
  return { ...bar, value: median, met: median <= bar.atMost, pairs: ratios.length }
}

/** One for each round in which it and all yardsticks were measured. */
function pairedRatios(of: Measured, yardsticks: readonly Measured[], pick: (sample: Sample) => number): number[] {
  return of.samples.flatMap((sample, round) => {
    const others = yardsticks.flatMap(({ samples }) => samples[round] ?? [])
    return sample === null || others.length < yardsticks.length ? [] : [pick(sample) / Math.min(...others.map(pick))]
  })
}

function pairedRatio(of: Measured, yardstick: Measured, pick: (sample: Sample) => number): Spread | null {
  const ratios = pairedRatios(of, [yardstick], pick)
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
  const shown = columns.filter(({ hiddenIn }) => hiddenIn?.includes(report.measure) !== true)
  const head = ['proxy', 'version', report.unit, 'ratio (min-max)', ...shown.map(({ title }) => title)]
  const cells = report.rows.map((row) => {
    const first = [row.label, row.version, row.figure.median.toFixed(1), ratioText(row.ratio, 2)]
    return [...first, ...shown.map(({ text }) => text(row))]
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

interface Column {
  readonly title: string
  readonly text: (row: Row) => string
  readonly hiddenIn?: readonly Measure[]
}

const columns: readonly Column[] = [
  {
    title: 'requests/s',
    text: (row) => row.requestsPerSecond.median.toFixed(0),
    hiddenIn: ['rss-per-connection'],
  },
  { title: 'p50 µs', text: (row) => row.p50Micros.median.toFixed(0), hiddenIn: ['rss-per-connection'] },
  {
    title: 'p99 µs',
    text: (row) => row.p99Micros.median.toFixed(0),
    hiddenIn: ['rss-per-connection', 'p99-latency'],
  },
  {
    title: 'p99 ratio',
    text: ({ p99Ratio }) => (p99Ratio === null ? '' : p99Ratio.median.toFixed(2)),
    hiddenIn: ['rss-per-connection', 'p99-latency'],
  },
  { title: 'core', text: ({ busy }) => `${(busy.median * 100).toFixed(0)}%`, hiddenIn: ['rss-per-connection'] },
]

function ratioText(ratio: Spread | null, digits: number): string {
  if (ratio === null) return '1'
  const [median, min, max] = [ratio.median, ratio.min, ratio.max].map((value) => value.toFixed(digits))
  return `${median} (${min}-${max})`
}

function barText({ entrant, against, atMost, value, met, pairs }: BarResult, unit: string): string {
  const what = against === null ? `${entrant}, ${unit}` : `${entrant} / ${against.join(' or ')}`
  if (value === null) return `bar: ${what} <= ${atMost}: not measured`
  const few = pairs !== null && pairs < leastPairs ? `, of ${pairs} pairs only` : ''
  return `bar: ${what} <= ${atMost}: ${value.toFixed(2)}, ${met === true ? 'met' : 'MISSED'}${few}`
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  // Names to the left, figures to the right.
  const pad = (text: string, i: number) => (i < 2 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))
  return rows.map((row) => `  ${row.map(pad).join('  ')}`)
}
