import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ServerPlan, TargetPlan } from '../../../src/proxy/plan.ts'
import { codes, compiled, deployment, keystore, onlyTarget, said, sslInfo, type Stored } from './runtime.ts'

function target(xml: string, stored: Stored = {}): TargetPlan {
  return onlyTarget(compiled({ ...stored, deployments: [deployment({ targets: { default: xml } })] }))
}

function saidOf(xml: string, stored: Stored = {}): readonly string[] {
  const { problems, findings } = compiled({ ...stored, deployments: [deployment({ targets: { default: xml } })] })
  return [...problems.map(({ code }) => `problem ${code}`), ...codes(findings)]
}

const servers = { a: { host: 'a.test', port: 8001 }, b: { host: 'b.test', port: 8002 }, c: { host: 'c.test' } }

const balanced = (inside: string, more = ''): string => `<LoadBalancer>${inside}</LoadBalancer>${more}`
const two = '<Server name="a"/><Server name="b"/>'

const line = ({ name, scheme, host, port, weight, fallback, authority }: ServerPlan): string =>
  `${name} ${scheme}://${host}:${port} ${weight}${fallback ? ' fallback' : ''}${authority === null ? '' : ` as ${authority}`}`

describe('a target with a URL', () => {
  it('is one server, named after its endpoint', () => {
    const { name, scheme, pathPrefix, authority, servers, ejection, health, retries } = target(
      '<URL>http://a.test:81/x/</URL>',
    )
    assert.deepEqual([name, scheme, pathPrefix, authority], ['acme/test/orders/1/default', 'http', '/x', 'a.test:81'])
    assert.deepEqual(servers.map(line), ['a.test:81 http://a.test:81 1'])
    assert.deepEqual([ejection, health, retries.attempts], [null, null, 0])
  })

  it("has Edge's times unless properties say otherwise", () => {
    const { connectMs, firstByteMs, bodyIdleMs, drainMs } =
      target('<URL>http://a.test</URL>').servers[0]?.timeouts ?? {}
    assert.deepEqual([connectMs, firstByteMs, bodyIdleMs, drainMs], [3000, 55_000, 55_000, 25_000])
    const properties = ['connect', 'io', 'keepalive'].map(
      (name, index) => `<Property name="${name}.timeout.millis">${index + 1}000</Property>`,
    )
    const set = target(`<URL>http://a.test</URL><Properties>${properties.join('')}</Properties>`).servers[0]?.timeouts
    assert.deepEqual([set?.connectMs, set?.firstByteMs, set?.bodyIdleMs, set?.keepAliveMs], [1000, 2000, 2000, 3000])
  })

  it('says which properties have no effect, and which are no time', () => {
    const xml = (name: string, value: string): string =>
      `<URL>http://a.test</URL><Properties><Property name="${name}">${value}</Property></Properties>`
    assert.deepEqual(saidOf(xml('use.proxy', 'true')), ['property-not-honoured'])
    assert.deepEqual(saidOf(xml('io.timeout.millis', 'soon')), ['property-invalid'])
    assert.deepEqual(saidOf(xml('response.streaming.enabled', 'true')), [])
  })
})

