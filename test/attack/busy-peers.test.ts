import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { it } from 'node:test'
import { flags, frameTypes } from '../../src/wire/h2/frames.ts'
import { frameOf } from '../proxy/h2-client-peer.ts'
import { startTestGateway } from '../support/gateway.ts'
import { Attacker, windowUpdate } from './attacker.ts'

/* The other direction: what well-behaved implementations do a lot of is no attack. */

const pieces = 4800
const large = Buffer.alloc(pieces * 16_384, 'x')

/** What is said for each DATA frame that comes. */
const habits: readonly (readonly [what: string, answer: Buffer])[] = [
  [
    'grants each 4 KiB that it has read, to stream and connection, as the client of Go does',
    Buffer.concat(Array.from({ length: 4 }, () => Buffer.concat([windowUpdate(1, 4096), windowUpdate(0, 4096)]))),
  ],
  [
    'measures the path with a PING for each piece that comes, as gRPC does',
    Buffer.concat([frameOf(frameTypes.ping, 0, 0, Buffer.alloc(8)), windowUpdate(1, 16_384), windowUpdate(0, 16_384)]),
  ],
]

for (const [what, answer] of habits) {
  it(`a client that ${what} gets all of a long response`, { timeout: 30_000 }, async () => {
    const backend = createServer((_request, response) => response.end(large))
    backend.listen(0, '127.0.0.1')
    await once(backend, 'listening')
    await using gateway = await startTestGateway({
      listeners: [{ name: 'http', address: '127.0.0.1', port: 0, h2c: true }],
      targets: { b: { url: `http://127.0.0.1:${(backend.address() as AddressInfo).port}` } },
      proxies: { p: { basePath: '/', target: 'b' } },
    })
    // Windows as wide as theirs: DATA comes in whole frames.
    const client = await Attacker.connect(gateway.gateway.ports['http'] ?? 0, {
      settings: { initialWindowSize: 4_194_304 },
    })
    await client.acknowledge()
    client.socket.write(windowUpdate(0, 1_073_741_824))
    let answered = 0
    client.came = () => {
      for (; (answered + 1) * 16_384 <= client.dataBytes; answered++) client.socket.write(answer)
    }
    client.socket.write(client.get(1, '/'))
    while (client.dataBytes < large.length && !client.closed) await once(client.socket, 'data')
    assert.deepEqual([client.dataBytes, client.goaway], [large.length, -1])
    client.socket.destroy()
    backend.closeAllConnections()
    backend.close()
  })
}

it('DATA that was on its way when its stream was reset is no fault, as much as its window allowed', async () => {
  await using gateway = await startTestGateway({
    listeners: [{ name: 'http', address: '127.0.0.1', port: 0, h2c: true }],
  })
  const client = await Attacker.connect(gateway.gateway.ports['http'] ?? 0)
  await client.acknowledge()
  // Answered with 404 and RST_STREAM, and the body was sent before that could be known.
  const piece = (streamId: number, last: boolean): Buffer =>
    frameOf(frameTypes.data, last ? flags.endStream : 0, streamId, Buffer.alloc(16_384))
  for (let id = 1; id < 200; id += 2) {
    client.socket.write(Buffer.concat([client.head(id, 'POST', '/nowhere', false), piece(id, false), piece(id, true)]))
  }
  while (client.heads < 100 && !client.closed) await once(client.socket, 'data')
  assert.deepEqual([client.heads, client.goaway], [100, -1])
  client.socket.destroy()
})
