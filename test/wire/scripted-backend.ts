import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'

/** A request as the backend got it: its head, and the connection it came on. */
export interface BackendRequest {
  readonly head: string
  readonly socket: Socket
  /** Counts connections from 1. */
  readonly connection: number
}

export interface ScriptedBackend extends AsyncDisposable {
  readonly port: number
}

/** A plain HTTP backend whose every answer is up to the test. Requests have no bodies here. */
export async function startScriptedBackend(answer: (request: BackendRequest) => void): Promise<ScriptedBackend> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const connection = ++connections
    sockets.add(socket)
    let pending = ''
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (bytes: Buffer) => {
      pending += bytes.toString('latin1')
      for (let end = pending.indexOf('\r\n\r\n'); end !== -1; end = pending.indexOf('\r\n\r\n')) {
        const head = pending.slice(0, end + 4)
        pending = pending.slice(end + 4)
        answer({ head, socket, connection })
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