describe('a target with a LoadBalancer', () => {
  it('has the target servers of its environment', () => {
    const plan = target(balanced(two, '<Path>/v1</Path>'), { targetServers: servers })
    assert.deepEqual(plan.servers.map(line), ['a http://a.test:8001 1', 'b http://b.test:8002 1 as b.test:8002'])
    assert.deepEqual([plan.authority, plan.pathPrefix, plan.balance], ['a.test:8001', '/v1', 'round-robin'])
  })

  it('takes over weights where it goes by them, and only there', () => {
    const weighted = '<Server name="a"><Weight>3</Weight></Server><Server name="b"/>'
    const by = (algorithm: string): TargetPlan =>
      target(balanced(`<Algorithm>${algorithm}</Algorithm>${weighted}`), { targetServers: servers })
    assert.deepEqual(
      [by('Weighted').balance, ...by('Weighted').servers.map(({ weight }) => weight)],
      ['weighted', 3, 1],
    )
    assert.deepEqual(
      [by('LeastConnections').balance, ...by('LeastConnections').servers.map(({ weight }) => weight)],
      ['least-requests', 1, 1],
    )
  })

  it('keeps the shares of weights above what a plan has', () => {
    const xml = balanced(
      '<Algorithm>Weighted</Algorithm><Server name="a"><Weight>4000</Weight></Server><Server name="b"><Weight>1000</Weight></Server>',
    )
    assert.deepEqual(
      target(xml, { targetServers: servers }).servers.map(({ weight }) => weight),
      [1000, 250],
    )
  })

  it('leaves out servers that are disabled, here or by themselves', () => {
    const xml = balanced('<Server name="a"><IsEnabled>false</IsEnabled></Server><Server name="b"/><Server name="c"/>')
    const off = { ...servers, b: { ...servers.b, isEnabled: false } }
    assert.deepEqual(
      target(xml, { targetServers: off }).servers.map(({ name }) => name),
      ['c'],
    )
  })

  it('uses its fallback as any other where nothing else is enabled', () => {
    const xml = balanced('<Server name="a"/><Server name="b"><IsFallback>true</IsFallback></Server>')
    assert.deepEqual(
      target(xml, { targetServers: servers }).servers.map(({ fallback }) => fallback),
      [false, true],
    )
    const off = { ...servers, a: { ...servers.a, isEnabled: false } }
    assert.deepEqual(
      target(xml, { targetServers: off }).servers.map(({ fallback }) => fallback),
      [false],
    )
  })

  it('without any enabled server fails every request, and is not refused: servers are switched off while they are mended', () => {
    const off = { a: { ...servers.a, isEnabled: false } }
    const plan = compiled({
      targetServers: off,
      deployments: [deployment({ targets: { default: balanced('<Server name="a"/>') } })],
    })
    assert.deepEqual(
      [plan.proxies[0]?.route.kind, plan.targets[0]?.servers, codes(plan.findings), plan.problems],
      ['target', [], ['no-active-targets'], []],
    )
  })

  it('is refused with a server that its environment does not have', () => {
    const plan = compiled({ deployments: [deployment({ targets: { default: balanced('<Server name="a"/>') } })] })
    assert.deepEqual(said(plan.problems), [
      'target-server-unknown: acme/test/apis/orders/1, target default: its LoadBalancer names the target server "a", which environment test does not have',
    ])
  })

  it('says that its own SSLInfo is not used', () => {
    const xml = balanced('<Server name="a"/>', '<SSLInfo><Enabled>true</Enabled></SSLInfo>')
    assert.deepEqual(saidOf(xml, { targetServers: servers }), ['ssl-info-not-used'])
    assert.equal(target(xml, { targetServers: servers }).servers[0]?.tls, null)
  })

  it('has for each server the TLS of that server', async () => {
    const { make } = await import('../../trust/pki.ts')
    const [one, other] = await Promise.all([make('CN=One', { ca: true }), make('CN=Other', { ca: true })])
    const keystores = [keystore('one', { ca: one.pem }), keystore('other', { ca: other.pem })]
    const targetServers = {
      a: { ...servers.a, sslInfo: sslInfo({ trustStore: 'one' }) },
      b: {
        ...servers.b,
        sslInfo: sslInfo({ trustStore: 'other', commonName: { name: 'x.test', wildcardMatch: false } }),
      },
      c: { ...servers.c, sslInfo: sslInfo({ enabled: false, trustStore: 'one' }) },
    }
    const plan = target(balanced(`${two}<Server name="c"/>`), { keystores, targetServers })
    assert.deepEqual(
      plan.servers.map(({ scheme, tls }) => [scheme, tls?.anchors, tls?.verifyNames, tls?.serverName]),
      [
        ['https', [one.pem], ['a.test'], 'a.test'],
        ['https', [other.pem], ['x.test'], 'b.test'],
        ['http', undefined, undefined, undefined],
      ],
    )
    const snapshots = plan.servers.slice(0, 2).map(({ tls }) => tls?.snapshotId)
    assert.equal(new Set(snapshots).size, 2)
  })

  it('speaks HTTP/2 to servers that say so', () => {
    const h2 = { a: { ...servers.a, protocol: 'HTTP2' as const }, b: { ...servers.b, protocol: 'HTTP' as const } }
    assert.deepEqual(
      target(balanced(two), { targetServers: h2 }).servers.map(({ h2c }) => h2c),
      [true, false],
    )
  })
})

