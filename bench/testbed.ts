import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { request } from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { backendName, makeCertificates, type BenchCertificates } from './certificates.ts'
import { start, type Child } from './children.ts'
import { findProgram, freePorts, type Cores } from './machine.ts'

export const bodySizes = { small: 100, '64k': 65_536, '1m': 1_048_576 } as const
export type BodySize = keyof typeof bodySizes

/** What every scenario of a run shares: the folder, the certificates and the two backends. */
export interface Testbed {
  readonly directory: string
  readonly cores: Cores
  readonly certificates: BenchCertificates
  /** Trusted chain and name. */
  readonly backendPort: number
  /** Same name and same answer, under a root that no proxy is given. */
  readonly strangerPort: number
  readonly signal: AbortSignal
  /** A fresh folder for one launched process. */
  newFolder(name: string): Promise<string>
  close(): Promise<void>
}

/** Opens the testbed, or throws naming what the machine lacks. Closing it removes the folder. */
export async function openTestbed(cores: Cores, signal: AbortSignal): Promise<Testbed> {
  const nginx = findProgram('nginx')
  if (nginx === null) throw new Error('the backend of every measurement is NGINX: apt-get install nginx')
  const directory = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  const removeFolder = () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  process.once('exit', removeFolder)
  let folders = 0
  const newFolder = async (name: string) => {
    const folder = join(directory, `${String(++folders).padStart(3, '0')}-${name.replaceAll(/[^a-z0-9-]+/gi, '-')}`)
    await mkdir(folder)
    return folder
  }
  const certificates = await makeCertificates(join(directory, 'certificates'))
  const [backendPort = 0, strangerPort = 0] = await freePorts(2)
  const folder = await newFolder('backend')
  for (const [name, size] of Object.entries(bodySizes)) writeFileSync(join(folder, name), 'x'.repeat(size))
  writeFileSync(join(folder, 'nginx.conf'), backendConfig(folder, certificates, backendPort, strangerPort))
  const backend = start(nginx, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], {
    core: cores.backend,
    cwd: folder,
    outputFile: join(folder, 'output.log'),
  })
  const close = async () => {
    await backend.stop()
    removeFolder()
    process.off('exit', removeFolder)
  }
  try {
    await waitForPort(backendPort, backend, signal)
    // A dead backend must not pass for a refused one: each answers whoever trusts its root.
    await expectAnswer(backendPort, certificates.rootFile, signal)
    await expectAnswer(strangerPort, certificates.strangerRootFile, signal)
  } catch (cause) {
    await close()
    throw cause
  }
  return { directory, cores, certificates, backendPort, strangerPort, signal, newFolder, close }
}

/** Resolves when something accepts connections on the port; throws with the child's last words when it dies instead. */
export async function waitForPort(port: number, child: Child, signal: AbortSignal, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (Date.now() < deadline) {
    signal.throwIfAborted()
    if (child.hasExited()) throw new Error(`it ended before it listened: ${child.outputTail()}`)
    if (await accepts(port)) return
    await sleep(40, undefined, { signal })
  }
  throw new Error(`it did not listen on port ${port} within ${timeoutMs} ms: ${child.outputTail()}`)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
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

/** One cipher suite for all: a proxy whose library prefers AES-128 must not look cheaper than one that prefers AES-256. */
export const cipherSuite = 'TLS_AES_128_GCM_SHA256'

/** NGINX drops to `nobody` when root starts it, and `nobody` cannot enter the run's folder. */
export const nginxUser = process.getuid?.() === 0 ? 'user root;' : ''

function backendConfig(folder: string, certs: BenchCertificates, backendPort: number, strangerPort: number): string {
  const server = (port: number, chain: string, key: string) => `
  server {
    listen 127.0.0.1:${port} ssl backlog=4096;
    ssl_certificate ${chain};
    ssl_certificate_key ${key};
    location / { return 200 "${'x'.repeat(bodySizes.small)}"; }
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
${server(backendPort, certs.backend.chainFile, certs.backend.keyFile)}
${server(strangerPort, certs.stranger.chainFile, certs.stranger.keyFile)}
}
`
}
