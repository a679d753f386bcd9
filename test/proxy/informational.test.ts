import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, describe, it } from 'node:test'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { startTestGateway } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { fieldOf, get, Peer, request, statusOf } from './peer.ts'

/* Responses before the response: 100, 102, 103. */

const scripted = await startBackend()
const real: Server = createServer((incoming, response) => {
  let bytes = 0
  incoming.on('data', (chunk: Buffer) => (bytes += chunk.length))
  incoming.on('end', () => response.end(`read ${bytes}`))
})
let asksOfContinue = 0
let refuses = false
real.on('checkContinue', (incoming, response) => {
  asksOfContinue++
  if (refuses) {
    response.writeHead(403, { 'content-length': 2 }).end('no')
    return
  }
  response.writeContinue()
  real.emit('request', incoming, response)
})
real.listen(0, '127.0.0.1')
await once(real, 'listening')
const gateway = await startTestGateway({
  targets: {
    s: { url: `http://127.0.0.1:${scripted.port}` },
    real: { url: `http://127.0.0.1:${(real.address() as AddressInfo).port}` },
  },
  proxies: { s: { basePath: '/s', target: 's' }, real: { basePath: '/real', target: 'real' } },
})
const port = gateway.gateway.ports['http'] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await scripted[Symbol.asyncDispose]()
  real.closeAllConnections()
  real.close()
})

/** A POST by node:http that waits for 100 before it sends its body. */
async function postWithExpect(): Promise<{ continued: boolean; status: number; body: string }> {
  const body = Buffer.alloc(100_000, 'x')
  const outgoing = httpRequest({
    port,
    host: '127.0.0.1',
    method: 'POST',
    path: '/real/x',
    headers: { expect: '100-continue', 'content-length': body.length },
    agent: false,
  })
  let continued = false
  outgoing.on('continue', () => {
    continued = true
    outgoing.end(body)
  })
  outgoing.flushHeaders()
  const [response] = await once(outgoing, 'response')
  let text = ''
  for await (const chunk of response) text += String(chunk)
  if (!continued) outgoing.destroy()
  return { continued, status: response.statusCode as number, body: text }
}

describe('Expect: 100-continue', () => {
  it('is asked of the backend, whose 100 lets the client begin', async () => {
    assert.deepEqual(await postWithExpect(), { continued: true, status: 200, body: 'read 100000' })
    assert.equal(asksOfContinue, 1)
  })
  it('is refused by the backend without a byte of the body', async () => {
    refuses = true
    assert.deepEqual(await postWithExpect(), { continued: false, status: 403, body: 'no' })
  })
  it('the 100 comes from the backend and from nowhere else', async () => {
    const client = await Peer.connect(port)
    client.send(request('POST', '/s', 'Content-Length: 3', 'Expect: 100-continue'))
    const server = await scripted.next()
    const head = await server.until('\r\n\r\n')
    assert.match(head, /\r\nExpect: 100-continue\r\n/)
    assert.equal(client.unread, '')
    server.send('HTTP/1.1 100 Continue\r\n\r\n')
    assert.equal(await client.until('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
    client.send('abc')
    await server.until('abc')
    server.send(ok('done', 'Connection: close'))
    assert.equal((await client.response()).body, 'done')
    client.destroy()
  })
  it('a client that does not wait is no problem', async () => {
    const client = await Peer.connect(port)
    client.send(`${request('POST', '/s', 'Content-Length: 3', 'Expect: 100-continue')}abc`)
    const server = await scripted.next()
    await server.until('abc')
    server.send(`HTTP/1.1 100 Continue\r\n\r\n${ok('done', 'Connection: close')}`)
    assert.equal(statusOf(await client.response()), 100)
    assert.equal((await client.response()).body, 'done')
    client.destroy()
  })
  it('anything else is refused with 417', async () => {
    const client = await Peer.connect(port)
    client.send(request('POST', '/s', 'Content-Length: 3', 'Expect: 200-ok'))
    assert.equal(statusOf(await client.response()), 417)
    client.destroy()
  })
})

describe('103 and 102', () => {
  it('reach the client at once and in their order, with their headers, before the response', async () => {
    const client = await Peer.connect(port)
    client.send(get('/s'))
    const server = await scripted.next()
    await server.until('\r\n\r\n')
    server.send('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nKeep-Alive: timeout=5\r\n\r\n')
    const hints = await client.response()
    assert.equal(hints.start, 'HTTP/1.1 103 Early Hints')
    assert.deepEqual(hints.lines, ['Link: </a.css>; rel=preload'])
    server.send('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\n')
    assert.equal(statusOf(await client.response()), 102)
    assert.equal(fieldOf(await client.response(), 'link'), '</b.css>')
    server.send(ok('done'))
    assert.equal((await client.response()).body, 'done')
    // And the connections are as good as before.
    client.send(get('/s/again'))
    await server.until('\r\n\r\n')
    server.send(ok('again', 'Connection: close'))
    assert.equal((await client.response()).body, 'again')
    client.destroy()
  })
  it('by a real client', async () => {
    const outgoing = httpRequest({ port, host: '127.0.0.1', path: '/s', agent: false })
    outgoing.end()
    const server = await scripted.next()
    await server.until('\r\n\r\n')
    server.send(`HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n`)
    const [info] = (await once(outgoing, 'information')) as [{ statusCode: number; headers: Record<string, string> }]
    assert.equal(info.statusCode, 103)
    assert.equal(info.headers['link'], '</a.css>')
    server.send(ok('done', 'Connection: close'))
    const [response] = await once(outgoing, 'response')
    assert.equal(response.statusCode, 200)
    response.resume()
  })
  it('without end are refused', async () => {
    const client = await Peer.connect(port)
    client.send(get('/s'))
    const server = await scripted.next()
    await server.until('\r\n\r\n')
    server.send('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(33))
    for (let i = 0; i < 32; i++) assert.equal(statusOf(await client.response()), 103)
    assert.equal(statusOf(await client.response()), 502)
    client.destroy()
  })
  it('101 that nobody asked for is refused', async () => {
    const client = await Peer.connect(port)
    client.send(get('/s'))
    const server = await scripted.next()
    await server.until('\r\n\r\n')
    server.send('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
    assert.equal(statusOf(await client.response()), 502)
    assert.equal(await server.rest(), '')
    client.destroy()
  })
})