describe('failures of a server', () => {
  const failing = (xml: string, more = ''): TargetPlan => target(balanced(two + xml, more), { targetServers: servers })

  it('remove it after MaxFailures in a row, for TargetDisableSecs', () => {
    const { ejection } = failing('<MaxFailures>5</MaxFailures><TargetDisableSecs>60</TargetDisableSecs>')
    assert.deepEqual(ejection, { consecutiveFailures: 5, statuses: [], baseMs: 60_000, maxMs: 60_000, maxPercent: 100 })
  })

  it('never remove it where MaxFailures is 0 or missing', () => {
    assert.equal(failing('').ejection, null)
    assert.equal(failing('<MaxFailures>0</MaxFailures>').ejection, null)
  })

  it('are also the statuses listed', () => {
    const xml =
      '<MaxFailures>1</MaxFailures><ServerUnhealthyResponse><ResponseCode>503</ResponseCode></ServerUnhealthyResponse>'
    assert.deepEqual(failing(xml).ejection?.statuses, [[503, 503]])
    assert.deepEqual(failing(xml).retries.statuses, [[503, 503]])
    assert.ok(failing(xml).retries.on.includes('status'))
    assert.ok(!failing('').retries.on.includes('status'))
  })

  it('are tried again on every other server, unless RetryEnabled is false', () => {
    assert.equal(failing('').retries.attempts, 1)
    assert.equal(failing('<Server name="c"/>').retries.attempts, 2)
    assert.equal(failing('<RetryEnabled>false</RetryEnabled>').retries.attempts, 0)
  })

  const monitor = (inside: string): string =>
    `<HealthMonitor><IsEnabled>true</IsEnabled><IntervalInSec>7</IntervalInSec>${inside}</HealthMonitor>`
  const tcp = monitor('<TCPMonitor><ConnectTimeoutInSec>4</ConnectTimeoutInSec><Port>81</Port></TCPMonitor>')

  it('are looked for by a TCPMonitor, and end with the first check that passes', () => {
    const { health, ejection } = failing('<MaxFailures>5</MaxFailures>', tcp)
    assert.deepEqual(health, {
      check: { kind: 'tcp' },
      port: 81,
      intervalMs: 7000,
      timeoutMs: 4000,
      healthyAfter: 1,
      unhealthyAfter: 5,
    })
    assert.equal(ejection?.baseMs, 7000)
  })

  it('are not looked for where no server is ever removed', () => {
    assert.equal(failing('', tcp).health, null)
    assert.ok(saidOf(balanced(two, tcp), { targetServers: servers }).includes('health-monitor-not-used'))
  })

  const http = (inside: string): string =>
    monitor(
      `<HTTPMonitor><Request><ConnectTimeoutInSec>1</ConnectTimeoutInSec><SocketReadTimeoutInSec>2</SocketReadTimeoutInSec><Verb>GET</Verb><Path>/up</Path>${inside}</Request><SuccessResponse><ResponseCode>204</ResponseCode><Header name="Ok">yes</Header></SuccessResponse></HTTPMonitor>`,
    )

  it('are looked for by an HTTPMonitor', () => {
    const { health } = failing(
      '<MaxFailures>1</MaxFailures>',
      http('<Header name="X-A">b</Header><IncludeHealthCheckIdHeader>true</IncludeHealthCheckIdHeader>'),
    )
    assert.deepEqual(health?.check, {
      kind: 'http',
      method: 'GET',
      path: '/up',
      host: 'a.test:8001',
      statuses: [[204, 204]],
      headers: 'X-A: b\r\nX-Apigee-Healthcheck-Id: acme/test/apis/orders/1, target default\r\n',
      body: '',
      expectHeaders: [['ok', 'yes']],
    })
    assert.equal(health?.timeoutMs, 3000)
  })

  it('are looked for with verification, whatever TrustAllSSL says', () => {
    const xml = balanced(
      `${two}<MaxFailures>1</MaxFailures>`,
      http('<TrustAllSSL>true</TrustAllSSL><IsSSL>true</IsSSL>'),
    )
    assert.deepEqual(saidOf(xml, { targetServers: servers }), ['health-check-verifies', 'health-check-connects'])
  })

  it('cannot be looked for with a request that would be two', () => {
    const xml = balanced(
      `${two}<MaxFailures>1</MaxFailures>`,
      monitor('<HTTPMonitor><Request><Verb>GET</Verb><Path>/a b</Path></Request></HTTPMonitor>'),
    )
    assert.ok(saidOf(xml, { targetServers: servers }).includes('problem health-monitor-invalid'))
  })
})
