import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { constants } from 'node:http2'
import { after, describe, it } from 'node:test'
import { Agent, request } from 'undici'
import { WebSocket, WebSocketServer } from 'ws'
import { startTestGateway } from '../support/gateway.ts'
import { backendName, type RawConnection, root, startH2Backend, startRawServer } from './h2-backend.ts'
import { Peer, statusOf } from './peer.ts'

/* HTTP/1.1 clients in front of backends that speak HTTP/2. */

const raw = await startRawServer({ maxConcurrentStreams: 100 })
const narrow = await startRawServer({ maxConcurrentStreams: 2, initialWindowSize: 1000 })
const tunnels = await startRawServer({ enableConnectProtocol: 1 })
const backend = await startH2Backend(
  (stream, headers) => {
    const path = String(headers[':path'])
    if (path === '/head') {
      stream.respond({ ':status': 200, 'content-length': '1234' })
      stream.end()
    } else if (path === '/hints') {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' })
      stream.respond({ ':status': 200 })
      stream.end('after hints')
    } else if (path === '/trailers') {
      stream.respond({ ':status': 200, 'content-type': 'text/plain' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': 'sum' }))
      stream.end('body')
    } else if (path.startsWith('/status/')) {
      stream.respond({ ':status': Number(path.slice(8)) }, { endStream: true })
    } else if (path.startsWith('/bytes/')) {
      const bytes = pattern(Number(path.slice(7)))
      stream.respond({ ':status': 200, 'content-length': String(bytes.length) })
      stream.end(bytes)
    } else if (path === '/silent') {
      silent++
      stream.on('close', () => closed.push(stream.rstCode))
    } else if (path === '/endless') {
      stream.respond({ ':status': 200 })
      const chunk = Buffer.alloc(65_536, 120)
      const more = (): void => {
        if (stream.destroyed) return
        endless += chunk.length
        if (stream.write(chunk)) more()
      }
      stream.on('drain', more)
      more()
    } else {
      const hash = createHash('sha256')
      let length = 0
      stream.on('data', (chunk: Buffer) => {
        hash.update(chunk)
        length += chunk.length
      })
      let trailers: unknown = {}
      stream.on('trailers', (fields) => {
        trailers = fields
      })
      stream.on('end', () => {
        stream.respond({ ':status': 200, 'content-type': 'application/json' })
        stream.end(JSON.stringify({ headers, length, hash: hash.digest('hex'), trailers }))
      })
    }
  },
  { allowHTTP1: true },
)
const closed: number[] = []
let endless = 0
let silent = 0
const sockets = new WebSocketServer({ server: backend.server as never })
sockets.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data as Buffer, { binary })))

const tls = { trust: ['test'], serverName: backendName }
const gateway = await startTestGateway(
  {
    trustStores: { test: { sources: [{ file: './ca.pem' }] } },
    targets: {
      both: { url: `https://127.0.0.1:${backend.port}`, tls: { ...tls, alpn: ['h2', 'http/1.1'] } },
      only: { url: `https://127.0.0.1:${backend.port}`, tls: { ...tls, alpn: ['h2'] } },
      raw: { url: `http://127.0.0.1:${raw.port}`, h2c: true, timeouts: { firstByte: '300ms', bodyIdle: '300ms' } },
      narrow: { url: `http://127.0.0.1:${narrow.port}`, h2c: true },
      tunnels: { url: `http://127.0.0.1:${tunnels.port}`, h2c: true },
    },
    proxies: Object.fromEntries(
      ['both', 'only', 'raw', 'narrow', 'tunnels'].map((name) => [name, { basePath: `/${name}`, target: name }]),
    ),
  },
  { files: { 'ca.pem': root.certificatePem } },
)
const port = gateway.gateway.ports['http'] ?? 0
const agent = new Agent({ connections: 200 })
after(async () => {
  await agent.close()
  await gateway[Symbol.asyncDispose]()
  sockets.close()
  for (const server of [backend, raw, narrow, tunnels]) await server[Symbol.asyncDispose]()
})

const ask = (path: string, options: Parameters<typeof request>[1] = {}) =>
  request(`${gateway.origin}${path}`, { dispatcher: agent, ...options })

interface Echo {
  readonly headers: Readonly<Record<string, string>>
  readonly length: number
  readonly hash: string
  readonly trailers: Readonly<Record<string, string>>
}

