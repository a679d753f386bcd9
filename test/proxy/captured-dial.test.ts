import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket, TlsOptions } from 'node:tls'
import type { ConnectionStory } from '../../src/dial/story.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import type { ServerPlan, TargetPlan } from '../../src/proxy/plan.ts'
import { ok, startBackend } from './backend.ts'
import { ask, get, Peer, statusOf } from './peer.ts'
import { plannedServer, proxyPlan, targetPlan } from './planned-gateway.ts'
import { order, startRecordingRig, stepsOf, tlsPlan } from './recording-rig.ts'

/* Connections that are opened for a request of a debug session: what they tell, and that nobody else gets them later. */

const root = await createRoot({ commonName: 'Capture CA' })
const other = await createRoot({ commonName: 'Another CA' })
const leaf = await createLeaf(root, { names: ['backend.test'] })

interface Counted {
  readonly port: number
  /** Connections whose handshake has ended, in their order. */
  readonly connections: readonly TLSSocket[]
  /** Of their other ends. */
  readonly ports: readonly (number | undefined)[]
  /** Those to come get no further before theirs is done; without one, at once. */
  readonly gates: Promise<void>[]
}

/** Something to wait for, and what ends the wait. */
function gate(): { readonly closed: Promise<void>; readonly open: () => void } {
  let open = (): void => {}
  const closed = new Promise<void>((resolve) => (open = resolve))
  return { closed, open }
}

const ends: (() => void)[] = []

async function listen(server: HttpsServer | Http2SecureServer): Promise<Counted> {
  const connections: TLSSocket[] = []
  const ports: (number | undefined)[] = []
  server.on('secureConnection', (socket: TLSSocket) => {
    connections.push(socket)
    ports.push(socket.remotePort)
    socket.on('error', () => {})
  })
  server.on('tlsClientError', () => {}) // some are here to be refused
  const counted = { port: 0, connections, ports, gates: [] as Promise<void>[] }
  const sockets = new Set<Socket>()
  const tcp = createTcpServer({ pauseOnConnect: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    const waits = counted.gates.shift() ?? Promise.resolve()
    void waits.then(() => server.emit('connection', socket))
  })
  tcp.listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  ends.push(() => {
    tcp.close()
    for (const socket of sockets) socket.destroy()
  })
  counted.port = (tcp.address() as AddressInfo).port
  return counted
}

const identity: TlsOptions = { cert: leaf.chainPem, key: leaf.keyPem }

function https(options: TlsOptions = {}): Promise<Counted> {
  const server = createHttpsServer({ ...identity, ...options, keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume().on('end', () => response.end(request.url))
  })
  return listen(server)
}

function http2(): Promise<Counted> {
  const server = createSecureServer({ ...identity, settings: { enableConnectProtocol: true } })
  server.on('session', (session) => session.on('error', () => {}))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200 })
    if (headers[':method'] === 'CONNECT') stream.pipe(stream)
    else stream.end('ok')
  })
  return listen(server)
}

const [h1, h2, narrow, raced, strict] = [
  await https(),
  await http2(),
  await https(),
  await https(),
  await https({ requestCert: true, rejectUnauthorized: true, ca: root.certificatePem, minVersion: 'TLSv1.3' }),
]
const plain = await startBackend(() => ok())

function target(name: string, port: number, change: Partial<ServerPlan> = {}): TargetPlan {
  const tls = tlsPlan(root.certificatePem)
  const usual = plannedServer(name, port, { scheme: 'https', tls, ...change })
  // What is left open is not to be closed by time.
  const server = { ...usual, timeouts: { ...usual.timeouts, keepAliveMs: 60_000 } }
  return targetPlan(name, [], { scheme: server.scheme, tls: server.tls, servers: [server] })
}

