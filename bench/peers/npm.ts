import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../src/core/errors.ts'
import { run } from '../children.ts'
import { findProgram } from '../machine.ts'
import { idleSeconds, nodeFlags, poolSize, type Peer } from './peer.ts'

const folder = import.meta.dirname

export const fastify = npmPeer(
  'fastify',
  '@fastify/http-proxy',
  'fastify-proxy.mjs',
  'Fastify + @fastify/http-proxy over its undici pool; one buffered access line per reply',
)

export const httpProxy3 = npmPeer(
  'http-proxy-3',
  'http-proxy-3',
  'http-proxy-3-proxy.mjs',
  'native path with a keep-alive https.Agent; one buffered access line per reply',
)

export const undici = npmPeer(
  'undici',
  'undici',
  'undici-proxy.mjs',
  'bare node:http + undici Pool.dispatch, no framework; one buffered access line per reply',
)

function npmPeer(name: string, packageName: string, script: string, about: string): Peer {
  return {
    name,
    about,
    manyRoutes: false,
    prepare: async ({ signal }) => {
      const failure = await installPeers(signal)
      if (failure !== null) return { ready: false, reason: failure }
      const manifest = readFileSync(join(folder, 'node_modules', packageName, 'package.json'), 'utf8')
      return {
        ready: true,
        version: String((JSON.parse(manifest) as { version?: unknown }).version),
        launch: (setup) => {
          const settings = join(setup.folder, 'settings.json')
          writeFileSync(settings, JSON.stringify({ ...setup, idleMs: idleSeconds * 1000, poolSize }))
          const args = [...nodeFlags(setup), join(folder, script), settings]
          return { command: process.execPath, args, env: { NODE_ENV: 'production' } }
        },
      }
    },
  }
}

/** `npm ci` in this folder when it is not there or older than the lock; never part of Postern's own install. */
async function installPeers(signal: AbortSignal): Promise<string | null> {
  const lock = join(folder, 'package-lock.json')
  const installed = join(folder, 'node_modules', '.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return null
  const npm = findProgram('npm')
  if (npm === null) return 'no npm'
  try {
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    await run(npm, ['ci', ...quiet], { timeoutMs: 180_000, signal, cwd: folder })
    return null
  } catch (cause) {
    signal.throwIfAborted()
    return `npm ci in bench/peers failed: ${messageOf(cause).split('\n')[0]}`
  }
}
