import type { Party } from '../../src/core/errors.ts'
import type { FaultKind, FaultProfile } from '../../src/faults/fault.ts'
import { type Expectation, type Scenario, type ScenarioName, scenarios } from '../../src/lab/scenarios.ts'
import type { VerdictCode } from '../../src/verdict/codes.ts'

/** One request to follow. */
export interface Case {
  readonly scenario: ScenarioName
  readonly profile: FaultProfile
  /** Name of its API proxy. */
  readonly proxy: string
  readonly path: string
  /** Deployed as a bundle; its target has a name of its own. */
  readonly stored: boolean
  /** A support bundle is made of it: where it fails once for each scenario, where it goes well of a few. */
  readonly bundle: boolean
  readonly expect: Expectation
  /** What every surface says once the exact cause is known; '' where there is nothing to say. */
  readonly verdict: VerdictCode | ''
  readonly fault: FaultKind | ''
  readonly party: Party | ''
  /** The verdict, else the kind of the fault. */
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
export const storedScenarios = [
  'missing-root',
  'expired',
  'plain-http',
  'ok',
] as const satisfies readonly ScenarioName[]

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

/** Where the exact cause is of another kind than what the traffic saw: the fault is called by its cause. */
const kinds: Partial<Record<VerdictCode, FaultKind>> = {
  'malformed-certificate': 'tls-untrusted',
  'client-certificate-required': 'client-certificate',
  'client-certificate-rejected': 'client-certificate',
  'not-tls': 'tls-failed',
}

function caseOf(scenario: ScenarioName, profile: FaultProfile, stored = false): Case {
  const { expect }: Scenario = scenarios[scenario]
  const verdict = expect.verdict === 'trusted' ? '' : expect.verdict
  const fault = expect.fault === null ? '' : (kinds[expect.verdict] ?? expect.fault)
  return {
    scenario,
    profile,
    proxy: stored ? storedName(scenario) : `${profile}-${scenario}`,
    path: stored ? `/${storedName(scenario)}` : `/${profile}/${scenario}`,
    stored,
    bundle: profile === 'apigee' && (fault !== '' || stored || scenario === 'ok' || scenario === 'wrong-order'),
    expect,
    verdict,
    fault,
    party: fault === '' ? '' : expect.party,
    code: verdict === '' ? fault : verdict,
  }
}
