import { join } from 'node:path'
import { run } from './children.ts'
import type { LoadResult } from './load.ts'
import type { Testbed } from './testbed.ts'

export interface SteadyLoad {
  readonly port: number
  readonly path: string
  /** Of every reply. */
  readonly bodyBytes: number
  readonly connections: number
  /** Requests a second, evenly spaced. */
  readonly rate: number
  readonly seconds: number
}

export interface SteadyResult extends LoadResult {
  /** How late requests were handed out, against the clock: the client's own fault and no part of a latency. */
  readonly latenessP99Micros: number
}

/** Load that is not measured at the beginning of each: caches and clocks of an idle proxy wake up meanwhile. */
const unmeasuredSeconds = 0.5

/** Compiles the open-loop client (see steady-client.c) into a folder of the run; gives its path. */
export async function buildSteadyClient(bed: Testbed): Promise<string> {
  const program = join(await bed.newFolder('steady-client'), 'steady-client')
  const source = join(import.meta.dirname, 'steady-client.c')
  await run('cc', ['-O2', '-o', program, source], { timeoutMs: 60_000, signal: bed.signal })
  return program
}

/** Holds the rate for the time; `requests` and `seconds` are of all, the percentiles of what was measured. */
export async function runSteadyLoad(bed: Testbed, program: string, load: SteadyLoad): Promise<SteadyResult> {
  const { port, path, bodyBytes, connections, rate } = load
  const args = [port, path, bodyBytes, connections, rate, load.seconds, unmeasuredSeconds].map(String)
  const out = await run(program, args, {
    core: bed.cores.load,
    timeoutMs: (load.seconds + 20) * 1000,
    signal: bed.signal,
  })
  const [requests = 0, seconds = 0, p50Micros = 0, p99Micros = 0, failures = 0, latenessP99Micros = 0] = out
    .split(' ')
    .map(Number)
  return { requests, seconds, p50Micros, p99Micros, failures, latenessP99Micros }
}