describe('a request over HTTP/2', () => {
  it('has pseudo-header fields for its line and Host, and no field of one hop', async () => {
    const { body } = await ask('/both/echo?q=1', {
      headers: { 'X-One': 'Two', TE: 'trailers', Cookie: 'a=1; b=2' },
    })
    const { headers } = (await body.json()) as Echo
    assert.equal(headers[':method'], 'GET')
    assert.equal(headers[':path'], '/echo?q=1')
    assert.equal(headers[':scheme'], 'https')
    assert.equal(headers[':authority'], `127.0.0.1:${backend.port}`)
    assert.equal(headers['x-one'], 'Two')
    assert.equal(headers['te'], 'trailers')
    assert.equal(headers['cookie'], 'a=1; b=2')
    assert.equal(headers['via'], '1.1 postern')
    assert.match(headers['x-request-id'] ?? '', /^[0-9a-f-]{36}$/)
    for (const name of ['host', 'connection', 'keep-alive', 'transfer-encoding']) assert.ok(!(name in headers), name)
  })

  it('shares one connection with all others', async () => {
    const before = backend.sessions.length
    const replies = await Promise.all(Array.from({ length: 150 }, (_, i) => ask(`/both/bytes/${i}`)))
    const lengths = await Promise.all(replies.map(async ({ body }) => (await body.bytes()).length))
    assert.deepEqual(
      lengths,
      Array.from({ length: 150 }, (_, i) => i),
    )
    assert.ok(backend.sessions.length - before <= 2, `${backend.sessions.length - before} connections were opened`)
  })

  for (const [how, body] of [
    ['of a length that was said', (bytes: Buffer) => bytes],
    [
      'in chunks',
      async function* (bytes: Buffer) {
        for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001)
      },
    ],
  ] as const) {
    it(`carries a body ${how}`, async () => {
      const bytes = pattern(3_000_001)
      const reply = await ask('/both/echo', { method: 'POST', body: body(bytes) as never })
      const echo = (await reply.body.json()) as Echo
      assert.equal(echo.length, bytes.length)
      assert.equal(echo.hash, createHash('sha256').update(bytes).digest('hex'))
    })
  }

  it('carries the trailers of a chunked body', async () => {
    const peer = await Peer.connect(port)
    peer.send(
      'POST /both/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n',
    )
    const echo = JSON.parse((await peer.response()).body) as Echo
    assert.equal(echo.length, 3)
    assert.equal(echo.trailers['x-sum'], '6')
    peer.destroy()
  })

  it('ends with its client', async () => {
    const before = closed.length
    const peer = await Peer.connect(port)
    peer.send('GET /both/silent HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => silent > 0)
    peer.reset()
    await until(() => closed.length > before)
    assert.equal(closed.at(-1), constants.NGHTTP2_CANCEL)
  })
})

describe('a response over HTTP/2', () => {
  it('of a long body arrives whole', async () => {
    const { body } = await ask('/both/bytes/20000001')
    assert.equal(hashOf(Buffer.from(await body.bytes())), hashOf(pattern(20_000_001)))
  })

  it('to HEAD has its length and no body', async () => {
    const { statusCode, headers, body } = await ask('/both/head', { method: 'HEAD' })
    assert.equal(statusCode, 200)
    assert.equal(headers['content-length'], '1234')
    assert.equal(await body.text(), '')
  })

  for (const status of [204, 304, 404, 500]) {
    it(`of ${status} without a body leaves the connection good`, async () => {
      const peer = await Peer.connect(port)
      for (let i = 0; i < 2; i++) {
        peer.send(`GET /both/status/${status} HTTP/1.1\r\nHost: a\r\n\r\n`)
        assert.equal(statusOf(await peer.response()), status)
      }
      peer.destroy()
    })
  }

  it('is preceded by its informational ones', async () => {
    const peer = await Peer.connect(port)
    peer.send('GET /both/hints HTTP/1.1\r\nHost: a\r\n\r\n')
    const hints = await peer.response()
    assert.match(hints.start, /^HTTP\/1.1 103 /)
    assert.ok(hints.lines.some((line) => line.startsWith('link: </a.css>')))
    assert.equal((await peer.response()).body, 'after hints')
    peer.destroy()
  })

  it('ends with its trailers, in chunks', async () => {
    const peer = await Peer.connect(port)
    peer.send('GET /both/trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n')
    const { raw: chunks } = await peer.response()
    assert.equal(chunks, '4\r\nbody\r\n0\r\nx-check: sum\r\n\r\n')
    peer.destroy()
  })

  it('waits for a slow reader, while others go on', async () => {
    const peer = await Peer.connect(port)
    peer.socket.pause()
    endless = 0
    peer.send('GET /both/endless HTTP/1.1\r\nHost: a\r\n\r\n')
    let last = -1
    await until(() => {
      const same = endless === last && endless > 0
      last = endless
      return same
    }, 200)
    assert.ok(endless < 16_000_000, `${endless} bytes were taken for a client that reads none`)
    const { body } = await ask('/both/bytes/1000000')
    assert.equal((await body.bytes()).length, 1_000_000)
    peer.destroy()
  })
})

