import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'

/** What the harness wants of this launch; the same settings every peer gets. */
export function readSettings() {
  return JSON.parse(readFileSync(process.argv[2], 'utf8'))
}

/** Options for Node's TLS server, or null for plain HTTP. */
export function clientTlsOptions(settings) {
  if (settings.clientTls === null) return null
  const { chainFile, keyFile } = settings.clientTls
  return {
    cert: readFileSync(chainFile),
    key: readFileSync(keyFile),
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256',
  }
}

/** A `node:http` or `node:https` server on the port of the settings, with keep-alive that outlasts the run. */
export function listen(settings, onRequest) {
  const tls = clientTlsOptions(settings)
  const options = { keepAliveTimeout: settings.idleMs, requestTimeout: 0 }
  const server = tls === null ? createServer(options, onRequest) : createTlsServer({ ...options, ...tls }, onRequest)
  server.listen({ host: '127.0.0.1', port: settings.port, backlog: 4096 })
}
