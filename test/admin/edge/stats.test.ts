import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { organizationRoutes } from '../../../src/admin/edge/organizations.ts'
import { queryRoutes } from '../../../src/admin/edge/queries.ts'
import { statsRoutes } from '../../../src/admin/edge/stats.ts'
import { readZip } from '../../../src/core/zip.ts'
import type { Monitor } from '../../../src/monitor/query.ts'
import { type Finished, memoryMonitor } from '../../monitor/memory-monitor.ts'
import { basic, makeOrganization, makeUser, password, readJson, root, startAdmin } from '../support.ts'

/* Statistics as apigee-edge-js asks for them, and as they stand in Edge's reference (apigee-edge.md 1.9, 5.5). */

const minute = 60_000
const hour = 60 * minute
const now = Date.UTC(2026, 6, 1, 12, 0)

const requests: readonly Finished[] = [
  { at: now - 2 * hour, totalMs: 20, targetMs: 12 },
  { at: now - hour, totalMs: 40, targetMs: 20 },
  {
    at: now - hour,
    totalMs: 6,
    targetMs: -1,
    key: {
      status: 503,
      targetStatus: 0,
      fault: 'tls-untrusted',
      faultCode: 'a.SslHandshakeFailed',
      faultSource: 'target',
    },
  },
  { at: now - hour, totalMs: 10, targetMs: 5, key: { proxy: 'billing', method: 'POST' } },
  { at: now - hour, key: { environment: 'prod', proxy: 'secret' } },
  { at: now - 50 * hour, key: { target: 'acme/test/orders/2/default' } },
  { at: now - 50 * hour, key: { target: 'acme/test/orders/3/default' } },
  { at: now - 50 * hour, key: { target: 'bank' } },
  { at: now - hour, key: { organization: 'other', proxy: 'secret' } },
]

// oxlint-disable-next-line typescript/no-explicit-any -- a client without types, and what it answers
type Any = any
const client: Any = createRequire(import.meta.url)('apigee-edge-js')

