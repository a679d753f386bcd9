import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket, TlsOptions } from 'node:tls'

/** One request as the backend saw it. */
export interface SeenRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Number of the connection, from 1. */
  readonly connection: number
  /** The connection's TLS session was resumed, so nobody has looked at a certificate for it. */
  readonly resumed: boolean
  readonly protocol: string
  /** SNI that the client sent; '' for none. */
  readonly serverName: string
  /** Common name of the client's certificate; '' for none. */
  readonly client: string
}

/** An HTTPS server of a test, which remembers who asked what over which connection. */
export interface TlsBackend extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly seen: readonly SeenRequest[]
  /** Handshakes completed so far. */
  readonly connections: number
  readonly open: number
  /** Connections still open that were opened before a moment of `performance.now()`. */
  openedBefore(at: number): number
  /** Presents another certificate from the next handshake on. */
  serve(identity: { readonly chainPem: string; readonly keyPem: string }): void
}

export interface TlsBackendOptions extends TlsOptions {
  readonly identity: { readonly chainPem: string; readonly keyPem: string }
  /** Default: 200 with `ok`. */
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => void
  /** Called for every request, before it is answered. */
  readonly onRequest?: (request: SeenRequest) => void
  /** Default: every request is kept in `seen`. */
  readonly remember?: boolean
}

export async function startTlsBackend(options: TlsBackendOptions): Promise<TlsBackend> {
  const { identity, answer = answerOk, onRequest, remember = true, ...tls } = options
  const seen: SeenRequest[] = []
  const numbers = new WeakMap<object, number>()
  const open = new Map<TLSSocket, number>()
  let connections = 0
  const server: Server = createServer(
    { keepAliveTimeout: 120_000, ...tls, cert: identity.chainPem, key: identity.keyPem },
    (request, response) => {
      const socket = request.socket as TLSSocket & { servername?: string | false }
      const record: SeenRequest = {
        url: request.url ?? '',
        headers: request.headers,
        connection: numbers.get(socket) ?? 0,
        resumed: socket.isSessionReused(),
        protocol: socket.getProtocol() ?? '',
        serverName: typeof socket.servername === 'string' ? socket.servername : '',
        client: String(socket.getPeerCertificate()?.subject?.CN ?? ''),
      }
      if (remember) seen.push(record)
      onRequest?.(record)
      answer(request, response)
    },
  )
  server.on('secureConnection', (socket) => {
    numbers.set(socket, ++connections)
    open.set(socket, performance.now())
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
  })
  server.on('tlsClientError', () => {}) // clients that refuse us are what the tests are about
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `https://127.0.0.1:${port}`,
    seen,
    get connections() {
      return connections
    },
    get open() {
      return open.size
    },
    openedBefore: (at) => [...open.values()].filter((openedAt) => openedAt < at).length,
    serve: ({ chainPem, keyPem }) => server.setSecureContext({ ...tls, cert: chainPem, key: keyPem }),
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function answerOk(request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  response.end('ok')
}
