import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { allPeers } from './peers/all.ts'
import { leastPairs } from './report.ts'
import { scenarios, type Scenario } from './scenarios.ts'

export interface Options {
  readonly scenarios: readonly Scenario[]
  readonly peers: readonly string[]
  readonly rounds: number
  readonly seconds: number
  readonly jsonFile: string
  readonly enforce: boolean
  readonly deadlineMinutes: number
  /** The checkout that runs as Postern. */
  readonly posternRoot: string
}

export const usage = `npm run bench -- [scenario...] [options]

  --rounds N      interleaved rounds (7)
  --seconds N     load on each peer in each round (3)
  --peers A,B     only these; the ratios need nginx
  --json FILE     where the figures go (bench/results/latest.json)
  --enforce       exit 1 when a bar is missed or could not be measured over ${leastPairs} pairs
  --deadline N    give up after so many minutes (60)
  --postern DIR   measure this checkout of Postern instead of the one the harness is in
  --list          scenarios and peers, and nothing else

scenarios: ${scenarios.map(({ name }) => name).join(' ')}, or all (default: ${defaults()
  .map(({ name }) => name)
  .join(' ')})
peers:     ${allPeers.map(({ name }) => name).join(' ')}`

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The options of a run, or null when the usage text was asked for; throws UsageError on anything it does not know. */
export function parseOptions(args: readonly string[]): Options | null {
  const { values, positionals } = parse(args)
  if (values.help || values.list) return null
  const peers = values.peers === undefined ? allPeers.map(({ name }) => name) : values.peers.split(',')
  for (const name of peers) {
    if (!allPeers.some((peer) => peer.name === name)) throw new UsageError(`no peer "${name}"`)
  }
  return {
    scenarios: chosenScenarios(positionals),
    peers,
    rounds: wholeNumber('rounds', values.rounds, 1, 1000),
    seconds: wholeNumber('seconds', values.seconds, 1, 600),
    jsonFile: values.json,
    enforce: values.enforce,
    deadlineMinutes: wholeNumber('deadline', values.deadline, 1, 24 * 60),
    posternRoot: resolve(values.postern),
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '7' },
        seconds: { type: 'string', default: '3' },
        peers: { type: 'string' },
        json: { type: 'string', default: 'bench/results/latest.json' },
        enforce: { type: 'boolean', default: false },
        deadline: { type: 'string', default: '60' },
        postern: { type: 'string', default: join(import.meta.dirname, '..') },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function chosenScenarios(names: readonly string[]): readonly Scenario[] {
  if (names.length === 0) return defaults()
  if (names.includes('all')) return scenarios
  return names.map((name) => {
    const found = scenarios.find((scenario) => scenario.name === name)
    if (found !== undefined) return found
    throw new UsageError(`no scenario "${name}"`)
  })
}

function defaults(): readonly Scenario[] {
  return scenarios.filter(({ byDefault }) => byDefault)
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new UsageError(`--${name} takes a whole number from ${least} to ${most}, not "${text}"`)
}
