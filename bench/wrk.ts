import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cipherSuite } from './backend.ts'
import { run } from './children.ts'
import type { Load, LoadResult } from './load.ts'
import type { Testbed } from './testbed.ts'

/** HTTP/1.1, plain or over TLS, one thread. */
export async function runWrk(bed: Testbed, load: Load): Promise<LoadResult> {
  const folder = await bed.newFolder('load')
  const script = join(folder, 'report.lua')
  const openssl = join(folder, 'openssl.cnf')
  writeFileSync(script, luaScript(load.paths))
  writeFileSync(openssl, opensslConfig)
  const size = ['-t', '1', '-c', String(load.connections), '-d', `${load.seconds}s`, '--timeout', '10s']
  const out = await run('wrk', [...size, '-s', script, `${load.url}${load.paths[0] ?? '/'}`], {
    core: bed.cores.load,
    timeoutMs: (load.seconds + 20) * 1000,
    signal: bed.signal,
    cwd: folder,
    env: { OPENSSL_CONF: openssl },
  })
  const line = /^REPORT (.*)$/m.exec(out)?.[1]
  if (line === undefined) throw new Error(`wrk gave no report: ${out.slice(-500)}`)
  const [requests = 0, micros = 0, p50Micros = 0, p99Micros = 0, failures = 0] = line.split(' ').map(Number)
  return { requests, seconds: micros / 1e6, p50Micros, p99Micros, failures }
}

function luaScript(paths: readonly string[]): string {
  const rotate =
    paths.length < 2
      ? ''
      : `local requests, turn = {}, 0
function init()
  for i, path in ipairs({ ${paths.map((path) => JSON.stringify(path)).join(', ')} }) do
    requests[i] = wrk.format("GET", path)
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
`
  return `${rotate}function done(summary, latency)
  local e = summary.errors
  io.write(string.format("\\nREPORT %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.timeout + e.status))
end
`
}

// wrk offers OpenSSL's own preference, AES-256 first; the suite is the same for every peer instead.
const opensslConfig = `openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = default
[default]
Ciphersuites = ${cipherSuite}
`
