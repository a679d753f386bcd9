import { isFaultCode } from '../../monitor/fault-codes.ts'
import type { Dimension, Filter } from '../../monitor/query.ts'
import { durationMs, type TimeRange, momentOf, rangeOf } from '../../monitor/time-range.ts'
import { type ApiCall, ApiError } from '../api.ts'
import { requireEnvironment, requireOrganization } from '../edge/scope.ts'
import { membersOf } from './collection-store.ts'

/** What the parameters of Edge's API Monitoring ask for (apigee-edge.md 1.9). */
export interface ApiQuery {
  readonly organization: string
  /** '': all of the organization. */
  readonly environment: string
  readonly range: TimeRange
  /** Which traffic. */
  readonly where: readonly Filter[]
  /** Which of it counts. */
  readonly matching: readonly Filter[]
  /** null: whatever the fault code. */
  readonly isCounted: ((faultCode: string) => boolean) | null
  /** Something is asked for that no request here can have. */
  readonly nothing: boolean
}

export async function apiQueryOf(call: ApiCall, region: string): Promise<ApiQuery> {
  const { query } = call
  const organization = organizationOf(call)
  const environment = query.get('env') ?? ''
  const collection = query.get('collection') ?? ''
  const members = await call.services.read(async (view) => {
    if (environment === '') await requireOrganization(view, organization)
    else await requireEnvironment(view, organization, environment)
    if (collection === '') return null
    const found = await membersOf(view, organization, collection)
    if (found === null) throw badParameter('collection', `there is no collection ${collection}`)
    return found
  })
  const where: Filter[] = [{ dimension: 'organization', values: [organization] }]
  if (environment !== '') where.push({ dimension: 'environment', values: [environment] })
  if (members !== null) where.push(members)
  for (const [name, dimension] of traffic) addWord(where, dimension, query.get(name))
  const matching: Filter[] = [
    ...statusFilters(query, 'statusCode'),
    ...statusFilters(query, 'status'),
    ...classFilters(query.get('select')),
  ]
  const ofTarget = query.get('targetStatusCode') ?? ''
  if (ofTarget !== '' && !isEvery(ofTarget) && !/^[1-5]\d\d(?:,[1-5]\d\d)*$/.test(ofTarget)) {
    throw badParameter('targetStatusCode', `${JSON.stringify(ofTarget)} is no status such as 503`)
  }
  addWord(matching, 'targetStatus', ofTarget)
  addWord(matching, 'faultSource', query.get('source'))
  const wanted = {
    ...word('name', query.get('faultCodeName') ?? query.get('faultcode') ?? query.get('faultCode')),
    ...word('category', query.get('faultCodeCategory')),
    ...word('subCategory', query.get('faultCodeSubCategory')),
  }
  const isAskedFor = Object.keys(wanted).length > 0
  const asked = (name: string): string => (isEvery(query.get(name)) ? '' : (query.get(name) ?? ''))
  const elsewhere = asked('region') !== '' && asked('region') !== region
  return {
    organization,
    environment,
    range: apiRangeOf(query, call.services.clock()),
    where,
    matching,
    isCounted: isAskedFor ? (code) => isFaultCode(code, wanted) : null,
    // No policy and no app is known of any request.
    nothing: elsewhere || ['flow', 'policy', 'developerApp'].some((name) => asked(name) !== ''),
  }
}

export function organizationOf({ params }: Pick<ApiCall, 'params'>): string {
  const organization = params['org'] ?? ''
  if (organization === '') throw badParameter('org', 'is missing')
  return organization
}

/** `timeRange=-1h`, or `from` and `to`. */
export function apiRangeOf(query: URLSearchParams, now: number): TimeRange {
  const back = query.get('timeRange')
  if (back === null) return rangeOf(query.get('from'), query.get('to'), now)
  if (durationMs(back.replace(/^-/, '')) === null || momentOf(back, now) === null) {
    throw badParameter('timeRange', 'is no time such as -1h')
  }
  return rangeOf(back, null, now)
}

export function limitOf(query: URLSearchParams, fallback: number, most: number): number {
  const text = query.get('limit')
  if (text === null || text === '') return fallback
  if (/^\d{1,6}$/.test(text) && Number(text) >= 1 && Number(text) <= most) return Number(text)
  throw badParameter('limit', `is no whole number from 1 to ${most}`)
}

export const badParameter = (name: string, why: string): ApiError =>
  new ApiError(400, 'bad-parameter', `${name}: ${why}`, { parameter: name })

const traffic: readonly (readonly [string, Dimension])[] = [
  ['proxy', 'proxy'],
  // What Edge knows it by is no more than that; whole names are taken as well.
  ['target', 'target'],
]

function addWord(into: Filter[], dimension: Dimension, text: string | null): void {
  if (text === null || text === '' || isEvery(text)) return
  into.push({ dimension, values: text.split(',') })
}

const isEvery = (text: string | null): boolean => text === 'ALL' || text === 'ANY'

function statusFilters(query: URLSearchParams, name: string): readonly Filter[] {
  const text = query.get(name)
  if (text === null || text === '' || isEvery(text)) return []
  if (text === 'errors') return [{ dimension: 'statusClass', values: ['4xx', '5xx', 'none'] }]
  const words = text.split(',')
  if (words.every((each) => /^[1-5]xx$/.test(each))) return [{ dimension: 'statusClass', values: words }]
  if (words.every((each) => /^[1-5]\d\d$/.test(each))) return [{ dimension: 'status', values: words }]
  throw badParameter(name, `${JSON.stringify(text)} is none of NNN, 2xx, 4xx, 5xx, errors`)
}

/** `select=4xx,5xx` of the logs; of metrics it names columns. */
function classFilters(text: string | null): readonly Filter[] {
  const words = (text ?? '').split(',').filter((each) => /^[1-5]xx$/.test(each))
  return words.length === 0 ? [] : [{ dimension: 'statusClass', values: words }]
}

function word(name: 'name' | 'category' | 'subCategory', text: string | null): Readonly<Record<string, string>> {
  return text === null || text === '' || isEvery(text) ? {} : { [name]: text }
}
