import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import type { EgressPlan, ServerPlan } from '../../src/proxy/plan.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { type ConnectProxyOptions, startConnectProxy } from './connect-proxy.ts'
import { closed, dialOnce, outcomeOf, serverPlan, tlsPlan } from './dial-once.ts'
import { startDnsServer } from './dns-server.ts'

const root = await createRoot({ commonName: 'Root' })
const other = await createRoot({ commonName: 'Other' })
const leaf = await createLeaf(root, { names: ['a.internal'] })
const request = 'GET /secret HTTP/1.1\r\nHost: a.internal\r\n\r\n'
const secret = 'Basic czNjcmV0LWd1ZXN0OnBhc3N3b3Jk'

const through = (port: number, change: Partial<EgressPlan> = {}): { readonly egress: EgressPlan } => ({
  egress: { host: '127.0.0.1', port, authorization: null, ...change },
})

/** A backend and a proxy before it. */
async function setUp(options: ConnectProxyOptions = {}) {
  const backend = await startTlsBackend({
    identity: leaf,
    answer: (message, response) => {
      message.resume()
      response.end(message.url === '/long' ? 'x'.repeat(300_000) : 'hello')
    },
  })
  const proxy = await startConnectProxy(options)
  const plan = (change: Partial<ServerPlan> = {}): ServerPlan =>
    serverPlan({
      port: backend.port,
      host: 'a.internal',
      tls: tlsPlan(root.certificatePem, 'a.internal'),
      ...through(proxy.port),
      ...change,
    })
  return {
    backend,
    proxy,
    plan,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      await backend[Symbol.asyncDispose]()
    },
  }
}

/** A server that says what it hears, and what it is told to say first. */
async function startEcho(first = '') {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    if (first !== '') socket.write(first)
    socket.on('data', (bytes) => socket.write(bytes))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

describe('TLS through a tunnel', { concurrency: true }, () => {
  it('is verified end to end and carries requests; the proxy learns name and port and nothing else', async () => {
    await using at = await setUp()
    const told: string[] = []
    const { dialed, reads } = await dialOnce(at.plan(), { told })
    assert.ok(dialed)
    dialed.socket.write(request)
    await reads.until((text) => text.endsWith('hello'))
    assert.equal(dialed.address, `127.0.0.1:${at.proxy.port}`)
    assert.equal(dialed.protocol, 'TLSv1.3')
    assert.equal(dialed.alpn, 'http/1.1')
    assert.deepEqual(
      at.proxy.seen.map(({ authority, headers }) => ({ authority, headers })),
      [{ authority: `a.internal:${at.backend.port}`, headers: { host: `a.internal:${at.backend.port}` } }],
    )
    assert.equal(at.backend.seen[0]?.serverName, 'a.internal')
    assert.ok(at.proxy.carried.length > 0)
    assert.equal(at.proxy.carried.includes('/secret'), false)
    assert.deepEqual(told, ['resolving 127.0.0.1', 'offering TLSv1.2 TLSv1.3', 'presented CN=a.internal'])
    await closed(dialed.socket)
  })

  const refused: readonly [string, ReturnType<typeof tlsPlan>, string][] = [
    ['another root', tlsPlan(other.certificatePem, 'a.internal'), 'unknown-issuer'],
    ['another name', tlsPlan(root.certificatePem, 'b.internal'), 'name-mismatch'],
  ]
  for (const [what, tls, verdict] of refused) {
    it(`is refused for ${what}, and nothing of a request is sent`, async () => {
      await using at = await setUp()
      const { fault } = await dialOnce(at.plan({ tls }))
      assert.equal(fault?.verdict, verdict)
      assert.equal(fault?.kind, 'tls-untrusted')
      assert.equal(fault?.evidence['proxy'], `127.0.0.1:${at.proxy.port}`)
      assert.equal(at.backend.seen.length, 0)
    })
  }

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`resumes sessions of ${version}, those of a direct connection too`, async () => {
      await using at = await setUp()
      const tls = tlsPlan(root.certificatePem, 'a.internal', { resumption: true, maxVersion: version })
      const trust = new TargetTrust(tls)
      await using dns = await startDnsServer({ 'a.internal': { a: ['127.0.0.1'] } })
      const direct = at.plan({ tls, egress: null, dns: { servers: [dns.address], refreshMs: 30_000 } })
      const resumed: boolean[] = []
      for (const plan of [at.plan({ tls }), at.plan({ tls }), direct, at.plan({ tls })]) {
        const { dialed, reads } = await dialOnce(plan, { trust })
        assert.ok(dialed)
        dialed.socket.write(request)
        await reads.until((text) => text.endsWith('hello'))
        resumed.push(dialed.resumed)
        await closed(dialed.socket)
      }
      assert.deepEqual(resumed, [false, true, true, true])
    })
  }

  for (const size of [1000, 65_536]) {
    it(`is read in a buffer of ${size} bytes, paused by false and by the owner, and resumed`, async () => {
      await using at = await setUp()
      const { dialed, reads } = await dialOnce(at.plan(), { size })
      assert.ok(dialed)
      const { socket } = dialed
      reads.more = false
      socket.write('GET /long HTTP/1.1\r\nHost: a.internal\r\n\r\n')
      await reads.until((text) => text.length > 0)
      // As the runtime has it: the piece that was answered with false is the last.
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
      assert.equal(reads.lengths.length, 1)
      socket.resume()
      await reads.until(() => reads.lengths.length === 2)
      reads.more = true
      socket.resume()
      await reads.until((text) => text.length > 100_000)
      socket.pause()
      const paused = reads.lengths.length
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
      assert.equal(reads.lengths.length, paused)
      socket.resume()
      const text = await reads.until((all) => all.length >= 300_000 + all.indexOf('xxx'))
      assert.ok(Math.max(...reads.lengths) <= size)
      assert.equal(text.slice(text.indexOf('xxx')), 'x'.repeat(300_000))
      await closed(socket)
    })
  }

  it('says when the server has ended', async () => {
    await using at = await setUp()
    const { dialed } = await dialOnce(at.plan())
    assert.ok(dialed)
    dialed.socket.write('GET / HTTP/1.1\r\nHost: a.internal\r\nConnection: close\r\n\r\n')
    await once(dialed.socket, 'end')
    await closed(dialed.socket)
  })

  it('is not begun when bytes follow the answer to CONNECT', async () => {
    await using at = await setUp({ after: '\x16\x03\x03' })
    const { fault } = await dialOnce(at.plan())
    assert.deepEqual(summaryOf(fault), ['connect-refused', 'connection-refused', 'network'])
    assert.match(fault?.summary ?? '', /bytes followed the answer/)
  })
})

