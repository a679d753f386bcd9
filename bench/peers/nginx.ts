import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../children.ts'
import { findProgram } from '../machine.ts'
import { cipherSuite, nginxUser } from '../backend.ts'
import { idleSeconds, missing, poolSize, type Peer, type Setup } from './peer.ts'

export const nginx: Peer = {
  name: 'nginx',
  about: 'worker_processes 1, upstream keepalive, 16 KiB buffers, proxy_ssl_verify, buffered access log, stub_status',
  manyRoutes: true,
  prepare: async ({ signal }) => {
    const program = findProgram('nginx')
    if (program === null) return missing('nginx')
    // NGINX prints its version to stderr; the shell is only there to turn it round.
    const version = await run('sh', ['-c', '"$0" -v 2>&1', program], { timeoutMs: 5_000, signal })
    return {
      ready: true,
      version: version.trim().replace(/^.*nginx\//, ''),
      launch: (setup) => {
        const config = join(setup.folder, 'nginx.conf')
        writeFileSync(config, nginxConfig(setup))
        const temporary = join(setup.folder, 'temporary')
        mkdirSync(temporary, { recursive: true })
        return { command: program, args: ['-p', setup.folder, '-c', config, '-e', join(setup.folder, 'error.log')] }
      },
    }
  },
}

function nginxConfig(setup: Setup): string {
  const { folder, clientTls } = setup
  const upstreams = Array.from(
    { length: setup.targets },
    (_, i) => `upstream target${i} { server 127.0.0.1:${setup.upstreamPort}; keepalive ${poolSize};
    keepalive_requests 1000000000; keepalive_timeout ${idleSeconds}s; }`,
  )
  const locations = setup.routes.map(({ path, target }) => `location ${path} { proxy_pass https://target${target}; }`)
  const listen =
    clientTls === null
      ? `listen 127.0.0.1:${setup.port} backlog=4096;`
      : `listen 127.0.0.1:${setup.port} ssl http2 backlog=4096;
    ssl_certificate ${clientTls.chainFile};
    ssl_certificate_key ${clientTls.keyFile};
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites ${cipherSuite};`
  return `${nginxUser}
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
events { worker_connections ${setup.connections + 2048}; }
http {
  access_log ${setup.accessLogFile} combined buffer=64k flush=1s;
  keepalive_requests 1000000000;
  keepalive_timeout ${idleSeconds}s;
  variables_hash_max_size 4096;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/temporary/${of};`).join(' ')}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host ${setup.serverName};
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  # One TLS record for a buffer: a fifth less CPU for long replies than the default of 4 KiB, the same for short ones.
  proxy_buffer_size 16k;
  proxy_buffers 8 16k;
  proxy_busy_buffers_size 32k;
  proxy_max_temp_file_size 0;
  proxy_ssl_verify on;
  proxy_ssl_verify_depth 4;
  proxy_ssl_trusted_certificate ${setup.caFile};
  proxy_ssl_server_name on;
  proxy_ssl_name ${setup.serverName};
  proxy_ssl_protocols TLSv1.3;
  proxy_ssl_session_reuse ${setup.resumption ? 'on' : 'off'};
  ${upstreams.join('\n  ')}
  server {
    ${listen}
    ${locations.join('\n    ')}
  }
  server {
    listen 127.0.0.1:${setup.adminPort};
    access_log off;
    location = /metrics { stub_status; }
  }
}
`
}
