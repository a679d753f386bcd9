import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { adminPassword, type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'

/*
 * What was observed of one organization, asked for by the operator of another: by every route, in every spelling of the
 * organization. Everything of acme has the word `acmesecret` in it.
 */

const basic = (user: string, word: string): string => `Basic ${Buffer.from(`${user}:${word}`).toString('base64')}`
const root = basic('admin', adminPassword)
const eve = basic('eve', 'password-of-eve')
const backend = createServer((request, response) => request.resume().on('end', () => response.end('acmesecret')))
let gateway: ManagedTestGateway
const of: Record<string, string> = {}
const mark = /acmesecret/

async function ask(authorization: string, method: string, path: string, body?: unknown) {
  const answer = await fetch(`http://127.0.0.1:${gateway.gateway.managementPort}${path}`, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, text: await answer.text() }
}

async function made(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const { status, text } = await ask(root, method, path, body)
  assert.ok(status < 300, `${method} ${path}: ${status} ${text}`)
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
}

const place = '/api/organizations/acme/environments/test'
const metric = { name: 'message_count', function: 'sum' }
const rule = {
  name: 'acmesecret',
  environment: 'test',
  conditions: [{ metric: 'count', threshold: 0, dimensions: { env: 'test', proxy: 'acmesecret' } }],
  notifications: [{ channel: 'webhook', destination: 'http://127.0.0.1:9/acmesecret' }],
}

before(async () => {
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
  gateway = await startManagedGateway({
    targets: { acmesecret: { url: `http://127.0.0.1:${(backend.address() as AddressInfo).port}` } },
    proxies: { acmesecret: { basePath: '/acmesecret', target: 'acmesecret' } },
  })
  await made('POST', '/v1/o', { name: 'globex' })
  await made('POST', '/v1/o/globex/environments', { name: 'test' })
  const roles = { globex: 'operator' }
  await made('POST', '/api/users', { name: 'eve', password: 'password-of-eve', roles })
  of['trace'] = (await made('POST', `${place}/traces`, { proxy: 'acmesecret', name: 'acmesecret' }))['id'] as string
  of['shown'] = (await made('POST', `${place}/traces`, { proxy: 'acmesecret', showCredentials: true }))['id'] as string
  of['alert'] = (await made('POST', '/api/organizations/acme/alerts', rule))['id'] as string
  const collection = { name: 'acmesecret', type: 'proxy', environment: 'test', members: ['acmesecret'] }
  of['collection'] = (await made('POST', '/api/organizations/acme/collections', collection))['id'] as string
  const query = await made('POST', '/v1/organizations/acme/environments/test/queries', {
    name: 'acmesecret',
    metrics: [metric],
    dimensions: ['apiproxy'],
    timeRange: 'last60minutes',
  })
  of['query'] = (query['self'] as string).split('/').at(-1) as string
  const answer = await fetch(`http://127.0.0.1:${gateway.port}/acmesecret/1`)
  await answer.text()
  of['id'] = answer.headers.get('x-request-id') ?? ''
  for (const end = Date.now() + 8000; Date.now() < end; await sleep(30)) {
    const { text } = await ask(root, 'GET', `${place}/monitoring/requests/${of['id']}`)
    const { text: traced } = await ask(root, 'GET', `/api/traces?requestId=${of['id']}`)
    if (mark.test(text) && mark.test(traced)) break
  }
})

after(async () => {
  await gateway[Symbol.asyncDispose]()
  backend.closeAllConnections()
  backend.close()
})

/** As the paths of acme and as those of her own, with ids of acme's. */
function paths(): readonly string[] {
  const both = (path: string): readonly string[] => ['acme', 'globex'].map((org) => path.replaceAll('ORG', org))
  const { trace, shown, alert, collection, query, id } = of
  const env = '/api/organizations/ORG/environments/test'
  const v1 = '/v1/organizations/ORG/environments/test'
  const range = 'timeRange=01/01/2026%2000:00~12/31/2026%2023:59'
  return [
    `/api/traces?requestId=${id}`,
    ...[
      `${env}/traces`,
      `${env}/traces/${trace}`,
      `${env}/traces/${shown}`,
      `${env}/traces/${trace}/transactions/${id}`,
      `${env}/traces/${trace}/export`,
      `${env}/traces/${trace}/export?format=json`,
      `${v1}/apis/acmesecret/revisions/1/debugsessions`,
      `${v1}/apis/acmesecret/revisions/1/debugsessions/acmesecret/data`,
      `${env}/monitoring/matrix?rows=proxy`,
      `${env}/monitoring/series?by=proxy`,
      `${env}/monitoring/cell`,
      `${env}/monitoring/cell?proxy=acmesecret`,
      `${env}/monitoring/requests`,
      `${env}/monitoring/requests/${id}`,
      `${env}/monitoring/dimensions`,
      `${v1}/stats/apiproxy?select=sum(message_count)&${range}`,
      `${v1}/stats/organization,environment,apiproxy?select=sum(message_count)&${range}`,
      `${v1}/stats/apiproxy?select=sum(message_count)&${range}&filter=${encodeURIComponent("(organization eq 'acme') or (apiproxy ne 'x')")}`,
      `${v1}/queries`,
      `${v1}/queries/${query}`,
      `${v1}/queries/${query}/result`,
      '/api/organizations/ORG/alerts',
      `/api/organizations/ORG/alerts/${alert}`,
      '/api/organizations/ORG/alert-instances',
      '/api/organizations/ORG/collections',
      `/api/organizations/ORG/collections/${collection}`,
    ].flatMap(both),
    '/api/alerts/health',
    '/api/monitoring/health',
  ]
}

const spellings = [
  'org=acme',
  'org=globex&org=acme',
  'org=acme&org=globex',
  'org=globex%26org%3Dacme',
  'org=%61cme',
  'org=ACME',
  'org=globex,acme',
  'org=*',
  'org=',
  'org=globex&env=../../acme/test',
  'org[]=acme',
  'Org=acme',
  'org=globex%00acme',
  'org=__proto__',
  'org=constructor',
  'x=1',
]

const known = ['acmesecret', '/logs', '/alerts', '/collections']

describe('An operator of one organization', () => {
  test('is shown nothing of another by the path, and its administrator is', async () => {
    let seen = 0
    for (const path of paths()) {
      const { status, text } = await ask(eve, 'GET', path)
      // What she asked for comes back to her in the words of a refusal.
      const told = known.reduce(
        (rest, word) => (path.includes(word) && status >= 400 ? rest.replaceAll(word, '') : rest),
        text,
      )
      assert.doesNotMatch(told, mark, `${status} ${path}: ${text.slice(0, 300)}`)
      if (path.includes('/acme/')) assert.equal(status, 403, path)
      if (mark.test((await ask(root, 'GET', path)).text)) seen++
    }
    assert.ok(seen >= 20, `the administrator sees it ${seen} times`)
  })

  test('is shown nothing of another by the query of API Monitoring, however it is written', async () => {
    const below = [
      '/logs?timeRange=-1h',
      '/logs/apiproxies?timeRange=-1h',
      '/metrics/traffic?timeRange=-1h&groupBy=proxy',
      '/metrics/targets?timeRange=-1h',
      '/metrics/alerthistory?timeRange=-1h',
      '/alerts?x=1',
      `/alerts/${of['alert']}?x=1`,
      '/collections?x=1',
      `/collections/${of['collection']}?x=1`,
    ]
    for (const path of below) {
      for (const spelling of spellings) {
        for (const query of [`${path}&${spelling}`, path.replace('?', `?${spelling}&`)]) {
          const { status, text } = await ask(eve, 'GET', `/monitoring${query}`)
          assert.doesNotMatch(text, mark, `${status} ${query}`)
        }
      }
    }
    assert.match((await ask(root, 'GET', '/monitoring/logs?org=acme&timeRange=-1h')).text, mark)
  })

  test('changes nothing of another: no session, rule or collection', async () => {
    const { trace, shown, alert, collection } = of
    const theirs = '/api/organizations/ORG/environments/test'
    const session = '/v1/organizations/ORG/environments/test/apis/acmesecret/revisions/1/debugsessions'
    const calls: readonly (readonly [string, string, unknown?])[] = [
      ['DELETE', `${theirs}/traces/${trace}`],
      ['DELETE', `${theirs}/traces/${shown}`],
      ['POST', `${theirs}/traces`, { proxy: 'acmesecret' }],
      ['POST', `${session}?session=evil`],
      ['DELETE', `${session}/acmesecret`],
      ['PUT', `/api/organizations/ORG/alerts/${alert}`, rule],
      ['POST', `/api/organizations/ORG/alerts/${alert}/test`],
      ['DELETE', `/api/organizations/ORG/alerts/${alert}`],
      ['PATCH', `/api/organizations/ORG/collections/${collection}`, { members: [] }],
      ['DELETE', `/api/organizations/ORG/collections/${collection}`],
      ['PUT', `/monitoring/alerts/${alert}?org=ORG`, rule],
      ['DELETE', `/monitoring/alerts/${alert}?org=ORG`],
      ['DELETE', `/monitoring/alerts/${alert}?org=globex&org=ORG`],
      ['DELETE', `/monitoring/collections/${collection}?org=ORG`],
    ]
    for (const [method, path, body] of calls) {
      for (const org of ['acme', 'globex']) {
        const { status, text } = await ask(eve, method, path.replaceAll('ORG', org), body)
        assert.ok(status >= 400 && status < 500, `${method} ${path} as ${org}: ${status} ${text}`)
      }
    }
    for (const path of [`${place}/traces/${trace}`, `${place}/traces/${shown}`]) await made('GET', path)
    await made('GET', `/api/organizations/acme/alerts/${alert}`)
    await made('GET', `/api/organizations/acme/collections/${collection}`)
  })

  test('cannot make a rule of her own that looks at another', async () => {
    const elsewhere = [
      { organization: 'acme' },
      { conditions: [{ metric: 'count', dimensions: { org: 'acme', env: 'test', proxy: 'ANY' } }] },
      { conditions: [{ metric: 'count', dimensions: { env: 'test', collection: of['collection'] } }] },
      { conditions: [{ metric: 'count', dimensions: { env: '../../acme/test', proxy: 'ANY' } }] },
    ]
    for (const change of elsewhere) {
      const { status, text } = await ask(eve, 'POST', '/api/organizations/globex/alerts', {
        ...rule,
        name: JSON.stringify(change),
        conditions: [{ metric: 'count', dimensions: { env: 'test' } }],
        ...change,
      })
      if (status < 300) assert.ok(!/"organization":\s*"acme"/.test(text), text)
    }
    await sleep(100)
    const { text } = await ask(eve, 'GET', '/api/organizations/globex/alert-instances')
    assert.doesNotMatch(text, mark)
  })

  test('who may only look starts no session, and credentials are shown to administrators alone', async () => {
    const look = basic('vic', 'password-of-vic')
    const work = basic('oz', 'password-of-oz')
    await made('POST', '/api/users', { name: 'vic', password: 'password-of-vic', roles: { acme: 'viewer' } })
    await made('POST', '/api/users', { name: 'oz', password: 'password-of-oz', roles: { acme: 'operator' } })
    assert.equal((await ask(look, 'POST', `${place}/traces`, { proxy: 'acmesecret' })).status, 403)
    const shown = { proxy: 'acmesecret', showCredentials: true }
    assert.equal((await ask(work, 'POST', `${place}/traces`, shown)).status, 403)
    for (const who of [look, work]) {
      for (const path of [
        `/traces/${of['shown']}`,
        `/traces/${of['shown']}/transactions/${of['id']}`,
        `/traces/${of['shown']}/export`,
      ]) {
        const { status, text } = await ask(who, 'GET', `${place}${path}`)
        assert.equal(status, 403, text)
      }
      const { found } = JSON.parse((await ask(who, 'GET', `/api/traces?requestId=${of['id']}`)).text) as {
        found: { trace: { id: string } }[]
      }
      assert.deepEqual(
        found.map(({ trace }) => trace.id),
        [of['trace']],
      )
    }
  })
})
