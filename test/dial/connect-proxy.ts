import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

/** One CONNECT as the proxy saw it. */
export interface SeenConnect {
  readonly authority: string
  readonly headers: IncomingHttpHeaders
}

/** An HTTP proxy that opens tunnels with CONNECT, wherever they are asked for: all of them end at 127.0.0.1. */
export interface ConnectProxy extends AsyncDisposable {
  readonly port: number
  readonly seen: readonly SeenConnect[]
  /** All that went through the tunnels from client to server, as the proxy saw it. */
  readonly carried: Buffer
}

export interface ConnectProxyOptions {
  /** The answer to CONNECT in pieces, each written by itself; default: `200`. A tunnel is opened when the last begins 2. */
  readonly answer?: readonly string[]
  /** Answers nothing at all. */
  readonly silent?: boolean
  /** Hangs up instead of answering. */
  readonly hangsUp?: boolean
  /** Written after the head, in the same piece. */
  readonly after?: string
  readonly host?: string
}

export async function startConnectProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const { answer = ['HTTP/1.1 200 Connection established\r\n\r\n'], after = '' } = options
  const seen: SeenConnect[] = []
  const carried: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = createServer()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('connect', (request, client: Socket) => {
    seen.push({ authority: request.url ?? '', headers: request.headers })
    client.on('error', () => client.destroy())
    if (options.hangsUp === true) client.destroy()
    if (options.hangsUp === true || options.silent === true) return
    const port = Number(/\d+$/.exec(request.url ?? '')?.[0])
    const upstream = connect({ host: '127.0.0.1', port })
    sockets.add(upstream)
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
    upstream.once('connect', () => void open(client, upstream))
  })

  async function open(client: Socket, upstream: Socket): Promise<void> {
    for (const [index, piece] of answer.entries()) {
      client.write(index === answer.length - 1 ? piece + after : piece, 'latin1')
      // Each in a segment of its own, as far as it goes: what is asserted does not depend on it.
      await new Promise(setImmediate)
    }
    client.on('data', (bytes) => carried.push(bytes))
    client.pipe(upstream)
    upstream.pipe(client)
  }

  server.listen(0, options.host ?? '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    get carried() {
      return Buffer.concat(carried)
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
