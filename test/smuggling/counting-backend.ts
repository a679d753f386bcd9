import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { careless, type ReadRequest } from './backend-readers.ts'

/** What a backend got of one message. */
export interface Seen {
  /** Requests as the careless reader reads them, in the order they were complete. */
  readonly requests: readonly ReadRequest[]
  /** Bytes of each connection, in the order of their first byte. */
  readonly raw: readonly string[]
  /** Beginnings of requests that never became whole. */
  readonly unfinished: readonly { readonly bytes: string; readonly open: boolean }[]
}

/**
 * A plain HTTP/1.1 backend that keeps every byte and answers each request that it reads with its number and what it was,
 * so a request that nobody sent shows, and so does an answer that went to the wrong one.
 */
export interface CountingBackend extends AsyncDisposable {
  readonly port: number
  /** Grows whenever something comes or ends. */
  readonly activity: number
  /** Everything since the last call. Connections that stopped inside a request are ended: they belong to this message. */
  take(): Seen
}

interface Connection {
  readonly socket: Socket
  /** Since the last `take`, or since the last whole request before it. */
  raw: string
  pending: string
  open: boolean
}

export async function startCountingBackend(): Promise<CountingBackend> {
  let connections: Connection[] = []
  let requests: ReadRequest[] = []
  let activity = 0
  const server = createServer({ noDelay: true }, (socket) => {
    const connection: Connection = { socket, raw: '', pending: '', open: true }
    connections.push(connection)
    socket.on('error', () => {})
    socket.on('close', () => {
      connection.open = false
      activity++
    })
    socket.on('data', (bytes: Buffer) => {
      activity++
      const text = bytes.toString('latin1')
      connection.raw += text
      connection.pending += text
      for (;;) {
        const read = careless(connection.pending)
        if (read === null) break
        connection.pending = connection.pending.slice(read.size)
        requests.push(read)
        socket.write(answer(read, requests.length), 'latin1')
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get activity() {
      return activity
    },
    take() {
      const seen: Seen = {
        requests,
        raw: connections.filter((each) => each.raw !== '').map((each) => each.raw),
        unfinished: connections
          .filter((each) => each.pending !== '')
          .map((each) => ({ bytes: each.pending, open: each.open })),
      }
      requests = []
      connections = connections.filter((each) => each.open)
      for (const each of connections) {
        each.raw = ''
        if (each.pending !== '') each.socket.destroy()
      }
      return seen
    },
    async [Symbol.asyncDispose]() {
      for (const { socket } of connections) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** The body names the request that it answers: `2 GET /base/x`. */
function answer({ method, target }: ReadRequest, number: number): string {
  const body = `${number} ${method} ${target}`
  return `HTTP/1.1 200 OK\r\nX-Answer: ${body}\r\nContent-Length: ${body.length}\r\n\r\n${method === 'HEAD' ? '' : body}`
}
