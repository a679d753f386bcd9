import { once } from 'node:events'
import type { KeyObject } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { toPem } from '../../src/x509/certificate.ts'

/** A server of the runtime itself, which serves what OpenSSL would serve. */
export interface OpensslServer extends AsyncDisposable {
  readonly port: number
  /** Why OpenSSL could not serve, since `present` was last called; '' where it could. */
  readonly refusal: string
  /** Throws where OpenSSL does not take the certificates at all. */
  present(certificates: readonly Buffer[], leafKey: KeyObject): void
}

/** Whatever the strength of the keys: level 0 is about what the server presents. */
const anyStrength = 'DEFAULT:@SECLEVEL=0'

export async function startOpensslServer(): Promise<OpensslServer> {
  let refusal = ''
  const open = new Set<TLSSocket>()
  const server: Server = createServer({ ciphers: anyStrength }, (socket) => {
    open.add(socket)
    socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket))
  })
  server.on('tlsClientError', (error) => {
    // Our own refusal reaches the server as an alert or as the end of the connection: both are about the client.
    if (
      /no suitable|no shared|unsupported protocol|internal error|unknown/i.test(error.message) &&
      !/alert/i.test(error.message)
    )
      refusal = error.message
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get refusal() {
      return refusal
    },
    present(certificates, leafKey) {
      refusal = ''
      server.setSecureContext({
        cert: certificates.map((der) => toPem(der)).join(''),
        key: leafKey.export({ format: 'pem', type: 'pkcs8' }),
        ciphers: anyStrength,
      })
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of open) socket.destroy()
      await once(server, 'close')
    },
  }
}