async function rig(monitor: Monitor = memoryMonitor(requests)) {
  const routes = [...organizationRoutes, ...statsRoutes({ monitor }), ...queryRoutes({ monitor, clock: () => now })]
  const server = await startAdmin(routes, { clock: () => now })
  await makeUser(server.services, 'operator', { acme: 'operator' })
  await makeUser(server.services, 'viewer', { acme: 'viewer' })
  await makeUser(server.services, 'other', { other: 'admin' })
  await makeOrganization(server.services, 'acme')
  await server.services.change({ principal: root }, async (tx) => {
    const stamps = { createdAt: 1, createdBy: 'test', lastModifiedAt: 1, lastModifiedBy: 'test' }
    await tx.put('environment', 'acme', 'test', { body: { ...stamps, description: '', properties: {} } })
  })
  const edge = async (): Promise<Any> =>
    client.edge.connect({ mgmtServer: server.origin, org: 'acme', user: 'operator', password, no_token: true })
  return {
    server,
    edge,
    async get(path: string, as = 'viewer'): Promise<{ readonly status: number; readonly json: Any }> {
      const answer = await fetch(`${server.origin}/v1/o/acme/e/test/${path}`, { headers: { authorization: basic(as) } })
      return { status: answer.status, json: await readJson<Any>(answer) }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

const range = 'timeRange=07/01/2026%2010:00~07/01/2026%2012:00'

test('apigee-edge-js reads statistics, plain and optimized', async () => {
  await using it = await rig()
  const org = await it.edge()
  const asked = {
    environment: 'test',
    dimension: 'apis',
    metric: 'sum(message_count),avg(total_response_time)',
    startTime: new Date(2026, 6, 1, 0, 0),
    endTime: new Date(2026, 6, 2, 0, 0),
    timeUnit: 'hour',
    limit: 1024,
  }
  const { data } = await org.stats.get(asked)
  assert.deepEqual(data.environments, [
    {
      name: 'test',
      dimensions: [
        {
          name: 'orders',
          metrics: [
            {
              name: 'sum(message_count)',
              values: [
                { timestamp: now - hour, value: '2.0' },
                { timestamp: now - 2 * hour, value: '1.0' },
              ],
            },
            {
              name: 'avg(total_response_time)',
              values: [
                { timestamp: now - hour, value: '23.0' },
                { timestamp: now - 2 * hour, value: '20.0' },
              ],
            },
          ],
        },
        {
          name: 'billing',
          metrics: [
            { name: 'sum(message_count)', values: [{ timestamp: now - hour, value: '1.0' }] },
            { name: 'avg(total_response_time)', values: [{ timestamp: now - hour, value: '10.0' }] },
          ],
        },
      ],
    },
  ])
  const optimized = (await org.stats.get({ ...asked, optimize: true, filter: "(apiproxy eq 'orders')" })).data.Response
  assert.equal(optimized.TimeUnit.length, 24)
  assert.equal(optimized.resultTruncated, false)
  assert.equal(optimized.stats.data.length, 1)
  const [orders] = optimized.stats.data
  assert.deepEqual(orders.identifier, { names: ['apis'], values: ['orders'] })
  assert.deepEqual([orders.metric[0].env, orders.metric[0].name], ['test', 'sum(message_count)'])
  const at = (time: number): string => orders.metric[0].values[optimized.TimeUnit.indexOf(time)]
  assert.deepEqual([at(now - hour), at(now - 2 * hour), at(now - 3 * hour)], ['2.0', '1.0', '0.0'])
  await assert.rejects(org.stats.get({ ...asked, metric: 'sum(cache_hit)' }), /bad status: 400/)
})

test('apigee-edge-js has a query run, waits for it and fetches its result', async () => {
  await using it = await rig()
  const org = await it.edge()
  const query = {
    metrics: [{ name: 'message_count', function: 'sum', alias: 'count', operator: '/', value: '2' }],
    dimensions: ['apiproxy'],
    timeRange: { start: '2026-07-01T00:00:00', end: '2026-07-01T12:00:00' },
    groupByTimeUnit: 'hour',
    limit: 20,
    filter: '(message_count ge 0)',
    outputFormat: 'json',
  }
  const made = await org.queries.create({ environment: 'test', query })
  assert.match(made.self, /^\/organizations\/acme\/environments\/test\/queries\/[0-9a-f-]{36}$/)
  assert.ok(['enqueued', 'running'].includes(made.state))
  let status = await org.queries.status({ uri: made.self })
  while (status.state !== 'completed') status = await org.queries.status({ uri: made.self })
  assert.deepEqual([status.resultRows, status.result.self], [3, `${made.self}/result`])
  const { response, body } = await org.queries.getResults({ uri: status.result.self })
  assert.equal(response.statusCode, 200)
  const [packed] = [...(await readZip(body)).values()]
  assert.ok(packed !== undefined)
  const rows = gunzipSync(packed)
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
  assert.deepEqual(rows, [
    { count: '0.5', apiproxy: 'orders', hour: '2026-07-01 10:00:00 UTC' },
    { count: '1', apiproxy: 'orders', hour: '2026-07-01 11:00:00 UTC' },
    { count: '0.5', apiproxy: 'billing', hour: '2026-07-01 11:00:00 UTC' },
  ])
  const elsewhere = await it.get(`queries/${made.self.split('/').at(-1)}`, 'other')
  assert.equal(elsewhere.status, 403)
})

const whole: readonly (readonly [sentence: string, path: string, values: Readonly<Record<string, string>>])[] = [
  ['counts by proxy', 'stats/apiproxy?select=sum(message_count)', { orders: '3.0', billing: '1.0' }],
  ['errors', 'stats/apiproxy?select=sum(is_error)', { orders: '1.0', billing: '0.0' }],
  ['errors of the target', 'stats/apiproxy?select=sum(target_error)', { orders: '1.0', billing: '0.0' }],
  [
    'errors of policies, of which none runs',
    'stats/apiproxy?select=sum(policy_error)',
    { orders: '0.0', billing: '0.0' },
  ],
  ['the longest', 'stats/apiproxy?select=max(total_response_time)', { orders: '40.0', billing: '10.0' }],
  [
    'the backend, where it answered',
    'stats/apiproxy?select=avg(target_response_time)',
    { orders: '16.0', billing: '5.0' },
  ],
  [
    "the gateway's own time",
    'stats/apiproxy?select=sum(request_processing_latency)',
    { orders: '34.0', billing: '5.0' },
  ],
  ['bytes', 'stats/apiproxy?select=sum(response_size)', { orders: '3000.0', billing: '1000.0' }],
  ['requests a second', 'stats/apiproxy?select=tps', { orders: String(3 / 7200), billing: String(1 / 7200) }],
  [
    'two dimensions',
    'stats/request_verb,response_status_code?select=sum(message_count)',
    { 'GET,200': '2.0', 'POST,200': '1.0', 'GET,503': '1.0' },
  ],
  [
    'what is not set',
    'stats/ax_edge_execution_fault_code?select=sum(message_count)',
    { '(not set)': '3.0', 'a.SslHandshakeFailed': '1.0' },
  ],
  ['what no request has', 'stats/developer_app?select=sum(message_count)', { '(not set)': '4.0' }],
  [
    'no status of the backend',
    'stats/target_response_code?select=sum(message_count)',
    { '200': '3.0', '(not set)': '1.0' },
  ],
  ['the top one', 'stats/apiproxy?select=sum(message_count)&topk=1', { orders: '3.0' }],
  ['the second', 'stats/apiproxy?select=sum(message_count)&offset=1&limit=5', { billing: '1.0' }],
  [
    'the quickest first',
    'stats/apiproxy?select=sum(message_count)&sortby=avg(total_response_time)&sort=ASC&limit=1',
    { billing: '1.0' },
  ],
  [
    'a filter on another dimension',
    "stats/apiproxy?select=sum(message_count)&filter=(response_status_code eq 503) or request_verb in 'POST'",
    { orders: '1.0', billing: '1.0' },
  ],
  [
    'a filter by what it is not',
    "stats/apiproxy?select=sum(message_count)&filter=(apiproxy ne 'orders' and request_verb notin 'GET')",
    { billing: '1.0' },
  ],
  ['a filter by a part', "stats/apiproxy?select=sum(message_count)&filter=(apiproxy like 'ord%25')", { orders: '3.0' }],
  [
    'a filter on what is not set',
    "stats/apiproxy?select=sum(message_count)&filter=(target_response_code eq '(not set)')",
    { orders: '1.0' },
  ],
]

test('metrics, dimensions and filters, over all of the time', async () => {
  await using it = await rig()
  for (const [sentence, path, values] of whole) {
    const { status, json } = await it.get(`${path}&${range}`)
    assert.equal(status, 200, `${sentence}: ${JSON.stringify(json)}`)
    const found = json.environments[0].dimensions.map(({ name, metrics }: Any) => [name, metrics[0].values[0]])
    assert.deepEqual(Object.fromEntries(found), values, sentence)
  }
})

test('a target goes by the name its proxy gives it, whatever the revision', async () => {
  await using it = await rig()
  const earlier = 'timeRange=06/29/2026%2009:00~06/29/2026%2011:00'
  const asked = async (filter: string): Promise<unknown> => {
    const { json } = await it.get(`stats/target?select=sum(message_count)&${earlier}${filter}`)
    return json.environments[0].dimensions.map(({ name, metrics }: Any) => [name, metrics[0].values[0]])
  }
  assert.deepEqual(await asked(''), [
    ['default', '2.0'],
    ['bank', '1.0'],
  ])
  assert.deepEqual(await asked("&filter=(target eq 'default')"), [['default', '2.0']])
  assert.deepEqual(await asked("&filter=(target ne 'default')"), [['bank', '1.0']])
})

test('without a dimension it is one series; times go up where that is asked for', async () => {
  await using it = await rig()
  const { json } = await it.get(`stats?select=sum(message_count)&${range}&timeUnit=hour&tsAscending=true`)
  assert.deepEqual(json.environments[0].metrics[0].values, [
    { timestamp: now - 2 * hour, value: '1.0' },
    { timestamp: now - hour, value: '3.0' },
  ])
  const month = await it.get(`stats?select=sum(message_count)&${range}&timeUnit=month&_optimized=js`)
  assert.deepEqual(month.json.Response.TimeUnit, [Date.UTC(2026, 6, 1)])
  assert.deepEqual(month.json.Response.stats.data[0].metric[0].values, ['4.0'])
})

const refused: readonly (readonly [path: string, code: string])[] = [
  ['stats/apiproxy?x=1', 'stats-metric'],
  ['stats/apiproxy?select=sum(moon)', 'stats-metric'],
  ['stats/apiproxy?select=sum(response_processing_latency)', 'stats-metric'],
  ['stats/apiproxy?select=min(total_response_time)', 'stats-metric'],
  ['stats/apiproxy?select=sum(message_count', 'stats-metric'],
  ['stats/moon?select=sum(message_count)', 'stats-dimension'],
  ['stats/request_uri?select=sum(message_count)', 'stats-dimension'],
  ['stats/apiproxy?select=sum(message_count)&timeUnit=second', 'stats-time-unit'],
  ['stats/apiproxy?select=sum(message_count)&filter=(moon eq 1)', 'stats-dimension'],
  ['stats/apiproxy?select=sum(message_count)&filter=(apiproxy', 'stats-filter'],
  ['stats/apiproxy?select=sum(message_count)&sort=UP', 'bad-value'],
]

test('what is not measured or not kept is refused by its name', async () => {
  await using it = await rig()
  for (const [path, code] of refused) {
    const { status, json } = await it.get(`${path}&${range}`)
    assert.deepEqual([status, json.code], [400, code], path)
  }
  assert.equal((await it.get('stats/apiproxy?select=sum(message_count)')).json.code, 'stats-time-range')
  assert.equal((await it.get(`stats/apiproxy?select=sum(message_count)&${range}`, 'other')).status, 403)
})

test('queries are bounded; what waits is told to wait, and what fails says why', async () => {
  let release = (): void => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  const inner = memoryMonitor(requests)
  const slow: Monitor = {
    ...inner,
    aggregate: async (query) => {
      await held
      if (query.by.includes('revision')) throw new Error('broken')
      return inner.aggregate(query)
    },
  }
  await using it = await rig(slow)
  const post = (dimension: string) =>
    fetch(`${it.server.origin}/v1/o/acme/e/test/queries`, {
      method: 'POST',
      headers: { authorization: basic('operator'), 'content-type': 'application/json' },
      body: JSON.stringify({
        metrics: [{ name: 'message_count', function: 'sum' }],
        dimensions: [dimension],
        timeRange: 'last24hours',
        outputFormat: 'csv',
      }),
    })
  const first = await post('apiproxy')
  assert.equal(first.status, 201)
  const failing = await readJson<Any>(await post('apiproxy_revision'))
  for (let at = 0; at < 8; at++) assert.equal((await post('apiproxy')).status, 201)
  assert.equal((await post('apiproxy')).status, 429)
  const id = ({ self }: Any): string => self.split('/').at(-1)
  const made = id(await readJson<Any>(first))
  assert.equal((await it.get(`queries/${made}/result`)).json.code, 'query-not-completed')
  release()
  let list = (await it.get('queries')).json
  while (list.some(({ state }: Any) => state === 'enqueued' || state === 'running'))
    list = (await it.get('queries')).json
  assert.equal(list.length, 10)
  const failed = (await it.get(`queries/${id(failing)}`)).json
  assert.deepEqual([failed.state, failed.error], ['failed', 'broken'])
  const result = await fetch(`${it.server.origin}/v1/o/acme/e/test/queries/${made}/result`, {
    headers: { authorization: basic('viewer') },
  })
  const [packed] = [...(await readZip(new Uint8Array(await result.arrayBuffer()))).values()]
  assert.equal(
    gunzipSync(packed ?? '').toString(),
    'sum(message_count),apiproxy\n3.0,orders\n1.0,billing\n'.replaceAll('.0', ''),
  )
  assert.equal((await it.get('queries/nobody')).status, 404)
})
