import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { Duplex } from 'node:stream'
import { connect, createServer, type ConnectionOptions, type TlsOptions } from 'node:tls'

export interface Captured {
  readonly received: Buffer
  readonly sent: Buffer
  readonly keylog: readonly string[]
  /** As the runtime says. */
  readonly version: string
  readonly cipher: string
}

/** One handshake with a server of the runtime's own; nothing is verified, everything is kept. */
export async function capture(
  server: TlsOptions,
  client: ConnectionOptions = {},
  prepare: (server: ReturnType<typeof createServer>) => void = () => {},
): Promise<Captured> {
  const listening = createServer(server, (socket) => socket.on('error', () => socket.destroy()))
  listening.on('tlsClientError', () => {})
  prepare(listening)
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const tcp = connectTcp((listening.address() as AddressInfo).port, '127.0.0.1')
  const received: Buffer[] = []
  const sent: Buffer[] = []
  const keylog: string[] = []
  const duplex = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      sent.push(chunk)
      tcp.write(chunk, done)
    },
    final: (done) => void tcp.end(done),
  })
  tcp.on('data', (bytes: Buffer) => {
    received.push(bytes)
    duplex.push(bytes)
  })
  tcp.on('end', () => duplex.push(null))
  const socket = connect({ ...client, socket: duplex, rejectUnauthorized: false })
  socket.on('keylog', (line: Buffer) => keylog.push(line.toString('latin1')))
  socket.on('error', () => {})
  let version = ''
  let cipher = ''
  socket.on('secureConnect', () => {
    version = socket.getProtocol() ?? ''
    cipher = socket.getCipher().standardName
    socket.end()
  })
  await once(tcp, 'close')
  socket.destroy()
  listening.close()
  return { received: Buffer.concat(received), sent: Buffer.concat(sent), keylog, version, cipher }
}
