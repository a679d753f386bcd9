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
  /** The next response, framed by Content-Length or chunks. Fails when the connection ends first. */
  response(method?: string): Promise<string>
  /** Waits until this text has come; takes nothing. */
  seen(text: string): Promise<void>
  /** What came and was not taken as a response, and how the connection ended. */
  end(): Promise<{ readonly rest: string; readonly how: 'end' | 'reset' }>
}

export async function openClient(port: number): Promise<WireClient> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
  await once(socket, 'connect')
  let received = ''
  const ended: { how: 'end' | 'reset' | null } = { how: null }
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
    ended.how ??= 'end'
    notify()
  })
  socket.on('error', () => {
    ended.how ??= 'reset'
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
      for (let at = 0; at < bytes.length && ended.how === null; at++) {
        socket.write(bytes.charAt(at), 'latin1')
        await turn()
      }
    },
    async response(method = 'GET') {
      for (;;) {
        const size = responseSize(received, method)
        if (size !== -1 && received.length >= size) {
          const response = received.slice(0, size)
          received = received.slice(size)
          return response
        }
        if (ended.how !== null)
          throw new Error(`the connection ended (${ended.how}) inside a response: ${JSON.stringify(received)}`)
        await changed.promise
      }
    },
    async seen(text) {
      while (!received.includes(text)) {
        if (ended.how !== null)
          throw new Error(`the connection ended (${ended.how}) without ${text}: ${JSON.stringify(received)}`)
        await changed.promise
      }
    },
    async end() {
      while (ended.how === null) await changed.promise
      return { rest: received, how: ended.how }
    },
    [Symbol.dispose]() {
      socket.destroy()
    },
  }
}

/** Bytes of the first response, -1 while that cannot be said. */
function responseSize(received: string, method: string): number {
  const bodyStart = received.indexOf('\r\n\r\n') + 4
  if (bodyStart === 3) return -1
  const head = received.slice(0, bodyStart)
  if (method === 'HEAD' || /^HTTP\/1\.1 (?:1\d\d|204|304) /.test(head)) return bodyStart
  if (/\r\nTransfer-Encoding: chunked\r\n/i.test(head)) {
    const end = /(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(received.slice(bodyStart))
    return end === null ? -1 : bodyStart + end.index + end[0].length
  }
  return bodyStart + Number(/\r\nContent-Length: (\d+)\r\n/i.exec(head)?.[1] ?? 0)
}
