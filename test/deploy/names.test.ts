import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'yaml'
import { revocationList } from '../../src/lab/revocation-list.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { type ReadSample, readExposition } from '../support/prometheus.ts'
import { readQuery } from '../support/promql.ts'
import { startTlsBackend } from '../support/tls-backend.ts'

const deploy = join(import.meta.dirname, '..', '..', 'deploy')

/** Of Prometheus, not of the gateway. */
const ofPrometheus = { metrics: ['up'], labels: ['instance', 'job'] }

interface Query {
  readonly where: string
  readonly query: string
}

function ofRules(): readonly Query[] {
  const { groups } = parse(readFileSync(join(deploy, 'prometheus', 'postern.rules.yaml'), 'utf8')) as {
    readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
  }
  return groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ where: alert, query: expr })))
}

function ofDashboard(): readonly Query[] {
  interface Panel {
    readonly title: string
    readonly targets?: readonly { readonly expr: string }[]
  }
  const { panels, templating, annotations } = JSON.parse(
    readFileSync(join(deploy, 'grafana', 'postern.json'), 'utf8'),
  ) as {
    readonly panels: readonly Panel[]
    readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
    readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] }
  }
  const values = templating.list.flatMap(({ name, definition = '' }): readonly Query[] => {
    const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? []
    return metric === undefined ? [] : [{ where: `variable ${name}`, query: `count by (${label}) (${metric})` }]
  })
  return [
    ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: title, query: expr }))),
    ...annotations.list.map(({ name, expr }) => ({ where: name, query: expr })),
    ...values,
  ].map(({ where, query }) => ({ where: `dashboard, ${where}`, query: query.replaceAll('$__rate_interval', '5m') }))
}

/** Everything that a gateway has metrics of: it serves, is refused, has exceptions, lists and certificates of its own. */
describe('a gateway that has served requests and refused a backend', () => {
  const cleanup = new AsyncDisposableStack()
  let gateway: TestGateway
  let samples: readonly ReadSample[]

  before(async () => {
    const root = await createRoot({ commonName: 'Metrics CA' })
    const other = await createRoot({ commonName: 'Somebody Else' })
    const names = ['backend.test']
    const good = cleanup.use(await startTlsBackend({ identity: await createLeaf(root, { names }) }))
    const bad = cleanup.use(await startTlsBackend({ identity: await createLeaf(other, { names }) }))
    const front = await createLeaf(root, { names: ['api.test'] })
    const client = await createLeaf(root, { names: ['gateway.test'] })
    const tls = { trust: ['corp'], serverName: 'backend.test' }
    const exception = { skip: 'name', owner: 'us', reason: 'test', until: new Date(Date.now() + 864e5).toISOString() }
    gateway = cleanup.use(
      await startTestGateway(
        {
          listeners: [
            { name: 'http', address: '127.0.0.1', port: 0 },
            {
              name: 'https',
              address: '127.0.0.1',
              port: 0,
              tls: { certificates: [{ certificate: './front.pem', key: './front.key' }] },
            },
          ],
          management: { address: '127.0.0.1', port: 0 },
          trustStores: { corp: { sources: [{ file: './ca.pem' }] } },
          crlStores: { corp: { sources: [{ file: './ca.crl' }] } },
          targets: {
            good: {
              url: good.url,
              tls: { ...tls, clientCertificate: { certificate: './client.pem', key: './client.key' } },
            },
            bad: { url: bad.url, tls: { ...tls, exceptions: [exception] } },
          },
          proxies: { good: { basePath: '/good', target: 'good' }, bad: { basePath: '/bad', target: 'bad' } },
        },
        {
          files: {
            'ca.pem': root.certificatePem,
            'ca.crl': revocationList(root, { now: new Date() }),
            'front.pem': front.chainPem,
            'front.key': front.keyPem,
            'client.pem': client.chainPem,
            'client.key': client.keyPem,
          },
        },
      ),
    )
    for (const path of ['good', 'good', 'bad', 'nowhere']) {
      await (await fetch(`${gateway.origin}/${path}/x`)).arrayBuffer()
    }
    // Rollups come once a second.
    for (let attempt = 0; attempt < 100; attempt++) {
      samples = readExposition(await scrape(gateway))
      if (value('http_server_request_duration_seconds_count', { postern_proxy: 'bad' }) === 1) break
      await sleep(100)
    }
  })
  after(() => cleanup[Symbol.asyncDispose]())

  const value = (name: string, labels: Readonly<Record<string, string>>): number | undefined =>
    samples.find(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([label, wanted]) => sample.labels[label] === wanted),
    )?.value

  test('has every metric and label that the alerts and the dashboard name', () => {
    const labelsOf = new Map<string, Set<string>>()
    for (const { name, labels } of samples) {
      const known = labelsOf.get(name) ?? new Set(ofPrometheus.labels)
      for (const label of Object.keys(labels)) known.add(label)
      labelsOf.set(name, known)
    }
    const queries = [...ofRules(), ...ofDashboard()]
    assert.ok(queries.length > 70, String(queries.length))
    const missing = queries.flatMap(({ where, query }) => {
      const { metrics, labels } = readQuery(query)
      const own = metrics.filter((name) => !ofPrometheus.metrics.includes(name))
      const known = new Set([...ofPrometheus.labels, ...own.flatMap((name) => [...(labelsOf.get(name) ?? [])])])
      return [
        ...own.filter((name) => !labelsOf.has(name)).map((name) => `${where}: no ${name}`),
        ...labels.filter((label) => !known.has(label)).map((label) => `${where}: no label ${label}`),
      ]
    })
    assert.deepEqual(missing, [])
  })

  test('counts the same verdict in every metric of the failed request', () => {
    const code = 'unknown-issuer'
    assert.equal(value('postern_upstream_tls_handshakes_total', { target: 'bad', result: 'refused', code }), 1)
    const timed = 'postern_upstream_tls_handshake_duration_seconds_count'
    assert.equal(value(timed, { target: 'bad', result: 'refused' }), 1)
    assert.equal(value('postern_faults_total', { target: 'bad', code }), 1)
    const counted = { postern_proxy: 'bad', error_type: code, http_route: '/bad', http_response_status_code: '502' }
    assert.equal(value('http_server_request_duration_seconds_count', counted), 1)
  })

  test('counts what went well', () => {
    const ok = { http_response_status_code: '200', http_request_method: 'GET' }
    assert.equal(value('http_server_request_duration_seconds_count', { ...ok, postern_proxy: 'good' }), 2)
    assert.equal(value('http_client_request_duration_seconds_count', { ...ok, postern_target: 'good' }), 2)
    assert.equal(value('postern_requests_total', { proxy: '(none)', code_class: '4xx' }), 1)
  })

  test('serves OpenMetrics where it is asked for', async () => {
    const text = await scrape(gateway, { accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5' })
    assert.ok(text.endsWith('\n# EOF\n'))
    assert.match(text, /^# UNIT http_server_request_duration_seconds seconds$/m)
  })
})

async function scrape(gateway: TestGateway, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${gateway.gateway.managementPort}/metrics`, { headers })
  const type = headers['accept'] === undefined ? 'text/plain' : 'application/openmetrics-text'
  assert.equal(response.headers.get('content-type')?.split(';')[0], type)
  return response.text()
}
