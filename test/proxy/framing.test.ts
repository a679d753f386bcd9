import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { startTestGateway } from '../support/gateway.ts'
import { type Answer, ok, startBackend } from './backend.ts'
import { ask, fieldOf, get, Peer, request, statusOf, type WireMessage } from './peer.ts'

/* Where a message ends: Content-Length, chunks, trailers, nothing at all, in both directions. */

let answer: Answer = () => ok()
const backend = await startBackend((...all) => answer(...all))
const scripted = await startBackend()
const gateway = await startTestGateway({
  targets: { b: { url: `http://127.0.0.1:${backend.port}` }, s: { url: `http://127.0.0.1:${scripted.port}` } },
  proxies: { b: { basePath: '/', target: 'b' }, s: { basePath: '/s', target: 's' } },
})
const port = gateway.gateway.ports['http'] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
  await scripted[Symbol.asyncDispose]()
})

async function seenBy(text: string): Promise<WireMessage> {
  answer = () => ok()
  assert.equal(statusOf(await ask(port, text)), 200)
  return backend.requests.at(-1) as WireMessage
}

async function answered(text: string, toRequest = get('/')): Promise<WireMessage> {
  answer = () => text
  return ask(port, toRequest)
}

const chunked = 'Transfer-Encoding: chunked'

describe('the body of a request', () => {
  it('with Content-Length passes as it is', async () => {
    const seen = await seenBy(`${request('POST', '/', 'Content-Length: 5')}a\r\n\0b`)
    assert.equal(fieldOf(seen, 'content-length'), '5')
    assert.equal(seen.body, 'a\r\n\0b')
  })
  it('of length 0 says so again', async () => {
    const seen = await seenBy(request('POST', '/', 'Content-Length: 0'))
    assert.equal(fieldOf(seen, 'content-length'), '0')
    assert.equal(fieldOf(seen, 'transfer-encoding'), null)
  })
  it('that is not there is not made up', async () => {
    const seen = await seenBy(request('POST', '/'))
    assert.equal(fieldOf(seen, 'content-length'), null)
    assert.equal(fieldOf(seen, 'transfer-encoding'), null)
  })
  it('of a GET passes like any other', async () => {
    assert.equal((await seenBy(`${get('/', 'Content-Length: 3')}abc`)).body, 'abc')
  })

  const chunkedBodies: readonly (readonly [what: string, sent: string, seen: string])[] = [
    ['in chunks passes in the same chunks', '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n', '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n'],
    ['in no chunk at all', '0\r\n\r\n', '0\r\n\r\n'],
    ['with chunk extensions loses them', '3;a=b;c="d"\r\nabc\r\n0;last\r\n\r\n', '3\r\nabc\r\n0\r\n\r\n'],
    [
      'with trailers keeps them',
      '1\r\na\r\n0\r\nX-Sum: 1\r\nx-latin: \xe9\r\n\r\n',
      '1\r\na\r\n0\r\nX-Sum: 1\r\nx-latin: \xe9\r\n\r\n',
    ],
    [
      'with upper and lower case and leading zeros in the sizes',
      '00A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n',
      '00A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n',
    ],
  ]
  for (const [what, sent, expected] of chunkedBodies) {
    it(what, async () => {
      const seen = await seenBy(request('POST', '/', chunked) + sent)
      assert.equal(fieldOf(seen, 'transfer-encoding'), 'chunked')
      assert.equal(seen.raw, expected)
    })
    it(`${what}, arriving byte by byte`, async () => {
      answer = () => ok()
      const peer = await Peer.connect(port)
      for (const byte of request('POST', '/', chunked) + sent) {
        peer.send(byte)
        await new Promise((resolve) => setImmediate(resolve))
      }
      assert.equal(statusOf(await peer.response()), 200)
      peer.destroy()
      assert.equal(backend.requests.at(-1)?.raw, expected)
    })
  }
  it('is passed on as it comes, not gathered first', async () => {
    const client = await Peer.connect(port)
    client.send(`${request('POST', '/s', chunked)}3\r\nabc\r\n`)
    const server = await scripted.next()
    await server.until('\r\n\r\n3\r\nabc\r\n')
    client.send('2\r\nde\r\n0\r\n\r\n')
    await server.until('2\r\nde\r\n0\r\n\r\n')
    server.send(ok('done', 'Connection: close'))
    assert.equal((await client.response()).body, 'done')
    client.destroy()
  })
  it('that breaks off is not completed for the backend', async () => {
    for (const [head, part] of [
      [request('POST', '/s', 'Content-Length: 10'), 'abc'],
      [request('POST', '/s', chunked), '5\r\nabc'],
      [request('POST', '/s', chunked), '3\r\nabc\r\n'],
    ] as const) {
      const client = await Peer.connect(port)
      client.send(head + part)
      const server = await scripted.next()
      await server.until('\r\n\r\n')
      await server.until('abc')
      client.destroy()
      assert.equal((await server.rest()).includes('0\r\n\r\n'), false)
    }
  })
})

