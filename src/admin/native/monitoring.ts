import { z } from 'zod'
import { addCounts } from '../../monitor/measures.ts'
import type { Dimension, Filter, Monitor } from '../../monitor/query.ts'
import { intervalOf } from '../../monitor/time-range.ts'
import type { Traces } from '../../traces/types.ts'
import { type ApiAnswer, type ApiCall, type ApiDoc, type ApiRoute, json } from '../api.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { asked } from '../monitoring/asked.ts'
import { isoRange, latencyOf, matrixOf, requestOf, seriesOf } from './monitoring-answers.ts'
import {
  Cell,
  CellQuery,
  DimensionsQuery,
  Health,
  Matrix,
  MatrixQuery,
  MonitoredRequest,
  RequestsQuery,
  Series,
  SeriesQuery,
} from './monitoring-documents.ts'
import {
  askedOf,
  bad,
  chosenDimensions,
  clockOf,
  countOf,
  dimensionOf,
  measuresOf,
  requestGone,
} from './monitoring-query.ts'
import { withoutOthers } from './other-organizations.ts'
import { placeOf } from './scope.ts'
import { targetDetail } from './targets.ts'

export interface MonitoringParts {
  readonly monitor: Monitor
  readonly native: NativeGateway
  /** Where a request may have been recorded. */
  readonly traces: Pick<Traces, 'find'> | null
}

const base = '/api/organizations/:org/environments/:env/monitoring'

/** Investigate (apigee-edge.md 5.3): a measure over time or over two dimensions, and what is in a cell of it. */
export function monitoringRoutes(parts: MonitoringParts): readonly ApiRoute[] {
  const reading = (path: string, doc: ApiDoc, handle: (call: ApiCall) => Promise<ApiAnswer>): ApiRoute => ({
    method: 'GET',
    path: `${base}/${path}`,
    role: 'viewer',
    doc: { ...doc, errors: unavailable },
    async handle(call) {
      placeOf(parts.native.stored, call)
      return asked(() => handle(call))
    },
  })
  return [
    reading(
      'matrix',
      { summary: 'A measure by one dimension over time, or by two dimensions', query: MatrixQuery, answer: Matrix },
      (call) => matrix(parts, call),
    ),
    reading(
      'series',
      { summary: 'Measures over time, of all requests or by dimensions', query: SeriesQuery, answer: Series },
      (call) => series(parts, call),
    ),
    reading(
      'cell',
      {
        summary: 'What is in a cell: counts, latencies, causes, newest requests, and the verdict on its backends',
        query: CellQuery,
        answer: Cell,
      },
      (call) => cell(parts, call),
    ),
    reading(
      'requests',
      {
        summary: 'Requests that are kept, the newest first: those that failed, and one of every kind that did not',
        query: RequestsQuery,
        answer: z.object({ requests: z.array(MonitoredRequest) }),
      },
      (call) => requests(parts, call),
    ),
    reading('requests/:id', { summary: 'One request by its message id', answer: MonitoredRequest }, (call) =>
      request(parts, call),
    ),
    reading(
      'dimensions',
      {
        summary: 'The values that each dimension had, the most frequent first',
        query: DimensionsQuery,
        answer: z.object({
          from: z.string(),
          to: z.string(),
          dimensions: z.record(z.string(), z.array(z.object({ value: z.string(), requests: z.number() }))),
        }),
      },
      (call) => names(parts, call),
    ),
    {
      method: 'GET',
      path: '/api/monitoring/health',
      role: 'viewer',
      doc: { summary: 'What the store of the rollups holds and has lost', answer: Health, errors: unavailable },
      handle: () =>
        asked(async () => {
          const { oldest, ...health } = await parts.monitor.health()
          return json(200, { ...health, oldest: oldest === null ? null : new Date(oldest).toISOString() })
        }),
    },
  ]
}

const unavailable = { 503: 'The store of the rollups does not answer.' }

async function matrix({ monitor }: MonitoringParts, call: ApiCall): Promise<ApiAnswer> {
  const { query } = call
  const { range, where } = askedOf(call, ['rows', 'columns', 'measure', 'latency', 'interval', 'limit'])
  const rows = dimensionOf(query.get('rows'), 'rows')
  const columnText = query.get('columns') ?? 'time'
  const columns = columnText === 'time' ? columnText : dimensionOf(columnText, 'columns')
  if (rows === columns) throw bad('rows and columns are the same dimension')
  const [measure, ...more] = measuresOf(query.get('measure'))
  if (measure === undefined || more.length > 0) throw bad('a matrix has one measure')
  const interval = columns === 'time' ? intervalOf(query.get('interval'), range) : null
  const by = columns === 'time' ? [rows] : [rows, columns]
  const answer = await monitor.aggregate({ ...range, interval, by, where, limit: 10_000 })
  const limit = countOf(query, 'limit', 50, 200)
  return json(200, matrixOf(answer, { range, clock: clockOf(query), interval, rows, columns, measure, limit }))
}

