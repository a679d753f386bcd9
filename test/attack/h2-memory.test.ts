import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createH2, type Http2Server, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import { errorCodes } from '../../src/wire/h2/error-codes.ts'
import { webSocketAccept } from '../../src/proxy/websocket.ts'
import { firstStreamWindowBytes, streamWindowBytes } from '../../src/proxy/h2-stream.ts'
import { frameTypes } from '../../src/wire/h2/frames.ts'
import { startBackend } from '../proxy/backend.ts'
import { frameOf } from '../proxy/h2-client-peer.ts'
import { assertBounded, harmOf, mebibyte, pour, slack, startAttacked } from './attacked.ts'
import { Attacker, repeated, windowUpdate } from './attacker.ts'

/* I10: what an HTTP/2 client can make the gateway keep for it, by not reading, not granting, or sending what nobody takes. */

const large = Buffer.alloc(2 * mebibyte, 'x')
/** The runtime's own bound on memory would refuse what the gateway is to be tried with. */
const inner: Http2Server = createH2({ maxSessionMemory: 1000 })
const sessions = new Set<ServerHttp2Session>()
inner.on('session', (session) => sessions.add(session))
inner.on('stream', (stream) => {
  stream.on('error', () => {})
  stream.respond({ ':status': 200 })
  stream.end(large)
})
inner.listen(0, '127.0.0.1')
await once(inner, 'listening')
/** Agrees to every upgrade, reads no request's body and no tunnel's bytes. */
const deaf = await startBackend()
void (async () => {
  for (;;) {
    const peer = await deaf.next()
    void peer
      .until('\r\n\r\n')
      .then((head) => {
        peer.socket.pause()
        const key = /^sec-websocket-key: (.*)$/im.exec(head)?.[1]
        if (key === undefined) return
        const accept = webSocketAccept(key.trim())
        peer.send(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        )
      })
      .catch(() => {})
  }
})()
const mute = await startBackend(() => null)
const attacked = await startAttacked({
  targets: {
    mute: { url: `http://127.0.0.1:${mute.port}`, timeouts: { firstByte: '400ms' } },
    large: { url: `http://127.0.0.1:${(inner.address() as AddressInfo).port}`, h2c: true },
    deaf: { url: `http://127.0.0.1:${deaf.port}`, timeouts: { bodyIdle: '400ms' } },
  },
})
after(async () => {
  await attacked[Symbol.asyncDispose]()
  for (const session of sessions) session.destroy()
  inner.close()
  await deaf[Symbol.asyncDispose]()
  await mute[Symbol.asyncDispose]()
})

const window = streamWindowBytes
/** What may be sent before a grant. */
const first = firstStreamWindowBytes

async function clients(
  count: number,
  port: number,
  settings: { initialWindowSize?: number },
  serve: (client: Attacker) => Promise<void>,
): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const client = await Attacker.connect(port, { settings })
      await client.acknowledge()
      await serve(client)
      client.socket.destroy()
    }),
  )
}

