import { z } from 'zod'
import type { Monitor } from '../../monitor/query.ts'
import { dayMs, hourMs, minuteMs, momentOf, type TimeRange, wholeMinutes } from '../../monitor/time-range.ts'
import { type ApiCall, ApiError, type ApiRoute, json } from '../api.ts'
import { asked } from '../monitoring/asked.ts'
import { environmentPath } from './entity-scope.ts'
import { type QueryJob, QueryJobs } from './query-jobs.ts'
import { scopeOf } from './scope.ts'
import { parseFilter } from './stats-filter.ts'
import { runStats, type StatQuestion, type StatResult } from './stats-run.ts'
import { dimensionOf, metricsOf, type StatMetric } from './stats-terms.ts'
import { offsetOf, ordered, timeUnitOf } from './stats-time.ts'

const Metric = z.object({
  name: z.string().max(100),
  function: z.string().max(40).optional(),
  alias: z.string().max(100).optional(),
  operator: z.enum(['+', '-', '*', '/', '%']).optional(),
  value: z.coerce.number().optional(),
})

const Body = z.object({
  name: z.string().max(255).default(''),
  metrics: z.array(Metric).min(1).max(25),
  dimensions: z.array(z.string().max(100)).max(25).default([]),
  timeRange: z.union([z.string().max(60), z.object({ start: z.string().max(40), end: z.string().max(40) })]),
  groupByTimeUnit: z.string().max(20).optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(10_000),
  filter: z.string().default(''),
  outputFormat: z.enum(['json', 'csv']).default('json'),
})

/** Queries that run by themselves (apigee-edge.md 1.9): asked for with POST, looked at, and fetched when they are done. */
export function queryRoutes({
  monitor,
  clock = Date.now,
}: {
  readonly monitor: Monitor
  readonly clock?: () => number
}): readonly ApiRoute[] {
  const jobs = new QueryJobs(clock)
  const collection = `${environmentPath}/queries`
  const found = async (call: ApiCall): Promise<QueryJob> => {
    const scope = await call.services.read((view) => scopeOf(view, call.params))
    const job = jobs.get(scope, call.params['query'] ?? '')
    if (job !== null) return job
    throw new ApiError(404, 'query-unknown', `there is no query ${call.params['query']}; the oldest are forgotten`)
  }
  return [
    {
      method: 'GET',
      path: collection,
      role: 'viewer',
      async handle(call) {
        const scope = await call.services.read((view) => scopeOf(view, call.params))
        return json(200, jobs.list(scope).map(beanOf))
      },
    },
    {
      method: 'POST',
      path: collection,
      role: 'operator',
      async handle(call) {
        const scope = await call.services.read((view) => scopeOf(view, call.params))
        const { question, metrics, format, name } = await questionOf(call)
        const job = jobs.start(scope, name, async () => {
          const result = await asked(() => runStats(monitor, question))
          return { rows: rowsOf(question, result, metrics), format }
        })
        return json(201, beanOf(job))
      },
    },
    {
      method: 'GET',
      path: `${collection}/:query`,
      role: 'viewer',
      handle: async (call) => json(200, beanOf(await found(call))),
    },
    {
      method: 'GET',
      path: `${collection}/:query/result`,
      role: 'viewer',
      async handle(call) {
        const job = await found(call)
        if (job.result === null) {
          const why = job.state === 'failed' ? `failed: ${job.error}` : `is ${job.state}`
          throw new ApiError(400, 'query-not-completed', `query ${job.id} ${why}`)
        }
        const headers = { 'content-disposition': `attachment; filename="OfflineQueryResult-${job.id}.zip"` }
        return { status: 200, bytes: job.result, type: 'application/octet-stream', headers }
      },
    },
  ]
}

function beanOf(job: QueryJob) {
  const [org = '', env = ''] = job.scope.split('/')
  const self = `/organizations/${org}/environments/${env}/queries/${job.id}`
  const bean = { self, state: job.state, name: job.name, created: iso(job.created), updated: iso(job.updated) }
  if (job.state === 'failed') return { ...bean, error: job.error }
  if (job.state !== 'completed') return bean
  return {
    ...bean,
    result: { self: `${self}/result` },
    resultRows: job.rows,
    resultFileSize: `${job.result?.length ?? 0}B`,
  }
}

