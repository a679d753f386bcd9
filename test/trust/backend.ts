import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'

import { codeOf } from '../../src/core/errors.ts'
import type { ComposedTrust } from '../../src/trust/snapshot.ts'
import { covers } from '../../src/x509/host-names.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import type { Made } from './pki.ts'

/** A TLS server on loopback that presents `served`, the leaf first. */
export async function openBackend(served: readonly Made[]): Promise<AsyncDisposable & { port: number }> {
  const server = tls.createServer(
    { cert: served.map(({ pem }) => pem).join(''), key: (served[0] as Made).key },
    (socket) => {
      socket.on('error', () => {})
      socket.end()
    },
  )
  // The side that refuses resets; that is what these tests are about.
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}

/** One verified handshake under composed trust, the way a snapshot is handed to the runtime: 'ok' or the error's code. */
export async function dial(
  trust: ComposedTrust,
  port: number,
  identity?: { readonly chain: string; readonly key: string },
): Promise<string> {
  const ca = [...trust.anchors, ...trust.intermediates].map(({ pem }) => pem)
  const secureContext = tls.createSecureContext({
    ca,
    allowPartialTrustChain: trust.partialChain,
    cert: identity?.chain,
    key: identity?.key,
  })
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    secureContext,
    rejectUnauthorized: true,
    servername: 'backend.test',
    checkServerIdentity: (name, peer) =>
      covers(parseCertificate(peer.raw), name) ? undefined : Object.assign(new Error('name'), { code: 'NAME' }),
  })
  try {
    await once(socket, 'secureConnect')
    return 'ok'
  } catch (error) {
    return codeOf(error)
  } finally {
    socket.destroy()
  }
}
