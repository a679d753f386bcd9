import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, describe, it } from 'node:test'
import { startLab } from '../../src/lab/lab.ts'
import { startTestGateway } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { ask, fieldOf, get, Peer, request, statusOf, type WireMessage } from './peer.ts'

/* Every step has its own limit. What is asserted is what happens and in which order, never how long it took. */

const lab = await startLab({ scenarios: ['ok', 'connect-timeout', 'handshake-timeout'] })
const backend = await startBackend()
const url = `http://127.0.0.1:${backend.port}`
const short = '300ms'
const gateway = await startTestGateway(
  {
    listeners: [
      { name: 'http', address: '127.0.0.1', port: 0 },
      { name: 'head', address: '127.0.0.1', port: 0, timeouts: { head: short } },
      { name: 'idle', address: '127.0.0.1', port: 0, timeouts: { keepAlive: short } },
      { name: 'body', address: '127.0.0.1', port: 0, timeouts: { bodyIdle: short } },
    ],
    trustStores: { lab: { sources: [{ file: './ca.pem' }] } },
    targets: {
      b: { url },
      idle: { url, timeouts: { keepAlive: short } },
      first: { url, timeouts: { firstByte: short } },
      body: { url, timeouts: { bodyIdle: short } },
      ...Object.fromEntries(
        (['connect-timeout', 'handshake-timeout'] as const).map((name) => {
          const { host, port, serverName } = lab.backend(name)
          return [
            name,
            {
              url: `https://${host}:${port}`,
              tls: { trust: ['lab'], serverName },
              timeouts: { connect: short, handshake: short },
            },
          ]
        }),
      ),
    },
    proxies: Object.fromEntries(
      ['b', 'idle', 'first', 'body', 'connect-timeout', 'handshake-timeout'].map((target) => [
        target,
        { basePath: `/${target}`, target },
      ]),
    ),
  },
  { files: { 'ca.pem': lab.trust.bundlePem } },
)
const portOf = (listener: string): number => gateway.gateway.ports[listener] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
  await lab.close()
})

function codeOf(response: WireMessage): string {
  return (JSON.parse(response.body) as { code: string }).code
}