describe('the body of a response', () => {
  it('with Content-Length passes as it is', async () => {
    const response = await answered('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na\r\n\0b')
    assert.equal(fieldOf(response, 'content-length'), '5')
    assert.equal(response.body, 'a\r\n\0b')
  })
  it('of length 0', async () => {
    const response = await answered('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    assert.equal(fieldOf(response, 'content-length'), '0')
  })
  const chunkedBodies: readonly (readonly [what: string, sent: string, seen: string])[] = [
    ['in chunks passes in the same chunks', '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n', '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n'],
    ['in no chunk at all', '0\r\n\r\n', '0\r\n\r\n'],
    ['with chunk extensions loses them', '3;a=b\r\nabc\r\n0;last\r\n\r\n', '3\r\nabc\r\n0\r\n\r\n'],
    ['with trailers keeps them', '1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n', '1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n'],
  ]
  for (const [what, sent, expected] of chunkedBodies) {
    it(what, async () => {
      const response = await answered(`HTTP/1.1 200 OK\r\n${chunked}\r\n\r\n${sent}`)
      assert.equal(fieldOf(response, 'transfer-encoding'), 'chunked')
      assert.equal(response.raw, expected)
    })
  }
  it('that ends with the connection becomes chunks, so that its end is known', async () => {
    answer = (_, peer) => {
      peer.send('HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nabc')
      peer.end()
      return null
    }
    const response = await ask(port, get('/'))
    assert.equal(fieldOf(response, 'transfer-encoding'), 'chunked')
    assert.equal(response.body, 'abc')
    assert.equal(fieldOf(response, 'connection'), null)
  })
  it('that ends with the connection and is empty', async () => {
    answer = (_, peer) => {
      peer.send('HTTP/1.1 200 OK\r\n\r\n')
      peer.end()
      return null
    }
    assert.equal((await ask(port, get('/'))).raw, '0\r\n\r\n')
  })
  it('of an HTTP/1.0 backend, with and without a length', async () => {
    answer = (_, peer) => {
      peer.send('HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc')
      peer.end()
      return null
    }
    const whole = await ask(port, get('/'))
    assert.equal(whole.start, 'HTTP/1.1 200 OK')
    assert.equal(whole.body, 'abc')
    assert.equal(fieldOf(whole, 'via'), '1.0 postern')
    answer = (_, peer) => {
      peer.send('HTTP/1.0 200 OK\r\n\r\nabc')
      peer.end()
      return null
    }
    assert.equal((await ask(port, get('/'))).body, 'abc')
  })
  it('is passed on as it comes, not gathered first', async () => {
    const client = await Peer.connect(port)
    client.send(get('/s'))
    const server = await scripted.next()
    await server.until('\r\n\r\n')
    server.send(`HTTP/1.1 200 OK\r\nConnection: close\r\n${chunked}\r\n\r\n`)
    await client.until('\r\n\r\n')
    server.send('3\r\nabc\r\n')
    await client.until('3\r\nabc\r\n')
    server.send('0\r\n\r\n')
    await client.until('0\r\n\r\n')
    client.destroy()
  })
  it('that breaks off is not given to the client as if it were whole', async () => {
    for (const part of [
      'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc',
      `HTTP/1.1 200 OK\r\n${chunked}\r\n\r\n3\r\nabc\r\n`,
      `HTTP/1.1 200 OK\r\n${chunked}\r\n\r\n5\r\nabc`,
    ]) {
      const client = await Peer.connect(port)
      client.send(get('/s'))
      const server = await scripted.next()
      await server.until('\r\n\r\n')
      server.send(part)
      // Not in one go with the end: the client is to see a response that has begun.
      await client.until('abc')
      server.end()
      assert.doesNotMatch(await client.rest(), /0\r\n\r\n$/)
    }
  })
})

describe('a response that has no body', () => {
  for (const [what, head] of [
    ['a length', 'Content-Length: 1234'],
    ['chunks', chunked],
    ['neither', 'X-A: b'],
  ] as const) {
    it(`to HEAD, announcing ${what}: the next response follows`, async () => {
      answer = (seen) => (seen.start.startsWith('HEAD') ? `HTTP/1.1 200 OK\r\n${head}\r\n\r\n` : ok('next'))
      const peer = await Peer.connect(port)
      peer.send(request('HEAD', '/'))
      const response = await peer.response(true)
      assert.equal(statusOf(response), 200)
      if (what === 'a length') assert.ok(response.lines.includes(head))
      peer.send(get('/'))
      assert.equal((await peer.response()).body, 'next')
      peer.destroy()
    })
  }
  for (const [status, head] of [
    [204, 'X-A: b'],
    [304, 'ETag: "1"'],
    [304, 'Content-Length: 1234'],
    [205, 'Content-Length: 0'],
  ] as const) {
    it(`${status} with ${head}: the next response follows`, async () => {
      answer = (seen) => (seen.start.includes('/first') ? `HTTP/1.1 ${status} S\r\n${head}\r\n\r\n` : ok('next'))
      const peer = await Peer.connect(port)
      peer.send(get('/first'))
      const response = await peer.response()
      assert.equal(statusOf(response), status)
      assert.ok(response.lines.includes(head))
      assert.equal(fieldOf(response, 'transfer-encoding'), null)
      peer.send(get('/'))
      assert.equal((await peer.response()).body, 'next')
      peer.destroy()
    })
  }
  it('the reason phrase passes, and an empty one stays empty', async () => {
    assert.equal(
      (await answered('HTTP/1.1 299 So \xe9 lala\r\nContent-Length: 0\r\n\r\n')).start,
      'HTTP/1.1 299 So \xe9 lala',
    )
    assert.equal((await answered('HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n')).start, 'HTTP/1.1 404 ')
    assert.equal((await answered('HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n')).start, 'HTTP/1.1 404 ')
  })
})

describe('a response that comes while the request is still being sent', () => {
  it('reaches the client whole, says that the connection ends, and takes nothing more for a request', async () => {
    const client = await Peer.connect(port)
    client.send(`${request('POST', '/s', 'Content-Length: 1000')}begin`)
    const server = await scripted.next()
    await server.until('begin')
    server.send('HTTP/1.1 413 No\r\nContent-Length: 4\r\n\r\nmuch')
    const response = await client.response()
    assert.equal(statusOf(response), 413)
    assert.equal(response.body, 'much')
    assert.equal(fieldOf(response, 'connection'), 'close')
    const before = backend.requests.length
    client.send(get('/smuggled'))
    assert.equal(await client.ended, 'end')
    assert.equal(await server.rest(), '')
    assert.equal(backend.requests.length, before)
  })
  it('may take as long as the request: both go on', async () => {
    const client = await Peer.connect(port)
    client.send(request('POST', '/s', chunked))
    const server = await scripted.next()
    await server.until('\r\n\r\n')
    server.send(`HTTP/1.1 200 OK\r\n${chunked}\r\n\r\n`)
    await client.until('\r\n\r\n')
    for (const part of ['1\r\na\r\n', '1\r\nb\r\n', '0\r\n\r\n']) {
      client.send(part)
      await server.until(part)
      server.send(part)
      await client.until(part)
    }
    client.destroy()
  })
})
