import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../src/core/errors.ts'
import { launchContender, verificationFault, type Contender, type ReadyPeer } from './contender.ts'
import { openIdleConnections } from './idle.ts'
import { runLoad } from './load.ts'
import { coreBusyMicros, cpuMicros, openFileLimit, residentBytes } from './machine.ts'
import type { Options } from './options.ts'
import { allPeers } from './peers/all.ts'
import type { Entrant, Scenario } from './scenarios.ts'
import { bodySizes, type Testbed } from './testbed.ts'

/** What one entrant did in one round. */
export interface Sample {
  /** In the scenario's unit: µs of CPU for a request or a MiB, or KiB for an idle connection. */
  readonly figure: number
  readonly requestsPerSecond: number
  readonly p50Micros: number
  readonly p99Micros: number
  /** Share of its core that the proxy used, and that anything else on the machine used. */
  readonly busy: number
  readonly noise: number
}

export interface Measured {
  readonly entrant: Entrant
  readonly version: string
  /** One for each round, in order; null where a round failed. */
  readonly samples: readonly (Sample | null)[]
}

interface Left {
  readonly label: string
  readonly reason: string
}

export interface ScenarioRun {
  readonly scenario: Scenario
  readonly measured: readonly Measured[]
  readonly skipped: readonly Left[]
  readonly excluded: readonly Left[]
}

/** Peers that were found, and the reason of each that was not. */
export interface Field {
  readonly ready: ReadonlyMap<string, ReadyPeer>
  readonly skipped: ReadonlyMap<string, string>
  /** Peers that failed the verification check once are out of every scenario. */
  readonly verified: Map<string, string | null>
}

export type Say = (line: string) => void

/** Runs one scenario over all entrants that can take part. Everything it started has ended when it returns. */
export async function runScenario(
  bed: Testbed,
  scenario: Scenario,
  field: Field,
  options: Options,
  say: Say,
): Promise<ScenarioRun> {
  const skipped: Left[] = []
  const excluded: Left[] = []
  const entrants: { entrant: Entrant; peer: ReadyPeer }[] = []
  for (const entrant of scenario.entrants.filter(({ peer }) => options.peers.includes(peer))) {
    const peer = field.ready.get(entrant.peer)
    if (peer === undefined) {
      skipped.push({ label: entrant.label, reason: field.skipped.get(entrant.peer) ?? 'not prepared' })
      continue
    }
    if (entrant.routes > 1 && !allPeers.some(({ name, manyRoutes }) => name === entrant.peer && manyRoutes)) {
      skipped.push({ label: entrant.label, reason: 'its configuration here has one route' })
      continue
    }
    const fault = await checkedOnce(bed, scenario, entrant, peer, field)
    if (fault === null) entrants.push({ entrant, peer })
    else excluded.push({ label: entrant.label, reason: fault })
  }
  const openFiles = openFileLimit()
  if (scenario.measure === 'rss-per-connection') {
    if (openFiles < scenario.connections + 1_000) {
      const reason = `the open file limit is ${openFiles}; raise it with ulimit -n`
      return {
        scenario,
        measured: [],
        excluded,
        skipped: entrants.map(({ entrant: { label } }) => ({ label, reason })),
      }
    }
    return {
      scenario,
      skipped,
      excluded,
      measured: await measureMemory(bed, scenario, entrants, options, excluded, say),
    }
  }
  const contenders: Contender[] = []
  try {
    for (const { entrant, peer } of entrants) {
      try {
        contenders.push(await launchContender(bed, scenario, entrant, peer))
      } catch (cause) {
        bed.signal.throwIfAborted()
        excluded.push({ label: entrant.label, reason: messageOf(cause) })
      }
    }
    return {
      scenario,
      skipped,
      excluded,
      measured: await measureCpu(bed, scenario, contenders, options, excluded, say),
    }
  } finally {
    await Promise.all(contenders.map((contender) => contender.child.stop()))
  }
}

async function checkedOnce(bed: Testbed, scenario: Scenario, entrant: Entrant, peer: ReadyPeer, { verified }: Field) {
  const known = verified.get(entrant.peer)
  if (known !== undefined) return known
  let fault: string | null
  try {
    fault = await verificationFault(bed, scenario, entrant, peer)
  } catch (cause) {
    bed.signal.throwIfAborted()
    fault = `cannot be checked: ${messageOf(cause)}`
  }
  verified.set(entrant.peer, fault)
  return fault
}

/** Long enough for the compilers of V8 to settle; every entrant gets it once, before the first round. */
const warmUpSeconds = 2