describe('plain HTTP through a tunnel', { concurrency: true }, () => {
  it('carries bytes in both directions', async () => {
    await using echo = await startEcho()
    await using proxy = await startConnectProxy()
    const { dialed, reads } = await dialOnce(serverPlan({ port: echo.port, ...through(proxy.port) }))
    assert.ok(dialed)
    dialed.socket.write('hello')
    assert.equal(await reads.until((text) => text.length >= 5), 'hello')
    assert.equal(proxy.carried.toString(), 'hello')
    assert.equal(dialed.protocol, '')
    await closed(dialed.socket)
  })

  it('loses nothing that follows the head, as a server of HTTP/2 may speak first', async () => {
    await using echo = await startEcho(' and later')
    await using proxy = await startConnectProxy({ after: 'at once' })
    const { dialed, reads } = await dialOnce(serverPlan({ port: echo.port, ...through(proxy.port) }))
    assert.ok(dialed)
    assert.equal(await reads.until((text) => text.length >= 17), 'at once and later')
    await closed(dialed.socket)
  })

  it('is paused by false for bytes that follow the head', async () => {
    await using echo = await startEcho()
    await using proxy = await startConnectProxy({ after: 'at once' })
    const { dialed, reads } = await dialOnce(serverPlan({ port: echo.port, ...through(proxy.port) }), { more: false })
    assert.ok(dialed)
    await reads.until((text) => text === 'at once')
    dialed.socket.write(' and later')
    while (proxy.carried.length < 10) await new Promise(setImmediate)
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    assert.equal(reads.text, 'at once')
    reads.more = true
    dialed.socket.resume()
    assert.equal(await reads.until((text) => text.length >= 17), 'at once and later')
    await closed(dialed.socket)
  })
})

