import { createServer as createPlain, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecure, type Server as SecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { messageOf, PosternError } from '../core/errors.ts'
import type { Access } from './access/access.ts'
import { sendAnswer } from './answer.ts'
import type { AdminServices, ApiRoute } from './api.ts'
import { Connections } from './connections.ts'
import { errorAnswer, shapeFor } from './error-answer.ts'
import { BodyBudget } from './request-body.ts'
import { readPath } from './request-path.ts'
import { routeTable } from './route-table.ts'
import { type Served, serveCall } from './serve-call.ts'

/*
 * The runtime's own HTTP server and a table of routes. A framework over `Request` would hand on paths that `URL` has
 * resolved already (dot segments, encoded ones too), and has no answer for 405, for bodies that are too large, and for
 * clients that go; those are what is to be done here.
 */

export interface AdminOptions {
  readonly address: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly tls?: AdminTls
  readonly routes: readonly ApiRoute[]
  readonly services: AdminServices
  readonly access: Access
  /** Of every unexpected error, with the id that the client was told. */
  readonly onError: (error: unknown, id: string) => void
  readonly limits?: Partial<AdminLimits>
  /** Requests wait for it: there is somebody who may log in. */
  readonly ready?: Promise<void>
}

export interface AdminTls {
  /** PEM. */
  readonly cert: string
  readonly key: string
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
}

/** Milliseconds, bytes and numbers of things. */
export interface AdminLimits {
  /** From the first byte of a request to the end of its head. */
  readonly head: number
  /** To the end of its body, however large it is. */
  readonly request: number
  /** From the end of the head to that of a body of at most 1 MiB. */
  readonly body: number
  /** The same, where nobody is asked who he is. */
  readonly strangerBody: number
  readonly keepAlive: number
  /** Without the client taking anything of an answer. */
  readonly stalled: number
  readonly handshake: number
  readonly headBytes: number
  readonly connections: number
  /** Of one address, as long as nobody has shown who he is over them; and of those, from this machine. */
  readonly strangers: number
  readonly strangersHere: number
  readonly requests: number
  readonly bodyBytes: number
  /** Between two looks whether the client of a stream may still see it. */
  readonly streamCheck: number
}

const defaultLimits: AdminLimits = {
  head: 10_000,
  request: 120_000,
  body: 20_000,
  strangerBody: 10_000,
  keepAlive: 15_000,
  stalled: 30_000,
  handshake: 10_000,
  headBytes: 16 * 1024,
  connections: 256,
  strangers: 64,
  strangersHere: 128,
  requests: 128,
  bodyBytes: 128 * 1024 * 1024,
  streamCheck: 5_000,
}

export interface Admin {
  readonly port: number
  /** Another certificate, for the connections from now on; only of a listener that was opened with one. */
  setTls(tls: AdminTls): void
  /** Ends streams, lets requests under way finish for at most `wait` milliseconds, and cuts what is left. */
  close(wait?: number): Promise<void>
}

export async function openAdmin(options: AdminOptions): Promise<Admin> {
  const limits = { ...defaultLimits, ...options.limits }
  const closing = new AbortController()
  const server = newServer(options.tls, limits)
  const connections = new Connections(server, limits)
  const shared: Served = {
    find: routeTable(options.routes),
    services: options.services,
    access: options.access,
    ready: options.ready ?? Promise.resolve(),
    bodies: new BodyBudget(limits.bodyBytes),
    bodyTimes: limits,
    streamCheck: limits.streamCheck,
    known: (socket) => connections.known(socket),
    closing: closing.signal,
    onError: options.onError,
  }
  let underWay = 0
  const turns = new Pipelines()
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    connections.used(request.socket)
    // What ends after `close` began leaves an idle connection, which nobody waits for.
    response.once('close', () => setImmediate(() => closing.signal.aborted && server.closeIdleConnections()))
    turns.take(request.socket, response, async () => {
      underWay++
      await answerRequest(shared, request, response, underWay > limits.requests).finally(() => underWay--)
    })
  }
  // Of an idle connection, and of one whose client reads no more; a route may take its time.
  server.on('timeout', (socket: Socket) => {
    if (turns.idle(socket) || socket.writableLength > 0) socket.destroy()
  })
  server.on('request', take)
  // A client that waits before it sends its body is told to go on once it is known who it is.
  server.on('checkContinue', take)
  server.maxConnections = limits.connections
  await listening(server, options)
  return {
    port: (server.address() as AddressInfo).port,
    setTls: (tls) => (server as SecureServer).setSecureContext(contextOf(tls)),
    close: (wait = 5_000) => closed(server, connections, closing, wait),
  }
}

