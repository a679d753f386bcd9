import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cipherSuite } from './backend.ts'
import { run } from './children.ts'
import type { Load, LoadResult } from './load.ts'
import { percentile } from './percentile.ts'
import type { Testbed } from './testbed.ts'

/** HTTP/2 over TLS, one thread; a proxy that does not agree on h2 by ALPN is an error, not a slower run. */
export async function runH2load(bed: Testbed, load: Load): Promise<LoadResult> {
  const log = join(await bed.newFolder('load'), 'requests.tsv')
  const size = ['-t', '1', '-c', String(load.connections), '-m', String(load.streams), '-D', String(load.seconds)]
  const protocol = ['--npn-list', 'h2', '--tls13-ciphers', cipherSuite]
  const urls = load.paths.map((path) => `${load.url}${path}`)
  const out = await run('h2load', [...size, ...protocol, '--log-file', log, ...urls], {
    core: bed.cores.load,
    timeoutMs: (load.seconds + 20) * 1000,
    signal: bed.signal,
  })
  if (!/^Application protocol: h2$/m.test(out)) throw new Error('it does not agree on h2 by ALPN')
  const seconds = Number(/^finished in ([\d.]+)s/m.exec(out)?.[1])
  const failed = /(\d+) failed, (\d+) errored, (\d+) timeout/.exec(out)
  const statuses = /(\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(out)
  if (!(seconds > 0) || failed === null || statuses === null)
    throw new Error(`h2load gave no report: ${out.slice(-500)}`)
  const [, , , badRequests = 0, badGateways = 0] = statuses.map(Number)
  const latencies = latenciesOf(readFileSync(log, 'latin1'))
  return {
    requests: latencies.length,
    seconds,
    p50Micros: percentile(latencies, 0.5),
    p99Micros: percentile(latencies, 0.99),
    failures: Number(failed[1]) + badRequests + badGateways,
  }
}

/** Each line: start in µs since the epoch, status, µs to the end of the reply. Sorted. */
function latenciesOf(log: string): Float64Array {
  const lines = log.split('\n').filter((line) => line !== '')
  return Float64Array.from(lines, (line) => Number(line.slice(line.lastIndexOf('\t') + 1))).sort()
}
