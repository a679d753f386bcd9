import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'

/** A plain HTTP backend that keeps every byte it gets and answers each whole request with `ok`. */
export interface RecordingBackend extends AsyncDisposable {
  readonly port: number
  /** Every byte since the last call, of all connections in the order they came. */
  take(): string
}

export async function startRecordingBackend(): Promise<RecordingBackend> {
  let recorded = ''
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let pending = ''
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1')
      recorded += text
      pending += text
      for (let size = requestSize(pending); size !== -1; size = requestSize(pending)) {
        pending = pending.slice(size)
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    take() {
      const text = recorded
      recorded = ''
      return text
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Bytes of the first request, -1 while it is not whole. Reads the way a careless backend does: by the first match. */
function requestSize(text: string): number {
  const bodyStart = text.indexOf('\r\n\r\n') + 4
  if (bodyStart === 3) return -1
  const head = text.slice(0, bodyStart)
  if (/\r\nTransfer-Encoding: chunked\r\n/i.test(head)) {
    const end = /(?:^|\r\n)0+\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(text.slice(bodyStart))
    return end === null ? -1 : bodyStart + end.index + end[0].length
  }
  const size = bodyStart + Number(/\r\nContent-Length:[ \t]*(\d+)[ \t]*\r\n/i.exec(head)?.[1] ?? 0)
  return text.length < size ? -1 : size
}
