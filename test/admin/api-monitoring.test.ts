import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiMonitoringRoutes } from '../../src/admin/monitoring/api-monitoring.ts'
import { alertFindings, storedAlerts } from '../../src/admin/monitoring/alert-store.ts'
import { storedCollections } from '../../src/admin/monitoring/collection-store.ts'
import { alertRoutes } from '../../src/admin/native/alerts.ts'
import type { Alerts } from '../../src/monitor/alerts/engine.ts'
import { openAlerts } from '../../src/monitor/alerts/engine.ts'
import { startReceiver } from '../monitor/alert-receiver.ts'
import { type Finished, memoryMonitor } from '../monitor/memory-monitor.ts'
import { basic, makeOrganization, makeUser, memoryServices, readJson, root, startAdmin } from './support.ts'

/* Edge's API Monitoring: its own paths, with the organization in the query (apigee-edge.md 1.9, 5.4). */

const minute = 60_000
const now = Date.UTC(2026, 6, 1, 12, 0, 10)
const end = Date.UTC(2026, 6, 1, 12, 0)

const failed: NonNullable<Finished['key']> = {
  status: 503,
  targetStatus: 0,
  fault: 'tls-untrusted',
  verdict: 'missing-root',
  party: 'gateway',
  faultCode: 'messaging.adaptors.http.flow.SslHandshakeFailed',
  faultSource: 'target',
}

const requests: Finished[] = [
  { at: end - 2 * minute, id: 'one', totalMs: 10, targetMs: 6 },
  { at: end - minute, id: 'two', totalMs: 20, targetMs: 12 },
  { at: end - minute, id: 'three', key: failed, totalMs: 551, targetMs: -1 },
  { at: end - minute, id: 'four', key: { proxy: 'billing', basePath: '/billing', target: 'bank' } },
  { at: end - minute, id: 'theirs', key: { ...failed, organization: 'other', proxy: 'secret' } },
]

// oxlint-disable-next-line typescript/no-explicit-any -- a test that is wrong about it fails
type Any = any

