import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https'
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TlsOptions } from 'node:tls'
import { type Tally, tallyClearBytes } from './tally.ts'
import { echoWebSocket } from './websocket.ts'

export const loopback = '127.0.0.1'

/** A backend that is up, or a port that is held. */
export interface Opened {
  readonly port: number
  /** Resolves once no connection is open, and with it everything counted that ever will be. */
  settled(): Promise<void>
  close(): Promise<void>
}

export async function openHttps(
  tls: TlsOptions,
  answers: RequestListener,
  tally: Tally,
  port: number,
  staple?: (leaf: Buffer) => Buffer,
): Promise<Opened> {
  const server = createHttpsServer({ ALPNProtocols: ['http/1.1'], ...tls, ...httpOptions })
  if (staple !== undefined) {
    server.on('OCSPRequest', (leaf: Buffer, _issuer: Buffer, respond: (error: null, response: Buffer) => void) =>
      respond(null, staple(leaf)),
    )
  }
  server.on('secureConnection', (socket) => {
    tally.handshakes += 1
    // After the HTTP server's own listener, which otherwise reads from the handle and past 'data' listeners.
    socket.on('data', (bytes: Buffer) => {
      tally.requestBytes += bytes.length
    })
    socket.on('error', () => socket.destroy())
  })
  // Half of this lab exists to be refused by its clients; that is no news here.
  server.on('tlsClientError', () => {})
  serve(server, answers, tally)
  return listen(server, tally, port)
}

export async function openHttp(answers: RequestListener, tally: Tally, port: number): Promise<Opened> {
  const server = createHttpServer(httpOptions)
  server.on('connection', (socket) => tallyClearBytes(socket, tally))
  serve(server, answers, tally)
  return listen(server, tally, port)
}

/** What a backend does that speaks no TLS of its own. */
export interface RawBehaviour {
  readonly onOpen?: (socket: Socket) => void
  /** When something arrives for the first time. */
  readonly onBytes?: (socket: Socket) => void
}

/** Accepts, and does with connections what it is told to. */
export async function openRaw({ onOpen, onBytes }: RawBehaviour, tally: Tally, port: number): Promise<Opened> {
  const server = createTcpServer((socket) => {
    tallyClearBytes(socket, tally)
    if (onBytes !== undefined) socket.once('data', () => onBytes(socket))
    onOpen?.(socket)
  })
  return listen(server, tally, port)
}

/**
 * A port where nothing listens, and where nothing else can begin to listen: it is the near end of a connection that the lab
 * holds open. Closing a listener again would leave the port to the next process that asks for one.
 */
export async function holdClosedPort(port: number): Promise<Opened> {
  const far = createTcpServer()
  far.listen(0, loopback)
  await once(far, 'listening')
  const held = connect({
    host: loopback,
    port: (far.address() as AddressInfo).port,
    ...(port === 0 ? {} : { localAddress: loopback, localPort: port }),
  })
  const [accepted] = await Promise.all([once(far, 'connection'), once(held, 'connect')])
  return {
    port: held.localPort ?? 0,
    async settled() {},
    async close() {
      held.destroy()
      ;(accepted[0] as Socket).destroy()
      far.close()
      await once(far, 'close')
    },
  }
}

function serve(server: HttpServer | HttpsServer, answers: RequestListener, tally: Tally): void {
  server.on('request', (request, response) => {
    tally.requests += 1
    answers(request, response)
  })
  server.on('upgrade', (request, socket: Duplex, head) => {
    tally.requests += 1
    if (request.url?.split('?')[0] === '/ws') return echoWebSocket(request, socket, head)
    socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
  })
}

async function listen(server: Server, tally: Tally, port: number): Promise<Opened> {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    tally.connections += 1
    open.add(socket)
    socket.on('close', () => {
      open.delete(socket)
      if (open.size === 0) server.emit(settledEvent)
    })
    socket.on('error', () => socket.destroy())
  })
  server.listen(port, loopback)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async settled() {
      if (open.size > 0) await once(server, settledEvent)
    },
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

const settledEvent = 'settled'

/** No limits on how long an upload takes; kept-alive connections outlive the pools of the gateways under test. */
const httpOptions = { requestTimeout: 0, keepAliveTimeout: 120_000 }