interface RawCase {
  readonly says: string
  readonly answer: (connection: RawConnection, id: number) => void
  readonly status: number
  readonly body?: RegExp
  /** The code that the backend's stream is reset with. */
  readonly reset?: number
}

const rawCases: readonly RawCase[] = [
  {
    says: 'RST_STREAM is a fault of the backend',
    answer: (connection, id) => connection.reset(id, 2),
    status: 502,
  },
  {
    says: 'a head without :status is refused',
    answer: (connection, id) => connection.headers(id, ['content-type', 'text/plain'], true),
    status: 502,
    reset: 1,
  },
  {
    says: 'a connection field is refused',
    answer: (connection, id) => connection.headers(id, [':status', '200', 'transfer-encoding', 'chunked'], true),
    status: 502,
    reset: 1,
  },
  {
    says: 'a line break in a value is refused',
    answer: (connection, id) => connection.headers(id, [':status', '200', 'x-a', 'b\r\nSet-Cookie: c'], true),
    status: 502,
    reset: 1,
  },
  {
    says: 'DATA before the head is refused',
    answer: (connection, id) => connection.data(id, 'early'),
    status: 502,
    reset: 1,
  },
  {
    says: 'an end where Content-Length says more is refused',
    answer: (connection, id) => connection.headers(id, [':status', '200', 'content-length', '5'], true),
    status: 502,
  },
  {
    says: 'no answer in time is a timeout, and the backend is told',
    answer: () => {},
    status: 504,
    reset: 8,
  },
  {
    says: 'a final answer to a request that is still being sent is passed on',
    answer: (connection, id) => {
      connection.headers(id, [':status', '413', 'content-length', '2'])
      connection.data(id, 'no', true)
    },
    status: 413,
    body: /^no$/,
  },
]

