import { latencyPercentile } from '../../observe/latency.ts'
import type { Counts } from '../../monitor/measures.ts'
import type { Dimension } from '../../monitor/query.ts'
import { ApiError } from '../api.ts'

/*
 * Edge's words for statistics (apigee-edge.md 5.5), as far as the rollups know what they ask for. What is not measured is
 * refused by its name and never made up.
 */

export interface StatMetric {
  /** As the answer names it: `sum(message_count)`. */
  readonly name: string
  readonly value: (counts: Counts, seconds: number) => number
}

export interface StatDimension {
  readonly name: string
  /** null: no request has any: what would set it does not run here. */
  readonly of: Dimension | null
}

/** What Edge says where a request has no value. */
export const notSet = '(not set)'

/** I10. */
const maxWords = 20

/** `sum(message_count),avg(total_response_time),tps`. */
export function metricsOf(select: string): readonly StatMetric[] {
  const words = select.match(/[^,()]+(?:\([^()]*\))?/g) ?? []
  if (words.length === 0 || words.join(',').length !== select.length) {
    throw badMetric(`select ${JSON.stringify(select)} is no list of metrics, such as sum(message_count)`)
  }
  if (words.length > maxWords) throw badMetric(`select names more than ${maxWords} metrics`)
  return words.map((word) => metricOf(word.trim()))
}

/** `apiproxy,response_status_code`; Edge's older names of some are taken. */
export function dimensionsOf(text: string): readonly StatDimension[] {
  const names = text.split(',').map((name) => name.trim())
  if (names.length > maxWords) throw new ApiError(400, 'stats-dimension', `more than ${maxWords} dimensions`)
  return names.map(dimensionOf)
}

export function dimensionOf(name: string): StatDimension {
  const known = Object.hasOwn(kept, name) ? kept[name] : undefined
  if (known !== undefined) return { name, of: known }
  if (unset.has(name)) return { name, of: null }
  const why = unkept.has(name) ? 'is not kept in the rollups' : 'is not known'
  throw new ApiError(
    400,
    'stats-dimension',
    `dimension ${name} ${why}; there are ${[...Object.keys(kept), ...unset].join(', ')}`,
    { dimension: name },
  )
}

/** As Edge shows what a rollup has. */
export const shownValue = (value: string, { of }: StatDimension): string =>
  value === '' || (value === '0' && (of === 'status' || of === 'targetStatus')) ? notSet : value

/** The other way; for filters. */
export const keptValue = (shown: string, { of }: StatDimension): string =>
  shown !== notSet ? shown : of === 'status' || of === 'targetStatus' ? '0' : ''

/** As Edge writes numbers: as Java does. */
export const numberText = (value: number): string => (Number.isInteger(value) ? `${value}.0` : String(value))

const kept: Readonly<Record<string, Dimension>> = {
  apiproxy: 'proxy',
  apis: 'proxy',
  apiproxies: 'proxy',
  apiproxy_revision: 'revision',
  proxy_basepath: 'basePath',
  request_verb: 'method',
  response_status_code: 'status',
  target: 'targetName',
  target_response_code: 'targetStatus',
  virtual_host: 'listener',
  ax_edge_execution_fault_code: 'faultCode',
  x_apigee_fault_code: 'faultCode',
  x_apigee_fault_source: 'faultSource',
  environment: 'environment',
  organization: 'organization',
}

/** Policies set these, and none runs. */
const unset: ReadonlySet<string> = new Set([
  'developer_app',
  'developer',
  'developer_email',
  'apps',
  'devs',
  'client_id',
  'apiproduct',
  'access_token',
  'ax_execution_fault_policy_name',
])

const unkept: ReadonlySet<string> = new Set([
  'request_path',
  'request_uri',
  'target_host',
  'target_url',
  'target_basepath',
  'target_ip',
  'client_ip',
  'ax_resolved_client_ip',
  'client_host',
  'useragent',
  'gateway_flow_id',
  'flow_resource',
])

