import { connect, type Socket } from 'node:net'

/**
 * Opens `count` client connections, sends one request on each, reads the whole reply and leaves them open. Opened in
 * small groups, so that what stays is the cost of idle connections and not of a burst.
 */
export async function openIdleConnections(
  port: number,
  path: string,
  bodyBytes: number,
  count: number,
  signal: AbortSignal,
): Promise<() => void> {
  const sockets: Socket[] = []
  const close = () => {
    for (const socket of sockets) socket.destroy()
  }
  signal.addEventListener('abort', close, { once: true })
  try {
    while (sockets.length < count) {
      signal.throwIfAborted()
      const group = Math.min(50, count - sockets.length)
      sockets.push(...(await Promise.all(Array.from({ length: group }, () => usedOnce(port, path, bodyBytes)))))
    }
  } catch (cause) {
    close()
    throw cause
  }
  return close
}

function usedOnce(port: number, path: string, bodyBytes: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    const fail = (cause: Error) => {
      socket.destroy()
      reject(cause)
    }
    let received = ''
    socket.setEncoding('latin1')
    socket.setTimeout(10_000, () => fail(new Error('no reply within 10 s on a connection meant to stay idle')))
    socket.once('error', fail)
    socket.once('close', () => fail(new Error('a connection meant to stay idle was closed by the proxy')))
    socket.on('data', (text: string) => {
      received += text
      const head = received.indexOf('\r\n\r\n')
      if (head < 0 || received.length < head + 4 + bodyBytes) return
      if (!received.startsWith('HTTP/1.1 200')) return fail(new Error(`it answers ${received.slice(0, 12)}`))
      socket.setTimeout(0)
      socket.removeAllListeners('data')
      socket.removeAllListeners('close')
      socket.on('error', () => {}) // a reset at the end of the measurement says nothing
      resolve(socket)
    })
    socket.write(`GET ${path} HTTP/1.1\r\nHost: gateway.bench.test\r\n\r\n`)
  })
}
