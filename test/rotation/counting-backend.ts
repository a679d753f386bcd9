import { once } from 'node:events'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Arrival } from './references-history.ts'

export interface CountingBackend extends AsyncDisposable {
  readonly port: number
  readonly connections: number
  /** Connections still open that were opened before a moment and have carried a request for one of these paths' beginnings. */
  openedBefore(at: number, beginnings: readonly string[]): number
}

interface Connection {
  readonly name: string
  readonly client: string
  readonly resumed: boolean
  readonly openedAt: number
  /** Of its last request. */
  path: string
}

/** Speaks HTTP/1.1 and HTTP/2, asks for a client certificate and takes any, and tells of every request by its `x-sequence`. */
export async function startCountingBackend(
  identity: { readonly chainPem: string; readonly keyPem: string },
  arrived: (sequence: number, arrival: Arrival) => void,
): Promise<CountingBackend> {
  const byPort = new Map<number, Connection>()
  const open = new Map<TLSSocket, Connection>()
  let connections = 0
  const server = createSecureServer(
    {
      allowHTTP1: true,
      cert: identity.chainPem,
      key: identity.keyPem,
      requestCert: true,
      rejectUnauthorized: false,
      // Without it no session is resumed by a client with a certificate.
      sessionIdContext: 'counting',
    },
    (request, response) => {
      const sequence = Number(request.headers['x-sequence'])
      const connection = byPort.get(request.socket.remotePort ?? 0)
      if (connection === undefined) throw new Error(`a request over a connection that was never opened`)
      const { name, client, resumed } = connection
      connection.path = request.url
      arrived(sequence, { at: performance.now(), connection: name, client, resumed })
      request.resume()
      answer(sequence, request, response)
    },
  )
  server.on('secureConnection', (socket) => {
    const client = String(socket.getPeerCertificate()?.subject?.CN ?? '')
    const name = `c${++connections}`
    const connection = { name, client, resumed: socket.isSessionReused(), openedAt: performance.now(), path: '' }
    byPort.set(socket.remotePort ?? 0, connection)
    open.set(socket, connection)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
  })
  server.on('tlsClientError', () => {}) // who does not trust us is what the run is about
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections
    },
    openedBefore: (at, beginnings) =>
      [...open.values()].filter(
        ({ openedAt, path }) => openedAt < at && beginnings.some((each) => path.startsWith(each)),
      ).length,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of open.keys()) socket.destroy()
      await once(server, 'close')
    },
  }
}

/** Some are under way while trust changes, and some need a new connection afterwards: most where sessions are resumed. */
function answer(sequence: number, { url, httpVersionMajor }: Http2ServerRequest, response: Http2ServerResponse): void {
  if (sequence % (url.includes('/native/') ? 3 : 37) === 0 && httpVersionMajor === 1)
    response.setHeader('connection', 'close')
  response.setHeader('content-length', 2)
  if (sequence % 10 === 3) setTimeout(() => response.end('ok'), 20 + (sequence % 60))
  else response.end('ok')
}
