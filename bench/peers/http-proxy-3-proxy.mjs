import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { createProxyServer } from 'http-proxy-3'
import { openAccessLog } from './access-log.mjs'
import { listen, readSettings } from './listen.mjs'

const settings = readSettings()
const logAccess = openAccessLog(settings.accessLogFile)

const agent = new Agent({
  keepAlive: true,
  maxSockets: settings.poolSize,
  maxFreeSockets: settings.poolSize,
  timeout: settings.idleMs,
  ca: readFileSync(settings.caFile),
  servername: settings.serverName,
  rejectUnauthorized: true,
})

const proxy = createProxyServer({
  target: `https://127.0.0.1:${settings.upstreamPort}`,
  agent,
  secure: true,
  xfwd: true,
  headers: { host: settings.serverName },
})

proxy.on('error', (error, request, response) => {
  if (response.headersSent) {
    response.destroy(error)
  } else {
    response.writeHead(502, { 'content-type': 'text/plain' })
    response.end(`${error.code ?? error.message}\n`)
  }
})

listen(settings, (request, response) => {
  response.on('finish', () => logAccess(request, response.statusCode, response.getHeader('content-length') ?? '-'))
  proxy.web(request, response)
})
