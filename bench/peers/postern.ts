import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { idleSeconds, nodeFlags, type Peer, type Setup } from './peer.ts'

/** What of the gateway is on, beside verified forwarding and an access log. */
interface Observed {
  /** Management listener: metrics, counts by the minute. */
  readonly monitoring: boolean
  /** Spans of one request in a hundred and metrics every 10 s, by OTLP. */
  readonly telemetry: boolean
  /** A debug session records another proxy. */
  readonly traced: boolean
}

export const postern = peerWith('postern', 'management listener (metrics, monitoring) on', {
  monitoring: true,
  telemetry: false,
  traced: false,
})

/** For the scenario that asks what watching costs. */
export const posternVariants: readonly Peer[] = [
  peerWith('postern-bare', 'nothing else on', { monitoring: false, telemetry: false, traced: false }),
  peerWith('postern-observed', 'metrics, monitoring, and OTLP with 1 % of the requests traced', {
    monitoring: true,
    telemetry: true,
    traced: false,
  }),
  peerWith('postern-debugged', 'the same, and a debug session on another proxy', {
    monitoring: true,
    telemetry: true,
    traced: true,
  }),
]

const adminPassword = 'only-for-this-benchmark-run'

function peerWith(name: string, about: string, observed: Observed): Peer {
  return {
    name,
    about: `serve --workers 1, native access log to a file, ${about}`,
    manyRoutes: true,
    prepare: async ({ posternRoot, signal }) => {
      const entry = join(posternRoot, 'src', 'cli', 'main.ts')
      if (!existsSync(entry)) return { ready: false, reason: `no ${entry}` }
      const manifest = JSON.parse(readFileSync(join(posternRoot, 'package.json'), 'utf8')) as { version?: unknown }
      const receiver = observed.telemetry ? await startReceiver(signal) : null
      return {
        ready: true,
        version: String(manifest.version),
        launch: (setup) => {
          const config = join(setup.folder, 'postern.yaml')
          // JSON is YAML, and nothing in it needs quoting rules of our own.
          writeFileSync(config, JSON.stringify(posternConfig(setup, observed, receiver)))
          const state = observed.monitoring ? ['--state', join(setup.folder, 'state')] : []
          return {
            command: process.execPath,
            args: [...nodeFlags(setup), entry, 'serve', '-c', config, '--workers', '1', ...state],
            env: {
              NODE_ENV: 'production',
              POSTERN_ADMIN_PASSWORD: adminPassword,
              POSTERN_STATE_KEY: Buffer.alloc(32, 'bench').toString('base64'),
            },
            ...(observed.traced ? { ready: () => startDebugSession(setup) } : {}),
          }
        },
      }
    },
  }
}

/** Takes what is sent to it; in this process, whose time is nobody's here. */
async function startReceiver(signal: AbortSignal): Promise<number> {
  const server = createServer((request, response) => {
    request.resume()
    request.once('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'))
  })
  server.listen(0, '127.0.0.1').unref()
  signal.addEventListener('abort', () => server.close(), { once: true })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function startDebugSession({ adminPort }: Setup): Promise<void> {
  const authorization = `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`
  const url = `http://127.0.0.1:${adminPort}/api/organizations/default/environments/default/traces`
  const answer = await asSoonAsItListens(url, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ proxy: 'idle', timeoutSeconds: 3600 }),
  })
  if (answer.status !== 201) throw new Error(`no debug session: ${answer.status} ${await answer.text()}`)
}

/** The management listener opens after the others. */
async function asSoonAsItListens(url: string, request: RequestInit): Promise<Response> {
  const until = Date.now() + 10_000
  for (;;) {
    try {
      return await fetch(url, request)
    } catch (error) {
      if (Date.now() > until) throw error
      await sleep(100)
    }
  }
}

function posternConfig(setup: Setup, observed: Observed, receiver: number | null): unknown {
  const { clientTls } = setup
  const timeouts = { keepAlive: `${idleSeconds}s` }
  const tls = clientTls && { certificates: [{ certificate: clientTls.chainFile, key: clientTls.keyFile }] }
  const target = {
    url: `https://127.0.0.1:${setup.upstreamPort}`,
    tls: {
      trust: ['bench'],
      serverName: setup.serverName,
      alpn: setup.upstreamProtocol === 'h2' ? ['h2', 'http/1.1'] : ['http/1.1'],
      resumption: setup.resumption,
    },
    timeouts,
  }
  return {
    listeners: [
      { name: 'clients', address: '127.0.0.1', port: setup.port, timeouts, ...(tls === null ? {} : { tls }) },
    ],
    ...(observed.monitoring ? { management: { address: '127.0.0.1', port: setup.adminPort } } : {}),
    ...(receiver === null
      ? {}
      : {
          otlp: { endpoint: `http://127.0.0.1:${receiver}`, metrics: { interval: '10s' } },
          tracing: { sample: 0.01 },
        }),
    logs: [{ format: 'native', file: setup.accessLogFile }],
    trustStores: { bench: { sources: [{ file: setup.caFile }] } },
    targets: Object.fromEntries(Array.from({ length: setup.targets }, (_, i) => [`target${i}`, target])),
    proxies: Object.fromEntries([
      ...setup.routes.map(({ path, target }, i) => [`proxy${i}`, { basePath: path, target: `target${target}` }]),
      ...(observed.traced ? [['idle', { basePath: '/idle', target: 'target0' }]] : []),
    ]),
  }
}