describe('the answer to CONNECT', { concurrency: true }, () => {
  const opens: readonly [string, readonly string[]][] = [
    ['200 without fields', ['HTTP/1.1 200 Connection established\r\n\r\n']],
    ['200 of HTTP/1.0', ['HTTP/1.0 200 OK\r\n\r\n']],
    ['any 2xx', ['HTTP/1.1 204 No Content\r\n\r\n']],
    ['a length, which means nothing here', ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n']],
    ['chunked, which means nothing either', ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n']],
    ['an informational response before', ['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n']],
    ['in many pieces', 'HTTP/1.1 200 OK\r\nVia: p\r\n\r\n'.split('')],
  ]
  for (const [what, answer] of opens) {
    it(`opens: ${what}`, async () => {
      await using at = await setUp({ answer })
      assert.equal(await outcomeOf(at.plan()), `127.0.0.1:${at.proxy.port}`)
    })
  }

  const refuses: readonly [string, ConnectProxyOptions, RegExp, number | undefined][] = [
    ['403', { answer: ['HTTP/1.1 403 Forbidden\r\n\r\n'] }, /answered CONNECT with 403/, 403],
    ['a redirect', { answer: ['HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n'] }, /with 302/, 302],
    ['502', { answer: ['HTTP/1.1 502 Bad Gateway\r\n\r\n'] }, /with 502/, 502],
    ['101', { answer: ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'] }, /with 101/, 101],
    ['407', { answer: ['HTTP/1.1 407 Who\r\n\r\n'] }, /asks for authorization \(407\), and none is configured/, 407],
    ['no HTTP', { answer: ['SSH-2.0-x\r\n'] }, /malformed/, undefined],
    ['a bare LF', { answer: ['HTTP/1.1 200 OK\n\n'] }, /malformed/, undefined],
    ['a head without end', { answer: [`HTTP/1.1 200 OK\r\nA: ${'a'.repeat(20_000)}`] }, /larger/, undefined],
    ['informational ones without end', { answer: ['HTTP/1.1 100 C\r\n\r\n'.repeat(50)] }, /with 100/, 100],
    ['nothing, and the end', { hangsUp: true }, /closed|reset|hang/i, undefined],
  ]
  for (const [what, options, summary, status] of refuses) {
    it(`refuses: ${what}`, async () => {
      await using at = await setUp(options)
      const { fault } = await dialOnce(at.plan())
      assert.deepEqual(summaryOf(fault), ['connect-refused', 'connection-refused', 'network'])
      assert.match(fault?.summary ?? '', summary)
      assert.equal(fault?.evidence['proxyStatus'], status)
      assert.equal(fault?.evidence['address'], `127.0.0.1:${at.proxy.port}`)
      assert.equal(fault?.evidence['proxy'], `127.0.0.1:${at.proxy.port}`)
      assert.equal(at.backend.connections, 0)
    })
  }

  it('is waited for as long as for a connection', async () => {
    await using at = await setUp({ silent: true })
    const plan = at.plan()
    const { fault } = await dialOnce({ ...plan, timeouts: { ...plan.timeouts, connectMs: 200 } })
    assert.deepEqual(summaryOf(fault), ['connect-timeout', 'connect-timeout', 'network'])
    assert.equal(fault?.evidence['phase'], 'tunnel')
  })
})

describe('what the proxy is told', { concurrency: true }, () => {
  it('the authorization, which no fault repeats', async () => {
    await using at = await setUp({ answer: [`HTTP/1.1 407 ${secret}\r\nX-Echo: ${secret}\r\n\r\n`] })
    const { fault } = await dialOnce(at.plan(through(at.proxy.port, { authorization: secret })))
    assert.equal(at.proxy.seen[0]?.headers['proxy-authorization'], secret)
    assert.match(fault?.summary ?? '', /refused the one that is configured/)
    assert.equal(JSON.stringify(fault).includes(secret), false)
  })

  it('IPv6 addresses in brackets', async () => {
    await using at = await setUp()
    assert.equal(await outcomeOf(at.plan({ host: '::1' })), `127.0.0.1:${at.proxy.port}`)
    assert.equal(at.proxy.seen[0]?.authority, `[::1]:${at.backend.port}`)
    assert.equal(at.proxy.seen[0]?.headers.host, `[::1]:${at.backend.port}`)
  })
})

describe('the way to the proxy', { concurrency: true }, () => {
  it('goes through the resolver; the name of the server is the proxy’s to resolve', async () => {
    await using at = await setUp()
    await using dns = await startDnsServer({ 'proxy.internal': { a: ['127.0.0.1'] } })
    const plan = at.plan({
      ...through(at.proxy.port, { host: 'proxy.internal' }),
      dns: { servers: [dns.address], refreshMs: 30_000 },
    })
    assert.equal(await outcomeOf(plan), `127.0.0.1:${at.proxy.port}`)
    assert.deepEqual([...dns.asked].sort(), ['A proxy.internal', 'AAAA proxy.internal'])
  })

  it('may fail, which is the network’s fault', async () => {
    await using at = await setUp()
    await using dns = await startDnsServer()
    const named = at.plan({
      ...through(at.proxy.port, { host: 'proxy.internal' }),
      dns: { servers: [dns.address], refreshMs: 30_000 },
    })
    assert.deepEqual(summaryOf((await dialOnce(named)).fault), ['dns-failed', 'dns-failure', 'network'])
    // Of tcpmux, which nobody serves.
    const { fault } = await dialOnce(at.plan(through(1)))
    assert.deepEqual(summaryOf(fault), ['connect-refused', 'connection-refused', 'network'])
    assert.match(fault?.summary ?? '', new RegExp(`^a\\.internal:${at.backend.port} through proxy 127\\.0\\.0\\.1:1: `))
  })
})

function summaryOf(fault: Awaited<ReturnType<typeof dialOnce>>['fault']): readonly unknown[] {
  return [fault?.kind, fault?.verdict, fault?.party]
}
