import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { idleSeconds, nodeFlags, type Peer, type Setup } from './peer.ts'

export const postern: Peer = {
  name: 'postern',
  about: 'serve --workers 1, native access log to a file, management listener (metrics) on',
  manyRoutes: true,
  prepare: async ({ posternRoot }) => {
    const entry = join(posternRoot, 'src', 'cli', 'main.ts')
    if (!existsSync(entry)) return { ready: false, reason: `no ${entry}` }
    const manifest = JSON.parse(readFileSync(join(posternRoot, 'package.json'), 'utf8')) as { version?: unknown }
    return {
      ready: true,
      version: String(manifest.version),
      launch: (setup) => {
        const config = join(setup.folder, 'postern.yaml')
        // JSON is YAML, and nothing in it needs quoting rules of our own.
        writeFileSync(config, JSON.stringify(posternConfig(setup)))
        const state = ['--state', join(setup.folder, 'state')]
        return {
          command: process.execPath,
          args: [...nodeFlags(setup), entry, 'serve', '-c', config, '--workers', '1', ...state],
          env: {
            NODE_ENV: 'production',
            POSTERN_ADMIN_PASSWORD: 'only-for-this-benchmark-run',
            POSTERN_STATE_KEY: Buffer.alloc(32, 'bench').toString('base64'),
          },
        }
      },
    }
  },
}

function posternConfig(setup: Setup): unknown {
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
    management: { address: '127.0.0.1', port: setup.adminPort },
    logs: [{ format: 'native', file: setup.accessLogFile }],
    trustStores: { bench: { sources: [{ file: setup.caFile }] } },
    targets: Object.fromEntries(Array.from({ length: setup.targets }, (_, i) => [`target${i}`, target])),
    proxies: Object.fromEntries(
      setup.routes.map(({ path, target }, i) => [`proxy${i}`, { basePath: path, target: `target${target}` }]),
    ),
  }
}
