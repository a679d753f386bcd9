import { addCounts, type Counts } from '../../monitor/measures.ts'
import type { Dimension, Filter, Monitor } from '../../monitor/query.ts'
import type { TimeRange } from '../../monitor/time-range.ts'
import { ApiError } from '../api.ts'
import { groupsOf } from '../native/monitoring-answers.ts'
import { holds, namesIn, requiredOf, type StatFilter } from './stats-filter.ts'
import { dimensionOf, keptValue, notSet, shownValue, type StatDimension, type StatMetric } from './stats-terms.ts'
import { bucketsOf, type TimeUnit } from './stats-time.ts'

/** One question of Edge's statistics, in one environment. */
export interface StatQuestion {
  readonly organization: string
  readonly environment: string
  /** None: all requests in one. */
  readonly dimensions: readonly StatDimension[]
  readonly metrics: readonly StatMetric[]
  readonly range: TimeRange
  /** null: all of the time in one. */
  readonly unit: TimeUnit | null
  /** Minutes; see `offsetOf`. */
  readonly offset: number
  readonly filter: StatFilter | null
  readonly sortBy: StatMetric | null
  readonly ascending: boolean
  /** Groups. */
  readonly offsetRows: number
  readonly limit: number
  readonly timesAscending: boolean
}

export interface StatResult {
  /** Starts of the buckets, in the order asked for; null: no unit was. */
  readonly times: readonly number[] | null
  readonly groups: readonly {
    readonly values: readonly string[]
    /** By metric, for all of the time. */
    readonly whole: readonly number[]
    /** By metric, then in the order of the times; null: nothing came in that time. */
    readonly points: readonly (readonly (number | null)[])[]
  }[]
  readonly truncated: boolean
}

interface Row extends Counts {
  readonly at: number
  readonly values: readonly string[]
}

export async function runStats(monitor: Monitor, question: StatQuestion): Promise<StatResult> {
  const { dimensions, metrics, range, unit, ascending } = question
  const filtered = filterNames(question.filter).map(dimensionOf)
  const by = [...new Set([...dimensions, ...filtered].flatMap(({ of }) => (of === null ? [] : [of])))]
  const buckets = unit === null ? null : bucketsOf(range, unit, question.offset)
  const spans = buckets === null ? [{ at: range.from, ...range }] : buckets.kind === 'calendar' ? buckets.each : null
  const where = filtersOf(question)
  let truncated = false
  const rows: Row[] = []
  const ask = async (part: TimeRange, interval: number | null, at: number | null): Promise<void> => {
    const answer = await monitor.aggregate({ from: part.from, to: part.to, interval, by, where, limit: 10_000 })
    truncated ||= answer.truncated
    const fine = answer.rows.filter((row) => passes(question.filter, row, by))
    rows.push(
      ...fine.map((row) => ({
        ...row,
        at: at ?? row.at,
        values: dimensions.map((each) => shownOf(each, row.values, by)),
      })),
    )
    if (rows.length > maxRows) throw new ApiError(400, 'stats-too-large', 'the answer is too large; ask for less of it')
  }
  if (spans !== null) for (const span of spans) await ask(span, null, span.at)
  else if (buckets?.kind === 'even') await ask(range, buckets.interval, null)
  const starts = buckets === null ? [] : buckets.kind === 'even' ? buckets.starts : buckets.each.map(({ at }) => at)
  const times = question.timesAscending ? [...starts] : [...starts].reverse()
  const lengths = secondsBy(range, buckets === null ? [] : starts)
  const seconds = (range.to - range.from) / 1000
  const found = groupsOf(rows, ({ values }) => JSON.stringify(values))
  if (found.length * Math.max(times.length, 1) * metrics.length > maxNumbers) {
    throw new ApiError(400, 'stats-too-large', 'the answer is too large; ask for less of it')
  }
  const groups = found.map(([name, members]) => {
    const counts = addCounts(members)
    const cells = new Map(groupsOf(members, ({ at }) => String(at)).map(([at, each]) => [at, addCounts(each)]))
    return {
      values: JSON.parse(name) as string[],
      weight: (question.sortBy ?? metrics[0])?.value(counts, seconds) ?? 0,
      whole: metrics.map((metric) => metric.value(counts, seconds)),
      points: metrics.map((metric) =>
        times.map((at) => {
          const cell = cells.get(String(at))
          return cell === undefined ? null : metric.value(cell, lengths.get(at) ?? 0)
        }),
      ),
    }
  })
  groups.sort((one, other) => (ascending ? one.weight - other.weight : other.weight - one.weight))
  const end = question.offsetRows + question.limit
  return {
    times: unit === null ? null : times,
    groups: groups.slice(question.offsetRows, end).map(({ values, whole, points }) => ({ values, whole, points })),
    truncated: truncated || groups.length > end,
  }
}

/** I10: cells of one answer. */
const maxRows = 200_000
/** And its numbers: each group has one of each metric for each time, whether something came in it or not. */
const maxNumbers = 1_000_000

/** The one metric that clients write into filters: of the cell that the dimensions of question and filter make. */
const countName = 'message_count'

function filterNames(filter: StatFilter | null): readonly string[] {
  return filter === null ? [] : namesIn(filter).filter((name) => name !== countName)
}

function passes(filter: StatFilter | null, row: Row, by: readonly Dimension[]): boolean {
  if (filter === null) return true
  return holds(filter, (name) => {
    return name === countName ? String(row.requests) : shownOf(dimensionOf(name), row.values, by)
  })
}

function shownOf(dimension: StatDimension, values: readonly string[], by: readonly Dimension[]): string {
  return dimension.of === null ? notSet : shownValue(values[by.indexOf(dimension.of)] ?? '', dimension)
}

/** The store answers for one environment alone, and is told what it need not look at. */
function filtersOf({ organization, environment, filter }: StatQuestion): readonly Filter[] {
  const required = filter === null ? [] : requiredOf(filter)
  return [
    { dimension: 'organization', values: [organization] },
    { dimension: 'environment', values: [environment] },
    ...required.flatMap(({ name, operator, values }): Filter[] => {
      if (name === countName || (operator !== 'eq' && operator !== 'in')) return []
      const dimension = dimensionOf(name)
      if (dimension.of === null) return []
      return [{ dimension: dimension.of, values: values.map((value) => keptValue(value, dimension)) }]
    }),
  ]
}

/** How much of each bucket lies in the range. */
function secondsBy({ from, to }: TimeRange, starts: readonly number[]): ReadonlyMap<number, number> {
  return new Map(
    starts.map((start, at) => {
      const next = starts[at + 1] ?? to
      return [start, (Math.min(next, to) - Math.max(start, from)) / 1000]
    }),
  )
}
