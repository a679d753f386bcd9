import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'

/** A gateway with TLS on both sides, and an HTTPS backend of the runtime behind it. */
export interface TlsGateway extends AsyncDisposable {
  readonly gateway: TestGateway
  readonly httpsPort: number
  readonly httpPort: number
  /** What a client of the gateway has to trust, and the name it asks for. */
  readonly ca: string
  readonly serverName: string
  readonly backend: Server
}

/** `/…` goes to the backend; listeners `http` and `https`. */
export async function startTlsGateway(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  listener: Readonly<Record<string, unknown>> = {},
): Promise<TlsGateway> {
  const root = await createRoot({ commonName: 'Proxy Test CA' })
  const inner = await createLeaf(root, { names: ['backend.test'] })
  const outer = await createLeaf(root, { names: ['gateway.test'] })
  const backend = createServer(
    { cert: inner.chainPem, key: inner.keyPem, keepAliveTimeout: 120_000, requestTimeout: 0 },
    answer,
  )
  backend.listen(0, '127.0.0.1')
  await once(backend, 'listening')
  const gateway = await startTestGateway(
    {
      listeners: [
        { ...listener, name: 'http', address: '127.0.0.1', port: 0 },
        {
          ...listener,
          name: 'https',
          address: '127.0.0.1',
          port: 0,
          tls: { certificates: [{ certificate: './outer.pem', key: './outer.key' }] },
        },
      ],
      trustStores: { test: { sources: [{ file: './ca.pem' }] } },
      targets: {
        b: {
          url: `https://127.0.0.1:${(backend.address() as AddressInfo).port}`,
          tls: { trust: ['test'], serverName: 'backend.test' },
        },
      },
      proxies: { b: { basePath: '/', target: 'b' } },
    },
    { files: { 'ca.pem': root.certificatePem, 'outer.pem': outer.chainPem, 'outer.key': outer.keyPem } },
  )
  return {
    gateway,
    httpsPort: gateway.gateway.ports['https'] ?? 0,
    httpPort: gateway.gateway.ports['http'] ?? 0,
    ca: root.certificatePem,
    serverName: 'gateway.test',
    backend,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      backend.closeAllConnections()
      backend.close()
    },
  }
}
