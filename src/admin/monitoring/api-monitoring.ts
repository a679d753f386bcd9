import { faultCodeFacts } from '../../monitor/fault-codes.ts'
import type { AlertInstance } from '../../monitor/alerts/history.ts'
import type { Monitor } from '../../monitor/query.ts'
import { type ApiAnswer, type ApiCall, ApiError, type ApiRoute, json } from '../api.ts'
import { errorAnswer } from '../error-answer.ts'
import {
  type AlertParts,
  createAlert,
  deleteAlert,
  deleteCollection,
  listAlerts,
  listCollections,
  makeCollection,
  patchCollection,
  readAlert,
  readCollection,
  testAlert,
  updateAlert,
} from './alert-handlers.ts'
import { codesOf, logRecords, proxyNames } from './api-logs.ts'
import { latencySeries, trafficSeries } from './api-metrics.ts'
import { type ApiQuery, apiQueryOf, apiRangeOf, organizationOf } from './api-query.ts'
import { asked } from './asked.ts'

export interface ApiMonitoringParts extends AlertParts {
  readonly monitor: Monitor
  /** `/monitoring`: where Edge has a host of its own. */
  readonly prefix: string
}

/** Edge's API Monitoring (apigee-edge.md 1.9): a service beside the management API, whose organization is in the query. */
export function apiMonitoringRoutes(parts: ApiMonitoringParts): readonly ApiRoute[] {
  const { monitor, prefix, alerts, region } = parts
  const route = (
    method: ApiRoute['method'],
    path: string,
    handle: (call: ApiCall) => Promise<ApiAnswer>,
    extra: Pick<ApiRoute, 'operation'> = {},
  ): ApiRoute => ({
    method,
    path: `${prefix}${path}`,
    role: method === 'GET' ? 'viewer' : 'operator',
    organization: 'query',
    ...extra,
    handle: (call) =>
      asEdge(async () => {
        organizationOf(call)
        return asked(() => handle(call))
      }),
  })
  const query = (path: string, work: (call: ApiCall, query: ApiQuery) => Promise<unknown>): ApiRoute =>
    route('GET', path, async (call) => json(200, await work(call, await apiQueryOf(call, region()))))
  const instances = (call: ApiCall): readonly AlertInstance[] => {
    if (call.query.get('type') === 'anomaly') return []
    const { from, to } = apiRangeOf(call.query, call.services.clock())
    return alerts.history(organizationOf(call), from, to, call.query.get('alertId'))
  }
  const codes = async (asking: ApiQuery): Promise<readonly string[]> =>
    [...((await codesOf(monitor, { ...asking, isCounted: asking.isCounted ?? isSet })) ?? [])].sort()
  const facts = async (asking: ApiQuery) => (await codes(asking)).map(faultCodeFacts)
  return [
    query('/logs', (call, asking) => logRecords(monitor, call, asking)),
    query('/logs/apiproxies', (call, asking) => proxyNames(monitor, call, asking)),
    query('/metrics/traffic', (call, asking) => trafficSeries(monitor, call, asking, region())),
    query('/metrics/latency', (call, asking) => latencySeries(monitor, call, asking, region())),
    query('/metrics/targets', async (_, { range, where }) => {
      const { rows } = await monitor.aggregate({ ...range, interval: null, by: ['targetName'], where })
      return rows.flatMap(({ values: [name = ''] }) => (name === '' ? [] : [name])).sort()
    }),
    query('/metrics/faultcodes', (_, asking) => codes(asking)),
    query('/metrics/faultcodenames', async (_, asking) =>
      unique((await facts(asking)).map((each) => each.faultCodeName)),
    ),
    query('/metrics/faultcodecategories', async (_, asking) =>
      unique((await facts(asking)).map((each) => each.faultCodeCategory)),
    ),
    query('/metrics/faultcodesubcategories', async (_, asking) =>
      unique((await facts(asking)).map((each) => each.faultCodeSubCategory)),
    ),
    query('/metrics/faultcodedetails', async (_, asking) =>
      (await facts(asking)).map((each) => ({ ...each, faultCodeDocumentLink: '' })),
    ),
    route('GET', '/metrics/events', async (call) => json(200, instances(call).map(eventOf))),
    route('GET', '/metrics/alerthistory', async (call) => json(200, instances(call).map(eventOf))),
    route('GET', '/metrics/alertsummary', async (call) => json(200, summaryOf(instances(call)))),
    route('GET', '/metrics/alertinstance/:instance', async (call) => {
      const id = call.params['instance'] ?? ''
      const found = alerts.instance(organizationOf(call), id)
      if (found !== null) return json(200, eventOf(found))
      throw new ApiError(404, 'instance-unknown', `there is no alert instance ${id}`)
    }),
    route('GET', '/alerts', async (call) => json(200, await listAlerts(call))),
    route('POST', '/alerts', (call) => createAlert(parts, call)),
    route('GET', '/alerts/:alert', readAlert),
    route('PUT', '/alerts/:alert', (call) => updateAlert(parts, call)),
    route('DELETE', '/alerts/:alert', deleteAlert),
    route('POST', '/alerts/:alert/test', (call) => testAlert(parts, call), { operation: 'TEST' }),
    route('GET', '/collections', async (call) => json(200, await listCollections(call))),
    route('POST', '/collections', makeCollection),
    route('GET', '/collections/:collection', readCollection),
    route('PATCH', '/collections/:collection', patchCollection),
    route('DELETE', '/collections/:collection', deleteCollection),
  ]
}

/** Errors have Edge's shape wherever the prefix lies. */
async function asEdge(work: () => Promise<ApiAnswer>): Promise<ApiAnswer> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return errorAnswer(error, 'edge', () => {})
  }
}

const isSet = (code: string): boolean => code !== ''
const unique = (names: readonly string[]): readonly string[] => [...new Set(names)].sort()

function eventOf(instance: AlertInstance) {
  const { id, alertId, name, organization, environment, values, measured, summary, verdict, requests } = instance
  return {
    id,
    type: 'alert',
    alertId,
    alertName: name,
    organization,
    environment,
    state: instance.resolvedAt === null ? 'triggered' : 'resolved',
    startTime: new Date(instance.firedAt).toISOString(),
    endTime: instance.resolvedAt === null ? null : new Date(instance.resolvedAt).toISOString(),
    dimensions: values,
    values: measured,
    summary,
    verdict,
    requests,
  }
}

function summaryOf(instances: readonly AlertInstance[]) {
  const ids = [...new Set(instances.map(({ alertId }) => alertId))]
  return ids.map((alertId) => {
    const ours = instances.filter((each) => each.alertId === alertId)
    return {
      alertId,
      alertName: ours[0]?.name ?? '',
      count: ours.length,
      active: ours.filter(({ resolvedAt }) => resolvedAt === null).length,
      lastTime: new Date(ours[0]?.firedAt ?? 0).toISOString(),
    }
  })
}
