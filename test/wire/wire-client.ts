import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

/** A client that sends bytes as they are, and sees how the connection ends. */
export interface WireClient extends Disposable {
  send(bytes: string): void
  /** No more bytes from here: half of the connection is closed. */
  finish(): void
  /** One byte per turn of the event loop, until the gateway has had enough. */
  dribble(bytes: string): Promise<void>
  /** The next response, framed by Content-Length. Fails when the connection ends first. */
  response(): Promise<string>
  /** Waits until this text has come; takes nothing. */
  seen(text: string): Promise<void>
  /** What came and was not taken as a response, and how the connection ended. */
  end(): Promise<{ readonly rest: string; readonly how: 'end' | 'reset' }>
}

export async function openClient(port: number): Promise<WireClient> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
  await once(socket, 'connect')
  let received = ''
  let how: 'end' | 'reset' | null = null
  let changed = Promise.withResolvers<void>()
  const notify = (): void => {
    changed.resolve()
    changed = Promise.withResolvers<void>()
  }
  socket.on('data', (bytes: Buffer) => {
    received += bytes.toString('latin1')
    notify()
  })
  socket.on('end', () => {
    how ??= 'end'
    notify()
  })
  socket.on('error', () => {
    how ??= 'reset'
    notify()
  })
  return {
    send(bytes) {
      socket.write(bytes, 'latin1')
    },
    finish() {
      socket.end()
    },
    async dribble(bytes) {
      for (let at = 0; at < bytes.length && how === null; at++) {
        socket.write(bytes.charAt(at), 'latin1')
        await turn()
      }
    },
    async response() {
      for (;;) {
        const size = responseSize(received)
        if (size !== -1 && received.length >= size) {
          const response = received.slice(0, size)
          received = received.slice(size)
          return response
        }
        if (how !== null) throw new Error(`the connection ended (${how}) inside a response: ${JSON.stringify(received)}`)
        await changed.promise
      }
    },
    async seen(text) {
      while (!received.includes(text)) {
        if (how !== null) throw new Error(`the connection ended (${how}) without ${text}: ${JSON.stringify(received)}`)
        await changed.promise
      }
    },
    async end() {
      while (how === null) await changed.promise
      return { rest: received, how }
    },
    [Symbol.dispose]() {
      socket.destroy()
    },
  }
}

/** Bytes of the first response, -1 while its head is not whole. */
function responseSize(received: string): number {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd === -1) return -1
  const length = /\r\nContent-Length: (\d+)\r\n/i.exec(received.slice(0, headEnd + 2))?.[1]
  return headEnd + 4 + Number(length ?? 0)
}