describe('a client', { timeout: 60_000 }, () => {
  it('that grants nothing for its responses costs a window for each, until they have waited for too long', async () => {
    const streams = 60
    const harm = await harmOf(attacked, () =>
      clients(3, attacked.impatientPort, { initialWindowSize: 0 }, async (client) => {
        for (let i = 0; i < streams; i++) client.socket.write(client.get(1 + 2 * i, '/large'))
        while (client.resetCount < streams && !client.closed) await once(client.socket, 'data')
        assert.deepEqual([...client.resets], [[errorCodes.cancel, streams]])
        assert.equal(client.dataBytes, 0)
      }),
    )
    assertBounded(harm, 3 * streams * 2 * window + slack)
  })

  it('that takes what it is sent one byte at a time is served one byte at a time', async () => {
    const harm = await harmOf(attacked, () =>
      clients(4, attacked.port, { initialWindowSize: 0 }, async (client) => {
        for (let i = 0; i < 20; i++) client.socket.write(client.get(1 + 2 * i, '/large'))
        await pour(client.socket, 100, (turn) =>
          Buffer.concat(Array.from({ length: 20 }, (_, i) => repeated(windowUpdate(1 + 2 * i, 1), 2 + (turn % 2)))),
        )
      }),
    )
    assertBounded(harm, 4 * 20 * 2 * window + slack)
  })

  it('that does not read is served no further request, and loses its connection', async () => {
    const harm = await harmOf(attacked, () =>
      clients(20, attacked.impatientPort, {}, async (client) => {
        client.socket.pause()
        await pour(client.socket, 4000, (turn) =>
          Buffer.concat(Array.from({ length: 20 }, (_, i) => client.get(1 + 2 * (20 * turn + i), '/nowhere'))),
        )
        client.socket.resume()
        await client.ended
        assert.ok(client.heads < 80_000)
      }),
    )
    assertBounded(harm, slack + 8 * mebibyte)
  })

  it('that does not read and sends PING after PING is kept the bytes of its answers, and no more', async () => {
    const pings = 1000
    const harm = await harmOf(attacked, () =>
      clients(12, attacked.port, { initialWindowSize: 0x7fff_ffff }, async (client) => {
        client.socket.pause()
        client.socket.write(Buffer.concat([windowUpdate(0, 0x7000_0000), client.get(1, '/good/large')]))
        // Until nothing more fits into what the system keeps.
        await new Promise((resolve) => setTimeout(resolve, 500))
        // Each in a turn of its own: answers that leave together would share their memory.
        for (let i = 0; i < pings; i++) {
          client.socket.write(frameOf(frameTypes.ping, 0, 0, Buffer.alloc(8)))
          await new Promise((resolve) => setTimeout(resolve, 1))
        }
      }),
    )
    assertBounded(harm)
  })

  it('that sends bodies to a backend which takes none is stopped', async () => {
    const streams = 4
    const harm = await harmOf(attacked, () =>
      clients(1, attacked.port, {}, async (client) => {
        const left = new Map<number, number>()
        let sent = 0
        const send = (streamId: number, granted: number): void => {
          let may = (left.get(streamId) ?? 0) + granted
          for (; may >= 16_384; may -= 16_384) {
            sent += 16_384
            client.socket.write(frameOf(frameTypes.data, 0, streamId, Buffer.alloc(16_384)))
          }
          left.set(streamId, may)
        }
        client.granted = (streamId, increment) => {
          if (streamId > 0) send(streamId, increment)
        }
        for (let i = 0; i < streams; i++) {
          client.socket.write(client.head(1 + 2 * i, 'POST', '/deaf', false))
          send(1 + 2 * i, first)
        }
        // Each ends with 504, for want of progress.
        while (client.heads < streams && !client.closed) await once(client.socket, 'data')
        assert.equal(client.heads, streams)
        // Windows, and what the system keeps for the connections to the backend.
        assert.ok(sent < streams * 32 * mebibyte, String(sent))
      }),
    )
    assertBounded(harm, slack + 8 * mebibyte)
  })

  it('that sends bytes for tunnels which nobody has agreed to has its windows held, and no more', async () => {
    const streams = 50
    const harm = await harmOf(attacked, () =>
      clients(2, attacked.port, {}, async (client) => {
        for (let i = 0; i < streams; i++) {
          const id = 1 + 2 * i
          const frames = [client.head(id, 'CONNECT', '/mute', false, [':protocol', 'websocket'])]
          // One more than the window allows is one too many for every second stream.
          for (let k = 0; k < first / 16_384 + (i % 2); k++)
            frames.push(frameOf(frameTypes.data, 0, id, Buffer.alloc(16_384)))
          client.socket.write(Buffer.concat(frames))
        }
        while (client.heads + (client.resets.get(errorCodes.flowControlError) ?? 0) < streams && !client.closed)
          await once(client.socket, 'data')
        assert.deepEqual([client.heads, client.resets.get(errorCodes.flowControlError)], [streams / 2, streams / 2])
      }),
    )
    assertBounded(harm, 2 * streams * 2 * window + slack)
  })

  it('that sends a tunnel byte by byte to a backend which takes none costs no more than its bytes', async () => {
    const streams = 10
    const harm = await harmOf(attacked, () =>
      clients(2, attacked.port, {}, async (client) => {
        for (let i = 0; i < streams; i++)
          client.socket.write(client.head(1 + 2 * i, 'CONNECT', '/deaf', false, [':protocol', 'websocket']))
        while (client.heads < streams && !client.closed) await once(client.socket, 'data')
        assert.equal(client.heads, streams)
        await pour(client.socket, 100, () =>
          Buffer.concat(
            Array.from({ length: streams }, (_, i) =>
              repeated(frameOf(frameTypes.data, 0, 1 + 2 * i, Buffer.from('x')), 100),
            ),
          ),
        )
      }),
    )
    assertBounded(harm, slack + 8 * mebibyte)
  })
})
