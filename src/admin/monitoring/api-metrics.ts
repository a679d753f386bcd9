import { latencyPercentile } from '../../observe/latency.ts'
import { faultCodeFacts } from '../../monitor/fault-codes.ts'
import { addCounts, type Counts } from '../../monitor/measures.ts'
import type { Aggregate, Dimension, Monitor } from '../../monitor/query.ts'
import { intervalOf } from '../../monitor/time-range.ts'
import type { ApiCall } from '../api.ts'
import { groupsOf } from '../native/monitoring-answers.ts'
import { type ApiQuery, badParameter } from './api-query.ts'

/* Series of Edge's API Monitoring: `{"results":[{"series":[{name, tags, columns, values}]}]}` (apigee-edge.md 1.9). */

interface Column {
  readonly name: string
  /** null: nothing to measure. */
  value(counts: Counts, all: Counts, seconds: number): number | null
}

const trafficColumns: readonly Column[] = [
  { name: 'count', value: ({ requests }) => requests },
  { name: 'rate', value: ({ requests }, all) => (all.requests === 0 ? null : requests / all.requests) },
  { name: 'tps', value: ({ requests }, _, seconds) => requests / seconds },
]

const latencyColumns = (percentile: number): readonly Column[] => [
  {
    name: 'totalLatency',
    value: (counts) => (counts.requests === 0 ? null : latencyPercentile(counts.total, percentile, counts.maxMs)),
  },
  {
    name: 'targetLatency',
    value: (counts) =>
      counts.targetRequests === 0 ? null : latencyPercentile(counts.target, percentile, counts.targetMaxMs),
  },
]

export function trafficSeries(monitor: Monitor, call: ApiCall, query: ApiQuery, region: string): Promise<unknown> {
  return seriesOf(monitor, call, query, { region, columns: chosen(call, trafficColumns, 1), tags: {}, name: 'traffic' })
}

export function latencySeries(monitor: Monitor, call: ApiCall, query: ApiQuery, region: string): Promise<unknown> {
  const text = call.query.get('percentile') ?? '95'
  const percentile = Number(/^p?(50|90|95|99)$/.exec(text)?.[1] ?? 0)
  if (percentile === 0) throw badParameter('percentile', 'is none of 50, 90, 95, 99')
  const columns = chosen(call, latencyColumns(percentile), 2)
  return seriesOf(monitor, call, query, { region, columns, tags: { percentile: String(percentile) }, name: 'latency' })
}

/** Edge's names of what series can be grouped by. `region` is always this gateway's. */
const groupNames: Readonly<Record<string, Dimension | null>> = {
  proxy: 'proxy',
  target: 'targetName',
  env: 'environment',
  statusCode: 'status',
  targetStatusCode: 'targetStatus',
  faultSource: 'faultSource',
  faultCode: 'faultCode',
  faultCodeName: 'faultCode',
  faultCodeCategory: 'faultCode',
  faultCodeSubCategory: 'faultCode',
  region: null,
  developerApp: null,
}

async function seriesOf(
  monitor: Monitor,
  call: ApiCall,
  query: ApiQuery,
  shown: {
    readonly region: string
    readonly columns: readonly Column[]
    readonly tags: Readonly<Record<string, string>>
    readonly name: string
  },
): Promise<unknown> {
  const groups = (call.query.get('groupBy') ?? '').split(',').filter((each) => each !== '')
  for (const each of groups) {
    if (!Object.hasOwn(groupNames, each)) {
      throw badParameter('groupBy', `${JSON.stringify(each)} is none of ${Object.keys(groupNames).join(', ')}`)
    }
  }
  const interval = intervalOf(call.query.get('interval') ?? '1m', query.range)
  const dimensions = groups.flatMap((each) => groupNames[each] ?? [])
  const by = [...new Set([...dimensions, ...(query.isCounted === null ? [] : (['faultCode'] as const))])]
  const asked = { ...query.range, interval, limit: 1000 }
  const found = query.nothing
    ? []
    : (await monitor.aggregate({ ...asked, by, where: [...query.where, ...query.matching] })).rows
  const needsAll = shown.columns.some(({ name }) => name === 'rate')
  const among = groups.filter((each) => each === 'proxy' || each === 'target' || each === 'env')
  const amongBy = among.flatMap((each) => groupNames[each] ?? [])
  const all = needsAll ? (await monitor.aggregate({ ...asked, by: amongBy, where: query.where })).rows : []
  const codeAt = by.indexOf('faultCode')
  const counted = found.filter(({ values }) => query.isCounted?.(values[codeAt] ?? '') ?? true)
  const tagsOf = (row: Aggregate): Readonly<Record<string, string>> =>
    Object.fromEntries(groups.map((each) => [each, groupValue(each, row, by, shown.region)]))
  const series = groupsOf(counted, (row) => JSON.stringify(tagsOf(row))).map(([, rows]) => {
    const tags = rows[0] === undefined ? {} : tagsOf(rows[0])
    const whole = all.filter((row) => among.every((each) => groupValue(each, row, amongBy, '') === tags[each]))
    const wholeAt = new Map(groupsOf(whole, ({ at }) => String(at)))
    const cells = [...groupsOf(rows, ({ at }) => String(at))].sort(([one], [other]) => Number(one) - Number(other))
    return {
      name: groups[0] ?? shown.name,
      tags: { ...everyTag(call, query, shown.region), ...shown.tags, ...tags },
      columns: ['time', ...shown.columns.map(({ name }) => name)],
      values: cells.map(([at, members]) => {
        const counts = addCounts(members)
        const there = addCounts(wholeAt.get(at) ?? [])
        const time = `${new Date(Number(at)).toISOString().slice(0, 19)}Z`
        return [time, ...shown.columns.map((column) => column.value(counts, there, interval / 1000))]
      }),
    }
  })
  return { results: [{ series }] }
}

/** ALL of what is neither grouped nor asked for. */
function everyTag({ query }: ApiCall, { organization, environment }: ApiQuery, region: string) {
  const tag = (name: string): string => query.get(name) ?? 'ALL'
  return {
    org: organization,
    env: environment === '' ? 'ALL' : environment,
    proxy: tag('proxy'),
    target: tag('target'),
    region: region === '' ? 'ALL' : region,
    mpHost: 'ALL',
  }
}

function groupValue(name: string, row: Aggregate, by: readonly Dimension[], region: string): string {
  if (name === 'region') return region
  const dimension = groupNames[name] ?? null
  if (dimension === null) return '(not set)'
  const value = row.values[by.indexOf(dimension)] ?? ''
  if (value === '') return '(not set)'
  if (name === 'faultCodeName' || name === 'faultCodeCategory' || name === 'faultCodeSubCategory') {
    return faultCodeFacts(value)[name]
  }
  return value
}

/** @param fallback how many there are where none is chosen */
function chosen({ query }: ApiCall, columns: readonly Column[], fallback: number): readonly Column[] {
  const names = (query.get('select') ?? '').split(',').filter((each) => each !== '')
  if (names.length === 0) return columns.slice(0, fallback)
  return [...new Set(names)].map((name) => {
    const found = columns.find((column) => column.name === name)
    if (found !== undefined) return found
    throw badParameter('select', `${JSON.stringify(name)} is none of ${columns.map((each) => each.name).join(', ')}`)
  })
}
