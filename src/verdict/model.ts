import type { Party } from '../core/errors.ts'
import type { Stage, VerdictCode } from './codes.ts'
import type { FindingCode } from './findings.ts'

/** A certificate as evidence: enough to name it, to find it and to tell it from its namesakes. */
export interface CertificateRef {
  /** Edge's form, most specific part first: `CN=a, O=b, C=US`. */
  readonly subject: string
  readonly issuer: string
  /** Upper-case hexadecimal. */
  readonly serial: string
  readonly sha256: string
  readonly subjectKeyId: string | null
  readonly authorityKeyId: string | null
  /** ISO 8601, UTC. */
  readonly notBefore: string
  readonly notAfter: string
}

/**
 * Where a certificate of a path came from. `served`: the backend sent it. `anchor`, `stored`: of the trust stores.
 * `fetched`: by the certificate's own pointer (AIA), for diagnosis only, it proves nothing.
 */
export type Origin = 'served' | 'anchor' | 'stored' | 'fetched'

/** One thing that was noticed: a fault that would refuse the backend by itself, or a weakness that does not. */
export interface Finding {
  readonly code: VerdictCode | FindingCode
  /** `fault`: the mode that was judged by refuses for it. `warning`: will or may become one, or is one elsewhere. */
  readonly severity: 'fault' | 'warning' | 'info'
  /** Place in the path, the leaf being 0; null where it is about no certificate of it. */
  readonly at: number | null
  readonly certificate: CertificateRef | null
  /** One sentence with the real names in it. */
  readonly summary: string
  /** Plain data: expected and presented, dates, key ids, offsets. No key material (I7). */
  readonly evidence: Readonly<Record<string, unknown>>
}

/** The one outcome of judging a backend. */
export interface Verdict {
  readonly code: VerdictCode
  readonly party: Party
  readonly stage: Stage
  readonly summary: string
  /** Of the guilty certificate: see Finding. */
  readonly at: number | null
  readonly certificate: CertificateRef | null
  readonly evidence: Readonly<Record<string, unknown>>
  /** Codes of further faults that would come to light once this one is mended, in the order they would. */
  readonly hides: readonly VerdictCode[]
}

export interface ChainElement extends CertificateRef {
  readonly origin: Origin
}

/** A certificate as the backend sent it: one that cannot be read has no names. */
export type ServedElement =
  | ({ readonly index: number; readonly malformed: null } & CertificateRef)
  | {
      readonly index: number
      readonly sha256: string
      readonly malformed: { readonly offset: number; readonly reason: string }
    }

export interface Chain {
  /** As served, in that order, extras included; empty where no certificate was seen. */
  readonly served: readonly ServedElement[]
  /** Leaf first; ends in an anchor when the path is complete. */
  readonly path: readonly ChainElement[]
  /** Place in the path of the certificate whose issuer was not found or that is guilty; null when trusted. */
  readonly brokenAt: number | null
}

/** Where a remedy's commands are to be run, or its text to be sent. */
export type RemedyKind =
  | 'gateway'
  | 'edge-management-api'
  | 'kubernetes-secret'
  | 'backend-chain'
  | 'owner-message'
  | 'exception'

/** What to change, where and by whom. */
export interface Remedy {
  readonly party: Party
  readonly kind: RemedyKind
  /** One sentence, imperative, with the real names. */
  readonly action: string
  /** Shell commands that do it, as they stand, in this order; empty where only a person can act. */
  readonly commands: readonly string[]
  /** Shell commands that show the fault and change nothing. */
  readonly look: readonly string[]
  /** What is given up by it; '' where nothing is. */
  readonly risk: string
  /** The gateway then offers or accepts what it would refuse without it: never to be done unasked. */
  readonly weakens: boolean
  /** Several lines that can be sent to somebody as they stand (`owner-message`); '' elsewhere. */
  readonly message: string
}

/** Everything a surface needs to show about one backend: the contract of `--json`. */
export interface Report {
  readonly verdict: Verdict
  readonly findings: readonly Finding[]
  readonly chain: Chain
  readonly remedy: readonly Remedy[]
}