const h2Tls = tlsPlan(root.certificatePem, { alpn: ['h2'] })
const limits = { connections: 1, streams: 100, pending: 100, responseHeaderBytes: 16_384 }
const targets = [
  target('h1', h1.port),
  target('h2', h2.port, { tls: h2Tls }),
  target('narrow', narrow.port, { limits }),
  target('raced', raced.port),
  target('strict', strict.port),
  target('untrusted', h1.port, { tls: tlsPlan(other.certificatePem) }),
  target('untrusted-h2', h2.port, { tls: tlsPlan(other.certificatePem, { alpn: ['h2', 'http/1.1'] }) }),
  target('plain', plain.port, { scheme: 'http', tls: null }),
]
const rig = await startRecordingRig({
  targets,
  proxies: targets.map(({ name }) =>
    proxyPlan({ kind: 'target', target: name }, { name: 'p', key: name, basePath: `/${name}` }),
  ),
})
await rig.order([order({ headers: [['x-debug', '1']] })])
after(async () => {
  await rig[Symbol.asyncDispose]()
  await plain[Symbol.asyncDispose]()
  for (const end of ends) end()
})

let asked = 0

/** One request of a debug session; its status, and what it was told of its connection. */
async function debugged(base: string): Promise<{ status: number; reused: boolean; story: ConnectionStory | null }> {
  const path = `/${base}/debug-${++asked}`
  const status = statusOf(await ask(rig.port, get(path, 'X-Debug: 1')))
  const transaction = await rig.of(path)
  const [connected] = stepsOf(transaction, 'connected')
  const [failed] = stepsOf(transaction, 'connect-failed')
  return { status, reused: connected?.reused ?? false, story: connected?.story ?? failed?.story ?? null }
}

const usual = async (base: string): Promise<number> => statusOf(await ask(rig.port, get(`/${base}/usual`)))

/** Waits until the backend has no more of its connections open than that. */
async function left(backend: Counted, open: number): Promise<void> {
  const still = (): number => backend.connections.filter((socket) => !socket.destroyed).length
  for (let look = 0; still() > open && look < 200; look++) await sleep(10)
  assert.ok(still() <= open, `${still()} connections are still open`)
}

