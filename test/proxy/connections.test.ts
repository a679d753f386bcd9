import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { startTestGateway } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { ask, fieldOf, get, Peer, request, statusOf, type WireMessage } from './peer.ts'

/* How many connections there are to a backend, which of them are used again, and what happens when one dies. */

const backend = await startBackend()
const url = `http://127.0.0.1:${backend.port}`
const gateway = await startTestGateway({
  targets: {
    b: { url },
    one: { url, limits: { connections: 1, pending: 1 } },
    two: { url, limits: { connections: 2, pending: 1 } },
    none: { url, limits: { connections: 1, pending: 0 } },
  },
  proxies: Object.fromEntries(
    ['b', 'one', 'two', 'none'].map((target) => [target, { basePath: `/${target}`, target }]),
  ),
})
const port = gateway.gateway.ports['http'] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

/** One exchange over an open connection of the client and the one that the backend holds. */
async function exchange(client: Peer, server: Peer, text: string, answer: string): Promise<WireMessage> {
  client.send(text)
  await server.request()
  server.send(answer)
  return client.response()
}

/** A client, and the backend's connection that serves it, fresh or used once before. */
async function open(uses: 0 | 1, path = '/b'): Promise<{ client: Peer; server: Peer }> {
  const client = await Peer.connect(port)
  client.send(get(path))
  const server = await backend.next()
  if (uses === 1) {
    await server.request()
    server.send(ok('first'))
    assert.equal((await client.response()).body, 'first')
  }
  return { client, server }
}

async function loggedFor(response: WireMessage): Promise<{ fault?: { code: string }; backend: { reused: boolean } }> {
  const id = fieldOf(response, 'x-request-id') ?? ''
  const lines = await gateway.logLines('postern.log', (line) => line.includes(id) && line.includes('"access"'))
  return JSON.parse(lines.find((line) => line.includes(id) && line.includes('"access"')) ?? '') as never
}