const iso = (at: number): string => new Date(at).toISOString()

interface NamedMetric extends StatMetric {
  readonly alias: string
}

async function questionOf(call: ApiCall) {
  const parsed = Body.safeParse(await call.json())
  if (!parsed.success) throw new ApiError(400, 'bad-value', z.prettifyError(parsed.error))
  const body = parsed.data
  const metrics = body.metrics.map(metricOf)
  const question: StatQuestion = {
    organization: call.params['org'] ?? '',
    environment: call.params['env'] ?? '',
    dimensions: body.dimensions.map(dimensionOf),
    metrics,
    range: rangeOf(body.timeRange, call.services.clock()),
    unit: timeUnitOf(body.groupByTimeUnit ?? null),
    offset: offsetOf(call.query.get('tzo')),
    filter: body.filter === '' ? null : parseFilter(body.filter),
    sortBy: null,
    ascending: false,
    offsetRows: 0,
    limit: body.limit,
    timesAscending: true,
  }
  return { question, metrics, format: body.outputFormat, name: body.name }
}

function metricOf({ name, function: with_, alias, operator, value }: z.output<typeof Metric>): NamedMetric {
  const [metric] = metricsOf(with_ === undefined ? name : `${with_}(${name})`)
  if (metric === undefined) throw new ApiError(400, 'stats-metric', `metric ${name} is not known`)
  if ((operator === undefined) !== (value === undefined)) {
    throw new ApiError(400, 'stats-metric', `metric ${name}: operator and value go together`)
  }
  return {
    ...metric,
    alias: alias ?? metric.name,
    value: (counts, seconds) => calculated(metric.value(counts, seconds), operator, value ?? 0),
  }
}

function calculated(one: number, operator: string | undefined, two: number): number {
  if (operator === '+') return one + two
  if (operator === '-') return one - two
  if (operator === '*') return one * two
  if (operator === '/') return two === 0 ? 0 : one / two
  if (operator === '%') return two === 0 ? 0 : one % two
  return one
}

function rangeOf(asked: string | { readonly start: string; readonly end: string }, now: number): TimeRange {
  if (typeof asked !== 'string') {
    const [from, to] = [momentOf(asked.start, now), momentOf(asked.end, now)]
    if (from === null || to === null) throw badRange(JSON.stringify(asked))
    const range = ordered(from, to)
    return wholeMinutes(range.from, range.to)
  }
  const [, count = '', unit = ''] = /^last(\d{1,4})(minutes?|hours?|days?)$/i.exec(asked) ?? []
  const ms = { m: minuteMs, h: hourMs, d: dayMs }[unit.charAt(0).toLowerCase()]
  const back = ms === undefined ? 0 : Number(count) * ms
  if (back === 0) throw badRange(JSON.stringify(asked))
  return wholeMinutes(now - back, now)
}

const badRange = (asked: string): ApiError =>
  new ApiError(400, 'stats-time-range', `timeRange ${asked} is neither {"start","end"} in ISO 8601 nor last60minutes`)

/** One a group and time, with names as they were given. */
function rowsOf(
  { dimensions, unit }: StatQuestion,
  { times, groups }: StatResult,
  metrics: readonly NamedMetric[],
): readonly Readonly<Record<string, string>>[] {
  return groups.flatMap(({ values, whole, points }) => {
    const names = Object.fromEntries(dimensions.map(({ name }, at) => [name, values[at] ?? '']))
    if (times === null || unit === null) {
      return [{ ...Object.fromEntries(metrics.map(({ alias }, at) => [alias, String(whole[at])])), ...names }]
    }
    return times.flatMap((time, index) => {
      if (points[0]?.[index] === null) return []
      const shown = metrics.map(({ alias }, at) => [alias, String(points[at]?.[index] ?? 0)])
      return [{ ...Object.fromEntries(shown), ...names, [unit]: timeText(time) }]
    })
  })
}

/** `2026-08-07 19:26:00 UTC`. */
const timeText = (at: number): string => `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
