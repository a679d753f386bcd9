import type { Monitor } from '../../monitor/query.ts'
import { type ApiAnswer, type ApiCall, ApiError, type ApiRoute, json } from '../api.ts'
import { asked } from '../monitoring/asked.ts'
import { badValue } from './bean.ts'
import { environmentPath } from './entity-scope.ts'
import { scopeOf } from './scope.ts'
import { optimizedAnswer, plainAnswer } from './stats-answer.ts'
import { parseFilter } from './stats-filter.ts'
import { runStats, type StatQuestion } from './stats-run.ts'
import { dimensionsOf, metricsOf } from './stats-terms.ts'
import { offsetOf, timeRangeOf, timeUnitOf } from './stats-time.ts'

/** Edge's statistics (apigee-edge.md 1.9, tier 4). Parameters that are not known mean nothing, as in Edge. */
export function statsRoutes({ monitor }: { readonly monitor: Monitor }): readonly ApiRoute[] {
  const answer = async (call: ApiCall): Promise<ApiAnswer> => {
    await call.services.read((view) => scopeOf(view, call.params))
    const question = questionOf(call)
    const result = await asked(() => runStats(monitor, question))
    const isOptimized = [call.query.get('_optimize'), call.query.get('_optimized')].includes('js')
    return json(200, isOptimized ? optimizedAnswer(question, result) : plainAnswer(question, result))
  }
  return [
    { method: 'GET', path: `${environmentPath}/stats`, role: 'viewer', handle: answer },
    { method: 'GET', path: `${environmentPath}/stats/:dimensions`, role: 'viewer', handle: answer },
  ]
}

const defaultLimit = 1000
/** Edge's own. */
const maxLimit = 14_400

function questionOf({ query, params }: ApiCall): StatQuestion {
  const select = query.get('select') ?? ''
  if (select === '') throw new ApiError(400, 'stats-metric', 'select is missing: sum(message_count), ...')
  const topk = countOf(query, 'topk', 0)
  const limit = countOf(query, 'limit', defaultLimit)
  const sort = (query.get('sort') ?? 'DESC').toUpperCase()
  if (sort !== 'ASC' && sort !== 'DESC') throw badValue('sort', 'must be ASC or DESC')
  const sortBy = query.get('sortby') ?? ''
  const filter = query.get('filter') ?? ''
  const { dimensions = '' } = params
  return {
    organization: params['org'] ?? '',
    environment: params['env'] ?? '',
    dimensions: dimensions === '' ? [] : dimensionsOf(dimensions),
    metrics: metricsOf(select),
    range: timeRangeOf(query.get('timeRange')),
    unit: timeUnitOf(query.get('timeUnit')),
    offset: offsetOf(query.get('tzo')),
    filter: filter === '' ? null : parseFilter(filter),
    sortBy: sortBy === '' ? null : (metricsOf(sortBy)[0] ?? null),
    ascending: sort === 'ASC',
    offsetRows: countOf(query, 'offset', 0),
    limit: topk === 0 ? limit : Math.min(topk, limit),
    timesAscending: query.get('tsAscending') === 'true',
  }
}

function countOf(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name)
  if (text === null || text === '') return fallback
  if (/^\d{1,9}$/.test(text)) return Math.min(Number(text), maxLimit)
  throw badValue(name, 'must be a whole number')
}
