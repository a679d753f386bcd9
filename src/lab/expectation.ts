import type { Party } from '../core/errors.ts'
import type { FaultKind } from '../faults/fault.ts'
import { type VerdictCode, verdictCodes } from '../verdict/codes.ts'

/** What a gateway should find out about one backend of the lab: the one statement of the fault planted in it. */
export interface Expectation {
  readonly verdict: VerdictCode
  /**
   * What the data plane can tell from the failing connection alone, where that is less: alert 40 means a missing client
   * certificate as well as no common cipher, and only the bytes of the handshake tell them apart.
   */
  readonly trafficVerdict: VerdictCode
  /** How the data plane ends the request; null where the backend's own answer reaches the client. */
  readonly fault: FaultKind | null
  readonly party: Party
  /** Common name of the certificate at fault. */
  readonly guilty: string | null
  /** Codes that a diagnosis should report beside the verdict, as findings. */
  readonly findings: readonly string[]
  /** Number of the TLS alert that a client is sent; left out where it is sent none. */
  readonly alert?: number
}

/** What a gateway's target has to say about this backend beyond the lab's usual, for the fault to show. */
export interface TargetSettings {
  readonly serverName?: string
  readonly subjectAltNames?: readonly string[]
  readonly maxVersion?: 'TLSv1.2'
  /** `crl`: by the lists that come with what it serves. */
  readonly revocation?: 'crl' | 'staple-required'
}

export interface Scenario {
  /** What the backend does, or what is wrong with it. */
  readonly summary: string
  readonly expect: Expectation
  /** What to do to see the fault go away, or to look further. Names files that `postern lab --out DIR` writes. */
  readonly tryThis: string
  readonly target?: TargetSettings
}

/** Subjects of the lab's authorities, stated here because verdicts name them. */
export const labSubjects = {
  root: 'Postern Lab Root CA',
  policy: 'Postern Lab Policy CA',
  branchIssuing: 'Postern Lab Branch Issuing CA',
  issuing: 'Postern Lab Issuing CA',
  expiredIssuing: 'Postern Lab Expired Issuing CA',
  elsewhereRoot: 'Elsewhere Root CA',
  elsewhereIssuing: 'Elsewhere Issuing CA',
  clientRoot: 'Postern Lab Client Root CA',
  rolledRoot: 'Postern Lab Rolled Root CA',
  rolledQuietRoot: 'Postern Lab Quietly Rolled Root CA',
  elsewhereOldRoot: 'Elsewhere Old Root CA',
  siblingIssuing: 'Postern Lab Sibling Issuing CA',
  upperPolicy: 'Postern Lab Upper Policy CA',
  nowhere: 'Nowhere Authority',
  expiredRoot: 'Postern Lab Expired Root CA',
  futureIssuing: 'Postern Lab Future Issuing CA',
  notAuthority: 'Postern Lab Not A CA',
  unconstrainedIssuing: 'Postern Lab Unconstrained Issuing CA',
  undeclaredIssuing: 'Postern Lab Undeclared Issuing CA',
  mayNotSign: 'Postern Lab Signature Only CA',
  clientsOnly: 'Postern Lab Clients Only CA',
  crowdedPolicy: 'Postern Lab Crowded Policy CA',
  narrowIssuing: 'Postern Lab Narrow Issuing CA',
  excludingIssuing: 'Postern Lab Excluding Issuing CA',
  addressIssuing: 'Postern Lab Address Issuing CA',
  weakIssuing: 'Postern Lab Weak Issuing CA',
  sha1Issuing: 'Postern Lab SHA-1 Issuing CA',
  impostorIssuing: 'Postern Lab Impostor Issuing CA',
  strangeIssuing: 'Postern Lab Strange Issuing CA',
  mazeRoot: 'Maze Root CA',
  revokedIssuing: 'Postern Lab Revoked Issuing CA',
} as const

/** The name a backend's certificate should carry, to be set as the target's `serverName`. */
export function serverNameOf(scenario: string): string {
  return `${scenario}.lab.test`
}

/** The backend is trusted, and its answer reaches the client. */
export function passes(findings: readonly string[] = []): Expectation {
  return { verdict: 'trusted', trafficVerdict: 'trusted', fault: null, party: 'backend', guilty: null, findings }
}

/** Chain or identity is refused, and the traffic alone can say the same unless told otherwise. */
export function untrusted(
  verdict: VerdictCode,
  guilty: string | null,
  findings: readonly string[] = [],
  trafficVerdict = verdict,
): Expectation {
  const { party } = verdictCodes[verdict]
  return { verdict, trafficVerdict, fault: 'tls-untrusted', party, guilty, findings }
}

/** There is no handshake, or none that gets as far as a judgement. */
export function fails(verdict: VerdictCode, fault: FaultKind, trafficVerdict = verdict): Expectation {
  return { verdict, trafficVerdict, fault, party: verdictCodes[verdict].party, guilty: null, findings: [] }
}
