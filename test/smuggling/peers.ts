import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTestGateway } from '../support/gateway.ts'

/** A reverse proxy with one door per backend; what goes in at a door reaches that backend only. */
export interface Peer extends AsyncDisposable {
  readonly name: string
  /** As it says itself; '' for the gateway. */
  readonly version: string
  /** Opens a connection to the door of backend number `lane`. */
  open(lane: number): Socket
}

export type OtherPeer = 'nginx' | 'nginx, buffering' | 'haproxy'

/** Versions that the tables of exceptions were written for. */
export const knownVersions: Readonly<Record<'nginx' | 'haproxy', string>> = { nginx: '1.22', haproxy: '2.6' }

/** The version of an installed program, or null. Debian keeps both in /usr/sbin, which is not on everybody's path. */
export function installed(program: 'nginx' | 'haproxy'): string | null {
  const { stdout, stderr, error } = spawnSync(program, ['-v'], { encoding: 'utf8', env: environment })
  if (error !== undefined) return null
  return /(?:nginx\/|version )(\d+\.\d+)/.exec(stderr + stdout)?.[1] ?? ''
}

/** What the doors of the gateway speak. */
export type GatewayDoor = 'http/1.1' | 'h2c' | 'h2'

/** The gateway, one of them for each backend: a listener serves every route, so doors must be gateways. */
export async function startGateways(ports: readonly number[], speaks: GatewayDoor = 'http/1.1'): Promise<Peer> {
  const root = await createRoot({ commonName: 'Smuggling Test CA' })
  const leaf = await createLeaf(root, { names: ['gateway.test'] })
  const kind =
    speaks === 'h2'
      ? { tls: { certificates: [{ certificate: './gateway.pem', key: './gateway.key' }] } }
      : speaks === 'h2c'
        ? { h2c: true }
        : {}
  const gateways = await Promise.all(
    ports.map((port) =>
      startTestGateway(
        {
          faultDetail: 'verbose',
          listeners: [{ name: 'door', address: '127.0.0.1', port: 0, ...kind }],
          targets: { backend: { url: `http://127.0.0.1:${port}` } },
          proxies: { base: { basePath: '/base', target: 'backend', path: 'keep', host: 'keep' } },
        },
        { files: { 'gateway.pem': leaf.chainPem, 'gateway.key': leaf.keyPem } },
      ),
    ),
  )
  return {
    name: 'the gateway',
    version: '',
    open: (lane) => {
      const where = { host: '127.0.0.1', port: gateways[lane]?.gateway.ports['door'] ?? 0 }
      if (speaks !== 'h2') return open(where)
      return connectTls({ ...where, ca: root.certificatePem, servername: 'gateway.test', ALPNProtocols: ['h2'] })
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(gateways.map((gateway) => gateway[Symbol.asyncDispose]()))
    },
  }
}

/**
 * NGINX with a kept-alive HTTP/1.1 upstream. Streaming bodies it decides on a message before it has all of it, buffering
 * them it writes the framing anew: two programs as far as smuggling is concerned.
 */
export function startNginx(name: 'nginx' | 'nginx, buffering', ports: readonly number[], http2 = false): Promise<Peer> {
  const buffering = name !== 'nginx'
  return startProcess(name, 'nginx', ports, ['-c'], (directory) => {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    const servers = ports.map(
      (port, lane) => `
  upstream backend${lane} { server 127.0.0.1:${port}; keepalive 8; }
  server {
    listen unix:${door(directory, lane)}${http2 ? ' http2' : ''};
    location / {
      proxy_pass http://backend${lane};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host ${buffering ? '$host' : '$http_host'};
      proxy_request_buffering ${buffering ? 'on' : 'off'};
      proxy_ignore_client_abort on;
      proxy_next_upstream off;
    }
  }`,
    )
    return `daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log crit;
events { worker_connections 512; }
http {
  access_log off;
${temporary.map((what) => `  ${what}_temp_path ${directory}/${what};`).join('\n')}
${servers.join('\n')}
}
`
  })
}

/** HAProxy as it comes: no option that makes it wait for bodies, repair or accept anything. */
export function startHaproxy(ports: readonly number[], http2 = false): Promise<Peer> {
  return startProcess('haproxy', 'haproxy', ports, ['-db', '-f'], (directory) => {
    const lanes = ports.map(
      (port, lane) => `
frontend door${lane}
  bind unix@${door(directory, lane)}${http2 ? ' proto h2' : ''}
  default_backend backend${lane}
backend backend${lane}
  server backend 127.0.0.1:${port}
`,
    )
    return `global
  nbthread 1
defaults
  mode http
  retries 0
  timeout connect 5s
  timeout client 3s
  timeout server 3s
${lanes.join('')}`
  })
}

async function startProcess(
  name: OtherPeer,
  program: 'nginx' | 'haproxy',
  ports: readonly number[],
  args: readonly string[],
  configuration: (directory: string) => string,
): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), 'smuggling-'))
  const file = join(directory, `${program}.conf`)
  await writeFile(file, configuration(directory))
  const child = spawn(program, [...args, file], { stdio: ['ignore', 'pipe', 'pipe'], env: environment })
  // Not even a test that is killed by an exception leaves one behind.
  const kill = (): void => void child.kill('SIGKILL')
  process.on('exit', kill)
  let said = ''
  child.stdout.on('data', (text: Buffer) => (said += text.toString()))
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  const stop = async (): Promise<void> => {
    kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    process.off('exit', kill)
    await rm(directory, { recursive: true, force: true })
  }
  for (let attempt = 0; !(await accepts(door(directory, ports.length - 1))); attempt++) {
    if (attempt === 400 || ended(child)) {
      await stop()
      throw new Error(`${name} did not start:\n${said}`)
    }
    await sleep(25)
  }
  return {
    name,
    version: installed(program) ?? '',
    open: (lane) => open({ path: door(directory, lane) }),
    [Symbol.asyncDispose]: stop,
  }
}

/** Doors are Unix sockets: no port can be taken by another test in between. */
function door(directory: string, lane: number): string {
  return join(directory, `door${lane}`)
}

function open(where: { readonly host: string; readonly port: number } | { readonly path: string }): Socket {
  return connect({ ...where, allowHalfOpen: true })
}

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

const environment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` }