describe('a request of a debug session', () => {
  it('gets a connection of its own over HTTP/1.1, whose handshake was read, and which nobody gets afterwards', async () => {
    for (let request = 1; request <= 3; request++) {
      const { status, reused, story } = await debugged('h1')
      assert.deepEqual([status, reused, story?.tls?.captured], [200, false, true])
      assert.equal(h1.connections.length, request)
      assert.equal(story?.address, `127.0.0.1:${h1.port}`)
      assert.equal(story?.localAddress, `127.0.0.1:${h1.ports[request - 1]}`)
      assert.deepEqual(
        story?.tls?.chain.map(({ pem }) => pem),
        [leaf.certificatePem],
      )
      assert.ok(story?.tls?.offered.ciphers.includes('TLS_AES_256_GCM_SHA384'))
      await left(h1, 0)
    }
  })

  it('uses a connection that is there, which tells how it was opened and is kept', async () => {
    const before = h1.connections.length
    assert.equal(await usual('h1'), 200)
    for (let request = 0; request < 3; request++) {
      const { status, reused, story } = await debugged('h1')
      assert.deepEqual([status, reused, story?.tls?.captured, story?.tls?.chain.length], [200, true, false, 1])
    }
    assert.equal(await usual('h1'), 200)
    assert.equal(h1.connections.length, before + 1)
  })

  it('shares the session that was dialed for it over HTTP/2 with those that waited for the same dial, and no others', async () => {
    const { closed, open } = gate()
    h2.gates.push(closed)
    const together = [debugged('h2'), sleep(30).then(() => usual('h2')), sleep(30).then(() => debugged('h2'))] as const
    await sleep(100)
    open()
    const [one, status, two] = await Promise.all(together)
    assert.deepEqual([one.status, status, two.status], [200, 200, 200])
    assert.equal(h2.connections.length, 1)
    assert.deepEqual([one.story?.tls?.captured, two.story?.tls?.captured], [true, true])
    assert.equal(one.story?.localAddress, two.story?.localAddress)
    assert.equal(one.story?.tls?.chosen?.alpn, 'h2')
    await left(h2, 0)
    // One that is not for a debug session takes their place, and stays.
    assert.deepEqual([await usual('h2'), await usual('h2')], [200, 200])
    assert.equal(h2.connections.length, 2)
    const { reused, story } = await debugged('h2')
    assert.deepEqual([reused, story?.tls?.captured], [true, false])
    assert.equal(h2.connections.length, 2)
  })

  it('waits for nothing but a connection where the target has one at most, and neither do the others', async () => {
    const all = Array.from({ length: 6 }, (_, index) =>
      index % 2 === 0 ? debugged('narrow').then(({ status }) => status) : usual('narrow'),
    )
    assert.deepEqual(await Promise.all(all), [200, 200, 200, 200, 200, 200])
  })

  it('gets the connection that was dialed for it, though somebody else has waited for longer', async () => {
    const { closed, open } = gate()
    raced.gates.push(closed)
    const first = usual('raced')
    await sleep(30)
    const { status, story } = await debugged('raced').finally(open)
    assert.deepEqual([status, story?.tls?.captured], [200, true])
    assert.equal(await first, 200)
    await left(raced, 1)
    const { reused } = await debugged('raced')
    assert.equal(reused, true)
    for (const socket of raced.connections) socket.destroy()
  })

  it('that is gone before its connection is there leaves none behind', async () => {
    const { closed, open } = gate()
    raced.gates.push(closed)
    const client = await Peer.connect(rig.port)
    client.send(get('/raced/gone', 'X-Debug: 1'))
    await sleep(50)
    client.reset()
    await sleep(50)
    open()
    // Whether the backend sees the end of the handshake or of the connection first is open.
    await sleep(100)
    await left(raced, 0)
  })

  for (const base of ['untrusted', 'untrusted-h2']) {
    it(`that no connection comes of tells all that was seen of the handshake: ${base}`, async () => {
      const { status, story } = await debugged(base)
      assert.equal(status, 502)
      assert.deepEqual([story?.failure?.verdict, story?.tls?.verdict], ['unknown-issuer', 'unknown-issuer'])
      assert.deepEqual([story?.failure?.phase, story?.tls?.captured, story?.tls?.alert], ['handshake', true, null])
      assert.deepEqual(
        story?.tls?.chain.map(({ pem }) => pem),
        [leaf.certificatePem],
      )
    })
  }

  it('that is refused after the handshake tells that the backend had asked for our certificate', async () => {
    const { status, story } = await debugged('strict')
    assert.equal(status, 502)
    assert.deepEqual([story?.tls?.captured, story?.tls?.clientCertificateAsked], [true, true])
    const [transaction] = rig.recorded.slice(-1)
    assert.equal(transaction?.fault?.verdict, 'client-certificate-required')
    assert.equal(transaction?.fault?.evidence['alert'], 116)
  })

  it('changes nothing over plain HTTP, where there is no handshake to read', async () => {
    const before = plain.accepted.length
    for (const reused of [false, true]) {
      const { story, ...rest } = await debugged('plain')
      assert.deepEqual([rest, story?.tls], [{ status: 200, reused }, null])
    }
    assert.equal(plain.accepted.length, before + 1)
  })

  it('may be a WebSocket over HTTP/2, which begins once the backend has said what it takes', async () => {
    h2.connections.at(-1)?.destroy()
    await left(h2, 0)
    const before = h2.connections.length
    const path = `/h2/debug-${++asked}`
    const lines = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
    const client = await Peer.connect(rig.port)
    client.send(get(path, 'X-Debug: 1', ...lines, key))
    assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 101 /)
    client.send('there and back')
    await client.until('there and back')
    client.destroy()
    const [connected] = stepsOf(await rig.of(path), 'connected')
    assert.deepEqual([connected?.story.tls?.captured, connected?.reused], [true, false])
    assert.equal(h2.connections.length, before + 1)
    await left(h2, 0)
  })
})
