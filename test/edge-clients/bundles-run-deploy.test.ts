import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes, createSecretKey } from 'node:crypto'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLeaf, createRoot, pemOf } from '../../src/pki/make.ts'
import { openState } from '../../src/state/open.ts'
import { oneTarget } from '../support/admin-client.ts'
import { type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { startLoad } from '../rotation/load.ts'
import {
  ask,
  bundle,
  freePort,
  plainBackend,
  type PlainBackend,
  proxyEndpoint,
  refusal,
  rule,
  short,
  until,
} from './bundles-rig.ts'

/* Deploying, replacing and withdrawing revisions while clients are there (apigee-edge.md 1.7). */

const notFound = '404 messaging.adaptors.http.flow.ApplicationNotFound'

const deployments = (name: string, revision: number): string => `/e/test/apis/${name}/revisions/${revision}/deployments`

/** Each revision asks the backend for a path of its own. */
const revision = (
  name: string,
  backend: PlainBackend,
  number: number,
  path = `/r${number}`,
): Readonly<Record<string, string>> => oneTarget(name, `<URL>${backend.url}${path}</URL>`)

describe('override under load', () => {
  it('fails no request, and serves none that began after its answer by what it replaced', async () => {
    await using backend = await plainBackend('saw')
    await using running = await startManagedGateway({ faults: 'apigee' }, { workers: 2 })
    const { api, port } = running
    const revisions = 12
    for (let number = 1; number <= revisions; number++)
      await api.importBundle('orders', revision('orders', backend, number))
    await api.deploy('orders', 1)
    const answered = new Map<number, number>([[1, 0]])
    const asked = new Map<number, number>([[1, 0]])
    const done: {
      readonly startedAt: number
      readonly endedAt: number
      readonly status: number
      readonly body: string
    }[] = []
    const load = startLoad({
      port,
      rate: 400,
      connections: 24,
      spread: true,
      freshOneIn: 20,
      path: () => '/orders/x',
      done: (each) => void done.push(each),
    })
    await sleep(200)
    for (let number = 2; number <= revisions; number++) {
      asked.set(number, performance.now())
      await api.send('POST', `${deployments('orders', number)}?override=true&delay=5`)
      answered.set(number, performance.now())
      load.burst(16)
      await sleep(120)
    }
    await load.stop()
    assert.ok(done.length > 400, `${done.length} requests`)
    assert.deepEqual(
      done.filter(({ status }) => status !== 200),
      [],
    )
    const late = done.filter(({ body, startedAt }) => {
      const by = Number(/\/r(\d+)\//.exec(body)?.[1])
      const replaced = answered.get(by + 1)
      return replaced !== undefined && startedAt > replaced
    })
    assert.deepEqual(late, [], 'served by what had been replaced')
    const early = done.filter(
      ({ body, endedAt }) => endedAt < (asked.get(Number(/\/r(\d+)\//.exec(body)?.[1])) ?? Infinity),
    )
    assert.deepEqual(early, [], 'served by what had not been deployed')
  })

  it('keeps what it replaces where the new one cannot run', async () => {
    await using backend = await plainBackend('saw')
    await using running = await startManagedGateway({ faults: 'apigee' })
    const { api, port } = running
    await api.importBundle('orders', revision('orders', backend, 1))
    await api.deploy('orders', 1)
    const flows = '<PreFlow><Request>\n<Step><Name>Check</Name></Step></Request></PreFlow>'
    const policies = { 'policies/Check.xml': '<Script name="Check"><ResourceURL>py://a.py</ResourceURL></Script>' }
    await api.importBundle('orders', {
      ...bundle({ basePath: '/orders', flows, targets: { default: `<URL>${backend.url}/r2</URL>` } }),
      ...policies,
    })
    const refused = await refusal(api.send('POST', `${deployments('orders', 2)}?override=true&delay=5`))
    assert.equal(refused.status, 400)
    const { code, message, contexts } = JSON.parse(refused.message.slice(refused.message.indexOf('{'))) as {
      readonly code: string
      readonly message: string
      readonly contexts: readonly { readonly object: string; readonly message: string }[]
    }
    assert.equal(code, 'distribution.DeploymentFailed')
    assert.match(message, /^It cannot run, and nothing was changed: .*apiproxy\/proxies\/default\.xml:3: .*Check/)
    assert.deepEqual(
      contexts.map(({ object }) => object),
      ['acme/test/apis/orders/2'],
    )
    assert.equal(short(await ask(port, '/orders/x')), '200 saw /r1/x')
    const { body } = await api.send('GET', '/e/test/apis/orders/deployments')
    assert.deepEqual(
      (JSON.parse(body) as { revision: readonly { name: string }[] }).revision.map(({ name }) => name),
      ['1'],
    )
  })

  it('with `answer-500` deploys it, and every request to it says why for the operator', async () => {
    await using backend = await plainBackend('saw')
    await using running = await startManagedGateway({ faults: 'apigee', apigee: { unsupportedPolicies: 'answer-500' } })
    const { api, port, gateway } = running
    const flows = '<PreFlow><Request>\n<Step><Name>Check</Name></Step></Request></PreFlow>'
    await api.importBundle('orders', {
      ...bundle({ basePath: '/orders', flows, targets: { default: `<URL>${backend.url}</URL>` } }),
      'policies/Check.xml': '<Script name="Check"><ResourceURL>py://a.py</ResourceURL></Script>',
    })
    await api.importBundle('other', revision('other', backend, 1))
    await api.deploy('orders', 1)
    await api.deploy('other', 1)
    assert.equal((await ask(port, '/orders/x')).status, 500)
    assert.equal(short(await ask(port, '/other/x')), '200 saw /r1/x')
    assert.deepEqual(
      backend.seen.map(({ url }) => url),
      ['/r1/x'],
    )
    const finding = gateway
      .findings()
      .find(({ object, severity }) => object === 'acme/test/apis/orders/1' && severity === 'error')
    assert.match(
      finding?.message ?? '',
      /apiproxy\/proxies\/default\.xml:3: .*Check.*; every request to it is answered with 500/,
    )
  })
})

describe('undeploy', () => {
  it('answers with ApplicationNotFound from its answer on, over connections that are there already too', async () => {
    await using backend = await plainBackend('saw')
    await using running = await startManagedGateway({ faults: 'apigee' }, { workers: 2 })
    const { api, port } = running
    await api.importBundle('orders', revision('orders', backend, 1))
    await api.deploy('orders', 1)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const over = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const sent = request({ host: '127.0.0.1', port, path: '/orders/x', agent }, (response) => {
          response.resume()
          response.on('end', () => resolve(response.statusCode ?? 0))
        })
        sent.on('error', reject)
        sent.end()
      })
    assert.equal(await over(), 200)
    await api.send('DELETE', deployments('orders', 1))
    assert.equal(await over(), 404)
    assert.equal(short(await ask(port, '/orders/x')), notFound)
    assert.equal(short(await ask(port, '/orders/x')), notFound)
    agent.destroy()
    await api.deploy('orders', 1)
    assert.equal(short(await ask(port, '/orders/x')), '200 saw /r1/x')
  })
})

/** A response that goes on until it is told to end. */
async function slowBackend(): Promise<PlainBackend & { end(): void }> {
  const open: ServerResponse[] = []
  const backend = await plainBackend('slow', (incoming, response) => {
    if (incoming.url?.endsWith('/slow') === true) {
      response.write('begun ')
      open.push(response)
    } else response.end('quick')
  })
  return Object.assign(backend, { end: () => open.splice(0).forEach((response) => response.end('and ended')) })
}

/** `begun and ended`, or what it was cut with. */
function slowly(port: number): Promise<{ readonly begun: Promise<void>; readonly body: Promise<string> }> {
  const sent = request({ host: '127.0.0.1', port, path: '/orders/slow', agent: false })
  const begun = new Promise<void>((resolve) => {
    sent.on('response', (response) => response.once('data', () => resolve()))
  })
  const body = new Promise<string>((resolve) => {
    sent.on('error', (error) => resolve(`broke: ${error.message}`))
    sent.on('response', (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')))
      response.on('error', () => resolve(`${text}and broke off`))
      response.on('end', () => resolve(text))
    })
  })
  sent.end()
  return begun.then(() => ({ begun, body }))
}

describe('a request whose body is still coming', () => {
  it('is finished by the revision that it began with', async () => {
    await using backend = await plainBackend('got', (incoming, response) => {
      let bytes = 0
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      incoming.on('end', () => response.end(`${incoming.url} ${bytes}`))
    })
    await using running = await startManagedGateway({ faults: 'apigee' })
    const { api, port } = running
    for (const number of [1, 2]) await api.importBundle('orders', revision('orders', backend, number))
    await api.deploy('orders', 1)
    const sent = request({ host: '127.0.0.1', port, path: '/orders/x', method: 'POST', agent: false })
    sent.write('x'.repeat(1000))
    await until(() => backend.seen.length > 0, 'the request')
    await api.deploy('orders', 2)
    sent.end('y'.repeat(1000))
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const [body] = (await once(response, 'data')) as [Buffer]
    assert.equal(body.toString(), '/r1/x 2000')
    assert.equal((await ask(port, '/orders/x')).body, '/r2/x 0')
  })

  it('goes on over HTTP/2 for the `delay`, in a stream of its own', async () => {
    const root = await createRoot({ commonName: 'Root' })
    const { chainPem, keyPem } = await createLeaf(root, { names: ['127.0.0.1'] })
    const server = createSecureServer({ cert: chainPem, key: keyPem })
    const streams: ServerHttp2Stream[] = []
    server.on('stream', (stream) => {
      stream.respond({ ':status': 200 })
      stream.write('begun ')
      streams.push(stream)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      await using running = await startManagedGateway({ faults: 'apigee', drain: { timeout: '100ms' } })
      const { api } = running
      await api.keystore('trust')
      await api.alias('trust', 'root', pemOf(root.certificate))
      const { port } = server.address() as { readonly port: number }
      const sSLInfo = { enabled: 'true', trustStore: 'trust' }
      await api.targetServer('h2', { host: '127.0.0.1', port, isEnabled: true, protocol: 'HTTP2', sSLInfo })
      for (const path of ['/a', '/b']) {
        await api.importBundle(
          'orders',
          oneTarget('orders', `<LoadBalancer><Server name="h2"/></LoadBalancer><Path>${path}</Path>`),
        )
      }
      await api.deploy('orders', 1)
      const { body } = await slowly(running.port)
      await api.send('POST', `${deployments('orders', 2)}?override=true&delay=5`)
      setTimeout(() => streams[0]?.end('and ended'), 500)
      assert.equal(await body, 'begun and ended')
    } finally {
      server.close()
    }
  })
})

describe('a response that an old revision is still giving', { concurrency: 4 }, () => {
  interface Case {
    readonly sentence: string
    readonly drain: string
    readonly act: (running: ManagedTestGateway) => Promise<unknown>
    /** After how long the backend ends it. */
    readonly endsAfterMs: number
    readonly expected: string
  }

  const override = (more: string) => (running: ManagedTestGateway) =>
    running.api.send('POST', `${deployments('orders', 2)}?override=true${more}`)
  const undeploy = (running: ManagedTestGateway): Promise<unknown> =>
    running.api.send('DELETE', deployments('orders', 1))
  const whole = 'begun and ended'
  const broken = 'begun and broke off'
  const table: readonly Case[] = [
    {
      sentence: 'is whole at override, within the drain time',
      drain: '5s',
      act: override(''),
      endsAfterMs: 300,
      expected: whole,
    },
    {
      sentence: 'is cut at override, after the drain time',
      drain: '200ms',
      act: override(''),
      endsAfterMs: 5000,
      expected: broken,
    },
    {
      sentence: 'is whole within a `delay` that is longer than the drain time',
      drain: '200ms',
      act: override('&delay=5'),
      endsAfterMs: 700,
      expected: whole,
    },
    {
      sentence: 'is cut after a `delay` that is shorter than the drain time',
      drain: '10s',
      act: override('&delay=1'),
      endsAfterMs: 5000,
      expected: broken,
    },
    {
      sentence: 'has the drain time with a `delay` of 0',
      drain: '5s',
      act: override('&delay=0'),
      endsAfterMs: 300,
      expected: whole,
    },
    {
      sentence: 'is whole at undeploy, within the drain time',
      drain: '5s',
      act: undeploy,
      endsAfterMs: 300,
      expected: whole,
    },
    {
      sentence: 'is cut at undeploy, after the drain time',
      drain: '200ms',
      act: undeploy,
      endsAfterMs: 5000,
      expected: broken,
    },
  ]

  for (const { sentence, drain, act, endsAfterMs, expected } of table) {
    it(sentence, async () => {
      await using backend = await slowBackend()
      await using running = await startManagedGateway({ faults: 'apigee', drain: { timeout: drain } })
      for (const number of [1, 2]) await running.api.importBundle('orders', revision('orders', backend, number))
      await running.api.deploy('orders', 1)
      const { body } = await slowly(running.port)
      await act(running)
      const timer = setTimeout(() => backend.end(), endsAfterMs)
      assert.equal(await body, expected)
      clearTimeout(timer)
    })
  }

  it('has its `delay` while other changes are made meanwhile', async () => {
    await using backend = await slowBackend()
    await using running = await startManagedGateway({ faults: 'apigee', drain: { timeout: '200ms' } })
    for (const number of [1, 2]) await running.api.importBundle('orders', revision('orders', backend, number))
    await running.api.deploy('orders', 1)
    const { body } = await slowly(running.port)
    await override('&delay=5')(running)
    await running.api.importBundle('more', revision('more', backend, 1))
    await running.api.deploy('more', 1)
    setTimeout(() => backend.end(), 600)
    assert.equal(await body, whole)
  })

  it('has the drain time from a change of trust on, whatever its `delay`', async () => {
    await using backend = await slowBackend()
    await using running = await startManagedGateway({ faults: 'apigee', drain: { timeout: '200ms' } })
    for (const number of [1, 2]) await running.api.importBundle('orders', revision('orders', backend, number))
    await running.api.deploy('orders', 1)
    const { body } = await slowly(running.port)
    await override('&delay=5')(running)
    // A store that no target uses any more; what the old revision used is not known.
    await running.api.send('POST', '/e/test/keystores', { name: 'new' })
    const timer = setTimeout(() => backend.end(), 2_000)
    assert.notEqual(await body, whole)
    clearTimeout(timer)
  })

  it('is whole when its own revision is deployed anew', async () => {
    await using backend = await slowBackend()
    await using running = await startManagedGateway({ faults: 'apigee', drain: { timeout: '200ms' } })
    await running.api.importBundle('orders', revision('orders', backend, 1))
    await running.api.deploy('orders', 1)
    const { body } = await slowly(running.port)
    await running.api.deploy('orders', 1)
    setTimeout(() => backend.end(), 600)
    assert.equal(await body, whole)
  })
})

describe('a start with the state of the gateway before', () => {
  it('serves everything as it was', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'postern-restart-'))
    const key = createSecretKey(randomBytes(32))
    const root = await createRoot({ commonName: 'Root' })
    const clients = await createRoot({ commonName: 'Client Root' })
    const me = await createLeaf(clients, { names: ['me.example'], commonName: 'me', purposes: ['clientAuth'] })
    await using plain = await plainBackend('plain')
    await using secure = await startTlsBackend({
      identity: await createLeaf(root, { names: ['127.0.0.1'] }),
      requestCert: true,
      rejectUnauthorized: true,
      ca: clients.certificatePem,
      answer: (_, response) => response.end('secure'),
    })
    const port = await freePort()
    const config = {
      faults: 'apigee',
      listeners: [{ name: 'http', address: '127.0.0.1', port: await freePort() }],
      apigee: { virtualHosts: 'open' },
    }
    const start = async (): Promise<ManagedTestGateway> =>
      startManagedGateway(config, { store: await openState({ directory, key }), workers: 2 })
    const outcomes = async (running: ManagedTestGateway): Promise<readonly string[]> => [
      short(await ask(running.port, '/plain/x')),
      short(await ask(running.port, '/prefix/second/x')),
      short(await ask(running.port, '/secure/x')),
      short(await ask(running.port, '/balanced/x')),
      short(await ask(running.port, '/off/x')),
      short(await ask(port, '/own/x', { serverName: 'own.example', headers: { host: 'own.example' } })),
      short(await ask(running.port, '/gone/x')),
    ]
    const expected = [
      '200 plain /r1/x',
      '200 plain /second/x',
      '200 secure',
      '200 plain /x',
      '503 messaging.adaptors.http.flow.NoActiveTargets',
      '200 plain /x',
      notFound,
    ]
    try {
      {
        await using running = await start()
        const { api } = running
        for (const store of ['trust', 'keys']) await api.keystore(store)
        await api.alias('trust', 'root', pemOf(root.certificate))
        await api.alias('keys', 'me', me.chainPem, me.keyPem)
        await api.reference('trusted', 'trust')
        const address = { host: '127.0.0.1', port: plain.port }
        await api.targetServer('on', { ...address, isEnabled: true })
        await api.targetServer('off', { ...address, isEnabled: false })
        const sSLInfo = { enabled: 'true', keyStore: 'keys', keyAlias: 'me' }
        await api.send('POST', '/e/test/virtualhosts', { name: 'own', port: String(port), sSLInfo })
        const sslInfo =
          '<SSLInfo><Enabled>true</Enabled><ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>keys</KeyStore><KeyAlias>me</KeyAlias><TrustStore>ref://trusted</TrustStore></SSLInfo>'
        const bundles: Readonly<Record<string, Readonly<Record<string, string>>>> = {
          plain: revision('plain', plain, 1),
          secure: oneTarget('secure', `<URL>https://127.0.0.1:${secure.port}</URL>${sslInfo}`),
          balanced: oneTarget('balanced', '<LoadBalancer><Server name="on"/><Server name="off"/></LoadBalancer>'),
          off: oneTarget('off', '<LoadBalancer><Server name="off"/></LoadBalancer>'),
          own: proxyEndpoint('default', { basePath: '/own', virtualHosts: ['own'], routes: rule('r', plain.url) }),
          gone: revision('gone', plain, 1),
        }
        for (const [name, files] of Object.entries(bundles)) {
          await api.importBundle(name, files)
          await api.deploy(name, 1)
        }
        await api.importBundle('prefixed', bundle({ basePath: '/second', routes: rule('r', `${plain.url}/second`) }))
        await api.send('POST', `${deployments('prefixed', 1)}?basepath=/prefix`)
        await api.send('DELETE', deployments('gone', 1))
        assert.deepEqual(await outcomes(running), expected)
      }
      {
        await using again = await start()
        assert.deepEqual(await outcomes(again), expected)
        await again.api.importBundle('plain', revision('plain', plain, 2))
        await again.api.deploy('plain', 2)
      }
      await using third = await start()
      assert.deepEqual(await outcomes(third), ['200 plain /r2/x', ...expected.slice(1)])
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
