import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTestGateway } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { fieldOf, get, Peer, statusOf } from './peer.ts'

/* An upgraded connection carries bytes both ways, unread, until one side ends it. */

const root = await createRoot({ commonName: 'Tunnel Test CA' })
const leaf = await createLeaf(root, { names: ['ws.test'] })
const server = createServer({ cert: leaf.chainPem, key: leaf.keyPem })
const sockets = new WebSocketServer({ server, maxPayload: 64 * 1024 * 1024 })
sockets.on('connection', (socket, incoming) => {
  socket.on('error', () => {})
  if (incoming.url === '/closing') socket.close(4321, 'as asked')
  if (incoming.url === '/greeting') socket.send('before you said anything')
  socket.on('message', (data, binary) => socket.send(data as Buffer, { binary }))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const raw = await startBackend()
const gateway = await startTestGateway(
  {
    listeners: [
      { name: 'http', address: '127.0.0.1', port: 0 },
      {
        name: 'idle',
        address: '127.0.0.1',
        port: 0,
        timeouts: { tunnelIdle: '400ms', bodyIdle: '100ms', keepAlive: '100ms' },
      },
      {
        name: 'impatient',
        address: '127.0.0.1',
        port: 0,
        timeouts: { bodyIdle: '200ms', keepAlive: '200ms', head: '200ms' },
      },
    ],
    trustStores: { test: { sources: [{ file: './ca.pem' }] } },
    targets: {
      ws: {
        url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
        tls: { trust: ['test'], serverName: 'ws.test' },
      },
      raw: {
        url: `http://127.0.0.1:${raw.port}`,
        timeouts: { firstByte: '200ms', bodyIdle: '200ms', keepAlive: '200ms' },
      },
    },
    proxies: { ws: { basePath: '/ws', target: 'ws' }, raw: { basePath: '/raw', target: 'raw' } },
  },
  { files: { 'ca.pem': root.certificatePem } },
)
const portOf = (listener: string): number => gateway.gateway.ports[listener] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await raw[Symbol.asyncDispose]()
  for (const client of sockets.clients) client.terminate()
  sockets.close()
  server.close()
})

