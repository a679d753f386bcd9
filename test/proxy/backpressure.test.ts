import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { get, Peer, request } from './peer.ts'
import { startTlsGateway, type TlsGateway } from './tls-gateway.ts'

/* The slower side sets the pace, and what waits for it is bounded (I10). Measured by what has moved, not by time. */

/** Bytes of responses that the backend has written, and requests it has read. */
let written = 0
let served = 0

const rig: TlsGateway = await startTlsGateway(
  (incoming, response) => {
    served++
    const url = new URL(incoming.url ?? '/', 'http://b')
    const bytes = Number(url.searchParams.get('bytes') ?? '0')
    if (url.pathname === '/stuck') {
      incoming.pause()
    } else if (url.pathname === '/flood') {
      const block = Buffer.alloc(65_536)
      const fill = (): void => {
        do written += block.length
        while (response.write(block))
      }
      response.on('drain', fill)
      fill()
    } else {
      incoming.resume()
      response.setHeader('content-length', bytes)
      response.end(Buffer.alloc(bytes, 'x'))
    }
  },
  { timeouts: { keepAlive: '300ms' } },
)
after(() => rig[Symbol.asyncDispose]())

/**
 * What may be under way while nothing moves: the kernel's buffers of both connections, and a little in the runtimes of all
 * three. A gateway without backpressure takes in more in a moment.
 */
const bound = 2 * (largestBuffer('tcp_rmem') + largestBuffer('tcp_wmem')) + 8 * 1024 * 1024

function largestBuffer(setting: string): number {
  return Number(readFileSync(`/proc/sys/net/ipv4/${setting}`, 'utf8').trim().split(/\s+/)[2])
}

function connectTo(listener: 'http' | 'https'): Promise<Peer> {
  return listener === 'http'
    ? Peer.connect(rig.httpPort)
    : Peer.connectTls({ port: rig.httpsPort, servername: rig.serverName, ca: rig.ca })
}

/** Waits until `count` stands still over several looks: nothing more moves. */
async function settled(count: () => number): Promise<number> {
  let last = -1
  for (let same = 0; same < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 40))
    same = count() === last ? same + 1 : 0
    last = count()
  }
  return last
}

/** Bytes that the kernel holds between a client and the gateway: sent by the one, not read by the other. */
function inKernel(clientPort: number, gatewayPort: number): number {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')
  let bytes = 0
  for (const line of readFileSync('/proc/self/net/tcp', 'utf8').split('\n')) {
    const [, local = '', remote = '', , queues = ''] = line.trim().split(/\s+/)
    const [tx = '0', rx = '0'] = queues.split(':')
    // Unacknowledged bytes at the gateway are counted by its queue alone, those that wait at the client by the other.
    if (local.endsWith(`:${hex(gatewayPort)}`) && remote.endsWith(`:${hex(clientPort)}`))
      bytes += Number.parseInt(tx, 16)
    if (local.endsWith(`:${hex(clientPort)}`) && remote.endsWith(`:${hex(gatewayPort)}`))
      bytes += Number.parseInt(rx, 16)
  }
  return bytes
}

describe('a client that does not read', () => {
  for (const listener of ['http', 'https'] as const) {
    it(`stops its backend (${listener})`, async () => {
      const client = await connectTo(listener)
      written = 0
      client.send(get('/flood'))
      await client.until('\r\n\r\n')
      client.socket.pause()
      const stopped = await settled(() => written)
      assert.ok(stopped < bound, `${stopped} bytes`)
      client.socket.resume()
      await client.exactly(stopped)
      assert.ok(written > stopped)
      client.destroy()
    })
  }
  it('is not served further requests, however many it has sent', async () => {
    const client = await Peer.connect(rig.httpPort)
    client.socket.pause()
    served = 0
    const bytes = 20_000
    const wanted = 4000
    client.send(get(`/?bytes=${bytes}`).repeat(wanted))
    const stopped = await settled(() => served)
    const inGateway = stopped * bytes - inKernel(client.socket.localPort ?? 0, rig.httpPort)
    assert.ok(inGateway < 1024 * 1024, `${inGateway} bytes of ${stopped} responses`)
    client.socket.resume()
    for (let i = 0; i < wanted; i++) assert.equal((await client.response()).body.length, bytes)
    client.destroy()
  })
})

describe('a backend that does not read', () => {
  for (const [what, size, listener] of [
    ['in large pieces', 65_536, 'http'],
    ['in large pieces', 65_536, 'https'],
    // Over TLS each piece is a record, and is read as one.
    ['in small pieces', 1000, 'https'],
  ] as const) {
    it(`stops its client, sending ${what} (${listener})`, async () => {
      const client = await connectTo(listener)
      client.send(request('POST', '/stuck', 'Content-Length: 1000000000'))
      const block = Buffer.alloc(size)
      let sent = 0
      let going = true
      const fill = (): void => {
        if (!going) return
        const flowing = client.socket.write(block)
        sent += size
        // A piece at a time, so that the gateway reads it as one.
        if (flowing) setImmediate(fill)
      }
      client.socket.on('drain', fill)
      fill()
      const stopped = await settled(() => sent - client.socket.writableLength)
      going = false
      assert.ok(stopped < bound, `${stopped} bytes`)
      client.destroy()
    })
  }
})

describe('a client that reads slowly', () => {
  it('gets every response of a connection to a backend that has to wait for it again and again', async () => {
    const client = await Peer.connect(rig.httpPort)
    client.send(get('/?bytes=100000').repeat(300))
    for (let i = 0; i < 300; i++) {
      assert.equal((await client.response()).body.length, 100_000)
      client.socket.pause()
      await new Promise((resolve) => setTimeout(resolve, 2))
      client.socket.resume()
    }
    client.destroy()
  })

  for (const [what, lines, pauseMs] of [
    ['after which the connection is kept, for longer than the idle time', [], 800],
    ['after which the connection ends, for longer than the lingering time', ['Connection: close'], 2600],
  ] as const) {
    it(`may take its time with the end of a response ${what}`, async (test) => {
      // How much fits between a gateway and a client that does not read:
      const probe = await Peer.connect(rig.httpPort)
      probe.socket.pause()
      probe.send(get('/?bytes=30000000', ...lines))
      const room = await settled(() => inKernel(probe.socket.localPort ?? 0, rig.httpPort))
      probe.reset()
      // Responses that are a little longer end with their last bytes in the gateway's own memory.
      const clients = await Promise.all(
        Array.from({ length: 12 }, async (_, step) => {
          const client = await Peer.connect(rig.httpPort)
          client.socket.pause()
          const bytes = room + (step - 4) * 16_384
          client.send(get(`/?bytes=${bytes}`, ...lines))
          return { client, bytes }
        }),
      )
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      const log = readFileSync(`${rig.gateway.directory}/postern.log`, 'utf8')
      const waiting = clients.filter(
        ({ client, bytes }) =>
          log.includes(`/?bytes=${bytes}"`) && inKernel(client.socket.localPort ?? 0, rig.httpPort) < bytes,
      )
      for (const { client, bytes } of clients) {
        client.socket.resume()
        assert.equal((await client.response()).body.length, bytes)
        client.destroy()
      }
      if (waiting.length === 0) test.skip('this kernel took every response whole')
    })
  }
})
