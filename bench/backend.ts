import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { backendName, type BenchCertificates } from './certificates.ts'
import { start } from './children.ts'
import { findProgram, type Cores } from './machine.ts'
import { freePorts, waitForPort } from './ports.ts'

export const bodySizes = { small: 100, '64k': 65_536, '1m': 1_048_576 } as const
export type BodySize = keyof typeof bodySizes

/** One cipher suite for all: a proxy whose library prefers AES-128 must not look cheaper than one that prefers AES-256. */
export const cipherSuite = 'TLS_AES_128_GCM_SHA256'

/** NGINX drops to `nobody` when root starts it, and `nobody` cannot enter the run's folder. */
export const nginxUser = process.getuid?.() === 0 ? 'user root;' : ''

/** Answers with the protocol of the connection to the backend, as the backend saw it: `HTTP/1.1` or `HTTP/2.0`. */
export const protocolPath = '/protocol'

/**
 * Which of the backend's ports a scenario uses. `h1` and `h2` keep connections alive, `h2` offers both protocols by
 * ALPN, `closing` ends each connection after one reply: the one way to make every peer shake hands for every request.
 */
export type BackendKind = 'h1' | 'h2' | 'closing'

export interface Backend {
  readonly ports: Readonly<Record<BackendKind, number>>
  /** Same name and same answers, under a root that no proxy is given; offers both protocols. */
  readonly strangerPort: number
  /** What the `closing` port saw since the last call. */
  takeHandshakes(): Handshakes
  stop(): Promise<void>
}

export interface Handshakes {
  readonly full: number
  readonly resumed: number
  /** Requests that were not the first of their connection. */
  readonly kept: number
}

/** Starts the NGINX that stands behind every measurement, in its folder and on its core. */
export async function startBackend(
  folder: string,
  certs: BenchCertificates,
  cores: Cores,
  signal: AbortSignal,
): Promise<Backend> {
  const nginx = findProgram('nginx')
  if (nginx === null) throw new Error('the backend of every measurement is NGINX: apt-get install nginx')
  const [h1 = 0, h2 = 0, closing = 0, strangerPort = 0] = await freePorts(4)
  const ports = { h1, h2, closing }
  for (const [name, size] of Object.entries(bodySizes)) writeFileSync(join(folder, name), 'x'.repeat(size))
  writeFileSync(join(folder, 'nginx.conf'), nginxConfig(folder, certs, ports, strangerPort))
  const child = start(nginx, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], {
    core: cores.backend,
    cwd: folder,
    outputFile: join(folder, 'output.log'),
  })
  try {
    await waitForPort(h1, child, signal)
    // A dead backend must not pass for a refused one: each answers whoever trusts its root.
    for (const port of Object.values(ports)) await expectAnswer(port, certs.rootFile, signal)
    await expectAnswer(strangerPort, certs.strangerRootFile, signal)
  } catch (cause) {
    await child.stop()
    throw cause
  }
  return {
    ports,
    strangerPort,
    takeHandshakes: () => takeHandshakes(join(folder, handshakeLog)),
    stop: () => child.stop(),
  }
}

const handshakeLog = 'handshakes.log'

function takeHandshakes(file: string): Handshakes {
  const lines = readFileSync(file, 'latin1').split('\n')
  truncateSync(file)
  const counts = { full: 0, resumed: 0, kept: 0 }
  for (const line of lines) {
    if (line === '. 1') counts.full++
    else if (line === 'r 1') counts.resumed++
    else if (line !== '') counts.kept++
  }
  return counts
}

function expectAnswer(port: number, caFile: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, servername: backendName, ca: readFileSync(caFile), agent: false, signal }
    const outgoing = request({ ...options, timeout: 5_000 }, (reply) => {
      reply.resume()
      if (reply.statusCode === 200) resolve()
      else reject(new Error(`the backend on port ${port} answers ${reply.statusCode} where 200 was expected`))
    })
    outgoing.once('timeout', () => outgoing.destroy(new Error(`the backend on port ${port} does not answer`)))
    outgoing.once('error', reject)
    outgoing.end()
  })
}

function nginxConfig(
  folder: string,
  { backend, stranger }: BenchCertificates,
  ports: Backend['ports'],
  strangerPort: number,
): string {
  const server = (port: number, { chainFile, keyFile }: typeof backend, offers: '' | 'http2', more = '') => `
  server {
    listen 127.0.0.1:${port} ssl ${offers} backlog=4096;
    ssl_certificate ${chainFile};
    ssl_certificate_key ${keyFile};
    ${more}
    location / { return 200 "${'x'.repeat(bodySizes.small)}"; }
    location = ${protocolPath} { return 200 $server_protocol; }
    location = /64k { }
    location = /1m { }
  }`
  return `${nginxUser}
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 8192; }
http {
  log_format handshake '$ssl_session_reused $connection_requests';
  access_log off;
  root ${folder};
  default_type text/plain;
  open_file_cache max=16;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  ssl_protocols TLSv1.3;
  ssl_conf_command Ciphersuites ${cipherSuite};
  ssl_session_cache shared:backend:4m;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/${of};`).join(' ')}
${server(ports.h1, backend, '')}
${server(ports.h2, backend, 'http2')}
${server(ports.closing, backend, '', `keepalive_timeout 0; access_log ${join(folder, handshakeLog)} handshake;`)}
${server(strangerPort, stranger, 'http2')}
}
`
}
