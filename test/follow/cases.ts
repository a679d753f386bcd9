import type { FaultProfile } from '../../src/faults/fault.ts'
import { type Expectation, type Scenario, type ScenarioName, scenarios } from '../../src/lab/scenarios.ts'

/** One request to follow. */
export interface Case {
  readonly scenario: ScenarioName
  readonly profile: FaultProfile
  /** Name of its API proxy. */
  readonly proxy: string
  readonly path: string
  /** Deployed as a bundle; its target has a name of its own. */
  readonly stored: boolean
  readonly expect: Expectation
  /** The code of its fault on every surface: the exact verdict, else the kind; '' where it goes well. */
  readonly code: string
}

/** Every failing scenario as Edge has it, some as the others have it and some as deployed bundles; those that go well. */
export function casesToFollow(): readonly Case[] {
  const all = Object.entries(scenarios) as [ScenarioName, Scenario][]
  return [
    ...all.map(([scenario]) => caseOf(scenario, 'apigee')),
    ...elsewhere.flatMap((scenario) => [caseOf(scenario, 'native'), caseOf(scenario, 'apim')]),
    ...storedScenarios.map((scenario) => caseOf(scenario, 'apigee', true)),
  ]
}

/** Those that `storedProxies` deploys: one of the chain, one of a date, one that is no TLS, one that goes well. */
export const storedScenarios = ['missing-root', 'expired', 'plain-http', 'ok'] as const satisfies readonly ScenarioName[]

export const storedName = (scenario: string): string => `stored-${scenario}`

/** One of each kind of fault, and one that goes well. */
const elsewhere = [
  'missing-intermediate',
  'name-mismatch',
  'missing-root-rolled-no-key-id',
  'client-certificate-required',
  'client-certificate-rejected',
  'no-shared-cipher',
  'handshake-closed',
  'refused',
  'dns-failure',
  'closes-early',
  'malformed-response',
  'ok',
] as const satisfies readonly ScenarioName[]

function caseOf(scenario: ScenarioName, profile: FaultProfile, stored = false): Case {
  const { expect }: Scenario = scenarios[scenario]
  return {
    scenario,
    profile,
    proxy: stored ? storedName(scenario) : `${profile}-${scenario}`,
    path: stored ? `/${storedName(scenario)}` : `/${profile}/${scenario}`,
    stored,
    expect,
    code: expect.fault === null ? '' : expect.verdict === 'trusted' ? expect.fault : expect.verdict,
  }
}