async function series({ monitor }: MonitoringParts, call: ApiCall): Promise<ApiAnswer> {
  const { query } = call
  const { range, where } = askedOf(call, ['by', 'measure', 'latency', 'interval', 'limit'])
  const words = (query.get('by') ?? '').split(',').filter((word) => word !== '')
  const by = words.map((word) => dimensionOf(word, 'by'))
  if (by.length > 2) throw bad('by names more than two dimensions')
  const interval = intervalOf(query.get('interval'), range)
  const limit = countOf(query, 'limit', 20, 200)
  const answer = await monitor.aggregate({ ...range, interval, by, where, limit })
  const measures = measuresOf(query.get('measure'))
  return json(200, seriesOf(answer, { range, clock: clockOf(query), interval, by, measures, limit }))
}

const causes: readonly Dimension[] = ['status', 'targetStatus', 'fault', 'verdict', 'party', 'faultCode', 'faultSource']
/** Values of a dimension that are told. */
const maxShares = 50
const maxTargets = 5

async function cell({ monitor, native, traces }: MonitoringParts, call: ApiCall): Promise<ApiAnswer> {
  const { range, where } = askedOf(call, ['limit'])
  const limit = countOf(call.query, 'limit', 10, 100)
  const [all, samples, targets, ...shares] = await Promise.all([
    monitor.aggregate({ ...range, interval: null, by: [], where }),
    monitor.samples({ ...range, where, limit }),
    sharesOf(monitor, range, 'target', where),
    ...causes.map((dimension) => sharesOf(monitor, range, dimension, where)),
  ])
  const counts = addCounts(all.rows)
  return json(200, {
    ...isoRange(range),
    counts: {
      requests: counts.requests,
      faults: counts.faults,
      errors: counts.errors,
      targetErrors: counts.targetErrors,
      requestBytes: counts.requestBytes,
      responseBytes: counts.responseBytes,
    },
    latency: { total: latencyOf(counts, 'total'), target: latencyOf(counts, 'target') },
    breakdown: Object.fromEntries(causes.map((dimension, at) => [dimension, shares[at] ?? []])),
    requests: samples.map((each) => requestOf(each, traces)),
    targets: targetsOf(native, call.params['org'] ?? '', targets.map(({ value }) => value).slice(0, maxTargets)),
  })
}

/** Those that still run, and are the organization's. */
function targetsOf(native: NativeGateway, organization: string, names: readonly string[]) {
  const wanted = native.plan.targets.filter(({ name }) => {
    const owner = native.resolved.origins.get(name)?.organization ?? native.plan.organization
    return names.includes(name) && owner === organization
  })
  return wanted.map((target) => withoutOthers(native, organization, targetDetail(native, target)))
}

async function requests({ monitor, traces }: MonitoringParts, call: ApiCall): Promise<ApiAnswer> {
  const { range, where } = askedOf(call, ['limit'])
  const samples = await monitor.samples({ ...range, where, limit: countOf(call.query, 'limit', 10, 1000) })
  return json(200, { requests: samples.map((each) => requestOf(each, traces)) })
}

async function request({ monitor, traces }: MonitoringParts, call: ApiCall): Promise<ApiAnswer> {
  const { org = '', env = '', id = '' } = call.params
  const found = await monitor.find(id)
  // One of another organization is not there.
  if (found !== null && found.key.organization === org && found.key.environment === env) {
    return json(200, requestOf(found, traces))
  }
  throw requestGone(id, { organization: org, environment: env })
}

async function names({ monitor }: MonitoringParts, call: ApiCall): Promise<ApiAnswer> {
  const { range, where } = askedOf(call, ['dimension'])
  const wanted = call.query.get('dimension')
  const of = wanted === null ? chosenDimensions : [dimensionOf(wanted, 'dimension')]
  const shares = await Promise.all(of.map((dimension) => sharesOf(monitor, range, dimension, where, 200)))
  const dimensions = Object.fromEntries(of.map((dimension, at) => [dimension, shares[at] ?? []]))
  return json(200, { ...isoRange(range), dimensions })
}

/** How often each value came; '' is none, and not told. */
async function sharesOf(
  monitor: Monitor,
  range: { readonly from: number; readonly to: number },
  dimension: Dimension,
  where: readonly Filter[],
  limit = maxShares,
): Promise<readonly { readonly value: string; readonly requests: number }[]> {
  const { rows } = await monitor.aggregate({ ...range, interval: null, by: [dimension], where, limit })
  return rows
    .map(({ values, requests: count }) => ({ value: values[0] ?? '', requests: count }))
    .filter(({ value }) => value !== '')
    .sort((one, other) => other.requests - one.requests || (one.value < other.value ? -1 : 1))
}