describe('a connection to a backend', () => {
  it('is used again, by the same client and by others', async () => {
    const before = backend.accepted.length
    const { client, server } = await open(1)
    assert.equal((await loggedFor(await exchange(client, server, get('/b'), ok('second')))).backend.reused, true)
    const other = await Peer.connect(port)
    assert.equal((await exchange(other, server, get('/b'), ok('third'))).body, 'third')
    assert.equal(backend.accepted.length - before, 1)
    client.destroy()
    other.destroy()
    server.destroy()
    await server.ended
  })
  it('is used again after a body in each form, HEAD and 304', async () => {
    const { client, server } = await open(1)
    const before = backend.accepted.length
    const chunks = 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n'
    assert.equal(
      (
        await exchange(
          client,
          server,
          `${request('POST', '/b', 'Content-Length: 3')}abc`,
          `HTTP/1.1 200 OK\r\n${chunks}`,
        )
      ).body,
      'abc',
    )
    assert.equal(
      (await exchange(client, server, request('POST', '/b').replace('\r\n\r\n', `\r\n${chunks}`), ok('x'))).body,
      'x',
    )
    assert.equal(statusOf(await exchange(client, server, get('/b'), 'HTTP/1.1 304 Not Modified\r\n\r\n')), 304)
    assert.equal((await exchange(client, server, get('/b'), ok('again'))).body, 'again')
    assert.equal(backend.accepted.length, before)
    client.destroy()
    server.destroy()
  })
  for (const [what, head] of [
    ['Connection: close', 'HTTP/1.1 200 OK\r\nConnection: close\r\n'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n'],
    ['Connection: close in another case, among others', 'HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\n'],
  ] as const) {
    it(`ends after a response with ${what}, and the client's does not`, async () => {
      const { client, server } = await open(0)
      await server.request()
      server.send(`${head}Content-Length: 1\r\n\r\na`)
      const response = await client.response()
      assert.equal(response.body, 'a')
      assert.equal(fieldOf(response, 'connection'), null)
      assert.equal(await server.rest(), '')
      client.send(get('/nowhere'))
      assert.equal(statusOf(await client.response()), 404)
      client.destroy()
    })
  }
  it('of HTTP/1.0 with keep-alive is used again', async () => {
    const { client, server } = await open(0)
    await server.request()
    server.send('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na')
    assert.equal((await client.response()).body, 'a')
    assert.equal((await exchange(client, server, get('/b'), ok('again'))).body, 'again')
    client.destroy()
    server.destroy()
  })
  it('ends when bytes come that no request asked for', async () => {
    const { client, server } = await open(1)
    server.send(ok('smuggled'))
    assert.equal(await server.rest(), '')
    client.send(get('/b'))
    const next = await backend.next()
    await next.request()
    next.send(ok('asked for', 'Connection: close'))
    assert.equal((await client.response()).body, 'asked for')
    client.destroy()
  })
  it('ends when bytes follow the end of a response, which itself is good', async () => {
    const { client, server } = await open(0)
    await server.request()
    server.send(`${ok('mine')}${ok('smuggled')}`)
    assert.equal((await client.response()).body, 'mine')
    assert.equal(await server.rest(), '')
    client.send(get('/b'))
    const next = await backend.next()
    await next.request()
    next.send(ok('asked for', 'Connection: close'))
    assert.equal((await client.response()).body, 'asked for')
    client.destroy()
  })
})

describe('a used connection that dies before a byte of the response', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']) {
    it(`is replaced for ${method}, and the client does not notice`, async () => {
      const { client, server } = await open(1)
      client.send(request(method, '/b'))
      await server.request()
      server.reset()
      const next = await backend.next()
      assert.match((await next.request()).start, new RegExp(`^${method} `))
      next.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      assert.equal(statusOf(await client.response(method === 'HEAD')), 200)
      client.destroy()
    })
  }
  it('is not replaced twice', async () => {
    const { client, server } = await open(1)
    const before = backend.accepted.length
    client.send(get('/b'))
    await server.request()
    server.reset()
    const next = await backend.next()
    await next.request()
    next.reset()
    const response = await client.response()
    assert.equal(statusOf(response), 502)
    assert.equal((await loggedFor(response)).fault?.code, 'response-eof')
    assert.equal(backend.accepted.length - before, 1)
    client.destroy()
  })
  for (const [what, text] of [
    ['POST', request('POST', '/b')],
    ['PATCH', request('PATCH', '/b')],
    ['a method nobody knows', request('MYSTERY', '/b')],
    ['PUT whose body has gone', `${request('PUT', '/b', 'Content-Length: 3')}abc`],
    ['GET whose body has gone', `${request('GET', '/b', 'Content-Length: 3')}abc`],
  ] as const) {
    it(`is not replaced for ${what}`, async () => {
      const { client, server } = await open(1)
      const before = backend.accepted.length
      client.send(text)
      await server.request()
      server.reset()
      const response = await client.response()
      assert.equal(statusOf(response), 502)
      assert.equal((await loggedFor(response)).fault?.code, 'response-eof')
      assert.equal(backend.accepted.length, before)
      client.destroy()
    })
  }
  it('is replaced when it ends orderly, too', async () => {
    const { client, server } = await open(1)
    client.send(get('/b'))
    await server.request()
    server.end()
    const next = await backend.next()
    await next.request()
    next.send(ok('done', 'Connection: close'))
    assert.equal((await client.response()).body, 'done')
    client.destroy()
  })
})