describe('of what a backend says', () => {
  for (const { says, answer, status, body, reset } of rawCases) {
    it(says, async () => {
      await using server = await startRawServer()
      await using own = await startTestGateway({
        targets: { t: { url: `http://127.0.0.1:${server.port}`, h2c: true, timeouts: { firstByte: '300ms' } } },
        proxies: { t: { basePath: '/', target: 't' } },
      })
      const reply = request(`${own.origin}/x`)
      const connection = await server.connection()
      const { id } = await connection.request()
      answer(connection, id)
      const { statusCode, body: got } = await reply
      const text = await got.text()
      assert.equal(statusCode, status)
      if (body !== undefined) assert.match(text, body)
      if (reset !== undefined) {
        assert.equal((await connection.seen((frame) => frame.type === 'rst' && frame.streamId === id)).code, reset)
      }
      // The connection goes on: what is wrong with a stream is wrong with it alone.
      const next = request(`${own.origin}/y`)
      const second = await connection.request(2)
      connection.headers(second.id, [':status', '200'], true)
      assert.equal((await next).statusCode, 200)
    })
  }

  for (const [says, wrong] of [
    ['more body than Content-Length said', (c: RawConnection, id: number) => c.data(id, 'toolong', true)],
    ['less body than Content-Length said', (c: RawConnection, id: number) => c.data(id, 'a', true)],
    ['RST_STREAM inside the body', (c: RawConnection, id: number) => c.reset(id, 8)],
    ['silence inside the body', () => {}],
  ] as const) {
    it(`${says} cuts the response off`, async () => {
      await using server = await startRawServer()
      await using own = await startTestGateway({
        targets: { t: { url: `http://127.0.0.1:${server.port}`, h2c: true, timeouts: { bodyIdle: '300ms' } } },
        proxies: { t: { basePath: '/', target: 't' } },
      })
      const peer = await Peer.connect(own.gateway.ports['http'] ?? 0)
      peer.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      const connection = await server.connection()
      const { id } = await connection.request()
      connection.headers(id, [':status', '200', 'content-length', '5'])
      connection.data(id, 'ab')
      await peer.until('\r\n\r\nab')
      wrong(connection, id)
      await peer.rest()
    })
  }

  it('a request that was not processed is sent again, and only once', async () => {
    await using server = await startRawServer()
    await using own = await startTestGateway({
      targets: { t: { url: `http://127.0.0.1:${server.port}`, h2c: true } },
      proxies: { t: { basePath: '/', target: 't' } },
    })
    const reply = request(`${own.origin}/`, { method: 'POST' })
    const connection = await server.connection()
    connection.reset((await connection.request(1)).id, constants.NGHTTP2_REFUSED_STREAM)
    const second = await connection.request(2)
    connection.headers(second.id, [':status', '200'], true)
    assert.equal((await reply).statusCode, 200)

    const refused = request(`${own.origin}/`)
    connection.reset((await connection.request(3)).id, constants.NGHTTP2_REFUSED_STREAM)
    connection.reset((await connection.request(4)).id, constants.NGHTTP2_REFUSED_STREAM)
    assert.equal((await refused).statusCode, 502)
  })

  it('a connection that is silent beyond the timeout gets no further request: its path may be dead', async () => {
    await using server = await startRawServer()
    await using own = await startTestGateway({
      targets: { t: { url: `http://127.0.0.1:${server.port}`, h2c: true, timeouts: { firstByte: '300ms' } } },
      proxies: { t: { basePath: '/', target: 't' } },
    })
    const first = request(own.origin)
    const connection = await server.connection()
    connection.headers((await connection.request(1)).id, [':status', '200'], true)
    assert.equal((await first).statusCode, 200)
    assert.equal((await request(own.origin)).statusCode, 504)
    const next = request(own.origin)
    const other = await server.connection(2)
    other.headers((await other.request(1)).id, [':status', '200'], true)
    assert.equal((await next).statusCode, 200)
  })

  it('GOAWAY sends what it leaves out to another connection, and lets the rest end', async () => {
    await using server = await startRawServer()
    await using own = await startTestGateway({
      targets: { t: { url: `http://127.0.0.1:${server.port}`, h2c: true } },
      proxies: { t: { basePath: '/', target: 't' } },
    })
    const first = request(`${own.origin}/1`)
    const connection = await server.connection(1)
    await connection.request(1)
    const second = request(`${own.origin}/2`)
    await connection.request(2)
    connection.goaway(1, 0)
    const other = await server.connection(2)
    const again = await other.request(1)
    assert.equal(again.fields[':path'], '/2')
    other.headers(again.id, [':status', '202'], true)
    assert.equal((await second).statusCode, 202)
    connection.headers(1, [':status', '201'], true)
    assert.equal((await first).statusCode, 201)
    await connection.ended
  })

  it('GOAWAY that leaves out a request whose answer has begun cuts the answer off, and no second one follows', async () => {
    await using server = await startRawServer()
    await using own = await startTestGateway({
      targets: { t: { url: `http://127.0.0.1:${server.port}`, h2c: true } },
      proxies: { t: { basePath: '/', target: 't' } },
    })
    const first = request(own.origin)
    const connection = await server.connection()
    connection.headers((await connection.request(1)).id, [':status', '200'], true)
    await (await first).body.dump()
    const peer = await Peer.connect(own.gateway.ports['http'] ?? 0)
    peer.send('GET /x HTTP/1.1\r\nHost: a\r\n\r\n')
    const { id } = await connection.request(2)
    connection.headers(id, [':status', '200', 'content-length', '5'])
    connection.data(id, 'ab')
    await peer.until('\r\n\r\nab')
    connection.goaway(1, 0)
    assert.equal(await peer.rest(), '')
    assert.equal(server.connections.length, 1)
  })

  it('bytes that are no HTTP/2 are a fault, and no request waits for ever', async () => {
    await using server = await startRawServer(null, (connection) =>
      connection.write(Buffer.from('HTTP/1.1 400 Bad\r\n\r\n')),
    )
    await using own = await startTestGateway({
      targets: { t: { url: `http://127.0.0.1:${server.port}`, h2c: true } },
      proxies: { t: { basePath: '/', target: 't' } },
    })
    assert.equal((await request(`${own.origin}/`)).statusCode, 502)
  })
})

