import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { Peer, type WireMessage } from './peer.ts'

/** A backend driven by hand: each connection is a peer, each request read by the test or by `answer`. */
export interface Backend extends AsyncDisposable {
  readonly port: number
  /** Connections accepted so far. */
  readonly accepted: readonly Peer[]
  /** Requests read by `answer` so far. */
  readonly requests: readonly WireMessage[]
  /** The next connection that no call of `next` has returned yet. */
  next(): Promise<Peer>
}

/** What to write for a request, or null for a connection to be left alone. */
export type Answer = (request: WireMessage, peer: Peer, backend: Backend) => string | null | Promise<string | null>

/** With `answer`, requests are read and answered one after the other; without, the test does all of it. */
export async function startBackend(answer?: Answer, tls?: TlsOptions): Promise<Backend> {
  const accepted: Peer[] = []
  const requests: WireMessage[] = []
  const sockets = new Set<Socket>()
  let taken = 0
  let wake: (() => void) | null = null
  const onSocket = (socket: Socket): void => {
    const peer = new Peer(socket)
    sockets.add(socket)
    accepted.push(peer)
    wake?.()
    if (answer !== undefined) {
      // The gateway ends a connection when it likes; a read that was waiting then has nothing to read.
      serve(peer, answer).catch(() => socket.destroy())
    }
  }
  const server: Server =
    tls === undefined
      ? createServer({ allowHalfOpen: true, noDelay: true }, onSocket)
      : createTlsServer({ ...tls, allowHalfOpen: true }, onSocket)
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  async function serve(peer: Peer, respond: Answer): Promise<void> {
    for (;;) {
      const request = await peer.request()
      requests.push(request)
      const text = await respond(request, peer, backend)
      if (text === null) return
      peer.send(text)
    }
  }

  const backend: Backend = {
    port: (server.address() as AddressInfo).port,
    accepted,
    requests,
    async next() {
      while (accepted.length <= taken) await new Promise<void>((resolve) => (wake = resolve))
      return accepted[taken++] as Peer
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return backend
}

/** A response with a Content-Length. */
export function ok(body = 'ok', ...lines: readonly string[]): string {
  return `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}Content-Length: ${body.length}\r\n\r\n${body}`
}