async function openWebSocket(path = '/ws/x'): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${portOf('http')}${path}`)
  await once(socket, 'open')
  return socket
}

async function echoed(socket: WebSocket, data: string | Buffer): Promise<{ data: Buffer; binary: boolean }> {
  socket.send(data)
  const [message, binary] = (await once(socket, 'message')) as [Buffer, boolean]
  return { data: message, binary }
}

describe('a WebSocket over verified TLS', () => {
  it('carries text and binary messages', async () => {
    const socket = await openWebSocket()
    assert.deepEqual(await echoed(socket, 'grüße'), { data: Buffer.from('grüße'), binary: false })
    assert.deepEqual(await echoed(socket, Buffer.from([0, 13, 10, 255])), {
      data: Buffer.from([0, 13, 10, 255]),
      binary: true,
    })
    socket.close(1000)
    assert.equal(((await once(socket, 'close')) as [number])[0], 1000)
  })
  it('carries large messages, with both sides waiting for each other', async () => {
    const socket = await openWebSocket()
    const block = Buffer.alloc(16 * 1024 * 1024, 'abcdefg')
    const { data } = await echoed(socket, block)
    assert.ok(data.equals(block))
    socket.close()
    await once(socket, 'close')
  })
  it('carries many small messages in their order', async () => {
    const socket = await openWebSocket()
    const got: string[] = []
    const all = new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        got.push(data.toString())
        if (got.length === 2000) resolve()
      })
    })
    for (let i = 0; i < 2000; i++) socket.send(String(i))
    await all
    assert.deepEqual(
      got,
      Array.from({ length: 2000 }, (_, i) => String(i)),
    )
    socket.close()
    await once(socket, 'close')
  })
  it("carries the client's close code, and the backend's", async () => {
    const mine = await openWebSocket()
    const [peer] = [...sockets.clients].slice(-1)
    mine.close(4999, 'bye')
    const [code, reason] = (await once(peer as object as WebSocket, 'close')) as [number, Buffer]
    assert.deepEqual([code, reason.toString()], [4999, 'bye'])
    const theirs = new WebSocket(`ws://127.0.0.1:${portOf('http')}/ws/closing`)
    const [theirCode, theirReason] = (await once(theirs, 'close')) as [number, Buffer]
    assert.deepEqual([theirCode, theirReason.toString()], [4321, 'as asked'])
  })
  it('carries what the backend says right after it agreed', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${portOf('http')}/ws/greeting`)
    const [data] = (await once(socket, 'message')) as [Buffer]
    assert.equal(data.toString(), 'before you said anything')
    socket.terminate()
  })
  it('is logged when it ends, as 101 without a fault and with its bytes', async () => {
    const socket = await openWebSocket('/ws/logged')
    await echoed(socket, 'x'.repeat(1000))
    socket.close()
    await once(socket, 'close')
    const matches = (line: string): boolean => line.includes('"/ws/logged"') && line.includes('"access"')
    const lines = await gateway.logLines('postern.log', matches)
    const entry = JSON.parse(lines.find(matches) ?? '') as Record<string, unknown>
    assert.equal(entry['status'], 101)
    assert.equal(entry['fault'], undefined)
    assert.ok(Number(entry['requestBytes']) > 1000)
    assert.ok(Number(entry['responseBodyBytes']) > 1000)
  })
})

const upgrade = (path: string, ...lines: readonly string[]): string =>
  get(path, 'Connection: Upgrade', 'Upgrade: sample/1', ...lines)
const agreed = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: sample/1\r\nX-A: b\r\n\r\n'

async function openTunnel(listener = 'http', ...lines: readonly string[]): Promise<{ client: Peer; backend: Peer }> {
  const client = await Peer.connect(portOf(listener))
  client.send(upgrade('/raw', ...lines))
  const backend = await raw.next()
  await backend.until('\r\n\r\n')
  backend.send(agreed)
  await client.until('\r\n\r\n')
  return { client, backend }
}

describe('an upgrade', () => {
  it('says to the backend and to the client what each needs, and nothing of the other hop', async () => {
    const client = await Peer.connect(portOf('http'))
    client.send(get('/raw', 'Connection: keep-alive, Upgrade, X-Hop', 'X-Hop: 1', 'Upgrade: sample/1'))
    const backend = await raw.next()
    const request = await backend.request()
    assert.equal(fieldOf(request, 'connection'), 'Upgrade')
    assert.equal(fieldOf(request, 'upgrade'), 'sample/1')
    assert.equal(fieldOf(request, 'x-hop'), null)
    backend.send(agreed)
    const response = await client.response()
    assert.equal(statusOf(response), 101)
    assert.equal(fieldOf(response, 'connection'), 'Upgrade')
    assert.equal(fieldOf(response, 'upgrade'), 'sample/1')
    assert.equal(fieldOf(response, 'x-a'), 'b')
    client.reset()
    await backend.ended
  })
  it('without Connection: Upgrade is none', async () => {
    const client = await Peer.connect(portOf('http'))
    client.send(get('/raw', 'Upgrade: sample/1'))
    const backend = await raw.next()
    const request = await backend.request()
    assert.equal(fieldOf(request, 'upgrade'), null)
    assert.equal(fieldOf(request, 'connection'), null)
    backend.send(ok('plain', 'Connection: close'))
    assert.equal((await client.response()).body, 'plain')
    client.destroy()
  })
  it('to h2c is not passed on: what followed would be requests that nobody has routed', async () => {
    for (const value of ['h2c', 'H2C', 'sample/1, h2c', 'h2c, sample/1']) {
      const client = await Peer.connect(portOf('http'))
      client.send(
        get(
          '/raw',
          'Connection: Upgrade, HTTP2-Settings',
          `Upgrade: ${value}`,
          'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
        ),
      )
      const backend = await raw.next()
      const request = await backend.request()
      assert.doesNotMatch(fieldOf(request, 'upgrade') ?? '', /h2c/i, value)
      assert.equal(fieldOf(request, 'http2-settings'), null)
      backend.send(ok('plain', 'Connection: close'))
      assert.equal((await client.response()).body, 'plain')
      client.destroy()
    }
  })
  for (const status of [200, 400, 426]) {
    it(`that the backend answers with ${status} is a plain exchange, and the next one may follow`, async () => {
      const client = await Peer.connect(portOf('http'))
      client.send(upgrade('/raw'))
      const backend = await raw.next()
      await backend.until('\r\n\r\n')
      backend.send(`HTTP/1.1 ${status} S\r\nContent-Length: 3\r\n\r\nabc`)
      const response = await client.response()
      assert.equal(statusOf(response), status)
      assert.equal(response.body, 'abc')
      client.send(get('/raw/next'))
      assert.match((await backend.request()).start, /\/next /)
      backend.send(ok('next', 'Connection: close'))
      assert.equal((await client.response()).body, 'next')
      client.destroy()
    })
  }
  it('takes along what the client sent before it knew, after the backend agreed and not earlier', async () => {
    const client = await Peer.connect(portOf('http'))
    client.send(`${upgrade('/raw')}early bytes`)
    const backend = await raw.next()
    const head = await backend.until('\r\n\r\n')
    assert.equal(backend.unread, '')
    assert.match(head, /Upgrade: sample\/1/)
    backend.send(`${agreed}and mine`)
    assert.match(await client.until('and mine'), /^HTTP\/1\.1 101 /)
    await backend.until('early bytes')
    client.reset()
    await backend.ended
  })
  it('takes early bytes for the next request where the backend refuses', async () => {
    const client = await Peer.connect(portOf('http'))
    client.send(`${upgrade('/raw')}${get('/raw/next')}`)
    const backend = await raw.next()
    await backend.until('\r\n\r\n')
    backend.send(ok('no'))
    assert.equal((await client.response()).body, 'no')
    assert.match((await backend.request()).start, /\/next /)
    backend.send(ok('next', 'Connection: close'))
    assert.equal((await client.response()).body, 'next')
    client.destroy()
  })
})

describe('a tunnel', () => {
  it('carries bytes both ways, whatever they are', async () => {
    const { client, backend } = await openTunnel()
    client.send('GET / HTTP/1.1\r\n\r\n\0\xff')
    await backend.until('\0\xff')
    backend.send('HTTP/1.1 400\n\n\0\xfe')
    await client.until('\0\xfe')
    client.reset()
    await backend.ended
  })
  it('outlives all other timeouts', async () => {
    const { client, backend } = await openTunnel('impatient')
    await new Promise((resolve) => setTimeout(resolve, 700))
    client.send('still there')
    await backend.until('still there')
    backend.send('me too')
    await client.until('me too')
    client.reset()
    await backend.ended
  })
  it('outlives them after a time in which one side did not keep up, too', async () => {
    const { client, backend } = await openTunnel('http')
    for (const [from, to] of [
      [client, backend],
      [backend, client],
    ] as const) {
      to.socket.pause()
      const drained = once(from.socket, 'drain')
      from.send(Buffer.alloc(16 * 1024 * 1024))
      await new Promise((resolve) => setTimeout(resolve, 100))
      to.socket.resume()
      await drained
      await to.exactly(16 * 1024 * 1024)
    }
    await new Promise((resolve) => setTimeout(resolve, 700))
    client.send('still there')
    await backend.until('still there')
    backend.send('me too')
    await client.until('me too')
    client.reset()
    await backend.ended
  })
  it('ends after its own idle time, for both', async () => {
    const { client, backend } = await openTunnel('idle')
    await Promise.all([client.ended, backend.ended])
  })
  it('does not end while one direction alone is in use', async () => {
    const { client, backend } = await openTunnel('idle')
    for (let i = 0; i < 12; i++) {
      await new Promise((resolve) => setTimeout(resolve, 60))
      backend.send('x')
      await client.exactly(1)
    }
    for (let i = 0; i < 12; i++) {
      await new Promise((resolve) => setTimeout(resolve, 60))
      client.send('x')
      await backend.exactly(1)
    }
    client.reset()
    await backend.ended
  })
  it('whose client has said its last still carries what the backend says', async () => {
    const { client, backend } = await openTunnel()
    client.send('last words')
    client.end()
    assert.equal(await backend.rest(), 'last words')
    backend.send('an answer')
    backend.end()
    assert.equal(await client.rest(), 'an answer')
  })
  it('whose backend has said its last delivers all of it', async () => {
    const { client, backend } = await openTunnel()
    client.socket.pause()
    const block = Buffer.alloc(8 * 1024 * 1024, 'x')
    backend.send(block)
    backend.end()
    await new Promise((resolve) => setTimeout(resolve, 50))
    client.socket.resume()
    assert.equal((await client.rest()).length, block.length)
  })
  it('whose client breaks off ends at the backend', async () => {
    const { client, backend } = await openTunnel()
    client.reset()
    await backend.ended
  })
  it('whose backend breaks off ends at the client', async () => {
    const { client, backend } = await openTunnel()
    backend.reset()
    await client.ended
  })
})
