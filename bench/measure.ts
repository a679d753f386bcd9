import { messageOf } from '../src/core/errors.ts'
import { launchContender, verificationFault, type Contender, type ReadyPeer } from './contender.ts'
import { missingLoadGenerator } from './load.ts'
import { openFileLimit } from './machine.ts'
import { memorySampler } from './measure-memory.ts'
import { latencySampler, loadSampler, warmUp } from './measure-load.ts'
import type { Options } from './options.ts'
import { allPeers } from './peers/all.ts'
import type { Entrant, Scenario } from './scenarios.ts'
import type { Testbed } from './testbed.ts'

/** What one entrant did in one round. */
export interface Sample {
  /** In the scenario's unit. */
  readonly figure: number
  readonly requestsPerSecond: number
  readonly p50Micros: number
  readonly p99Micros: number
  /** Share of its core that the proxy used, and that anything else on the machine used. */
  readonly busy: number
  readonly noise: number
}

/** Measures one entrant once; a failure costs it the round. */
export type Sampler<T> = (of: T) => Promise<Sample>

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
  /** By peer and protocol: those that failed the verification check once are out of every scenario. */
  readonly verified: Map<string, string | null>
}

export type Say = (line: string) => void

/** An entrant whose peer is ready; `version` is the peer's. */
export interface Starter {
  readonly entrant: Entrant
  readonly version: string
  readonly peer: ReadyPeer
}

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
  const starters: Starter[] = []
  const lacking = missingLoadGenerator(scenario) ?? tooFewFiles(scenario)
  for (const entrant of scenario.entrants.filter(({ peer }) => options.peers.includes(peer))) {
    const { label } = entrant
    const peer = field.ready.get(entrant.peer)
    if (peer === undefined) skipped.push({ label, reason: field.skipped.get(entrant.peer) ?? 'not prepared' })
    else if (lacking !== null) skipped.push({ label, reason: lacking })
    else if (entrant.routes > 1 && !allPeers.some(({ name, manyRoutes }) => name === entrant.peer && manyRoutes))
      skipped.push({ label, reason: 'its configuration here has one route' })
    else {
      const fault = await checkedOnce(bed, scenario, entrant, peer, field)
      if (fault === null) starters.push({ entrant, peer, version: peer.version })
      else excluded.push({ label, reason: fault })
    }
  }
  const takeTurns = async <T extends Pick<Starter, 'entrant' | 'version'>>(list: readonly T[], sample: Sampler<T>) =>
    await interleave(list, sample, roundsOf(scenario, options), scenario.name, bed.signal, say)
  const { measured, failed } =
    scenario.measure === 'rss-per-connection'
      ? await takeTurns(starters, memorySampler(bed, scenario))
      : await withContenders(bed, scenario, starters, excluded, async (contenders) => {
          const sampler =
            scenario.measure === 'p99-latency'
              ? await latencySampler(bed, scenario, contenders, options, say)
              : loadSampler(bed, scenario, options)
          return await takeTurns(contenders, sampler)
        })
  return { scenario, measured, skipped, excluded: [...excluded, ...failed] }
}

function tooFewFiles({ connections }: Scenario): string | null {
  const limit = openFileLimit()
  return limit < connections + 1_000 ? `the open file limit is ${limit}; raise it with ulimit -n` : null
}

/** Memory needs a fresh process each time; three rounds of that say enough. */
function roundsOf({ measure }: Scenario, { rounds }: Options): number {
  return measure === 'rss-per-connection' ? Math.min(rounds, 3) : rounds
}

async function checkedOnce(bed: Testbed, scenario: Scenario, entrant: Entrant, peer: ReadyPeer, { verified }: Field) {
  const key = `${entrant.peer} ${entrant.upstream}`
  const known = verified.get(key)
  if (known !== undefined) return known
  let fault: string | null
  try {
    fault = await verificationFault(bed, scenario, entrant, peer)
  } catch (cause) {
    bed.signal.throwIfAborted()
    fault = `cannot be checked: ${messageOf(cause)}`
  }
  verified.set(key, fault)
  return fault
}

/** All of them run at once for the whole scenario, and end with it. */
async function withContenders<T>(
  bed: Testbed,
  scenario: Scenario,
  starters: readonly Starter[],
  excluded: Left[],
  work: (contenders: readonly Contender[]) => Promise<T>,
): Promise<T> {
  const launched: Contender[] = []
  const ready: Contender[] = []
  try {
    for (const { entrant, peer } of starters) {
      try {
        const contender = await launchContender(bed, scenario, entrant, peer)
        launched.push(contender)
        await warmUp(bed, scenario, contender)
        ready.push(contender)
      } catch (cause) {
        bed.signal.throwIfAborted()
        excluded.push({ label: entrant.label, reason: messageOf(cause) })
      }
    }
    return await work(ready)
  } finally {
    await Promise.all(launched.map((contender) => contender.child.stop()))
  }
}

async function interleave<T extends Pick<Starter, 'entrant' | 'version'>>(
  list: readonly T[],
  sampler: Sampler<T>,
  rounds: number,
  name: string,
  signal: AbortSignal,
  say: Say,
): Promise<{ measured: Measured[]; failed: Left[] }> {
  const samples = new Map(list.map((of) => [of, [] as (Sample | null)[]]))
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another one, so that drift of the machine falls on all alike.
    const shift = list.length === 0 ? 0 : round % list.length
    for (const of of [...list.slice(shift), ...list.slice(0, shift)]) {
      const sample = await sampler(of).catch((cause: unknown) => {
        signal.throwIfAborted()
        say(`  round ${round + 1}, ${of.entrant.label}: ${messageOf(cause)}`)
        return null
      })
      samples.get(of)?.push(sample)
    }
    say(`  ${name}: round ${round + 1} of ${rounds}`)
  }
  const all = [...samples].map(([{ entrant, version }, list]) => ({ entrant, version, samples: list }))
  const worked = ({ samples }: Measured) => samples.some((sample) => sample !== null)
  return {
    measured: all.filter(worked),
    failed: all
      .filter((measured) => !worked(measured))
      .map(({ entrant: { label } }) => ({ label, reason: 'every round failed' })),
  }
}
