import { bodySizes } from './backend.ts'
import type { Contender } from './contender.ts'
import { allocatedPerSecond } from './heap.ts'
import { runLoad, type LoadResult } from './load.ts'
import { coreBusyMicros, cpuMicros } from './machine.ts'
import type { Sample, Sampler, Say } from './measure.ts'
import type { Options } from './options.ts'
import type { Scenario } from './scenarios.ts'
import { buildSteadyClient, runSteadyLoad } from './steady-load.ts'
import type { Testbed } from './testbed.ts'

/** Long enough for the compilers of V8 to settle; every entrant gets it once, before the first round. */
const warmUpSeconds = 2

export async function warmUp(bed: Testbed, scenario: Scenario, contender: Contender): Promise<void> {
  await closedLoop(bed, scenario, contender, warmUpSeconds)
}

/** CPU or heap for a request, under as much load as a closed loop makes. */
export function loadSampler(bed: Testbed, scenario: Scenario, { seconds }: Options): Sampler<Contender> {
  return async (contender) => {
    bed.backend.takeHandshakes()
    const { measure } = scenario
    if (measure === 'heap-per-request') contender.takeOutput()
    const { load, cpu, rest } = await watched(bed, contender, () => closedLoop(bed, scenario, contender, seconds))
    if (scenario.backend === 'closing') expectHandshakes(bed, scenario, load.requests)
    const mib = (load.requests * bodySizes[scenario.body]) / 1_048_576
    const figures = {
      'cpu-per-request': () => cpu / load.requests,
      'cpu-per-mib': () => cpu / mib,
      'heap-per-request': () => heapPerRequest(contender.takeOutput(), load),
    }
    if (!(measure in figures)) throw new Error(`"${measure}" is not measured under a closed loop`)
    return { figure: figures[measure as keyof typeof figures](), ...rest }
  }
}

/** p99 at half of the rate that NGINX reaches here and now; that rate is measured first, over three turns. */
export async function latencySampler(
  bed: Testbed,
  scenario: Scenario,
  contenders: readonly Contender[],
  { seconds }: Options,
  say: Say,
): Promise<Sampler<Contender>> {
  const nginx = contenders.find(({ entrant }) => entrant.peer === 'nginx')
  if (nginx === undefined)
    return () => Promise.reject(new Error('the rate is half of what NGINX reaches; it is not here'))
  const client = await buildSteadyClient(bed)
  const rates: number[] = []
  for (let turn = 0; turn < 3; turn++) {
    const load = await closedLoop(bed, scenario, nginx, seconds)
    rates.push(load.requests / load.seconds)
  }
  const most = rates.sort((a, b) => a - b)[1] ?? 0
  const rate = Math.round(most / 2)
  say(`  ${scenario.name}: NGINX reaches ${most.toFixed(0)} requests/s; all are held at ${rate}`)
  return async (contender) => {
    const { port, paths } = contender
    const { connections } = scenario
    const job = { port, path: paths[0] ?? '/', bodyBytes: bodySizes[scenario.body], connections, rate, seconds }
    const { load, rest } = await watched(bed, contender, async () => {
      const busyBefore = coreBusyMicros(bed.cores.load)
      const startedAt = performance.now()
      const outcome = await runSteadyLoad(bed, client, job)
      const { latenessP99Micros: late } = outcome
      if (late > maxLatenessMicros) throw new Error(`the client was ${late.toFixed(0)} µs late with its requests`)
      const busy = (coreBusyMicros(bed.cores.load) - busyBefore) / ((performance.now() - startedAt) * 1000)
      if (busy > maxClientCore) throw new Error(`the client's core was ${(busy * 100).toFixed(0)}% busy`)
      return outcome
    })
    return { figure: load.p99Micros, ...rest }
  }
}

/** A client that hands out its requests later than this has made bursts of its own, and measured those. */
const maxLatenessMicros = 2_000

/** Above this the client and the backend wait for each other's core, and every proxy looks alike. */
const maxClientCore = 0.95

function closedLoop(bed: Testbed, scenario: Scenario, { url, paths }: Contender, seconds: number): Promise<LoadResult> {
  const { client, connections, streams } = scenario
  return runLoad(bed, { url, paths, client, connections, streams, seconds })
}

/** Runs the load and what must hold for it to count: no failures, on the proxy's own core, every access logged. */
async function watched(
  bed: Testbed,
  contender: Contender,
  run: () => Promise<LoadResult>,
): Promise<{ load: LoadResult; cpu: number; rest: Omit<Sample, 'figure'> }> {
  if (contender.child.hasExited()) throw new Error(`it ended: ${contender.child.outputTail()}`)
  contender.takeLogBytes()
  const cpuBefore = cpuMicros(contender.child.pid)
  const coreBefore = coreBusyMicros(bed.cores.proxy)
  const load = await run()
  const cpu = cpuMicros(contender.child.pid) - cpuBefore
  const core = coreBusyMicros(bed.cores.proxy) - coreBefore
  if (load.requests === 0) throw new Error('not one request was answered')
  if (load.failures > 0) throw new Error(`${load.failures} failed requests of ${load.requests}`)
  if (cpu > 1.2 * core) throw new Error('it ran on another core than its own')
  // 20 bytes for a line is less than any format needs; the last block may still be in the peer's buffer.
  if (contender.takeLogBytes() < 20 * load.requests - 200_000) throw new Error('it does not log every access')
  const micros = load.seconds * 1e6
  return {
    load,
    cpu,
    rest: {
      requestsPerSecond: load.requests / load.seconds,
      p50Micros: load.p50Micros,
      p99Micros: load.p99Micros,
      busy: cpu / micros,
      noise: Math.max(0, core - cpu) / micros,
    },
  }
}

/** The backend counts, not the proxy's configuration: every request on a connection of its own, and of the kind wanted. */
function expectHandshakes(bed: Testbed, { resumption, connections }: Scenario, requests: number): void {
  const { full, resumed, kept } = bed.backend.takeHandshakes()
  const seen = `the backend saw ${full} full and ${resumed} resumed handshakes and ${kept} requests on old connections`
  const wrong = resumption ? full : resumed
  // The end of a round's load cuts connections short, and OpenSSL drops the session of one that was: the next begin in full.
  const allowed = resumption ? connections + requests / 50 : 0
  if (kept > 0 || full + resumed < requests || wrong > allowed) throw new Error(`${seen} for ${requests} requests`)
}

function heapPerRequest(output: string, load: LoadResult): number {
  const bytes = allocatedPerSecond(output)
  if (bytes === 0) throw new Error('V8 reported no two collections; make the rounds longer')
  return bytes / (load.requests / load.seconds)
}
