import { once } from 'node:events'
import { createServer as createH2c, createSecureServer, type Http2SecureServer, type Http2Server } from 'node:http2'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Identity } from '../../src/pki/make.ts'

/** A server on loopback, and the connections it has and had. */
export interface RawBackend extends AsyncDisposable {
  readonly port: number
  readonly open: number
  readonly connections: number
}

/** A TCP server that does with a connection what the test says. */
export async function startRawBackend(use: (socket: Socket) => void): Promise<RawBackend> {
  return listen(createServer(use))
}

/** HTTP/2 alone: over TLS, which ALPN must have chosen, or by prior knowledge. */
export async function startH2Backend(
  identity: Identity | null,
  answer: (path: string, method: string) => number,
): Promise<RawBackend & { readonly protocols: readonly string[] }> {
  const protocols: string[] = []
  const server: Http2Server | Http2SecureServer =
    identity === null
      ? createH2c()
      : createSecureServer({ cert: identity.chainPem, key: identity.keyPem, allowHTTP1: false })
  server.on('session', (session) => session.on('error', () => {}))
  server.on('stream', (stream, headers) => {
    protocols.push(`${stream.session?.alpnProtocol} ${headers[':authority']}`)
    stream.on('error', () => {})
    stream.additionalHeaders({ ':status': 103, link: '</a>' })
    stream.respond({ ':status': answer(String(headers[':path']), String(headers[':method'])) })
    stream.end('x'.repeat(100_000))
  })
  const backend = await listen(server)
  return Object.defineProperties({} as RawBackend & { protocols: readonly string[] }, {
    ...Object.getOwnPropertyDescriptors(backend),
    protocols: { value: protocols },
  })
}

async function listen(server: Server): Promise<RawBackend> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    get open() {
      return sockets.size
    },
    get connections() {
      return connections
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const backend = await startRawBackend(() => {})
  await backend[Symbol.asyncDispose]()
  return backend.port
}
