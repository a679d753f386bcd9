import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../children.ts'
import { findProgram } from '../machine.ts'
import { idleSeconds, missing, poolSize, type Peer, type Setup } from './peer.ts'

export const caddy: Peer = {
  name: 'caddy',
  about: 'GOMAXPROCS=1, tls_trusted_ca_certs + tls_server_name, JSON access log, metrics on',
  manyRoutes: false,
  prepare: async ({ signal }) => {
    const program = findProgram('caddy')
    if (program === null) return missing('caddy')
    const version = await run(program, ['version'], { timeoutMs: 10_000, signal })
    return {
      ready: true,
      version: version.trim().split(' ')[0] ?? 'unknown',
      launch: (setup) => {
        const config = join(setup.folder, 'Caddyfile')
        writeFileSync(config, caddyfile(setup))
        return {
          command: program,
          args: ['run', '--config', config, '--adapter', 'caddyfile'],
          env: { GOMAXPROCS: '1', HOME: setup.folder, XDG_DATA_HOME: setup.folder, XDG_CONFIG_HOME: setup.folder },
        }
      },
    }
  },
}

function caddyfile(setup: Setup): string {
  const tls = setup.clientTls
  return `{
  admin off
  auto_https off
  grace_period 1s
  servers {
    metrics
    protocols h1 h2
    timeouts {
      idle ${idleSeconds}s
    }
  }
}

${tls === null ? 'http' : 'https'}://:${setup.port} {
  bind 127.0.0.1
  ${tls === null ? '' : `tls ${tls.chainFile} ${tls.keyFile}`}
  log {
    output file ${setup.accessLogFile} {
      roll_disabled
    }
    format json
  }
  reverse_proxy https://127.0.0.1:${setup.upstreamPort} {
    header_up Host ${setup.serverName}
    transport http {
      versions ${setup.upstreamProtocol === 'h2' ? '2' : '1.1'}
      compression off
      keepalive ${idleSeconds}s
      keepalive_idle_conns ${poolSize}
      keepalive_idle_conns_per_host ${poolSize}
      tls_trusted_ca_certs ${setup.caFile}
      tls_server_name ${setup.serverName}
    }
  }
}

http://:${setup.adminPort} {
  bind 127.0.0.1
  metrics /metrics
}
`
}
