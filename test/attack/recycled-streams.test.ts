import assert from 'node:assert/strict'
import { it } from 'node:test'
import { H2Peer } from '../proxy/h2-client-peer.ts'
import { startRawServer } from '../proxy/h2-backend.ts'
import { startBackend } from '../proxy/backend.ts'
import { get, Peer } from '../proxy/peer.ts'
import { startTestGateway } from '../support/gateway.ts'
import { setting } from './attacker.ts'

/* Objects of streams are used again. Who has had one must not end, or go on with, what it is used for by then. */

const listeners = [{ name: 'http', address: '127.0.0.1', port: 0, h2c: true }]
const proxies = { p: { basePath: '/', target: 'b' } }
const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==']

/* A tunnel over HTTP/2 that ended gave its object to the request that waited for its place, and then ended that one. */
for (const [how, end] of [
  ['ends', 'end'],
  ['is reset', 'reset'],
] as const) {
  it(`a request that waits for the place of a tunnel is served when the tunnel ${how}`, {
    timeout: 10_000,
  }, async () => {
    await using server = await startRawServer({ maxConcurrentStreams: 1, enableConnectProtocol: 1 })
    await using gateway = await startTestGateway({
      listeners,
      targets: { b: { url: `http://127.0.0.1:${server.port}`, h2c: true, limits: { connections: 1, streams: 1 } } },
      proxies,
    })
    const client = await H2Peer.connect(gateway.gateway.ports['http'] ?? 0)
    await client.next('settings')
    client.headers(
      1,
      [
        [':method', 'CONNECT'],
        [':scheme', 'http'],
        [':path', '/tunnel'],
        [':authority', 'gateway.test'],
        [':protocol', 'websocket'],
      ],
      false,
    )
    const connection = await server.connection()
    const tunnel = await connection.request(1)
    connection.headers(tunnel.id, [':status', '200'])
    await client.until(() => client.soFar(1).status === 200)
    client.get(3, '/waits')
    await client.settled()
    if (end === 'end') connection.data(tunnel.id, 'bye', true)
    else connection.reset(tunnel.id, 8)
    const { id } = await connection.request(2)
    connection.headers(id, [':status', '200'], true)
    assert.equal((await client.response(3)).status, 200)
    assert.equal(
      connection.frames.some((frame) => frame.type === 'rst' && frame.streamId === id),
      false,
    )
    client.destroy()
  })
}

/* The second try got the object of the first one, whose head then ended the response before its own had come. */
it('a retry on a status by the only server gives the answer to the second try', { timeout: 10_000 }, async () => {
  await using server = await startRawServer()
  await using gateway = await startTestGateway({
    listeners,
    targets: {
      b: { url: `http://127.0.0.1:${server.port}`, h2c: true, retries: { attempts: 1, statuses: ['503'] } },
    },
    proxies,
  })
  const client = await Peer.connect(gateway.gateway.ports['http'] ?? 0)
  client.send(get('/'))
  const connection = await server.connection()
  const first = await connection.request(1)
  connection.headers(first.id, [':status', '503', 'content-length', '0'], true)
  const second = await connection.request(2)
  connection.headers(second.id, [':status', '200'])
  connection.data(second.id, 'second', true)
  assert.equal((await client.response()).body, 'second')
  client.destroy()
})

/* An extended CONNECT waits for the SETTINGS of its backend; by then the connection may be one that must not be used. */
it('what waits for SETTINGS is never sent on a connection that was given up (I1)', { timeout: 10_000 }, async () => {
  await using old = await startBackend()
  await using next = await startRawServer({ enableConnectProtocol: 1 })
  const configured = (port: number): Readonly<Record<string, unknown>> => ({
    listeners,
    targets: { b: { url: `http://127.0.0.1:${port}`, h2c: true } },
    proxies,
  })
  await using gateway = await startTestGateway(configured(old.port))
  const client = await Peer.connect(gateway.gateway.ports['http'] ?? 0)
  client.send(get('/socket', ...upgrade, 'Sec-WebSocket-Version: 13'))
  const before = await old.next()
  await before.until('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  assert.equal(await gateway.reconfigure(configured(next.port)), true)
  before.send(setting(8, 1))
  const after = await next.connection()
  const { id, fields } = await after.request(1)
  assert.equal(fields[':method'], 'CONNECT')
  after.headers(id, [':status', '200'])
  assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 101 /)
  assert.equal((await before.rest()).includes('/socket'), false)
  client.destroy()
})
