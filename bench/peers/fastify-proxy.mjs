import { readFileSync } from 'node:fs'
import httpProxy from '@fastify/http-proxy'
import fastify from 'fastify'
import { openAccessLog } from './access-log.mjs'
import { clientTlsOptions, readSettings } from './listen.mjs'

const settings = readSettings()
const logAccess = openAccessLog(settings.accessLogFile)
const https = clientTlsOptions(settings)

const app = fastify({
  logger: false,
  keepAliveTimeout: settings.idleMs,
  ...(https === null ? {} : { https }),
})

// @fastify/reply-from turns verification off unless `tls` says otherwise; undici reads `connect`.
const tls = { ca: readFileSync(settings.caFile), servername: settings.serverName, rejectUnauthorized: true }

app.register(httpProxy, {
  upstream: `https://127.0.0.1:${settings.upstreamPort}`,
  undici: {
    connections: settings.poolSize,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: settings.idleMs,
    keepAliveMaxTimeout: settings.idleMs,
    connect: tls,
    tls,
  },
  replyOptions: {
    rewriteRequestHeaders: (request, headers) => ({
      ...headers,
      host: settings.serverName,
      'x-forwarded-for': request.ip,
    }),
  },
})

app.addHook('onResponse', (request, reply, done) => {
  logAccess(request.raw, reply.statusCode, reply.getHeader('content-length') ?? '-')
  done()
})

await app.listen({ host: '127.0.0.1', port: settings.port, backlog: 4096 })
