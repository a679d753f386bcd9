import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, describe, it } from 'node:test'
import { connect } from 'node:http2'
import { errorCodes } from '../../src/wire/h2/error-codes.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { H2Peer } from './h2-client-peer.ts'
import { answerOf } from './h2-client-rig.ts'

/* A listener that closes: GOAWAY in two steps, what is under way is finished, and nothing that crosses it is lost. */

const backend = await startBackend()
after(() => backend[Symbol.asyncDispose]())

const maxStreamId = 0x7fff_ffff
const listener = (name: string): object => ({ name, address: '127.0.0.1', port: 0, h2c: true })
const configOf = (...names: readonly string[]): Readonly<Record<string, unknown>> => ({
  listeners: names.map(listener),
  targets: { b: { url: `http://127.0.0.1:${backend.port}` } },
  proxies: { b: { basePath: '/', target: 'b' } },
})

/** A gateway with a listener that `close` takes away. */
async function start(): Promise<TestGateway & { readonly port: number; close(): Promise<void> }> {
  const gateway = await startTestGateway(configOf('http', 'stays'))
  return {
    ...gateway,
    port: gateway.gateway.ports['http'] ?? 0,
    async close() {
      assert.equal(await gateway.reconfigure(configOf('stays')), true)
    },
  }
}

describe('a listener that closes', () => {
  it('says GOAWAY twice, and closes when what is under way is done', async () => {
    await using gateway = await start()
    const client = await H2Peer.connect(gateway.port)
    client.get(1, '/under-way')
    const seen = await backend.next()
    await seen.request()
    await gateway.close()
    const first = await client.next('goaway')
    assert.deepEqual([first.streamId, first.code], [maxStreamId, errorCodes.noError])
    const last = await client.next('goaway')
    assert.deepEqual([last.streamId, last.code], [1, errorCodes.noError])
    assert.equal(client.closed, false)
    seen.send(ok('whole', 'Connection: close'))
    assert.equal((await client.response(1)).body, 'whole')
    await client.ended
  })

  it('takes a request that crosses the first GOAWAY, and none after the final one', async () => {
    await using gateway = await start()
    const client = await H2Peer.connect(gateway.port, { silent: true })
    client.get(1, '/before')
    const before = await backend.next()
    await before.request()
    await gateway.close()
    assert.equal((await client.next('goaway')).streamId, maxStreamId)
    client.get(3, '/crossing')
    const crossing = await backend.next()
    await crossing.request()
    // The PING is not answered: the final GOAWAY comes all the same.
    assert.equal((await client.next('goaway')).streamId, 3)
    client.get(5, '/after')
    for (const seen of [before, crossing]) seen.send(ok('served', 'Connection: close'))
    assert.equal((await client.response(1)).body, 'served')
    assert.equal((await client.response(3)).body, 'served')
    await client.ended
    assert.equal(client.soFar(5).status, 0)
  })

  it('closes idle connections, and those that have not said anything', async () => {
    await using gateway = await start()
    const idle = await H2Peer.connect(gateway.port)
    await idle.next('settings-ack')
    const undecided = await H2Peer.connect(gateway.port, { settings: null })
    await gateway.close()
    await Promise.all([idle.ended, undecided.ended])
    assert.equal(idle.frames.filter((frame) => frame.type === 'goaway').length, 2)
  })

  it('is one that clients of the runtime survive', async () => {
    await using gateway = await start()
    const client = connect(`http://127.0.0.1:${gateway.port}`)
    const stream = client.request({ ':path': '/long' })
    const seen = await backend.next()
    await seen.request()
    const ended = once(client, 'close')
    await gateway.close()
    seen.send(ok('to the end', 'Connection: close'))
    assert.equal((await answerOf(stream)).body.toString(), 'to the end')
    await ended
  })
})
