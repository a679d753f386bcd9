import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { createLeaf, createRoot, type Identity, pemOf } from '../../src/pki/make.ts'
import { oneTarget } from '../support/admin-client.ts'
import { type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'
import { startTlsBackend, type TlsBackend } from '../support/tls-backend.ts'
import { ask, freePort, plainBackend, type PlainBackend, refusal, short, until } from './bundles-rig.ts'

/* LoadBalancers over target servers, deployed and under traffic (apigee-edge.md 7.3). One worker, so that turns can be counted. */

let running: ManagedTestGateway
let roots: { readonly a: Identity; readonly b: Identity }
let [one, two]: readonly PlainBackend[] = []
let secure: { readonly a: TlsBackend; readonly b: TlsBackend }

const noActiveTargets = '503 messaging.adaptors.http.flow.NoActiveTargets'
const unavailable = '503 messaging.adaptors.http.flow.ServiceUnavailable'

before(async () => {
  const [a, b] = await Promise.all([createRoot({ commonName: 'Root A' }), createRoot({ commonName: 'Root B' })])
  roots = { a, b }
  const names = ['127.0.0.1', 'localhost']
  const backend = async (root: Identity, name: string): Promise<TlsBackend> =>
    startTlsBackend({
      identity: await createLeaf(root, { names }),
      answer: (request, response) => response.end(`${name} ${request.headers.host} ${request.url}`),
    })
  secure = { a: await backend(a, 'A'), b: await backend(b, 'B') }
  one = await plainBackend('one')
  two = await plainBackend('two')
  running = await startManagedGateway({ faults: 'apigee' })
  const { api } = running
  for (const store of ['store-a', 'store-b']) await api.keystore(store)
  await api.alias('store-a', 'root', pemOf(a.certificate))
  await api.alias('store-b', 'root', pemOf(b.certificate))
  await api.reference('trust-a', 'store-a')
  await api.reference('trust-b', 'store-b')
  await api.targetServer('one', server(one.port))
  await api.targetServer('two', server(two.port))
})

after(async () => {
  await running?.[Symbol.asyncDispose]()
  for (const backend of [one, two, secure?.a, secure?.b]) await backend?.[Symbol.asyncDispose]()
})

function server(port: number, more: object = {}): object {
  return { host: '127.0.0.1', port, isEnabled: true, ...more }
}

const trusting = (trustStore: string): object => ({ sSLInfo: { enabled: 'true', trustStore } })

async function deployed(name: string, connection: string): Promise<void> {
  await running.api.importBundle(name, oneTarget(name, connection))
  await running.api.deploy(name, 1)
}

async function asked(name: string, times: number): Promise<readonly string[]> {
  const answers: string[] = []
  for (let each = 0; each < times; each++) answers.push(short(await ask(running.port, `/${name}/x`)))
  return answers
}

function counted(answers: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const answer of answers) counts[answer] = (counts[answer] ?? 0) + 1
  return counts
}

const edit = (name: string, body: object): Promise<unknown> =>
  running.api.send('PUT', `/e/test/targetservers/${name}`, { name, ...body })

interface LoggedEvent {
  readonly type: string
  readonly target?: string
  readonly server?: string
  readonly healthy?: boolean
  readonly verdict?: string | null
  readonly summary?: string
}

async function events(type: string, name: string): Promise<readonly LoggedEvent[]> {
  const lines = (await readFile(running.logFile, 'utf8')).split('\n').filter((line) => line.includes(`"${type}"`))
  return lines
    .map((line) => JSON.parse(line) as LoggedEvent)
    .filter(({ target }) => target === `acme/test/${name}/1/default`)
}

