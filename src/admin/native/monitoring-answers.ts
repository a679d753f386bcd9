import type { z } from 'zod'
import { addCounts, type Clock, type Counts, type Measure, measureOf } from '../../monitor/measures.ts'
import type { AggregateAnswer, Dimension, StoredSample } from '../../monitor/query.ts'
import { startsOf, type TimeRange } from '../../monitor/time-range.ts'
import type { Traces } from '../../traces/types.ts'
import type { Matrix, MonitoredRequest, Series } from './monitoring-documents.ts'

/* From aggregates to what is shown. Pure. */

export const isoRange = ({ from, to }: TimeRange): { from: string; to: string } => ({
  from: new Date(from).toISOString(),
  to: new Date(to).toISOString(),
})

interface Shown {
  readonly range: TimeRange
  readonly clock: Clock
  /** Milliseconds; null: no times. */
  readonly interval: number | null
  readonly limit: number
}

/** `answer`: by `rows` and, where the columns are no times, `columns`. */
export function matrixOf(
  answer: AggregateAnswer,
  shown: Shown & { readonly rows: Dimension; readonly columns: Dimension | 'time'; readonly measure: Measure },
): z.output<typeof Matrix> {
  const { range, clock, interval, limit, measure } = shown
  const columnOf = (row: AggregateAnswer['rows'][number]): string =>
    interval === null ? (row.values[1] ?? '') : String(row.at)
  const rows = groupsOf(answer.rows, (row) => row.values[0] ?? '')
  const columns =
    interval === null
      ? groupsOf(answer.rows, columnOf).map(([name]) => name)
      : startsOf(range, interval).map((at) => String(at))
  const shownRows = rows.slice(0, limit)
  const shownColumns = interval === null ? columns.slice(0, limit) : columns
  const seconds = secondsOf(range, interval)
  return {
    ...isoRange(range),
    measure,
    latency: clock,
    interval,
    rows: {
      dimension: shown.rows,
      values: shownRows.map(([name]) => name),
      measures: shownRows.map(([, members]) =>
        measureOf(addCounts(members), measure, clock, secondsOf(range, null)(range.from)),
      ),
    },
    columns: {
      dimension: shown.columns,
      values: interval === null ? shownColumns : shownColumns.map((at) => new Date(Number(at)).toISOString()),
    },
    cells: shownRows.map(([, members]) => {
      const cells = new Map(groupsOf(members, columnOf))
      return shownColumns.map((column) =>
        measureOf(addCounts(cells.get(column) ?? []), measure, clock, seconds(Number(column))),
      )
    }),
    truncated: answer.truncated || rows.length > shownRows.length || columns.length > shownColumns.length,
    resolution: answer.resolution,
  }
}

export function seriesOf(
  answer: AggregateAnswer,
  shown: Shown & {
    readonly interval: number
    readonly by: readonly Dimension[]
    readonly measures: readonly Measure[]
  },
): z.output<typeof Series> {
  const { range, clock, interval, by, measures, limit } = shown
  const starts = startsOf(range, interval)
  const groups = groupsOf(answer.rows, ({ values }) => JSON.stringify(values))
  const seconds = secondsOf(range, interval)
  const wholeSeconds = (range.to - range.from) / 1000
  return {
    ...isoRange(range),
    interval,
    latency: clock,
    times: starts.map((at) => new Date(at).toISOString()),
    series: groups.slice(0, limit).map(([, members]) => {
      const whole = addCounts(members)
      const cells = new Map(groupsOf(members, ({ at }) => String(at)))
      const points = starts.map((at) => addCounts(cells.get(String(at)) ?? []))
      return {
        values: Object.fromEntries(by.map((dimension, at) => [dimension, members[0]?.values[at] ?? ''])),
        whole: Object.fromEntries(measures.map((each) => [each, measureOf(whole, each, clock, wholeSeconds)])),
        points: Object.fromEntries(
          measures.map((each) => [
            each,
            points.map((counts, at) => measureOf(counts, each, clock, seconds(starts[at] ?? 0))),
          ]),
        ),
      }
    }),
    truncated: answer.truncated || groups.length > limit,
    resolution: answer.resolution,
  }
}

export function latencyOf(counts: Counts, clock: Clock) {
  const of = (measure: Measure): number | null => measureOf(counts, measure, clock, 0)
  return { average: of('average'), max: of('max'), p50: of('p50'), p90: of('p90'), p95: of('p95'), p99: of('p99') }
}

/** @param traces null: there are none to look in */
export function requestOf(
  { key, sample }: StoredSample,
  traces: Pick<Traces, 'find'> | null,
): z.output<typeof MonitoredRequest> {
  const { proxyKey: _, organization, environment, ...shown } = key
  const request = traces?.find(sample.id)?.session ?? null
  const isOurs = request?.request.organization === organization && request.request.environment === environment
  return {
    ...sample,
    ...shown,
    at: new Date(sample.at).toISOString(),
    targetMs: sample.targetMs < 0 ? null : sample.targetMs,
    debugSession:
      request === null || !isOurs
        ? null
        : {
            id: request.id,
            name: request.request.name,
            proxy: request.request.proxy,
            revision: request.request.revision,
          },
  }
}

/** Members by name; the one with the most requests first, then by name. */
export function groupsOf<T extends { readonly requests: number }>(
  rows: readonly T[],
  nameOf: (row: T) => string,
): readonly (readonly [string, readonly T[]])[] {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const name = nameOf(row)
    const members = groups.get(name)
    if (members === undefined) groups.set(name, [row])
    else members.push(row)
  }
  const weight = (members: readonly T[]): number => members.reduce((sum, { requests }) => sum + requests, 0)
  return [...groups].sort(
    ([oneName, one], [otherName, other]) => weight(other) - weight(one) || (oneName < otherName ? -1 : 1),
  )
}

/** How much of an interval lies in the range: the first and the last may not do so wholly. */
function secondsOf({ from, to }: TimeRange, interval: number | null): (start: number) => number {
  if (interval === null) return () => (to - from) / 1000
  return (start) => Math.max(0, Math.min(start + interval, to) - Math.max(start, from)) / 1000
}