describe('the limits of a backend', () => {
  it('on streams are kept: who finds no room waits for it', async () => {
    // Its limits are known with its SETTINGS, and those with the first answer at the latest.
    const first = ask('/narrow/0')
    const connection = await narrow.connection(1)
    connection.headers((await connection.request(1)).id, [':status', '200'], true)
    await (await first).body.dump()
    const replies = [1, 2, 3, 4].map((n) => ask(`/narrow/${n}`))
    for (const stream of [2, 3]) await connection.request(stream)
    const counts = narrow.connections.map((each) => each.frames.filter(({ type }) => type === 'headers').length)
    assert.ok((counts[0] as number) <= 3, String(counts))
    const served = new Set(['0 1'])
    const answerAll = setInterval(() => {
      narrow.connections.forEach((each, n) => {
        for (const { type, streamId } of each.frames) {
          if (type !== 'headers' || served.has(`${n} ${streamId}`)) continue
          served.add(`${n} ${streamId}`)
          each.headers(streamId, [':status', '200'], true)
        }
      })
    }, 20)
    for (const reply of replies) assert.equal((await reply).statusCode, 200)
    clearInterval(answerAll)
  })

  it('on bytes are kept, and more is sent as it grants more', async () => {
    await using server = await startRawServer({ initialWindowSize: 1000 })
    await using own = await startTestGateway({
      targets: { t: { url: `http://127.0.0.1:${server.port}`, h2c: true } },
      proxies: { t: { basePath: '/', target: 't' } },
    })
    const body = pattern(5000)
    const reply = request(`${own.origin}/`, { method: 'POST', body })
    const connection = await server.connection()
    const { id } = await connection.request()
    const received = (): string =>
      connection.frames
        .filter(({ type }) => type === 'data')
        .map(({ text }) => text)
        .join('')
    await until(() => received().length >= 1000)
    // The request before its SETTINGS were known may use the 65,535 bytes of the RFC; then nothing is left to grant.
    if (received().length < 5000) {
      assert.equal(received().length, 1000)
      connection.windowUpdate(id, 1500)
      await until(() => received().length === 2500)
      connection.windowUpdate(id, 10_000)
    }
    await connection.seen(({ type, endStream }) => type === 'data' && endStream)
    assert.equal(received(), body.toString('latin1'))
    connection.headers(id, [':status', '200'], true)
    assert.equal((await reply).statusCode, 200)
  })
})

describe('what ALPN says', () => {
  it('is followed: HTTP/1.1 where the backend knows no more', async () => {
    const { createServer } = await import('node:https')
    const { createLeaf } = await import('../../src/pki/make.ts')
    const leaf = await createLeaf(root, { names: [backendName] })
    const old = createServer({ cert: leaf.chainPem, key: leaf.keyPem }, (incoming, response) =>
      response.end(incoming.httpVersion),
    )
    old.listen(0, '127.0.0.1')
    await once(old, 'listening')
    const { port: oldPort } = old.address() as { port: number }
    await using own = await startTestGateway(
      {
        trustStores: { test: { sources: [{ file: './ca.pem' }] } },
        targets: {
          both: { url: `https://127.0.0.1:${oldPort}`, tls: { ...tls, alpn: ['h2', 'http/1.1'] } },
          only: { url: `https://127.0.0.1:${oldPort}`, tls: { ...tls, alpn: ['h2'] } },
        },
        proxies: { both: { basePath: '/both', target: 'both' }, only: { basePath: '/only', target: 'only' } },
      },
      { files: { 'ca.pem': root.certificatePem } },
    )
    const replies = await Promise.all([1, 2, 3].map(() => request(`${own.origin}/both`)))
    for (const { body } of replies) assert.equal(await body.text(), '1.1')
    const refused = await request(`${own.origin}/only`)
    assert.equal(refused.statusCode, 502)
    await refused.body.dump()
    old.closeAllConnections()
    old.close()
  })
})