describe('a client that is late', () => {
  it('with its first request is left without a word', async () => {
    const client = await Peer.connect(portOf('head'))
    assert.equal(await client.rest(), '')
  })
  it('with the end of a head gets 408', async () => {
    const client = await Peer.connect(portOf('head'))
    client.send('GET /b HTTP/1.1\r\nHost: h\r\nX-A:')
    const response = await client.response()
    assert.equal(statusOf(response), 408)
    assert.equal(codeOf(response), 'request-timeout')
    assert.equal(fieldOf(response, 'connection'), 'close')
    assert.equal(await client.ended, 'end')
  })
  it('with a head that dribbles in gets 408: a byte now and then buys no time', async () => {
    const client = await Peer.connect(portOf('head'))
    const dribble = setInterval(() => client.send('a'), 40)
    client.send('GET /b HTTP/1.1\r\nHost: h\r\nX-A: ')
    assert.equal(statusOf(await client.response()), 408)
    clearInterval(dribble)
    client.destroy()
  })
  it('with a head that dribbles in by lines gets 408', async () => {
    const client = await Peer.connect(portOf('head'))
    const dribble = setInterval(() => client.send('X-A: b\r\n'), 40)
    client.send('GET /b HTTP/1.1\r\nHost: h\r\n')
    assert.equal(statusOf(await client.response()), 408)
    clearInterval(dribble)
    client.destroy()
  })
  it('with the head after a pipelined one gets 408, by the time for heads', async () => {
    const client = await Peer.connect(portOf('head'))
    client.send(`${get('/nowhere')}GET /b HTTP/1.1\r\nHos`)
    assert.equal(statusOf(await client.response()), 404)
    assert.equal(statusOf(await client.response()), 408)
    client.destroy()
  })
  it('with the head after one that a backend answered gets 408, by the time for heads', async () => {
    const client = await Peer.connect(portOf('head'))
    client.send(`${get('/b')}GET /b HTTP/1.1\r\nHos`)
    const server = await backend.next()
    await server.until('\r\n\r\n')
    server.send(ok('done', 'Connection: close'))
    assert.equal(statusOf(await client.response()), 200)
    assert.equal(statusOf(await client.response()), 408)
    client.destroy()
  })
  it('with its next request loses an idle connection, which is no fault', async () => {
    const client = await Peer.connect(portOf('idle'))
    client.send(get('/nowhere'))
    assert.equal(statusOf(await client.response()), 404)
    assert.equal(await client.rest(), '')
  })
  for (const [what, head, part] of [
    ['with a length', 'Content-Length: 10', 'abc'],
    ['in chunks', 'Transfer-Encoding: chunked', '3\r\nabc\r\n'],
    ['not begun', 'Content-Length: 10', ''],
  ] as const) {
    it(`with the rest of a body ${what} gets 408, and the backend's connection ends`, async () => {
      const client = await Peer.connect(portOf('body'))
      client.send(request('POST', '/b', head) + part)
      const server = await backend.next()
      const response = await client.response()
      assert.equal(statusOf(response), 408)
      assert.equal(codeOf(response), 'request-timeout')
      assert.match(await server.rest(), new RegExp(`${part === '' ? '\r\n\r\n' : part}$`))
      client.destroy()
    })
  }
  it('with a body that goes on is not late, however slowly', async () => {
    const client = await Peer.connect(portOf('body'))
    client.send(request('POST', '/b', 'Content-Length: 10'))
    const server = await backend.next()
    await server.until('\r\n\r\n')
    for (let i = 0; i < 10; i++) {
      client.send('x')
      await server.exactly(1)
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    server.send(ok('done', 'Connection: close'))
    assert.equal((await client.response()).body, 'done')
    client.destroy()
  })
  it('with reading a response loses its connection', async () => {
    const { port } = lab.backend('ok')
    assert.ok(port > 0)
    const socket = connect({ host: '127.0.0.1', port: portOf('body') })
    await once(socket, 'connect')
    socket.write(get('/b'))
    const server = await backend.next()
    await server.until('\r\n\r\n')
    server.send('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n')
    const block = Buffer.alloc(1_000_000)
    let sent = 0
    const fill = (): void => {
      while (sent < 100_000_000 && server.socket.write(block)) sent += block.length
    }
    server.socket.on('drain', fill)
    server.socket.on('error', () => {})
    fill()
    // The client never reads: the gateway gives up, which the backend sees.
    assert.ok(['end', 'reset'].includes(await server.ended))
    assert.ok(sent < 100_000_000)
    socket.destroy()
  })
})

describe('a backend that is late', () => {
  it('with accepting the connection: 504 connect-timeout', async () => {
    const response = await ask(portOf('http'), get('/connect-timeout'))
    assert.equal(statusOf(response), 504)
    assert.equal(codeOf(response), 'connect-timeout')
  })
  it('with its handshake: 504 handshake-timeout', async () => {
    const response = await ask(portOf('http'), get('/handshake-timeout'))
    assert.equal(statusOf(response), 504)
    assert.equal(codeOf(response), 'handshake-timeout')
  })
  it('with its first byte: 504 response-timeout, and its connection ends', async () => {
    const client = await Peer.connect(portOf('http'))
    client.send(get('/first'))
    const server = await backend.next()
    const response = await client.response()
    assert.equal(statusOf(response), 504)
    assert.equal(codeOf(response), 'response-timeout')
    assert.match(await server.rest(), /\r\n\r\n$/)
    // The client's connection is as good as before.
    client.send(get('/nowhere'))
    assert.equal(statusOf(await client.response()), 404)
    client.destroy()
  })
  it('with the end of its head: 504, although bytes keep coming', async () => {
    const client = await Peer.connect(portOf('http'))
    client.send(get('/first'))
    const server = await backend.next()
    await server.until('\r\n\r\n')
    server.send('HTTP/1.1 200 OK\r\nX-A: ')
    const dribble = setInterval(() => server.send('a'), 40)
    assert.equal(statusOf(await client.response()), 504)
    clearInterval(dribble)
    client.destroy()
  })
  it('is not timed while the request is still being sent', async () => {
    const client = await Peer.connect(portOf('http'))
    client.send(request('POST', '/first', 'Content-Length: 2'))
    const server = await backend.next()
    await server.until('\r\n\r\n')
    await new Promise((resolve) => setTimeout(resolve, 700))
    client.send('ab')
    await server.until('ab')
    server.send(ok('done', 'Connection: close'))
    assert.equal((await client.response()).body, 'done')
    client.destroy()
  })
  for (const [what, sent] of [
    ['with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'],
    ['not begun', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n'],
  ] as const) {
    it(`with the rest of a body ${what}: the response is cut`, async () => {
      const client = await Peer.connect(portOf('http'))
      client.send(get('/body'))
      const server = await backend.next()
      await server.until('\r\n\r\n')
      server.send(sent)
      const head = await client.until('\r\n\r\n')
      assert.match(head, /^HTTP\/1\.1 200 /)
      assert.equal((await client.rest()).endsWith('0\r\n\r\n'), false)
      await server.ended
    })
  }
  it('with its response after the request ended is timed, even if it had begun before', async () => {
    const client = await Peer.connect(portOf('http'))
    client.send(request('POST', '/body', 'Content-Length: 100000'))
    const server = await backend.next()
    await server.until('\r\n\r\n')
    server.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc')
    await client.until('abc')
    client.send(Buffer.alloc(100_000))
    await server.exactly(100_000)
    await client.ended
    await server.ended
  })
  it('with a body that goes on is not late, however slowly', async () => {
    const client = await Peer.connect(portOf('http'))
    client.send(get('/body'))
    const server = await backend.next()
    await server.until('\r\n\r\n')
    server.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\n')
    for (let i = 0; i < 10; i++) {
      server.send('x')
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    assert.equal((await client.response()).body, 'x'.repeat(10))
    client.destroy()
  })
  it('with reading the request: 504, and no byte more is taken from the client', async () => {
    const client = await Peer.connect(portOf('http'))
    client.send(request('POST', '/body', 'Content-Length: 100000000'))
    const server = await backend.next()
    server.socket.pause()
    const block = Buffer.alloc(1_000_000)
    let sent = 0
    const fill = (): void => {
      while (sent < 100_000_000 && client.socket.write(block)) sent += block.length
    }
    client.socket.on('drain', fill)
    fill()
    assert.equal(statusOf(await client.response()), 504)
    assert.ok(sent < 100_000_000)
    client.destroy()
    server.destroy()
  })
  it('an idle connection to it ends after its time', async () => {
    const client = await Peer.connect(portOf('http'))
    client.send(get('/idle'))
    const server = await backend.next()
    await server.until('\r\n\r\n')
    server.send(ok('done'))
    assert.equal((await client.response()).body, 'done')
    assert.equal(await server.rest(), '')
    client.destroy()
  })
})
