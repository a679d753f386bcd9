import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Sends bytes as they are and collects what comes back until the peer closes, or `until` is satisfied. */
export async function exchangeRaw(
  port: number,
  bytes: string | Buffer,
  until: (received: string) => boolean = () => false,
): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  await once(socket, 'connect')
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  const received = await readUntil(socket, until)
  socket.destroy()
  return received
}

/** Everything received, as latin1, until the end, a reset, or `until`. */
export function readUntil(socket: Socket, until: (received: string) => boolean): Promise<string> {
  return new Promise((resolve) => {
    let received = ''
    const done = (): void => {
      socket.off('data', onData)
      resolve(received)
    }
    const onData = (chunk: Buffer): void => {
      received += chunk.toString('latin1')
      if (until(received)) done()
    }
    socket.on('data', onData)
    socket.once('end', done)
    socket.once('close', done)
    socket.once('error', done)
  })
}
