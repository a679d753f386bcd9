import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, request } from 'node:http'
import { connect, createServer as createSocketServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Message } from './h1-reading.ts'

/** What Node's parser (llhttp) made of one connection's bytes. */
export interface NodeReading {
  /** Whole messages. */
  readonly messages: readonly Message[]
  /** Code of the error that ended it; '' for none. */
  readonly error: string
}

export interface NodeRequestReader extends AsyncDisposable {
  read(bytes: Buffer): Promise<NodeReading>
}

export interface NodeResponseReader extends AsyncDisposable {
  read(bytes: Buffer, method: 'GET' | 'HEAD'): Promise<NodeReading>
}

/** For Node to answer and to close. */
const maxWaitMs = 5000
const maxHeaderSize = 1024 * 1024

/** A path for a socket: thousands of connections a second would use up the ports of the loopback address. */
export function socketPath(): { readonly path: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'postern-fuzz-'))
  return { path: join(folder, 'socket'), remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Node's HTTP/1.1 server, told the bytes of whole connections. */
export async function startNodeRequestReader(): Promise<NodeRequestReader> {
  let seen: Seen[] = []
  let error = ''
  const server = createServer({ maxHeaderSize, requireHostHeader: false }, (incoming, response) => {
    seen.push(listen(incoming))
    incoming.on('end', () => response.end())
  })
  server.maxHeadersCount = 0
  server.timeout = server.requestTimeout = server.headersTimeout = server.keepAliveTimeout = 0
  // The end of the client's side comes with its bytes; what is under way is still answered.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on('clientError', (fault: NodeJS.ErrnoException, socket) => {
    error ||= fault.code ?? fault.message
    socket.destroy()
  })
  const { path, remove } = socketPath()
  await once(server.listen(path), 'listening')
  return {
    async read(bytes) {
      seen = []
      error = ''
      const socket = connect(path)
      const closed = new Promise((resolve) => socket.on('close', resolve))
      // A server that has refused the bytes may close while they are on their way.
      socket.on('error', () => {})
      socket.resume()
      socket.end(bytes)
      const late = setTimeout(() => {
        error = 'no end'
        socket.destroy()
      }, maxWaitMs)
      await closed
      clearTimeout(late)
      return { messages: wholeOf(seen, (incoming) => `${incoming.method} ${incoming.url}`), error }
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
      remove()
    },
  }
}

/** Node's HTTP/1.1 client, told the bytes that a server answers its request with. */
export async function startNodeResponseReader(): Promise<NodeResponseReader> {
  let reply: Buffer = Buffer.alloc(0)
  const server = createSocketServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(reply))
  })
  const { path, remove } = socketPath()
  await once(server.listen(path), 'listening')
  return {
    async read(bytes, method) {
      reply = bytes
      const messages: Message[] = []
      let final: Seen | null = null
      let error = ''
      const sent = request({ socketPath: path, method, agent: false, maxHeaderSize })
      sent.maxHeadersCount = 0
      sent.on('information', (info) => {
        messages.push({
          start: `${info.statusCode} ${info.statusMessage}`,
          fields: pairs(info.rawHeaders),
          data: '',
          trailers: [],
        })
      })
      sent.on('response', (incoming) => {
        incoming.on('error', (fault: NodeJS.ErrnoException) => (error ||= fault.code ?? fault.message))
        final = listen(incoming)
      })
      sent.on('upgrade', (_incoming, socket) => {
        error ||= 'upgrade'
        socket.destroy()
      })
      sent.on('error', (fault: NodeJS.ErrnoException) => (error ||= fault.code ?? fault.message))
      sent.end()
      await once(sent, 'close').catch(() => {})
      // Where a response was refused after its head, the request closes before the response does.
      const last = final as Seen | null
      if (last !== null && !last.incoming.closed) await once(last.incoming, 'close').catch(() => {})
      const start = (incoming: IncomingMessage): string => `${incoming.statusCode} ${incoming.statusMessage}`
      return { messages: [...messages, ...wholeOf(last === null ? [] : [last], start)], error }
    },
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
      remove()
    },
  }
}

interface Seen {
  readonly incoming: IncomingMessage
  data: string
  whole: boolean
}

function listen(incoming: IncomingMessage): Seen {
  const seen: Seen = { incoming, data: '', whole: false }
  incoming.on('data', (bytes: Buffer) => (seen.data += bytes.toString('latin1')))
  incoming.on('end', () => (seen.whole = incoming.complete))
  return seen
}

function wholeOf(seen: readonly Seen[], start: (incoming: IncomingMessage) => string): readonly Message[] {
  return seen
    .filter(({ whole }) => whole)
    .map(({ incoming, data }) => ({
      start: start(incoming),
      fields: pairs(incoming.rawHeaders),
      data,
      trailers: pairs(incoming.rawTrailers),
    }))
}

function pairs(flat: readonly string[]): Message['fields'] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as string, flat[2 * i + 1] as string] as const)
}