it('a backend that ignores ALPN is not spoken to in HTTP/1.1 where the target offers h2 alone', async () => {
  const { createServer } = await import('node:tls')
  const { createLeaf } = await import('../../src/pki/make.ts')
  const leaf = await createLeaf(root, { names: [backendName] })
  let bytes = 0
  const deaf = createServer({ cert: leaf.chainPem, key: leaf.keyPem }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
  })
  deaf.listen(0, '127.0.0.1')
  await once(deaf, 'listening')
  await using own = await startTestGateway(
    {
      trustStores: { test: { sources: [{ file: './ca.pem' }] } },
      targets: {
        t: { url: `https://127.0.0.1:${(deaf.address() as { port: number }).port}`, tls: { ...tls, alpn: ['h2'] } },
      },
      proxies: { t: { basePath: '/', target: 't' } },
    },
    { files: { 'ca.pem': root.certificatePem } },
  )
  const { statusCode, body } = await request(own.origin)
  await body.dump()
  assert.equal(statusCode, 502)
  assert.equal(bytes, 0)
  deaf.close()
})

describe('a WebSocket', () => {
  it('has a connection of HTTP/1.1 where the backend takes none over HTTP/2', async () => {
    const socket = new WebSocket(`${gateway.origin.replace('http', 'ws')}/both/ws`)
    await once(socket, 'open')
    socket.send('hello')
    const [data] = (await once(socket, 'message')) as [Buffer]
    assert.equal(data.toString(), 'hello')
    socket.close()
    await once(socket, 'close')
  })

  it('is a stream where the backend says that it takes one (RFC 8441)', async () => {
    const socket = new WebSocket(`${gateway.origin.replace('http', 'ws')}/tunnels/chat`)
    const opened = once(socket, 'open')
    const connection = await tunnels.connection()
    const { id, fields } = await connection.request()
    assert.equal(fields[':method'], 'CONNECT')
    assert.equal(fields[':protocol'], 'websocket')
    assert.equal(fields[':path'], '/chat')
    assert.ok(!('sec-websocket-key' in fields))
    connection.headers(id, [':status', '200'])
    await opened
    // An unmasked text frame of RFC 6455 from the server, and a masked one from the client.
    connection.data(id, Buffer.from([0x81, 2, 0x68, 0x69]))
    const [data] = (await once(socket, 'message')) as [Buffer]
    assert.equal(data.toString(), 'hi')
    socket.send('yo')
    const frame = await connection.seen(({ type }) => type === 'data')
    assert.equal(frame.text.length, 8)
    connection.data(id, '', true)
    await once(socket, 'close')
  })

  it('is a stream from the first request on, though only the backend knows yet that it takes one', async () => {
    await using server = await startH2Backend(
      (stream, headers) => {
        stream.respond({ ':status': headers[':protocol'] === 'websocket' ? 200 : 400 })
      },
      { settings: { enableConnectProtocol: true } },
    )
    await using own = await startTestGateway(
      {
        trustStores: { test: { sources: [{ file: './ca.pem' }] } },
        targets: {
          t: { url: `https://127.0.0.1:${server.port}`, tls: { ...tls, alpn: ['h2', 'http/1.1'] } },
        },
        proxies: { t: { basePath: '/', target: 't' } },
      },
      { files: { 'ca.pem': root.certificatePem } },
    )
    const socket = new WebSocket(own.origin.replace('http', 'ws'))
    await once(socket, 'open')
    socket.terminate()
  })

  it('that the backend refuses is answered with its refusal', async () => {
    const socket = new WebSocket(`${gateway.origin.replace('http', 'ws')}/tunnels/refused`)
    const refused = once(socket, 'unexpected-response')
    socket.on('error', () => {})
    const connection = await tunnels.connection()
    const { id } = await connection.request(2)
    connection.headers(id, [':status', '403', 'content-length', '2'])
    connection.data(id, 'no', true)
    const [, response] = (await refused) as [unknown, { statusCode: number }]
    assert.equal(response.statusCode, 403)
    socket.terminate()
  })
})

function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff
  return bytes
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function until(is: () => boolean, everyMs = 10): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, everyMs))
}