async function measureCpu(
  bed: Testbed,
  scenario: Scenario,
  contenders: readonly Contender[],
  options: Options,
  excluded: Left[],
  say: Say,
): Promise<Measured[]> {
  for (const { url, paths } of contenders) {
    await runLoad(bed, { url, paths, connections: scenario.connections, seconds: warmUpSeconds })
  }
  const samples = new Map(contenders.map((contender) => [contender, [] as (Sample | null)[]]))
  for (let round = 0; round < options.rounds; round++) {
    // Each round begins with another one, so that drift of the machine falls on all alike.
    const shift = contenders.length === 0 ? 0 : round % contenders.length
    for (const contender of [...contenders.slice(shift), ...contenders.slice(0, shift)]) {
      const sample = await sampleCpu(bed, scenario, contender, options.seconds).catch((cause: unknown) => {
        bed.signal.throwIfAborted()
        say(`  round ${round + 1}, ${contender.entrant.label}: ${messageOf(cause)}`)
        return null
      })
      samples.get(contender)?.push(sample)
    }
    say(`  ${scenario.name}: round ${round + 1} of ${options.rounds}`)
  }
  return [...samples].flatMap(([{ entrant, version }, list]) => {
    if (list.some((sample) => sample !== null)) return [{ entrant, version, samples: list }]
    excluded.push({ label: entrant.label, reason: 'every round failed' })
    return []
  })
}

async function sampleCpu(bed: Testbed, scenario: Scenario, contender: Contender, seconds: number): Promise<Sample> {
  if (contender.child.hasExited()) throw new Error(`it ended: ${contender.child.outputTail()}`)
  contender.takeLogBytes()
  const cpuBefore = cpuMicros(contender.child.pid)
  const coreBefore = coreBusyMicros(bed.cores.proxy)
  const { url, paths } = contender
  const load = await runLoad(bed, { url, paths, connections: scenario.connections, seconds })
  const cpu = cpuMicros(contender.child.pid) - cpuBefore
  const core = coreBusyMicros(bed.cores.proxy) - coreBefore
  if (load.failures > 0) throw new Error(`${load.failures} failed requests of ${load.requests}`)
  if (cpu > 1.2 * core) throw new Error('it ran on another core than its own')
  // 20 bytes for a line is less than any format needs; the last block may still be in the peer's buffer.
  if (contender.takeLogBytes() < 20 * load.requests - 200_000) throw new Error('it does not log every access')
  const mib = (load.requests * bodySizes[scenario.body]) / 1_048_576
  const micros = load.seconds * 1e6
  return {
    figure: scenario.measure === 'cpu-per-mib' ? cpu / mib : cpu / load.requests,
    requestsPerSecond: load.requests / load.seconds,
    p50Micros: load.p50Micros,
    p99Micros: load.p99Micros,
    busy: cpu / micros,
    noise: Math.max(0, core - cpu) / micros,
  }
}

/** Memory needs a fresh process each time, so entrants take turns one by one; three rounds say enough. */
async function measureMemory(
  bed: Testbed,
  scenario: Scenario,
  entrants: readonly { entrant: Entrant; peer: ReadyPeer }[],
  options: Options,
  excluded: Left[],
  say: Say,
): Promise<Measured[]> {
  const samples = new Map(entrants.map(({ entrant }) => [entrant, [] as (Sample | null)[]]))
  const rounds = Math.min(options.rounds, 3)
  for (let round = 0; round < rounds; round++) {
    for (const { entrant, peer } of entrants) {
      const sample = await sampleMemory(bed, scenario, entrant, peer).catch((cause: unknown) => {
        bed.signal.throwIfAborted()
        say(`  round ${round + 1}, ${entrant.label}: ${messageOf(cause)}`)
        return null
      })
      samples.get(entrant)?.push(sample)
    }
    say(`  ${scenario.name}: round ${round + 1} of ${rounds}`)
  }
  return entrants.flatMap(({ entrant, peer }) => {
    const list = samples.get(entrant) ?? []
    if (list.some((sample) => sample !== null)) return [{ entrant, version: peer.version, samples: list }]
    excluded.push({ label: entrant.label, reason: 'every round failed' })
    return []
  })
}

async function sampleMemory(bed: Testbed, scenario: Scenario, entrant: Entrant, peer: ReadyPeer): Promise<Sample> {
  const contender = await launchContender(bed, scenario, entrant, peer)
  try {
    const { url, paths, port } = contender
    // Heaps and pools grow to their working size first; what comes after belongs to the connections.
    const load = await runLoad(bed, { url, paths, connections: 64, seconds: warmUpSeconds })
    await sleep(1_000, undefined, { signal: bed.signal })
    const before = residentBytes(contender.child.pid)
    const bodyBytes = bodySizes[scenario.body]
    const closeAll = await openIdleConnections(port, paths[0] ?? '/', bodyBytes, scenario.connections, bed.signal)
    await sleep(2_000, undefined, { signal: bed.signal })
    const grown = residentBytes(contender.child.pid) - before
    closeAll()
    return {
      figure: grown / 1024 / scenario.connections,
      requestsPerSecond: load.requests / load.seconds,
      p50Micros: load.p50Micros,
      p99Micros: load.p99Micros,
      busy: 0,
      noise: 0,
    }
  } finally {
    await contender.child.stop()
  }
}
