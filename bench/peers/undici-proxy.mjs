import { readFileSync } from 'node:fs'
import { Pool } from 'undici'
import { openAccessLog } from './access-log.mjs'
import { listen, readSettings } from './listen.mjs'

const settings = readSettings()
const logAccess = openAccessLog(settings.accessLogFile)

const pool = new Pool(`https://127.0.0.1:${settings.upstreamPort}`, {
  connections: settings.poolSize,
  pipelining: 1,
  keepAliveTimeout: settings.idleMs,
  keepAliveMaxTimeout: settings.idleMs,
  allowH2: false,
  connect: {
    ca: readFileSync(settings.caFile),
    servername: settings.serverName,
    rejectUnauthorized: true,
    ...(settings.resumption ? {} : { maxCachedSessions: 0 }),
  },
})

const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'])

listen(settings, (request, response) => {
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
  const options = {
    method: request.method,
    path: request.url,
    headers: forwardedHeaders(request),
    body: hasBody ? request : null,
  }
  let bytes = 0
  pool.dispatch(options, {
    onRequestStart(controller) {
      response.on('close', () => {
        if (!response.writableFinished) controller.abort(new Error('the client went away'))
      })
    },
    onResponseStart(controller, status, headers) {
      for (const name of hopByHop) delete headers[name]
      response.writeHead(status, headers)
    },
    onResponseData(controller, chunk) {
      bytes += chunk.length
      if (response.write(chunk)) return
      controller.pause()
      response.once('drain', () => controller.resume())
    },
    onResponseEnd() {
      response.end()
      logAccess(request, response.statusCode, bytes)
    },
    onResponseError(controller, error) {
      if (response.headersSent) {
        response.destroy(error)
      } else {
        response.writeHead(502, { 'content-type': 'text/plain' })
        response.end(`${error.code ?? error.message}\n`)
      }
      logAccess(request, response.statusCode, bytes)
    },
  })
})

function forwardedHeaders(request) {
  const headers = { ...request.headers, host: settings.serverName }
  for (const name of hopByHop) delete headers[name]
  const chain = headers['x-forwarded-for']
  const peer = request.socket.remoteAddress
  headers['x-forwarded-for'] = chain === undefined ? peer : `${chain}, ${peer}`
  return headers
}