type Part = (counts: Counts, seconds: number) => number

const perRequest =
  (of: Part): Part =>
  (counts, seconds) =>
    counts.requests === 0 ? 0 : of(counts, seconds) / counts.requests

const ownMs: Part = ({ totalMs, targetMs }) => Math.max(0, totalMs - targetMs)
const targetAverage: Part = ({ targetMs, targetRequests }) => (targetRequests === 0 ? 0 : targetMs / targetRequests)

const counted = (of: Part): Readonly<Record<string, Part>> => ({ sum: of, avg: perRequest(of) })

/** By metric, then by function. */
const functions: Readonly<Record<string, Readonly<Record<string, Part>>>> = {
  message_count: { sum: ({ requests }) => requests },
  is_error: counted(({ errors }) => errors),
  // No policy runs, so none fails.
  policy_error: counted(() => 0),
  target_error: counted(({ targetErrors }) => targetErrors),
  total_response_time: { ...counted(({ totalMs }) => totalMs), max: ({ maxMs }) => maxMs },
  target_response_time: { sum: ({ targetMs }) => targetMs, avg: targetAverage, max: (counts) => counts.targetMaxMs },
  // All of the gateway's own time: what is before and what is after the backend's is measured as one.
  request_processing_latency: counted(ownMs),
  request_size: counted(({ requestBytes }) => requestBytes),
  response_size: counted(({ responseBytes }) => responseBytes),
  tps: { sum: perSecond, avg: perSecond },
}

const unmeasured: Readonly<Record<string, string>> = {
  response_processing_latency:
    "the gateway's own time is measured as one: request_processing_latency is all of it, before and after the backend",
  cache_hit: 'no cache runs here',
  ax_cache_executed: 'no cache runs here',
  ax_cache_l1_count: 'no cache runs here',
}

function metricOf(word: string): StatMetric {
  if (word === 'tps') return { name: word, value: perSecond }
  const [, name = '', inside = ''] = /^([A-Za-z0-9_]+)\(([^()]*)\)$/.exec(word) ?? []
  if (name === '') throw badMetric(`metric ${JSON.stringify(word)} is not function(metric), such as sum(message_count)`)
  if (name === 'percentile') return percentileOf(word, inside)
  const metric = inside.trim()
  const known = Object.hasOwn(functions, metric) ? functions[metric] : undefined
  if (known === undefined) {
    const why = Object.hasOwn(unmeasured, metric) ? `is not measured: ${unmeasured[metric]}` : 'is not known'
    throw badMetric(`metric ${metric} ${why}; there are ${Object.keys(functions).join(', ')}`, metric)
  }
  const value = Object.hasOwn(known, name) ? known[name] : undefined
  if (value === undefined) {
    throw badMetric(`${name} of ${metric} is not measured; there are ${Object.keys(known).join(', ')}`, metric)
  }
  return { name: word, value }
}

/** `percentile(total_response_time,95)`, as the buckets tell it. */
function percentileOf(word: string, inside: string): StatMetric {
  const [metric = '', rank = ''] = inside.split(',').map((part) => part.trim())
  const percentile = Number(rank)
  if (!/^\d{1,2}(\.\d{1,3})?$/.test(rank) || percentile === 0) {
    throw badMetric(`${word} needs a percentile above 0 and below 100`, metric)
  }
  if (metric === 'total_response_time') {
    return { name: word, value: ({ total, maxMs }) => latencyPercentile(total, percentile, maxMs) }
  }
  if (metric === 'target_response_time') {
    return { name: word, value: ({ target, targetMaxMs }) => latencyPercentile(target, percentile, targetMaxMs) }
  }
  throw badMetric(`percentiles are of total_response_time and target_response_time`, metric)
}

function perSecond({ requests }: Counts, seconds: number): number {
  return seconds === 0 ? 0 : requests / seconds
}

function badMetric(message: string, metric = ''): ApiError {
  return new ApiError(400, 'stats-metric', message, metric === '' ? {} : { metric })
}
