import type { Filter, Monitor, StoredSample } from '../../monitor/query.ts'
import type { ApiCall } from '../api.ts'
import { type ApiQuery, badParameter, limitOf } from './api-query.ts'

/** Records of `GET /logs` (apigee-edge.md 1.9): of requests that are kept. */
export async function logRecords(monitor: Monitor, call: ApiCall, query: ApiQuery): Promise<unknown> {
  const limit = limitOf(call.query, 10, 1000)
  const select = call.query.get('select') ?? ''
  if (select !== '' && !/^[1-5]xx(?:,[1-5]xx)*$/.test(select)) {
    throw badParameter('select', `${JSON.stringify(select)} is no list of 1xx to 5xx`)
  }
  if (query.nothing) return []
  const codes = await codesOf(monitor, query)
  if (codes !== null && codes.length === 0) return []
  const byCode: readonly Filter[] = codes === null ? [] : [{ dimension: 'faultCode', values: codes }]
  const where = [...query.where, ...query.matching, ...byCode]
  return (await monitor.samples({ ...query.range, where, limit })).map(recordOf)
}

/** Names of proxies with traffic; `select=HOST/basepath`: below that base path. */
export async function proxyNames(monitor: Monitor, call: ApiCall, query: ApiQuery): Promise<readonly string[]> {
  const select = call.query.get('select') ?? ''
  const slash = select.indexOf('/')
  if (select !== '' && slash < 0) throw badParameter('select', 'is no virtual host and base path such as HOST/orders')
  const path: readonly Filter[] = select === '' ? [] : [{ dimension: 'basePath', values: [select.slice(slash)] }]
  const where = [...query.where, ...path]
  const { rows } = await monitor.aggregate({ ...query.range, interval: null, by: ['proxy'], where })
  return rows.flatMap(({ values: [name = ''] }) => (name === '' ? [] : [name])).sort()
}

/** Fault codes that came and are asked for; null: any, and none. */
export async function codesOf(monitor: Monitor, query: ApiQuery): Promise<readonly string[] | null> {
  const { isCounted, range, where, matching } = query
  if (isCounted === null) return null
  const filters = [...where, ...matching]
  const { rows } = await monitor.aggregate({ ...range, interval: null, by: ['faultCode'], where: filters })
  return rows.map(({ values }) => values[0] ?? '').filter(isCounted)
}

function recordOf({ key, sample }: StoredSample) {
  const { organization, environment, proxy, revision } = key
  return {
    request: sample.request,
    request_length: sample.requestBytes,
    request_message_id: sample.id,
    virtual_host: sample.host,
    response_size: sample.responseBytes,
    response_time: Math.round(sample.totalMs) / 1000,
    response_status: String(key.status),
    timestamp: `${new Date(sample.at).toISOString().slice(0, 19)}Z`,
    fault_code: orDash(key.faultCode),
    // No flow and no policy runs that could fail.
    fault_flow: '-',
    fault_policy: 'null/null',
    fault_proxy:
      proxy === ''
        ? '-'
        : `/organizations/${organization}/environments/${environment}/apiproxies/${proxy}/revisions/${revision}`,
    fault_source: orDash(key.faultSource),
  }
}

const orDash = (text: string): string => (text === '' ? '-' : text)
