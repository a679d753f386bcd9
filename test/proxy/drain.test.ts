import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startTestGateway } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { ask, fieldOf, get, Peer, request, statusOf } from './peer.ts'
import { startServe, type ServeProcess } from './serve-process.ts'

/* SIGTERM: what is under way is finished, nothing new is taken up, and the process ends with 0. */

const backend = await startBackend()
after(() => backend[Symbol.asyncDispose]())

function configOf(timeout: string): { readonly listeners: readonly object[] } & Record<string, unknown> {
  return {
    listeners: [{ name: 'http', address: '127.0.0.1', port: 0 }],
    targets: { b: { url: `http://127.0.0.1:${backend.port}` } },
    proxies: { b: { basePath: '/', target: 'b' } },
    drain: { timeout },
  }
}

async function serve(timeout: string, more: Readonly<Record<string, unknown>> = {}): Promise<ServeProcess> {
  return startServe({ ...configOf(timeout), ...more })
}

async function reachable(port: number): Promise<boolean> {
  const peer = await Peer.connect(port).catch(() => null)
  peer?.destroy()
  return peer !== null
}

const draining = (line: string): boolean => line.includes('"draining"')

describe('SIGTERM with drain.delay', () => {
  it('answers requests and new connections for that long, and says it is not ready', async () => {
    await using gateway = await serve('5s', { drain: { delay: '1s', timeout: '5s' } })
    const port = gateway.portOf('http')
    assert.equal(statusOf(await ask(port, get('/readyz'))), 200)
    gateway.child.kill('SIGTERM')
    await gateway.line(draining)
    for (const path of ['/readyz', '/status-0123456789abcdef'])
      assert.equal(statusOf(await ask(port, get(path))), 503, path)
    assert.equal(statusOf(await ask(port, get('/healthz'))), 200)
    const asked = ask(port, get('/during-the-delay'))
    const taken = await backend.next()
    await taken.request()
    taken.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    assert.equal(statusOf(await asked), 200)
    assert.equal(await gateway.exited, 0)
    await assert.rejects(Peer.connect(port))
  })
})

describe('SIGTERM', () => {
  it('lets every request under way complete, says close, takes no new connection, and ends with 0', async () => {
    await using gateway = await serve('20s')
    const port = gateway.portOf('http')
    const waiting = await Peer.connect(port)
    waiting.send(get('/waiting'))
    const first = await backend.next()
    await first.request()
    const streaming = await Peer.connect(port)
    streaming.send(get('/streaming'))
    const second = await backend.next()
    await second.request()
    second.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc')
    await streaming.until('\r\n\r\nabc')
    const uploading = await Peer.connect(port)
    uploading.send(`${request('POST', '/uploading', 'Content-Length: 6')}abc`)
    const third = await backend.next()
    await third.until('\r\n\r\nabc')
    const idle = await Peer.connect(port)
    idle.send(get('/healthz'))
    assert.equal(statusOf(await idle.response()), 200)

    gateway.child.kill('SIGTERM')
    await gateway.line(draining)
    assert.equal(await idle.ended, 'end')
    await assert.rejects(Peer.connect(port))
    first.send(ok('waited'))
    const response = await waiting.response()
    assert.equal(response.body, 'waited')
    assert.equal(fieldOf(response, 'connection'), 'close')
    second.send('def')
    assert.equal(await streaming.rest(), 'def')
    uploading.send('def')
    await third.until('def')
    third.send(ok('uploaded'))
    const uploaded = await uploading.response()
    assert.equal(uploaded.body, 'uploaded')
    assert.equal(fieldOf(uploaded, 'connection'), 'close')
    for (const peer of [waiting, streaming, uploading, idle]) peer.destroy()
    assert.equal(await gateway.exited, 0)
    const paths = gateway.lines
      .filter((line) => line.includes('"access"'))
      .map((line) => (JSON.parse(line) as { path: string }).path)
    assert.deepEqual(paths.sort(), ['/streaming', '/uploading', '/waiting'])
    assert.ok(gateway.lines.at(-1)?.includes('"stopped"'))
  })
  it('waits no longer than drain.timeout: what is still under way then is cut, and the end is still orderly', async () => {
    await using gateway = await serve('300ms')
    const client = await Peer.connect(gateway.portOf('http'))
    client.send(get('/forever'))
    const server = await backend.next()
    await server.request()
    gateway.child.kill('SIGTERM')
    assert.equal(await client.rest(), '')
    assert.equal(await gateway.exited, 0)
    await gateway.line((line) => line.includes('"/forever"'))
  })
  it('twice ends at once', async () => {
    await using gateway = await serve('20s')
    const client = await Peer.connect(gateway.portOf('http'))
    client.send(get('/forever'))
    const server = await backend.next()
    await server.request()
    gateway.child.kill('SIGTERM')
    await gateway.line(draining)
    gateway.child.kill('SIGTERM')
    assert.equal(await gateway.exited, 143)
    await client.ended
  })
  it('without a request under way ends, although clients keep their connections open', async () => {
    await using gateway = await serve('20s')
    const client = await Peer.connect(gateway.portOf('http'))
    client.send(get('/healthz'))
    await client.response()
    const silent = await Peer.connect(gateway.portOf('http'))
    gateway.child.kill('SIGTERM')
    // Half-closed from the other side, and not closed from this one: that must not hold the process up until the timeout.
    assert.equal(await client.ended, 'end')
    assert.equal(await silent.ended, 'end')
    assert.equal(await gateway.exited, 0)
    client.destroy()
    silent.destroy()
  })
  it('turns /readyz of the management listener to 503 while it lasts, and /healthz not', async () => {
    const free = await startBackend()
    await free[Symbol.asyncDispose]()
    await using gateway = await serve('20s', { management: { port: free.port } })
    assert.equal(statusOf(await ask(free.port, get('/readyz'))), 200)
    const client = await Peer.connect(gateway.portOf('http'))
    client.send(get('/slow'))
    const server = await backend.next()
    await server.request()
    gateway.child.kill('SIGTERM')
    await gateway.line(draining)
    assert.equal(statusOf(await ask(free.port, get('/readyz'))), 503)
    assert.equal(statusOf(await ask(free.port, get('/healthz'))), 200)
    server.send(ok('done'))
    assert.equal((await client.response()).body, 'done')
    client.destroy()
    assert.equal(await gateway.exited, 0)
  })
})

describe('a stop after a listener was removed', () => {
  it('still waits for the requests that came in through it', async () => {
    const other = { name: 'other', address: '127.0.0.1', port: 0 }
    const http = { name: 'http', address: '127.0.0.1', port: 0 }
    const config = {
      targets: { b: { url: `http://127.0.0.1:${backend.port}` } },
      proxies: { b: { basePath: '/', target: 'b' } },
    }
    const gateway = await startTestGateway({ ...config, listeners: [http, other] })
    const client = await Peer.connect(gateway.gateway.ports['other'] ?? 0)
    client.send(get('/x'))
    const server = await backend.next()
    await server.request()
    assert.equal(await gateway.reconfigure({ ...config, listeners: [http] }), true)
    const stopped = gateway.gateway.stop(10_000)
    // The worker has begun to drain when it listens no more, and looks whether it is done every 20 ms.
    while (await reachable(gateway.gateway.ports['http'] ?? 0)) await sleep(5)
    await sleep(100)
    server.send(ok('done'))
    assert.equal((await client.response()).body, 'done')
    client.destroy()
    await stopped
    await gateway[Symbol.asyncDispose]()
  })
})