async function rig() {
  const services = await memoryServices(() => now)
  const monitor = memoryMonitor(requests)
  const alerts: Alerts = openAlerts({
    monitor,
    rules: storedAlerts(services.store),
    collection: storedCollections(services.store),
    certificates: () => [],
    region: () => 'r1',
    clock: () => now,
    everyMs: 0,
  })
  const parts = { monitor, alerts, region: () => 'r1', prefix: '/monitoring' }
  const server = await startAdmin([...apiMonitoringRoutes(parts), ...alertRoutes(parts)], {
    services,
    clock: () => now,
  })
  for (const [name, roles] of [
    ['operator', { acme: 'operator' }],
    ['viewer', { acme: 'viewer' }],
    ['other', { other: 'admin' }],
    ['all', { '*': 'viewer' }],
  ] as const) {
    await makeUser(services, name, roles)
  }
  for (const org of ['acme', 'other']) {
    await makeOrganization(services, org)
    await services.change({ principal: root }, async (tx) => {
      const stamps = { createdAt: 1, createdBy: 'test', lastModifiedAt: 1, lastModifiedBy: 'test' }
      await tx.put('environment', org, 'test', { body: { ...stamps, description: '', properties: {} } })
    })
  }
  return {
    services,
    server,
    alerts,
    async send(method: string, path: string, body?: unknown, as = 'operator') {
      const answer = await fetch(`${server.origin}${path}`, {
        method,
        headers: { authorization: basic(as), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return { status: answer.status, json: await readJson<Any>(answer) }
    },
    async [Symbol.asyncDispose]() {
      await alerts.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

test('logs of failed requests, as Edge writes them', async () => {
  await using it = await rig()
  const { json } = await it.send('GET', '/monitoring/logs?org=acme&env=test&timeRange=-1h&select=4xx,5xx')
  assert.deepEqual(json, [
    {
      request: 'GET /orders HTTP/1.1',
      request_length: 100,
      request_message_id: 'three',
      virtual_host: 'api.example.com',
      response_size: 1000,
      response_time: 0.551,
      response_status: '503',
      timestamp: '2026-07-01T11:59:00Z',
      fault_code: 'messaging.adaptors.http.flow.SslHandshakeFailed',
      fault_flow: '-',
      fault_policy: 'null/null',
      fault_proxy: '/organizations/acme/environments/test/apiproxies/orders/revisions/1',
      fault_source: 'target',
    },
  ])
  const ids = async (query: string): Promise<unknown> => {
    const { json: records } = await it.send('GET', `/monitoring/logs?org=acme&from=-1h&${query}`)
    return records.map((each: Any) => each.request_message_id)
  }
  assert.deepEqual(await ids(''), ['two', 'three', 'four', 'one'])
  assert.deepEqual(await ids('limit=1'), ['two'])
  assert.deepEqual(await ids('faultcode=SslHandshakeFailed'), ['three'])
  assert.deepEqual(await ids('faultcode=Other'), [])
  assert.deepEqual(await ids('source=target'), ['three'])
  assert.deepEqual(await ids('source=proxy'), [])
  assert.deepEqual(await ids('status=200&proxy=billing'), ['four'])
  assert.deepEqual(await ids('region=r1&proxy=billing'), ['four'])
  assert.deepEqual(await ids('region=r2'), [])
  assert.deepEqual(await ids('policy=P'), [])
  assert.deepEqual((await it.send('GET', '/monitoring/logs/apiproxies?org=acme')).json, ['billing', 'orders'])
  const below = await it.send('GET', '/monitoring/logs/apiproxies?org=acme&select=api.example.com/billing')
  assert.deepEqual(below.json, ['billing'])
})

test('bad values of what the logs know are refused as Edge refuses, other parameters are not looked at', async () => {
  await using it = await rig()
  for (const [query, status] of [
    ['limit=1000', 200],
    ['limit=1001', 400],
    ['limit=0', 400],
    ['limit=ten', 400],
    ['limit=1001&policy=P', 400],
    ['select=4xx', 200],
    ['select=failed', 400],
    ['targetStatusCode=503', 200],
    ['targetStatusCode=errors', 400],
    ['statusCode=9xx', 400],
    ['moon=full', 200],
  ] as const) {
    const answer = await it.send('GET', `/monitoring/logs?org=acme&${query}`)
    assert.equal(answer.status, status, query)
    if (status === 400) assert.deepEqual([answer.json.code, typeof answer.json.message], ['bad-parameter', 'string'])
  }
})

test('a target goes by the name its proxy gives it, and is found by both its names', async () => {
  const deployed = 'acme/test/orders/7/default'
  requests.push({ at: end - 30 * minute, id: 'five', key: { target: deployed } })
  try {
    await using it = await rig()
    const ids = async (target: string): Promise<unknown> => {
      const { json } = await it.send('GET', `/monitoring/logs?org=acme&env=test&from=-1h&target=${target}`)
      return json.map((each: Any) => each.request_message_id)
    }
    assert.deepEqual(await ids('default'), ['five'])
    assert.deepEqual(await ids(deployed), ['five'])
    assert.deepEqual(await ids('other'), [])
    const { json } = await it.send('GET', '/monitoring/metrics/targets?org=acme&env=test&from=-1h')
    assert.deepEqual(json, ['acme/test/orders/default', 'bank', 'default'])
    const traffic = await it.send('GET', '/monitoring/metrics/traffic?org=acme&from=-1h&groupBy=target&target=default')
    assert.deepEqual(
      traffic.json.results[0].series.map(({ tags }: Any) => tags.target),
      ['default'],
    )
  } finally {
    requests.pop()
  }
})

test('series of traffic and latency', async () => {
  await using it = await rig()
  const path = '/monitoring/metrics/traffic?org=acme&env=test&interval=1m&from=-1h&to=now'
  const { json } = await it.send('GET', `${path}&select=count,rate,tps&groupBy=proxy&statusCode=5xx`)
  const rate = 1 / 2
  assert.deepEqual(json, {
    results: [
      {
        series: [
          {
            name: 'proxy',
            tags: { org: 'acme', env: 'test', proxy: 'orders', target: 'ALL', region: 'r1', mpHost: 'ALL' },
            columns: ['time', 'count', 'rate', 'tps'],
            values: [['2026-07-01T11:59:00Z', 1, rate, 1 / 60]],
          },
        ],
      },
    ],
  })
  const grouped = (await it.send('GET', `${path}&groupBy=faultCodeName`)).json.results[0].series
  assert.deepEqual(
    grouped.map(({ tags, values }: Any) => [tags.faultCodeName, values.map(([, count]: Any) => count)]),
    [
      ['(not set)', [1, 2]],
      ['SslHandshakeFailed', [1]],
    ],
  )
  const latency = '/monitoring/metrics/latency?org=acme&env=test&interval=60&percentile=90&proxy=billing'
  const [series] = (await it.send('GET', latency)).json.results[0].series
  assert.deepEqual(series.columns, ['time', 'totalLatency', 'targetLatency'])
  assert.deepEqual([series.tags.percentile, series.tags.proxy], ['90', 'billing'])
  assert.equal(series.values.length, 1)
  assert.ok(series.values[0][1] > series.values[0][2])
})

test('names of targets and faults', async () => {
  await using it = await rig()
  const list = async (name: string): Promise<unknown> =>
    (await it.send('GET', `/monitoring/metrics/${name}?org=acme&from=-1h`)).json
  assert.deepEqual(await list('targets'), ['acme/test/orders/default', 'bank'])
  assert.deepEqual(await list('faultcodes'), [failed.faultCode])
  assert.deepEqual(await list('faultcodenames'), ['SslHandshakeFailed'])
  assert.deepEqual(await list('faultcodecategories'), ['Gateway'])
  assert.deepEqual(await list('faultcodesubcategories'), ['Target'])
  assert.deepEqual(await list('faultcodedetails'), [
    {
      faultCode: failed.faultCode,
      faultCodeName: 'SslHandshakeFailed',
      faultCodeCategory: 'Gateway',
      faultCodeSubCategory: 'Target',
      faultCodeDocumentLink: '',
    },
  ])
})

test('the organization of the query decides who may', async () => {
  await using it = await rig()
  const cases: readonly (readonly [who: string, query: string, status: number])[] = [
    ['viewer', '?org=acme', 200],
    ['other', '?org=acme', 403],
    ['other', '?org=other', 200],
    ['viewer', '?org=other', 403],
    ['all', '?org=acme', 200],
    // Without one it takes a role everywhere, and then it is missing.
    ['viewer', '', 403],
    ['viewer', '?org=', 403],
    ['all', '', 400],
    // The first counts, for who may and for what is told.
    ['viewer', '?org=acme&org=other', 200],
    ['viewer', '?org=other&org=acme', 403],
  ]
  for (const path of ['/logs', '/metrics/traffic', '/metrics/events', '/alerts', '/collections']) {
    for (const [who, query, status] of cases) {
      const answer = await it.send('GET', `/monitoring${path}${query}`, undefined, who)
      assert.equal(answer.status, status, `${path}${query} as ${who}`)
      if (status === 200 && who === 'viewer') assert.ok(!JSON.stringify(answer.json).includes('secret'), path)
    }
  }
  assert.equal((await it.send('POST', '/monitoring/alerts?org=acme', {}, 'viewer')).status, 403)
  const refused = await it.send('GET', '/monitoring/logs?org=acme&env=nowhere')
  assert.deepEqual([refused.status, refused.json.code], [404, 'messaging.config.beans.EnvironmentDoesNotExist'])
  const audits = await it.services.store.audits({ organization: 'acme' })
  assert.equal(audits.find(({ status }) => status === 403)?.user, 'viewer')
  assert.deepEqual(it.server.errors, [])
})

const rule = (destination: string, more: object = {}) => ({
  name: 'handshakes',
  organization: 'acme',
  environment: 'test',
  throttleIntervalSeconds: 60,
  conditions: [
    {
      dimensions: { org: 'acme', env: 'test', proxy: 'ALL', faultCodeName: 'ANY' },
      metric: 'count',
      threshold: 0,
      durationSeconds: 60,
      comparator: '>',
    },
  ],
  notifications: [{ channel: 'webhook', destination, secret: 'a signing key' }],
  ...more,
})

test('an alert is made, tested, fires, is listed, changed and deleted; its secret is never seen', async () => {
  await using hook = await startReceiver()
  await using it = await rig()
  const heard: string[] = []
  const send = async (...args: Parameters<typeof it.send>): ReturnType<typeof it.send> => {
    const answer = await it.send(...args)
    heard.push(JSON.stringify(answer.json))
    return answer
  }
  const made = await send('POST', '/monitoring/alerts?org=acme', rule(hook.url))
  assert.equal(made.status, 201)
  assert.deepEqual(made.json.notifications, [
    { channel: 'webhook', destination: hook.url, signed: true, deliverable: true },
  ])
  const item = `/monitoring/alerts/${made.json.uuid}`
  const tested = await send('POST', `${item}/test?org=acme`)
  assert.deepEqual([tested.status, tested.json.results[0].delivered, tested.json.results[0].status], [200, true, 204])
  await it.alerts.evaluate()
  await hook.until(2)
  assert.deepEqual(
    hook.received.map(({ json, headers }) => [json.type, typeof headers['postern-signature']]),
    [
      ['alert-test', 'string'],
      ['alert-fired', 'string'],
    ],
  )
  const [event] = (await send('GET', '/monitoring/metrics/events?org=acme')).json
  assert.deepEqual([event.alertName, event.state, event.requests], ['handshakes', 'triggered', ['three']])
  assert.deepEqual((await send('GET', `/monitoring/metrics/alertinstance/${event.id}?org=acme`)).json, event)
  assert.equal((await send('GET', '/monitoring/metrics/alertsummary?org=acme')).json[0].active, 1)
  assert.deepEqual((await send('GET', '/monitoring/metrics/alerthistory?org=acme&type=anomaly')).json, [])
  const theirs = await it.send('GET', `/monitoring/metrics/alertinstance/${event.id}?org=other`, undefined, 'other')
  assert.equal(theirs.status, 404)
  // Left out, the secret stays; the key is of no use to viewers, nor is where to send.
  const { secret: _, ...same } = rule(hook.url).notifications[0] as Any
  const changed = await send('PUT', `${item}?org=acme`, rule(hook.url, { notifications: [same], description: 'more' }))
  assert.deepEqual([changed.json.description, changed.json.notifications[0].signed], ['more', true])
  const seen = await send('GET', `${item}?org=acme`, undefined, 'viewer')
  assert.match(seen.json.notifications[0].destination, /^http:\/\/127\.0\.0\.1:\d+\/\*\*\*$/)
  const native = await send('GET', '/api/organizations/acme/alerts', undefined, 'viewer')
  assert.equal(native.json.alerts[0].id, made.json.uuid)
  const instances = await send('GET', '/api/organizations/acme/alert-instances')
  assert.equal(instances.json.instances[0].notice, 'sent')
  assert.equal((await send('GET', '/api/alerts/health', undefined, 'all')).json.delivered, 1)
  const unsigned = rule(hook.url, { notifications: [{ ...same, secret: '' }] })
  assert.equal((await send('PUT', `${item}?org=acme`, unsigned)).json.notifications[0].signed, false)
  assert.equal((await send('DELETE', `${item}?org=acme`)).status, 200)
  assert.equal((await send('GET', `${item}?org=acme`)).json.code, 'alert-unknown')
  assert.ok(heard.every((text) => !text.includes('a signing key')))
  assert.ok(hook.received.every(({ text }) => !text.includes('a signing key')))
  const audits = await it.services.store.audits({ organization: 'acme' })
  assert.deepEqual(
    audits.map(({ operation }) => operation),
    ['DELETE', 'UPDATE', 'UPDATE', 'TEST', 'CREATE'],
  )
  assert.ok(audits.every((entry) => !JSON.stringify(entry).includes('a signing key')))
})

test('alerts are validated, named once, and at most 20', async () => {
  await using it = await rig()
  const post = (body: unknown) => it.send('POST', '/monitoring/alerts?org=acme', body)
  const wrong = await post({ ...rule('https://hook.example.com/'), conditions: [] })
  assert.deepEqual([wrong.status, wrong.json.code], [400, 'bad-alert'])
  assert.match(wrong.json.message, /conditions/)
  assert.equal((await post(rule('https://hook.example.com/', { organization: 'other' }))).json.code, 'bad-alert')
  const mail = { notifications: [{ channel: 'email', destination: 'ops@example.com' }] }
  const made = await post(rule('', mail))
  assert.deepEqual([made.status, made.json.notifications[0].deliverable], [201, false])
  const [finding] = await it.services.read((view) => alertFindings(view, known))
  assert.deepEqual([finding?.code, finding?.object], ['undeliverable', 'acme/alerts/handshakes'])
  assert.equal((await post(rule('', mail))).status, 409)
  for (let at = 1; at < 20; at++) assert.equal((await post(rule('', { ...mail, name: `n${at}` }))).status, 201)
  const more = await post(rule('', { ...mail, name: 'one more' }))
  assert.deepEqual([more.status, more.json.code], [400, 'alerts-limit'])
})

const known = {
  proxies: (organization: string) => new Set(organization === 'acme' ? ['orders'] : []),
  targets: () => new Set(['acme/test/orders/1/default', 'default']),
}

test('alerts that can never fire, or tell nobody, are taken and found; a rate of nothing is refused', async () => {
  await using it = await rig()
  const traffic = (dimensions: object, more: object = {}) =>
    rule('https://hook.example.com/', { conditions: [{ metric: 'count', threshold: 1, dimensions }], ...more })
  for (const [what, body, found] of [
    ['all is known', traffic({ proxy: 'orders', target: 'default' }), []],
    ['ANY and ALL are no names', traffic({ proxy: 'ANY', target: 'ALL', collection: 'ALL' }), []],
    ['an environment', traffic({}, { environment: 'tset' }), ['environment tset']],
    ['a proxy and a target', traffic({ proxy: 'orderz', target: 'bank' }), ['proxy orderz, target bank']],
    ['a collection', traffic({ collection: 'shop' }), ['collection shop']],
    ['no receiver', traffic({}, { notifications: [] }), ['nobody is told']],
  ] as const) {
    const made = await it.send('POST', '/monitoring/alerts?org=acme', body)
    assert.equal(made.status, 201, what)
    const findings = await it.services.read((view) => alertFindings(view, known))
    assert.equal(findings.length, found.length, what)
    for (const [at, text] of found.entries()) assert.ok(findings[at]?.message.includes(text), findings[at]?.message)
    if (what === 'no receiver') {
      assert.equal(findings[0]?.code, 'undeliverable')
      const tested = await it.send('POST', `/monitoring/alerts/${made.json.id}/test?org=acme`)
      assert.deepEqual([tested.status, tested.json.code], [409, 'alert-undeliverable'])
    } else if (found.length > 0) assert.equal(findings[0]?.code, 'alert-names-unknown')
    await it.send('DELETE', `/monitoring/alerts/${made.json.id}?org=acme`)
  }
  const rate = { metric: 'rate', dimensions: { statusCode: '5xx' } }
  const post = (condition: object) =>
    it.send('POST', '/monitoring/alerts?org=acme', rule('https://hook.example.com/', { conditions: [condition] }))
  const refused = await post(rate)
  assert.deepEqual([refused.status, refused.json.code], [400, 'bad-alert'])
  assert.match(refused.json.message, /conditions\.0\.threshold: of a rate is missing/)
  const taken = await post({ ...rate, threshold: 0.1 })
  assert.equal(taken.json.conditions[0].comparator, '>')
  const ends = await post({ metric: 'certificate-expires', threshold: 30 })
  assert.equal(ends.status, 409, 'the name is taken')
  const named = rule('https://hook.example.com/', {
    name: 'ends',
    conditions: [{ metric: 'certificate-expires', threshold: 30 }],
  })
  const shown = await it.send('POST', '/monitoring/alerts?org=acme', named)
  assert.equal(shown.json.conditions[0].comparator, undefined, 'nothing is compared')
})

test('a collection is made, used by a series and an alert, changed and deleted', async () => {
  await using it = await rig()
  const bean = { organization: 'acme', environment: 'test', name: 'shop', type: 'proxy', members: ['billing'] }
  const made = await it.send('POST', '/monitoring/collections?org=acme', bean)
  assert.equal(made.status, 201)
  assert.equal((await it.send('POST', '/monitoring/collections?org=acme', bean)).status, 409)
  assert.equal((await it.send('POST', '/monitoring/collections?org=acme', { ...bean, type: 'moon' })).status, 400)
  const item = `/monitoring/collections/${made.json.id}`
  const counts = async (): Promise<unknown> => {
    const traffic = await it.send('GET', '/monitoring/metrics/traffic?org=acme&collection=shop&groupBy=proxy')
    return traffic.json.results[0].series.map(({ tags }: Any) => tags.proxy)
  }
  assert.deepEqual(await counts(), ['billing'])
  const patched = await it.send('PATCH', `${item}?org=acme`, { members: ['billing', 'orders'] })
  assert.deepEqual([patched.json.name, patched.json.members.length], ['shop', 2])
  assert.deepEqual(await counts(), ['orders', 'billing'])
  const renamed = await it.send('PATCH', `${item}?org=acme`, { description: 'd' })
  assert.equal(renamed.json.members.length, 2)
  const native = await it.send('GET', '/api/organizations/acme/collections', undefined, 'viewer')
  assert.equal(native.json.collections[0].description, 'd')
  assert.equal((await it.send('GET', `${item}?org=other`, undefined, 'other')).status, 404)
  assert.equal((await it.send('DELETE', `${item}?org=acme`)).status, 200)
  assert.equal((await it.send('GET', '/monitoring/metrics/traffic?org=acme&collection=shop')).status, 400)
})