async function answerRequest(
  shared: Served,
  request: IncomingMessage,
  response: ServerResponse,
  busy: boolean,
): Promise<void> {
  // The end of a request without a body is read right after its head.
  await shared.ready
  const head = request.method === 'HEAD'
  let shape = shapeFor([])
  // Whoever goes is noticed where his request is read or answered.
  request.on('error', () => {})
  response.on('error', () => {})
  try {
    let outcome: Awaited<ReturnType<typeof serveCall>> | null = null
    let answer
    try {
      const path = readPath(request.url ?? '/')
      shape = shapeFor(path.segments)
      outcome = await serveCall(shared, request, response, path, busy)
      answer = outcome.answer
    } catch (error) {
      answer = errorAnswer(error, shape, shared.onError)
    }
    const ended = outcome?.ended ?? shared.closing
    // What was not read of a body is not read to the end either: the connection goes with the answer.
    const close = !request.complete || shared.closing.aborted
    // Nor does one come from a client that was not told to go on.
    const waits = request.headers.expect !== undefined && !outcome?.wentOn
    const linger = request.complete || waits ? undefined : () => restOf(request)
    await sendAnswer(response, answer, { head, close, linger, ended }).finally(() => outcome?.done())
  } catch (error) {
    errorAnswer(error, shape, shared.onError)
    response.destroy()
  }
}

/**
 * Requests of one connection, one after the other. Answers to those that are sent ahead would wait in memory until the
 * first is read, however many and however large they are (RFC 9112, section 9.3.2; I10).
 */
class Pipelines {
  readonly #last = new WeakMap<Socket, { waiting: number; over: Promise<void> }>()

  take(socket: Socket, response: ServerResponse, work: () => Promise<void>): void {
    const before = this.#last.get(socket) ?? { waiting: 0, over: Promise.resolve() }
    if (before.waiting >= mostAhead) {
      socket.destroy()
      return
    }
    before.waiting++
    const sent = new Promise<void>((resolve) => response.once('close', resolve))
    const over = before.over.then(async () => {
      if (!socket.destroyed) await work().then(() => sent)
      before.waiting--
    })
    before.over = over
    this.#last.set(socket, before)
  }

  idle(socket: Socket): boolean {
    return (this.#last.get(socket)?.waiting ?? 0) === 0
  }
}

/** Requests of a connection that are not answered yet. */
const mostAhead = 64

/**
 * Takes what a client still sends, up to a point: closing while bytes arrive resets the connection, and the answer may be
 * lost with it (RFC 9112, section 9.6).
 */
function restOf(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    const over = setTimeout(resolve, lingerTime)
    request.once('close', () => clearTimeout(over))
    let left = lingerBytes
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left < 0) resolve()
    })
    for (const end of ['end', 'close'] as const) request.once(end, () => resolve())
    request.resume()
  })
}

const lingerTime = 1_000
const lingerBytes = 4 * 1024 * 1024

function newServer(tls: AdminTls | undefined, limits: AdminLimits): Server | SecureServer {
  const common = {
    maxHeaderSize: limits.headBytes,
    headersTimeout: limits.head,
    requestTimeout: limits.request,
    keepAliveTimeout: limits.keepAlive,
    connectionsCheckingInterval: Math.min(1_000, limits.head),
    noDelay: true,
  }
  if (tls === undefined) return limited(createPlain(common), limits)
  const server = createSecure({ ...common, ...contextOf(tls), handshakeTimeout: limits.handshake })
  // A client that ends or fails its handshake: its matter alone.
  server.on('tlsClientError', (_error, socket: Socket) => socket.destroy())
  return limited(server, limits)
}

function limited<T extends Server | SecureServer>(server: T, limits: AdminLimits): T {
  server.timeout = limits.stalled
  return server
}

function contextOf(tls: AdminTls): { cert: string; key: string; minVersion: 'TLSv1.2' | 'TLSv1.3' } {
  return { cert: tls.cert, key: tls.key, minVersion: tls.minVersion }
}

function listening(server: Server | SecureServer, where: { address: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const place = `${where.address}:${where.port}`
      const text = `the management listener cannot listen on ${place}: ${messageOf(error)}`
      reject(new PosternError('management-failed', text, { cause: error }))
    })
    server.listen(where.port, where.address, resolve)
  })
}

async function closed(
  server: Server | SecureServer,
  connections: Connections,
  closing: AbortController,
  wait: number,
): Promise<void> {
  closing.abort()
  const over = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  connections.cutUnused()
  const cut = setTimeout(() => server.closeAllConnections(), wait)
  await over
  clearTimeout(cut)
}
