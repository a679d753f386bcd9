import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, createSecureServer } from 'node:http2'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import { WebSocketServer } from 'ws'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTestGateway } from '../support/gateway.ts'

/* A WebSocket as a stream of a client's HTTP/2 connection (RFC 8441), with servers of both kinds behind the gateway. */

const root = await createRoot({ commonName: 'WebSocket Test CA' })
const leaf = await createLeaf(root, { names: ['ws.test'] })
const h1 = createServer((_request, response) => response.end())
const sockets = new WebSocketServer({ server: h1, maxPayload: 64 * 1024 * 1024, handleProtocols: () => 'chat' })
sockets.on('connection', (socket, incoming) => {
  socket.on('error', () => {})
  if (incoming.url === '/greeting') socket.send('before you said anything')
  if (incoming.url === '/closing') socket.close(4321, 'as asked')
  socket.on('message', (data, binary) => socket.send(data as Buffer, { binary }))
})
/** Sends back what it gets: to the tunnel it is bytes, whatever they mean. */
const h2 = createSecureServer({ cert: leaf.chainPem, key: leaf.keyPem, settings: { enableConnectProtocol: true } })
h2.on('stream', (stream, headers) => {
  stream.on('error', () => {})
  if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket') {
    stream.respond({ ':status': 400 }, { endStream: true })
    return
  }
  stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' })
  stream.pipe(stream)
})
for (const server of [h1, h2]) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}
const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port
const gateway = await startTestGateway(
  {
    listeners: [
      {
        name: 'http',
        address: '127.0.0.1',
        port: 0,
        h2c: true,
        timeouts: { bodyIdle: '300ms', head: '300ms', tunnelIdle: '1200ms' },
      },
    ],
    trustStores: { test: { sources: [{ file: './ca.pem' }] } },
    targets: {
      h1: { url: `http://127.0.0.1:${portOf(h1)}` },
      h2: {
        url: `https://127.0.0.1:${portOf(h2)}`,
        tls: { trust: ['test'], serverName: 'ws.test', alpn: ['h2'] },
      },
    },
    proxies: { h1: { basePath: '/h1', target: 'h1' }, h2: { basePath: '/h2', target: 'h2' } },
  },
  { files: { 'ca.pem': root.certificatePem } },
)
const client: ClientHttp2Session = connect(`http://127.0.0.1:${gateway.gateway.ports['http'] ?? 0}`)
await once(client, 'remoteSettings')
after(async () => {
  client.destroy()
  await gateway[Symbol.asyncDispose]()
  for (const socket of sockets.clients) socket.terminate()
  sockets.close()
  h1.close()
  h2.close()
})

/** One WebSocket, its frames written and read by hand. */
class Tunnel {
  readonly stream: ClientHttp2Stream
  #unread = Buffer.alloc(0)

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream
    stream.on('error', () => {})
    stream.on('data', (bytes: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, bytes])
    })
  }

  static async open(path: string): Promise<Tunnel> {
    const stream = client.request(
      {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'http',
        ':path': path,
        'sec-websocket-version': '13',
        'sec-websocket-protocol': 'chat',
      },
      { endStream: false },
    )
    const tunnel = new Tunnel(stream)
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
    assert.equal(headers[':status'], 200)
    assert.equal(headers['sec-websocket-protocol'], 'chat')
    return tunnel
  }

  async exactly(count: number): Promise<Buffer> {
    while (this.#unread.length < count) await once(this.stream, 'data')
    const bytes = this.#unread.subarray(0, count)
    this.#unread = this.#unread.subarray(count)
    return bytes
  }

  /** Masked, as a client's frames are (RFC 6455 section 5.3). */
  send(opcode: number, payload: Buffer): void {
    const head = Buffer.alloc(14)
    head[0] = 0x80 | opcode
    head[1] = 0x80 | 127
    head.writeBigUInt64BE(BigInt(payload.length), 2)
    this.stream.write(Buffer.concat([head, payload]))
  }

  async frame(): Promise<{ readonly opcode: number; readonly payload: Buffer }> {
    const [first = 0, short = 0] = await this.exactly(2)
    const length =
      short === 126
        ? (await this.exactly(2)).readUInt16BE(0)
        : short === 127
          ? Number((await this.exactly(8)).readBigUInt64BE(0))
          : short
    return { opcode: first & 0x0f, payload: Buffer.from(await this.exactly(length)) }
  }
}

