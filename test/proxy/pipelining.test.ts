import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { startTestGateway } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { fieldOf, get, Peer, request, statusOf } from './peer.ts'

/* Requests sent without waiting for responses are answered one after the other, in their order (RFC 9112 section 9.3.2). */

const pathOf = (start: string): string => start.split(' ')[1] ?? ''
const backend = await startBackend((seen) => ok(`${pathOf(seen.start)} ${seen.body}`))
const gateway = await startTestGateway({
  targets: {
    b: { url: `http://127.0.0.1:${backend.port}` },
    gone: { url: 'http://127.0.0.1:1', timeouts: { connect: '2s' } },
  },
  proxies: { b: { basePath: '/b', target: 'b' }, gone: { basePath: '/gone', target: 'gone' } },
})
const port = gateway.gateway.ports['http'] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

/** Path of a request and the status it should get. */
type Step = readonly [text: string, status: number, body: string | null]

const plain = (n: number): Step => [get(`/b/${n}`), 200, `/${n} `]

async function run(steps: readonly Step[], pieces: number): Promise<void> {
  const text = steps.map(([text]) => text).join('')
  const client = await Peer.connect(port)
  const size = Math.ceil(text.length / pieces)
  for (let at = 0; at < text.length; at += size) {
    client.send(text.slice(at, at + size))
    if (pieces > 1) await new Promise((resolve) => setImmediate(resolve))
  }
  for (const [text, status, body] of steps) {
    const response = await client.response(text.startsWith('HEAD'))
    assert.equal(statusOf(response), status, text)
    if (body !== null) assert.equal(response.body, body)
  }
  assert.equal(client.unread, '')
  client.destroy()
}

const ten = Array.from({ length: 10 }, (_, n) => plain(n))
const withBody: Step = [`${request('POST', '/b/p', 'Content-Length: 4')}body`, 200, '/p body']
const withChunks: Step = [
  `${request('POST', '/b/c', 'Transfer-Encoding: chunked')}3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n`,
  200,
  '/c abcd',
]
const noRoute: Step = [get('/nowhere'), 404, null]
const noBackend: Step = [get('/gone'), 502, null]
const probe: Step = [get('/healthz'), 200, 'ok\n']
const head: Step = [request('HEAD', '/b/h'), 200, null]

const sequences: readonly (readonly [what: string, steps: readonly Step[]])[] = [
  ['ten requests', ten],
  ['a body between others', [plain(1), withBody, plain(2), withBody, withBody]],
  ['chunks between others', [plain(1), withChunks, plain(2), withChunks]],
  ['a request without a route in the middle', [plain(1), noRoute, plain(2), noRoute]],
  ['a backend that is down in the middle', [plain(1), noBackend, plain(2)]],
  ['a probe in the middle', [plain(1), probe, plain(2)]],
  ['HEAD in the middle', [plain(1), head, plain(2)]],
  ['all of it', [plain(1), withBody, noRoute, withChunks, noBackend, head, probe, plain(2), withChunks, plain(3)]],
]

describe('pipelined requests', () => {
  for (const [what, steps] of sequences) {
    it(`${what}, in one write`, () => run(steps, 1))
    it(`${what}, in many pieces`, () => run(steps, 41))
  }
  it('a thousand of them, in one write', () =>
    run(
      Array.from({ length: 1000 }, (_, n) => plain(n)),
      1,
    ))

  it('end at one that is malformed: those before it are answered, those after it are not looked at', async () => {
    const before = backend.requests.length
    const client = await Peer.connect(port)
    client.send(`${get('/b/1')}${get('/b/2')}GET /b/3 HTTP/1.1\nHost: h\n\n${get('/b/4')}`)
    assert.equal((await client.response()).body, '/1 ')
    assert.equal((await client.response()).body, '/2 ')
    const refused = await client.response()
    assert.equal(statusOf(refused), 400)
    assert.equal(fieldOf(refused, 'connection'), 'close')
    assert.equal(await client.rest(), '')
    assert.deepEqual(
      backend.requests.slice(before).map((seen) => pathOf(seen.start)),
      ['/1', '/2'],
    )
  })
  it('end at one that says close', async () => {
    const before = backend.requests.length
    const client = await Peer.connect(port)
    client.send(`${get('/b/1')}${get('/b/2', 'Connection: close')}${get('/b/3')}`)
    assert.equal((await client.response()).body, '/1 ')
    assert.equal((await client.response()).body, '/2 ')
    assert.equal(await client.rest(), '')
    assert.equal(backend.requests.length - before, 2)
  })
  for (const [what, last] of [
    ['a backend', plain(11)],
    ['the gateway itself', noRoute],
  ] as const) {
    it(`are all answered although the client has half-closed, the last one by ${what}, and then it ends`, async () => {
      const client = await Peer.connect(port)
      client.send([...ten, last].map(([text]) => text).join(''))
      client.end()
      for (const [, status, body] of [...ten, last]) {
        const response = await client.response()
        assert.equal(statusOf(response), status)
        if (body !== null) assert.equal(response.body, body)
      }
      assert.equal(await client.rest(), '')
    })
  }
})
