import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { ManagementPlace } from '../config/resolve.ts'
import { messageOf, PosternError } from '../core/errors.ts'
import { expositionContentTypes, expositionFormat } from '../observe/exposition.ts'
import type { Gateway } from './gateway.ts'

/** The listener for operators. */
export interface Management {
  readonly port: number
  /** Another certificate for connections from now on; only of a listener that was opened with one. */
  setTls?(tls: { readonly cert: string; readonly key: string; readonly minVersion: 'TLSv1.2' | 'TLSv1.3' }): void
  close(): Promise<void>
}

/**
 * Opens `/metrics`, `/healthz`, `/readyz`, `/status` and `/inventory`. Nothing that goes through here is a client's message to a
 * backend, so the runtime's own HTTP server serves it.
 */
export async function openManagement(gateway: Gateway, where: ManagementPlace): Promise<Management> {
  const { tls } = where
  const take = (request: IncomingMessage, response: ServerResponse): void => answer(gateway, request, response)
  const server =
    tls === null
      ? createServer(take)
      : createSecureServer({ cert: tls.chain, key: tls.key, minVersion: tls.minVersion }, take)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new PosternError(
          'management-failed',
          `the management listener cannot listen on ${where.address}:${where.port}: ${messageOf(error)}`,
          {
            cause: error,
          },
        ),
      ),
    )
    server.listen(where.port, where.address, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    setTls: (next) => 'setSecureContext' in server && server.setSecureContext(next),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function answer(gateway: Gateway, request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? '').split('?')[0]
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end()
    return
  }
  switch (path) {
    case '/metrics': {
      const format = expositionFormat(request.headers.accept)
      response
        .writeHead(200, { 'content-type': expositionContentTypes[format], vary: 'accept' })
        .end(gateway.metricsText(format))
      break
    }
    case '/healthz':
      response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n')
      break
    case '/readyz':
      response
        .writeHead(gateway.ready ? 200 : 503, { 'content-type': 'text/plain' })
        .end(gateway.ready ? 'ok\n' : 'draining\n')
      break
    case '/status':
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(`${JSON.stringify(gateway.status(), null, 2)}\n`)
      break
    case '/inventory':
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(`${JSON.stringify(gateway.inventory(), null, 2)}\n`)
      break
    default:
      response.writeHead(404).end()
  }
}
