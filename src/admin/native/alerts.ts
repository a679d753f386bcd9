import { z } from 'zod'
import { AlertBean } from '../../monitor/alerts/bean.ts'
import { rangeOf } from '../../monitor/time-range.ts'
import { ApiError, type ApiRoute, json } from '../api.ts'
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
} from '../monitoring/alert-handlers.ts'
import { ShownAlert } from '../monitoring/alert-store.ts'
import { asked } from '../monitoring/asked.ts'
import { CollectionBean, CollectionPatch, ShownCollection } from '../monitoring/collection-store.ts'
import { Time } from './documents.ts'

const Instance = z
  .object({
    id: z.string(),
    alertId: z.string(),
    name: z.string(),
    organization: z.string(),
    environment: z.string(),
    values: z.record(z.string(), z.string()).meta({ description: 'What it held for, by dimension that is ANY.' }),
    firedAt: Time,
    resolvedAt: Time.nullable().meta({ description: 'null: it holds still.' }),
    measured: z.array(z.number()).meta({ description: 'Of each condition, when it fired.' }),
    summary: z.string(),
    verdict: z.string(),
    requests: z.array(z.string()).meta({ description: 'Message ids, the newest first.' }),
    notice: z.enum(['sent', 'throttled', 'undeliverable', 'none']),
  })
  .meta({ id: 'AlertInstance' })

const Tested = z.object({
  results: z.array(
    z.object({
      channel: z.string(),
      destination: z.string().meta({ description: 'Without what follows the host.' }),
      delivered: z.boolean(),
      status: z.number().nullable().meta({ description: 'null: no answer came.' }),
      ms: z.number(),
      problem: z
        .object({ code: z.string(), verdict: z.string().nullable(), message: z.string() })
        .nullable()
        .meta({ description: 'Why it was not delivered; of https, why the receiver is not trusted.' }),
    }),
  ),
})

const Health = z
  .object({
    rules: z.number(),
    firing: z.number(),
    evaluatedAt: Time.nullable(),
    troubles: z.array(z.object({ organization: z.string(), alert: z.string(), message: z.string() })),
    queued: z.number(),
    delivered: z.number(),
    retried: z.number(),
    failed: z.number(),
    dropped: z.number(),
    problem: z.string(),
  })
  .meta({ id: 'AlertsHealth' })

const InstancesQuery = z.object({
  from: z.string().optional().meta({ description: 'ISO 8601, epoch, or `-1h`; default an hour before `to`.' }),
  to: z.string().optional(),
  alert: z.string().optional().meta({ description: 'Only of this one.' }),
})

const base = '/api/organizations/:org'
const alert = `${base}/alerts/:alert`
const collection = `${base}/collections/:collection`
const conflict = { 409: 'The name is taken.' }

/** Alert rules and collections of an organization; the same objects as those of Edge's API Monitoring. */
export function alertRoutes(parts: AlertParts): readonly ApiRoute[] {
  const { alerts } = parts
  return [
    {
      method: 'GET',
      path: `${base}/alerts`,
      role: 'viewer',
      doc: { summary: 'Alert rules', answer: z.object({ alerts: z.array(ShownAlert) }) },
      handle: async (call) => json(200, { alerts: await listAlerts(call) }),
    },
    {
      method: 'POST',
      path: `${base}/alerts`,
      role: 'operator',
      doc: { summary: 'Make an alert rule', body: AlertBean, answer: ShownAlert, errors: conflict },
      handle: (call) => createAlert(parts, call),
    },
    {
      method: 'GET',
      path: alert,
      role: 'viewer',
      doc: { summary: 'One alert rule', answer: ShownAlert },
      handle: readAlert,
    },
    {
      method: 'PUT',
      path: alert,
      role: 'operator',
      doc: { summary: 'Replace an alert rule', body: AlertBean, answer: ShownAlert, errors: conflict },
      handle: (call) => updateAlert(parts, call),
    },
    {
      method: 'DELETE',
      path: alert,
      role: 'operator',
      doc: { summary: 'Delete an alert rule', answer: ShownAlert },
      handle: deleteAlert,
    },
    {
      method: 'POST',
      path: `${alert}/test`,
      role: 'operator',
      operation: 'TEST',
      doc: {
        summary: 'Send a marked message to its receivers now, and say what came of it',
        answer: Tested,
        errors: { 409: 'The rule is no longer valid here.' },
      },
      handle: (call) => testAlert(parts, call),
    },
    {
      method: 'GET',
      path: `${base}/alert-instances`,
      role: 'viewer',
      doc: {
        summary: 'When alerts held, the newest first',
        query: InstancesQuery,
        answer: z.object({ instances: z.array(Instance) }),
      },
      handle: (call) =>
        asked(async () => {
          const { query, params, services } = call
          const { from, to } = rangeOf(query.get('from'), query.get('to'), services.clock())
          const found = alerts.history(params['org'] ?? '', from, to, query.get('alert'))
          return json(200, { instances: found.map(withTimes) })
        }),
    },
    {
      method: 'GET',
      path: `${base}/alert-instances/:instance`,
      role: 'viewer',
      doc: { summary: 'One time that an alert held', answer: Instance },
      async handle({ params }) {
        const found = alerts.instance(params['org'] ?? '', params['instance'] ?? '')
        if (found !== null) return json(200, withTimes(found))
        throw new ApiError(404, 'instance-unknown', `there is no alert instance ${params['instance']}`)
      },
    },
    {
      method: 'GET',
      path: '/api/alerts/health',
      role: 'viewer',
      doc: { summary: 'How rules are evaluated and messages delivered, over all organizations', answer: Health },
      async handle() {
        const { evaluatedAt, ...health } = alerts.health()
        return json(200, { ...health, evaluatedAt: evaluatedAt === null ? null : new Date(evaluatedAt).toISOString() })
      },
    },
    ...collectionRoutes,
  ]
}

const collectionRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: `${base}/collections`,
    role: 'viewer',
    doc: {
      summary: 'Collections of proxies or targets',
      answer: z.object({ collections: z.array(ShownCollection) }),
    },
    handle: async (call) => json(200, { collections: await listCollections(call) }),
  },
  {
    method: 'POST',
    path: `${base}/collections`,
    role: 'operator',
    doc: { summary: 'Make a collection', body: CollectionBean, answer: ShownCollection, errors: conflict },
    handle: makeCollection,
  },
  {
    method: 'GET',
    path: collection,
    role: 'viewer',
    doc: { summary: 'One collection', answer: ShownCollection },
    handle: readCollection,
  },
  {
    method: 'PATCH',
    path: collection,
    role: 'operator',
    doc: { summary: 'Change a collection', body: CollectionPatch, answer: ShownCollection, errors: conflict },
    handle: patchCollection,
  },
  {
    method: 'DELETE',
    path: collection,
    role: 'operator',
    doc: { summary: 'Delete a collection', answer: ShownCollection },
    handle: deleteCollection,
  },
]

function withTimes<T extends { readonly firedAt: number; readonly resolvedAt: number | null }>(instance: T) {
  const { firedAt, resolvedAt } = instance
  return {
    ...instance,
    firedAt: new Date(firedAt).toISOString(),
    resolvedAt: resolvedAt === null ? null : new Date(resolvedAt).toISOString(),
  }
}
