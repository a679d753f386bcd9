import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'

/** A handler for either protocol: the runtime gives its HTTP/2 server the interface of its HTTP/1.1 server. */
export type Handler = (request: AnyRequest, response: AnyResponse) => void
export type AnyRequest = IncomingMessage | Http2ServerRequest
export type AnyResponse = ServerResponse & Http2ServerResponse

export const listeners = ['http', 'https'] as const
export const backends = ['h1', 'h2'] as const

/** A gateway with a plain (h2c) and a TLS listener, and the same backend behind it twice: `/h1/…` and `/h2/…`. */
export interface H2Rig extends AsyncDisposable {
  readonly gateway: TestGateway
  readonly ca: string
  /** A client of the runtime (nghttp2); closed with the rig. */
  client(listener?: (typeof listeners)[number]): ClientHttp2Session
}

export async function startH2Rig(
  handler: Handler,
  listener: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, unknown>> = {},
): Promise<H2Rig> {
  const root = await createRoot({ commonName: 'HTTP/2 Client Test CA' })
  const inner = await createLeaf(root, { names: ['backend.test'] })
  const outer = await createLeaf(root, { names: ['gateway.test'] })
  const h1: Server = createServer(
    { keepAliveTimeout: 120_000 },
    handler as (a: IncomingMessage, b: ServerResponse) => void,
  )
  const h2 = createSecureServer(
    { cert: inner.chainPem, key: inner.keyPem },
    handler as unknown as (a: Http2ServerRequest, b: Http2ServerResponse) => void,
  )
  const inside = new Set<{ destroy(): void }>()
  h2.on('session', (session) => {
    inside.add(session)
    session.on('error', () => {})
  })
  h2.on('stream', (stream) => stream.on('error', () => {}))
  for (const server of [h1, h2]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port
  const gateway = await startTestGateway(
    {
      listeners: [
        { ...listener, name: 'http', address: '127.0.0.1', port: 0, h2c: true },
        {
          ...listener,
          name: 'https',
          address: '127.0.0.1',
          port: 0,
          tls: { certificates: [{ certificate: './outer.pem', key: './outer.key' }] },
        },
      ],
      trustStores: { test: { sources: [{ file: './ca.pem' }] } },
      targets: {
        h1: { url: `http://127.0.0.1:${portOf(h1)}` },
        h2: {
          url: `https://127.0.0.1:${portOf(h2)}`,
          tls: { trust: ['test'], serverName: 'backend.test', alpn: ['h2'] },
        },
      },
      proxies: { h1: { basePath: '/h1', target: 'h1' }, h2: { basePath: '/h2', target: 'h2' } },
      ...more,
    },
    { files: { 'ca.pem': root.certificatePem, 'outer.pem': outer.chainPem, 'outer.key': outer.keyPem } },
  )
  const clients: ClientHttp2Session[] = []
  return {
    gateway,
    ca: root.certificatePem,
    client(name = 'http') {
      const port = gateway.gateway.ports[name] ?? 0
      const client =
        name === 'http'
          ? connect(`http://127.0.0.1:${port}`)
          : connect(`https://127.0.0.1:${port}`, { ca: root.certificatePem, servername: 'gateway.test' })
      client.on('error', () => {})
      clients.push(client)
      return client
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy()
      await gateway[Symbol.asyncDispose]()
      for (const session of inside) session.destroy()
      h1.closeAllConnections()
      h1.close()
      h2.close()
    },
  }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly trailers: IncomingHttpHeaders
}

/** One request with its whole body, and everything that comes back. */
export async function ask(
  client: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: string | Buffer | null = null,
): Promise<Answer> {
  const stream = client.request(headers, { endStream: body === null })
  if (body !== null) stream.end(body)
  return answerOf(stream)
}

export async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let trailers: IncomingHttpHeaders = {}
  let headers: IncomingHttpHeaders & { ':status'?: number | undefined } = {}
  let ended = false
  const pieces: Buffer[] = []
  stream.on('response', (fields) => {
    headers = fields
  })
  stream.on('trailers', (fields: IncomingHttpHeaders) => {
    trailers = fields
  })
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  stream.on('end', () => {
    ended = true
  })
  await once(stream, 'close')
  if (!ended || stream.rstCode !== 0) throw new Error(`the stream was reset with ${stream.rstCode}`)
  return { status: Number(headers[':status']), headers, body: Buffer.concat(pieces), trailers }
}
