import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import { codeOf } from '../../src/core/errors.ts'

export interface HandshakeOptions {
  /** What the server presents. */
  readonly chainPem: string
  readonly keyPem: string
  /** What the client trusts. */
  readonly caPem: string
  readonly serverName: string
}

/** One real handshake with verification on: 'ok', or the code the runtime refused with. */
export async function handshake(options: HandshakeOptions): Promise<string> {
  const server = createServer({ cert: options.chainPem, key: options.keyPem }, (socket) => socket.end())
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({
    host: '127.0.0.1',
    port,
    servername: options.serverName,
    ca: options.caPem,
    rejectUnauthorized: true,
  })
  try {
    await once(client, 'secureConnect')
    return 'ok'
  } catch (thrown) {
    return codeOf(thrown)
  } finally {
    client.destroy()
    server.close()
    await once(server, 'close')
  }
}
