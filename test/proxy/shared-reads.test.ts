import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { clientReadBuffer } from '../../src/proxy/read-buffer.ts'
import { withSharedReads } from '../../src/proxy/shared-reads.ts'

/* One buffer for all clients, with the flow control, ends and errors of any socket. */

const root = await createRoot({ commonName: 'Shared Reads Test CA' })
const leaf = await createLeaf(root, { names: ['gateway.test'] })

const listeners = {
  plain: createServer({ allowHalfOpen: true, pauseOnConnect: true }),
  tls: createTlsServer({ cert: leaf.chainPem, key: leaf.keyPem, allowHalfOpen: true }),
}
for (const server of Object.values(listeners)) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}
after(() => Object.values(listeners).map((server) => server.close()))

/** Stands before a listener, and can break off without an orderly end, which no client of TLS offers. */
const relay = createServer((front) => {
  const back = connect({ port: relayed, host: '127.0.0.1' })
  front.on('error', () => back.resetAndDestroy())
  front.pipe(back).pipe(front)
})
let relayed = 0
relay.listen(0, '127.0.0.1')
await once(relay, 'listening')
after(() => relay.close())

interface Pair {
  readonly client: Socket
  readonly accepted: Socket
}

async function connected(kind: 'plain' | 'tls', through?: Server): Promise<Pair> {
  const server: Server = listeners[kind]
  const arrival = once(server, kind === 'tls' ? 'secureConnection' : 'connection')
  relayed = portOf(server)
  const address = { port: portOf(through ?? server), host: '127.0.0.1', allowHalfOpen: true }
  const client =
    kind === 'tls' ? connectTls({ ...address, ca: root.certificatePem, servername: 'gateway.test' }) : connect(address)
  const [accepted] = (await arrival) as [Socket]
  return { client, accepted }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

for (const kind of ['plain', 'tls'] as const) {
  describe(`shared reads of a ${kind} connection`, () => {
    it('hand over every byte in the shared buffer, and the end', async () => {
      const { client, accepted } = await connected(kind)
      const sent = randomBytes(3_000_000)
      const hash = createHash('sha256')
      let largest = 0
      const socket = withSharedReads(accepted, (length) => {
        largest = Math.max(largest, length)
        hash.update(clientReadBuffer.subarray(0, length))
        return true
      })
      assert(socket !== null, 'this runtime allows it')
      socket.on('data', () => assert.fail('the stream has the bytes as well'))
      const ended = once(socket, 'end')
      client.end(sent)
      await ended
      assert.equal(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'))
      assert(largest > 0 && largest <= clientReadBuffer.length)
      socket.end('bye')
      const [answer] = (await once(client, 'data')) as [Buffer]
      assert.equal(answer.toString(), 'bye')
      await once(client, 'end')
      client.destroy()
      socket.destroy()
    })

    it('stop when told to, and go on where they stopped', async () => {
      const { client, accepted } = await connected(kind)
      const seen = { bytes: 0 }
      let flowing = false
      const socket = withSharedReads(accepted, (length) => {
        seen.bytes += length
        if (!flowing) socket?.pause()
        return flowing
      })
      assert(socket !== null)
      client.write(Buffer.alloc(64 * 1024 * 1024))
      while (seen.bytes === 0) await new Promise((resolve) => setImmediate(resolve))
      const atFirst = seen.bytes
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
      // TLS hands over what it has decrypted; nothing else is read from the kernel.
      assert.equal(seen.bytes, atFirst)
      assert(atFirst <= 65_536, `${atFirst} bytes`)
      flowing = true
      socket.resume()
      while (seen.bytes < 64 * 1024 * 1024) await new Promise((resolve) => setImmediate(resolve))
      client.destroy()
      socket.destroy()
    })

    it('end with an error when the peer resets', async () => {
      const breaking = once(relay, 'connection')
      const { client, accepted } = await connected(kind, relay)
      const reading = Promise.withResolvers<void>()
      const socket = withSharedReads(accepted, () => {
        reading.resolve()
        return true
      })
      assert(socket !== null)
      client.write('x')
      await reading.promise
      const failed = once(socket, 'error') as Promise<[NodeJS.ErrnoException]>
      const [front] = (await breaking) as [Socket]
      front.destroy(new Error('broken off'))
      assert.equal((await failed)[0].code, 'ECONNRESET')
      assert(socket.destroyed)
      client.destroy()
    })

    it('close with the socket', async () => {
      const { client, accepted } = await connected(kind)
      const socket = withSharedReads(accepted, () => assert.fail('read after its end'))
      assert(socket !== null)
      const closed = once(socket, 'close')
      client.on('error', () => {})
      client.write('x')
      socket.destroy()
      await closed
      client.destroy()
    })
  })
}

describe('shared reads', () => {
  it('are refused where the stream has taken bytes already', async () => {
    const { client, accepted } = await connected('tls')
    client.write('early')
    while (accepted.readableLength === 0) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(
      withSharedReads(accepted, () => true),
      null,
    )
    const [chunk] = (await once(accepted, 'data')) as [Buffer]
    assert.equal(chunk.toString(), 'early')
    client.destroy()
    accepted.destroy()
  })
})