describe('target servers', () => {
  it('have their own address, trust and Host header each, and take turns', async () => {
    await running.api.targetServer('ts-a', server(secure.a.port, trusting('ref://trust-a')))
    await running.api.targetServer('ts-b', {
      host: 'localhost',
      port: secure.b.port,
      isEnabled: true,
      ...trusting('ref://trust-b'),
    })
    await deployed(
      'turns',
      '<LoadBalancer><Server name="ts-a"/><Server name="ts-b"/><RetryEnabled>false</RetryEnabled></LoadBalancer><Path>/base</Path>',
    )
    assert.deepEqual(counted(await asked('turns', 4)), {
      [`200 A 127.0.0.1:${secure.a.port} /base/x`]: 2,
      [`200 B localhost:${secure.b.port} /base/x`]: 2,
    })
    assert.deepEqual([secure.a.seen.at(-1)?.serverName, secure.b.seen.at(-1)?.serverName], ['', 'localhost'])
  })

  it('are refused by the trust of another', async () => {
    await running.api.switchReference('trust-b', 'store-a')
    const answers = counted(await asked('turns', 4))
    assert.equal(answers['503 messaging.adaptors.http.flow.SslHandshakeFailed'], 2)
    assert.equal(answers[`200 A 127.0.0.1:${secure.a.port} /base/x`], 2)
    await running.api.switchReference('trust-b', 'store-b')
    assert.equal((await asked('turns', 4)).filter((answer) => answer.startsWith('200')).length, 4)
  })

  it('get as many requests as their weights say', async () => {
    const servers = '<Server name="one"><Weight>3</Weight></Server><Server name="two"><Weight>1</Weight></Server>'
    await deployed('weights', `<LoadBalancer><Algorithm>Weighted</Algorithm>${servers}</LoadBalancer>`)
    assert.deepEqual(counted(await asked('weights', 8)), { '200 one /x': 6, '200 two /x': 2 })
  })

  it('that are edited are in force as edited with the answer', async () => {
    await running.api.targetServer('edited', server(one?.port ?? 0))
    await deployed('edited', '<LoadBalancer><Server name="edited"/></LoadBalancer>')
    assert.deepEqual(await asked('edited', 2), ['200 one /x', '200 one /x'])
    await edit('edited', server(two?.port ?? 0))
    assert.deepEqual(await asked('edited', 2), ['200 two /x', '200 two /x'])
    await edit('edited', server(secure.a.port, trusting('store-a')))
    assert.deepEqual(await asked('edited', 1), [`200 A 127.0.0.1:${secure.a.port} /x`])
  })

  it('that a deployed proxy uses are not deleted, and the answer says by whom', async () => {
    const { status, message } = await refusal(running.api.send('DELETE', '/e/test/targetservers/edited'))
    assert.equal(status, 400)
    assert.match(
      message,
      /acme\/test\/apis\/edited\/1, target default: its LoadBalancer names the target server \\"edited\\"/,
    )
    assert.match(message, /"contexts": \[\s*\{\s*"code": "target-server-unknown"/)
    assert.equal((await asked('edited', 1))[0]?.slice(0, 3), '200')
  })
})

describe('target servers that are disabled', () => {
  it('get nothing, and all of them disabled is NoActiveTargets until one is enabled', async () => {
    await running.api.targetServer('off-1', server(one?.port ?? 0))
    await running.api.targetServer('off-2', server(two?.port ?? 0))
    await deployed('off', '<LoadBalancer><Server name="off-1"/><Server name="off-2"/></LoadBalancer>')
    assert.deepEqual(counted(await asked('off', 4)), { '200 one /x': 2, '200 two /x': 2 })
    await edit('off-1', server(one?.port ?? 0, { isEnabled: false }))
    assert.deepEqual(counted(await asked('off', 4)), { '200 two /x': 4 })
    await edit('off-2', server(two?.port ?? 0, { isEnabled: false }))
    const answer = await ask(running.port, '/off/x')
    assert.equal(short(answer), noActiveTargets)
    assert.equal(answer.faultstring, 'The Service is temporarily unavailable')
    const finding = running.gateway.findings().find(({ code }) => code === 'no-active-targets')
    assert.equal(finding?.object, 'acme/test/apis/off/1, target default')
    await edit('off-1', server(one?.port ?? 0))
    assert.deepEqual(counted(await asked('off', 2)), { '200 one /x': 2 })
    assert.equal(
      running.gateway.findings().some(({ code }) => code === 'no-active-targets'),
      false,
    )
  })

  it('may be so from the start, but not by the bundle, which could never be used', async () => {
    await edit('off-1', server(one?.port ?? 0, { isEnabled: false }))
    await deployed('off-now', '<LoadBalancer><Server name="off-1"/></LoadBalancer>')
    assert.deepEqual(await asked('off-now', 1), [noActiveTargets])
    const here = '<LoadBalancer><Server name="one"><IsEnabled>false</IsEnabled></Server></LoadBalancer>'
    const { message } = await refusal(deployed('off-here', here))
    assert.match(message, /apiproxy\/targets\/default.xml:1: no Server of the LoadBalancer is enabled/)
  })
})

describe('a LoadBalancer whose servers fail', () => {
  const balancer = (inside: string): string =>
    `<LoadBalancer><Server name="gone"/><Server name="one"/>${inside}</LoadBalancer>`
  let port: number

  before(async () => {
    port = await freePort()
    await running.api.targetServer('gone', server(port))
  })

  it('fails requests to them without RetryEnabled, and tries another with it', async () => {
    await deployed('no-retry', balancer('<RetryEnabled>false</RetryEnabled>'))
    assert.deepEqual(counted(await asked('no-retry', 4)), { [unavailable]: 2, '200 one /x': 2 })
    await deployed('retry', balancer('<RetryEnabled>true</RetryEnabled>'))
    assert.deepEqual(counted(await asked('retry', 4)), { '200 one /x': 4 })
  })

  it('uses a fallback only while no other can take a request', async () => {
    const servers = '<Server name="gone"/><Server name="two"><IsFallback>true</IsFallback></Server><Server name="one"/>'
    await deployed('fallback', `<LoadBalancer>${servers}<RetryEnabled>true</RetryEnabled></LoadBalancer>`)
    assert.deepEqual(counted(await asked('fallback', 4)), { '200 one /x': 4 })
    await edit('one', server(one?.port ?? 0, { isEnabled: false }))
    assert.deepEqual(counted(await asked('fallback', 2)), { '200 two /x': 2 })
    await edit('one', server(one?.port ?? 0))
  })

  it('removes one after MaxFailures, for TargetDisableSecs', async () => {
    const alone =
      '<LoadBalancer><Server name="gone"/><MaxFailures>2</MaxFailures><RetryEnabled>false</RetryEnabled><TargetDisableSecs>1</TargetDisableSecs></LoadBalancer>'
    await deployed('removed', alone)
    assert.deepEqual(await asked('removed', 3), [unavailable, unavailable, noActiveTargets])
    // Tried again after its time, and out again after two more failures.
    await until(async () => (await asked('removed', 1))[0] === unavailable, 'the server is tried again')
    const logged = async (): Promise<readonly LoggedEvent[]> => events('server-ejected', 'removed')
    await until(async () => (await logged()).length > 0, 'the event')
    assert.match((await logged())[0]?.summary ?? '', /ECONNREFUSED|refused/)
  })
})

describe('a HealthMonitor', () => {
  const monitor = (inside: string): string =>
    `<HealthMonitor><IsEnabled>true</IsEnabled><IntervalInSec>1</IntervalInSec>${inside}</HealthMonitor>`
  const tcp = '<TCPMonitor><ConnectTimeoutInSec>2</ConnectTimeoutInSec></TCPMonitor>'

  it('over TCP verifies as requests do: what is not trusted is out, with the cause, and back with the trust', async () => {
    await running.api.keystore('checked')
    await running.api.alias('checked', 'root', pemOf(roots.b.certificate))
    await running.api.targetServer('checked', server(secure.a.port, trusting('checked')))
    await deployed(
      'tcp',
      `<LoadBalancer><Server name="checked"/><MaxFailures>1</MaxFailures></LoadBalancer>${monitor(tcp)}`,
    )
    await until(async () => (await asked('tcp', 1))[0] === noActiveTargets, 'the check fails')
    const logged = (): Promise<readonly LoggedEvent[]> => events('server-health', 'tcp')
    await until(async () => (await logged()).length > 0, 'the event')
    const [event] = await logged()
    assert.deepEqual([event?.server, event?.healthy], ['checked', false])
    assert.equal(event?.verdict, 'unknown-issuer')
    assert.match(event?.summary ?? '', /CN=Root A/)
    await running.api.alias('checked', 'other', pemOf(roots.a.certificate))
    await until(async () => (await asked('tcp', 1))[0]?.startsWith('200 A') === true, 'the server is back')
  })

  it('over HTTP goes by the answer', async () => {
    let status = 500
    let checks = 0
    await using backend = await plainBackend('checked', (request, response) => {
      const isCheck = request.url === '/health' && request.headers['x-check'] === 'yes'
      if (isCheck) checks++
      response.writeHead(isCheck ? status : 200, { ok: 'yes' }).end('fine')
    })
    await running.api.targetServer('asked', server(backend.port))
    const http =
      '<HTTPMonitor><Request><ConnectTimeoutInSec>2</ConnectTimeoutInSec><SocketReadTimeoutInSec>2</SocketReadTimeoutInSec><Verb>GET</Verb><Path>/health</Path><Header name="X-Check">yes</Header></Request><SuccessResponse><ResponseCode>204</ResponseCode><Header name="OK">yes</Header></SuccessResponse></HTTPMonitor>'
    await deployed(
      'http',
      `<LoadBalancer><Server name="asked"/><MaxFailures>1</MaxFailures></LoadBalancer>${monitor(http)}`,
    )
    await until(async () => (await asked('http', 1))[0] === noActiveTargets, 'the check fails')
    status = 204
    await until(async () => (await asked('http', 1))[0] === '200 fine', 'the check passes')
    assert.ok(checks >= 2)
    await running.api.send('DELETE', '/e/test/apis/http/revisions/1/deployments')
  })
})
