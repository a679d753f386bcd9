import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../children.ts'
import { findProgram } from '../machine.ts'
import { cipherSuite } from '../backend.ts'
import { idleSeconds, missing, type Peer, type Setup } from './peer.ts'

export const haproxy: Peer = {
  name: 'haproxy',
  about: 'nbthread 1, http-reuse always, ssl verify required + verifyhost, httplog to a file, Prometheus exporter',
  manyRoutes: false,
  prepare: async ({ signal }) => {
    const program = findProgram('haproxy')
    if (program === null) return missing('haproxy')
    const version = await run(program, ['-v'], { timeoutMs: 5_000, signal })
    return {
      ready: true,
      version: /version (\S+)/.exec(version)?.[1] ?? 'unknown',
      launch: (setup) => {
        const config = join(setup.folder, 'haproxy.cfg')
        writeFileSync(config, haproxyConfig(setup))
        return { command: program, args: ['-db', '-f', config], logsToOutput: true }
      },
    }
  },
}

// HAProxy writes no log file itself; the container way, stdout, is the one that needs no second daemon.
function haproxyConfig(setup: Setup): string {
  const tls = setup.clientTls
  const bindTls =
    tls === null ? '' : ` ssl crt ${tls.bundleFile} alpn h2,http/1.1 ssl-min-ver TLSv1.3 ciphersuites ${cipherSuite}`
  const verify = `verify required ca-file ${setup.caFile} sni str(${setup.serverName}) verifyhost ${setup.serverName}`
  const protocol = setup.upstreamProtocol === 'h2' ? ' alpn h2' : ''
  const sessions = setup.resumption ? '' : ' no-ssl-reuse'
  return `global
  nbthread 1
  no strict-limits
  maxconn ${setup.connections + 1024}
  log stdout format raw local0

defaults
  mode http
  log global
  option httplog
  option forwardfor
  http-reuse always
  timeout connect 5s
  timeout client ${idleSeconds}s
  timeout server ${idleSeconds}s
  timeout http-request 30s
  timeout http-keep-alive ${idleSeconds}s

frontend clients
  bind 127.0.0.1:${setup.port}${bindTls}
  default_backend target

backend target
  http-request set-header Host ${setup.serverName}
  server backend 127.0.0.1:${setup.upstreamPort} ssl ${verify}${protocol}${sessions} ssl-min-ver TLSv1.3 pool-purge-delay ${idleSeconds}s

frontend metrics
  bind 127.0.0.1:${setup.adminPort}
  no log
  http-request use-service prometheus-exporter if { path /metrics }
`
}
