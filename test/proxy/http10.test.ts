import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { startTestGateway } from '../support/gateway.ts'
import { type Answer, ok, startBackend } from './backend.ts'
import { fieldOf, Peer, statusOf } from './peer.ts'

/* Clients of HTTP/1.0 know neither chunks nor informational responses, and keep a connection only when they ask for it. */

let answer: Answer = () => ok()
const backend = await startBackend((...all) => answer(...all))
const gateway = await startTestGateway({
  targets: { b: { url: `http://127.0.0.1:${backend.port}` } },
  proxies: { b: { basePath: '/', target: 'b' } },
})
const port = gateway.gateway.ports['http'] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

const chunkedResponse =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n'

describe('a client of HTTP/1.0', () => {
  it('gets its response and the end of the connection', async () => {
    answer = () => ok('abc')
    const client = await Peer.connect(port)
    client.send('GET / HTTP/1.0\r\n\r\n')
    const response = await client.response()
    assert.equal(response.start, 'HTTP/1.1 200 OK')
    assert.equal(response.body, 'abc')
    assert.equal(fieldOf(response, 'connection'), 'close')
    assert.equal(await client.ended, 'end')
    assert.match(backend.requests.at(-1)?.start ?? '', / HTTP\/1\.1$/)
  })
  it('that asks for keep-alive may ask again', async () => {
    answer = () => ok('abc')
    const client = await Peer.connect(port)
    for (let i = 0; i < 3; i++) {
      client.send('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n')
      const response = await client.response()
      assert.equal(fieldOf(response, 'connection'), 'keep-alive')
      assert.equal(response.body, 'abc')
    }
    client.destroy()
  })
  for (const [what, head] of [
    ['', 'GET / HTTP/1.0\r\n\r\n'],
    [', even if it asks for keep-alive', 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'],
  ] as const) {
    it(`gets the data of a chunked response alone, and the end of the connection as its end${what}`, async () => {
      answer = () => chunkedResponse
      const client = await Peer.connect(port)
      client.send(head)
      const response = await client.response()
      assert.equal(fieldOf(response, 'transfer-encoding'), null)
      assert.equal(fieldOf(response, 'content-length'), null)
      assert.equal(fieldOf(response, 'connection'), 'close')
      assert.equal(response.body, 'abcde')
    })
    it(`gets a response that ends with the connection as it is${what}`, async () => {
      answer = (_, peer) => {
        peer.send('HTTP/1.0 200 OK\r\n\r\nabcde')
        peer.end()
        return null
      }
      const client = await Peer.connect(port)
      client.send(head)
      const response = await client.response()
      assert.equal(fieldOf(response, 'connection'), 'close')
      assert.equal(response.body, 'abcde')
    })
  }
  it('a chunked response that breaks off does not look like one that ended', async () => {
    answer = (_, peer) => {
      peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
      setImmediate(() => peer.end())
      return null
    }
    const client = await Peer.connect(port)
    client.send('GET / HTTP/1.0\r\n\r\n')
    assert.equal(await client.ended, 'reset')
  })
  it('is told of no informational response', async () => {
    answer = () => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${ok('abc')}`
    const client = await Peer.connect(port)
    client.send('GET / HTTP/1.0\r\n\r\n')
    assert.equal(statusOf(await client.response()), 200)
  })
  it('sends a body with a length', async () => {
    answer = () => ok('abc')
    const client = await Peer.connect(port)
    client.send('POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody')
    assert.equal((await client.response()).body, 'abc')
    assert.equal(backend.requests.at(-1)?.body, 'body')
  })
})

describe('a client of HTTP/1.1', () => {
  it('keeps its connection without a word', async () => {
    answer = () => ok('abc')
    const client = await Peer.connect(port)
    for (let i = 0; i < 3; i++) {
      client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
      assert.equal(fieldOf(await client.response(), 'connection'), null)
    }
    client.destroy()
  })
  it('that says close gets close, and the end', async () => {
    answer = () => ok('abc', 'Keep-Alive: timeout=5')
    const client = await Peer.connect(port)
    client.send('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    const response = await client.response()
    assert.equal(fieldOf(response, 'connection'), 'close')
    assert.equal(fieldOf(response, 'keep-alive'), null)
    assert.equal(await client.ended, 'end')
  })
  it('that half-closes after its request still gets its response', async () => {
    answer = () => ok('abc')
    const client = await Peer.connect(port)
    client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    client.end()
    assert.equal((await client.response()).body, 'abc')
    assert.equal(await client.ended, 'end')
  })
})