describe('a WebSocket of an HTTP/2 client and an HTTP/1.1 server', () => {
  it('carries messages both ways, small and large', async () => {
    const tunnel = await Tunnel.open('/h1/chat')
    for (const [opcode, payload] of [
      [1, Buffer.from('grüße')],
      [2, Buffer.alloc(5_000_000, 'x')],
      [2, Buffer.alloc(0)],
    ] as const) {
      tunnel.send(opcode, payload)
      const frame = await tunnel.frame()
      assert.equal(frame.opcode, opcode)
      assert.ok(frame.payload.equals(payload))
    }
    tunnel.stream.close()
  })

  it('hears what the server says first', async () => {
    const tunnel = await Tunnel.open('/h1/greeting')
    assert.equal((await tunnel.frame()).payload.toString(), 'before you said anything')
    tunnel.stream.close()
  })

  it('ends when the server ends it', async () => {
    const tunnel = await Tunnel.open('/h1/closing')
    const { opcode, payload } = await tunnel.frame()
    assert.deepEqual([opcode, payload.readUInt16BE(0)], [8, 4321])
    tunnel.send(8, payload)
    await once(tunnel.stream, 'end')
  })

  it('ends when the client ends its stream', async () => {
    const tunnel = await Tunnel.open('/h1/chat')
    const [socket] = [...sockets.clients].slice(-1)
    assert.ok(socket)
    tunnel.stream.end()
    await once(socket, 'close')
  })

  it('has its own idle time, not that of a body', async () => {
    const tunnel = await Tunnel.open('/h1/chat')
    await new Promise((resolve) => setTimeout(resolve, 800))
    tunnel.send(1, Buffer.from('still here'))
    assert.equal((await tunnel.frame()).payload.toString(), 'still here')
    await once(tunnel.stream, 'close')
    assert.equal(tunnel.stream.rstCode, 8)
  })
})

describe('a WebSocket of an HTTP/2 client and an HTTP/2 server', () => {
  it('carries bytes both ways, and each side its end', async () => {
    const tunnel = await Tunnel.open('/h2/echo')
    const bytes = Buffer.alloc(3_000_000, 'y')
    tunnel.stream.write(bytes)
    assert.ok((await tunnel.exactly(bytes.length)).equals(bytes))
    tunnel.stream.end('last')
    assert.equal((await tunnel.exactly(4)).toString(), 'last')
    if (!tunnel.stream.readableEnded) await once(tunnel.stream, 'end')
  })

  it('is bounded where nobody reads, and its neighbours go on', async () => {
    const tunnel = await Tunnel.open('/h2/echo')
    tunnel.stream.removeAllListeners('data')
    tunnel.stream.pause()
    let sent = 0
    const block = Buffer.alloc(65_536)
    const push = (): void => {
      if (sent > 100_000_000) return
      sent += block.length
      tunnel.send(2, block)
      if (tunnel.stream.writableNeedDrain) tunnel.stream.once('drain', push)
      else setImmediate(push)
    }
    push()
    let last = -1
    for (let same = 0; same < 5; ) {
      await new Promise((resolve) => setTimeout(resolve, 40))
      same = sent === last ? same + 1 : 0
      last = sent
    }
    assert.ok(sent < 60_000_000, `${sent} bytes`)
    const other = await Tunnel.open('/h1/chat')
    other.send(1, Buffer.from('other'))
    assert.equal((await other.frame()).payload.toString(), 'other')
    other.stream.close()
    tunnel.stream.close(8)
  })
})