describe('no second attempt', () => {
  it('for a fresh connection that dies', async () => {
    const { client, server } = await open(0)
    const before = backend.accepted.length
    await server.request()
    server.reset()
    assert.equal(statusOf(await client.response()), 502)
    assert.equal(backend.accepted.length, before)
    client.destroy()
  })
  for (const [what, part] of [
    ['one byte', 'H'],
    ['an informational response', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
  ] as const) {
    it(`after ${what} of the response`, async () => {
      const { client, server } = await open(1)
      const before = backend.accepted.length
      client.send(get('/b'))
      await server.request()
      server.send(part)
      if (part.length > 1) assert.equal(statusOf(await client.response()), 103)
      else await new Promise((resolve) => setTimeout(resolve, 50))
      server.end()
      assert.equal(statusOf(await client.response()), 502)
      assert.equal(backend.accepted.length, before)
      client.destroy()
    })
  }
})

describe('a client that goes away', () => {
  it('takes the exchange at the backend with it', async () => {
    const { client, server } = await open(0)
    await server.request()
    client.reset()
    assert.equal(await server.rest(), '')
    await gateway.logLines('postern.log', (line) => line.includes('"client-gone"'))
  })
  it('in the middle of a response, likewise', async () => {
    const { client, server } = await open(0)
    await server.request()
    server.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc')
    await client.until('abc')
    client.reset()
    assert.equal(await server.rest(), '')
  })
  it('while it waits for a connection gives up its place', async () => {
    const { client, server } = await open(0, '/one')
    await server.request()
    const waiting = await Peer.connect(port)
    waiting.send(get('/one/gone'))
    assert.equal(statusOf(await ask(port, get('/one'))), 503)
    waiting.reset()
    await gateway.logLines('postern.log', (line) => line.includes('"path":"/one/gone"'))
    const next = await Peer.connect(port)
    next.send(get('/one/next'))
    assert.equal(statusOf(await ask(port, get('/one'))), 503)
    server.send(ok('mine'))
    assert.equal((await client.response()).body, 'mine')
    assert.match((await server.request()).start, /\/next /)
    server.send(ok('next', 'Connection: close'))
    assert.equal((await next.response()).body, 'next')
    for (const peer of [client, server, next]) peer.destroy()
  })
})

describe('the limit of connections', () => {
  it('lets requests wait, as many as may, and refuses more with 503 overloaded', async () => {
    const clients = await Promise.all([1, 2, 3].map(() => Peer.connect(port)))
    const [a, b, c] = clients as [Peer, Peer, Peer]
    a.send(get('/two/a'))
    const first = await backend.next()
    await first.request()
    b.send(get('/two/b'))
    const second = await backend.next()
    await second.request()
    const before = backend.accepted.length
    c.send(get('/two/c'))
    // The third waits; the fourth finds the queue full, which says that the third is in it.
    const refused = await ask(port, get('/two/d'))
    assert.equal(statusOf(refused), 503)
    assert.equal((JSON.parse(refused.body) as { code: string }).code, 'overloaded')
    assert.equal(fieldOf(refused, 'retry-after'), '1')
    first.send(ok('a'))
    assert.equal((await a.response()).body, 'a')
    assert.match((await first.request()).start, /\/c /)
    first.send(ok('c'))
    assert.equal((await c.response()).body, 'c')
    second.send(ok('b'))
    assert.equal((await b.response()).body, 'b')
    assert.equal(backend.accepted.length, before)
    for (const peer of [a, b, c, first, second]) peer.destroy()
  })
  it('with nobody allowed to wait still lets a connection be opened', async () => {
    const { client, server } = await open(1, '/none')
    assert.equal((await exchange(client, server, get('/none'), ok('again'))).body, 'again')
    client.destroy()
    server.destroy()
  })
  it('a place is free again when a connection dies', async () => {
    const first = await open(0, '/two')
    const second = await open(0, '/two')
    await first.server.request()
    await second.server.request()
    const waiting = await Peer.connect(port)
    waiting.send(get('/two/w'))
    first.server.reset()
    assert.equal(statusOf(await first.client.response()), 502)
    const third = await backend.next()
    assert.match((await third.request()).start, /\/w /)
    third.send(ok('w'))
    assert.equal((await waiting.response()).body, 'w')
    for (const peer of [first.client, second.client, second.server, third, waiting]) peer.destroy()
  })
})
