import type { Finding, Origin } from '../verdict/model.ts'
import type { VerdictCode } from '../verdict/codes.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { Crl } from '../x509/crl.ts'

/**
 * `runtime`: what this gateway's handshake will do, OpenSSL's rules as the pinned runtime applies them. `rfc5280`: path
 * validation by RFC 5280 section 6 and identity by RFC 9525. `strict`: adds the duties of issuers (RFC 5280 section 4,
 * CA/Browser Forum baseline requirements) that many verifiers skip.
 */
export type Mode = 'runtime' | 'rfc5280' | 'strict'

/** One certificate as it was sent, readable or not. */
export type Presented =
  | { readonly der: Buffer; readonly certificate: Certificate; readonly malformed: null }
  | {
      readonly der: Buffer
      readonly certificate: null
      readonly malformed: { readonly offset: number; readonly reason: string }
    }

/** RFC 5280 section 6.1.1 (c) to (g). */
export interface PolicyInput {
  /** OIDs; `2.5.29.32.0` is any policy. */
  readonly initial: readonly string[]
  readonly requireExplicit: boolean
  readonly inhibitMapping: boolean
  readonly inhibitAny: boolean
}

export interface JudgeInput {
  readonly mode: Mode
  /** Leaf first, exactly as served. */
  readonly served: readonly Presented[]
  readonly anchors: readonly Certificate[]
  /** Of the trust stores: help to build a path, anchor nothing. */
  readonly intermediates: readonly Certificate[]
  /** Fetched by AIA, for diagnosis: a path that needs one explains what is missing and is never accepted. */
  readonly fetched: readonly Certificate[]
  /** Seen or held anywhere else (other stores, other targets, public roots): evidence for what is missing, nothing more. */
  readonly known: readonly KnownCertificate[]
  /** An anchor need not be self-signed. */
  readonly partialChain: boolean
  /**
   * null: revocation is not checked. Otherwise every CA of the path needs a valid answer (hard). `runtime` takes only lists
   * that OpenSSL uses (`unusedBecause`), and asks for none where there are none.
   */
  readonly crls: readonly Crl[] | null
  /**
   * Only `runtime` asks: the target requires the backend to staple a good OCSP response, and this is what it stapled. Absent:
   * none is required.
   */
  readonly staple?: Buffer | null
  /** `leaf`: the lists have to know of the leaf only. Absent: of every certificate below the anchor. */
  readonly revocationOf?: 'leaf' | 'path'
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly purpose: 'server' | 'client' | 'any'
  /** DNS names or IP literals of which the leaf must cover at least one; null: not checked. */
  readonly names: readonly string[] | null
  /** Most intermediates between leaf and anchor; null: no limit but the mode's own. */
  readonly maxDepth: number | null
  readonly policies: PolicyInput | null
  /** OpenSSL's levels 0 to 5: the least strength of keys and hashes. */
  readonly securityLevel: number
  /** A path that holds one of these is refused, whatever else is true of it. Absent: none. */
  readonly distrusted?: readonly Certificate[]
  /** RFC 3820: a certificate issued by an end entity for its deputies. Refused unless true. */
  readonly proxyCertificates?: boolean
  /**
   * `TLSv1.2`, ... as the handshake chose it; absent or '': not known. Only `runtime` asks: up to TLS 1.2 it wants the key
   * usage of a leaf with an elliptic key to allow signatures, in TLS 1.3 it does not look.
   */
  readonly protocol?: string
  /** Checks that an exception of the target skips (I1). */
  readonly skip: { readonly chain: boolean; readonly name: boolean }
}

export interface KnownCertificate {
  readonly certificate: Certificate
  /** For people: `trust store corp`, `served by billing`, `public roots`. */
  readonly where: string
  /** A self-signed root that some store anchors. */
  readonly anchor: boolean
  /** Path of the file that it is in, where it is in one. */
  readonly file?: string
  /** Where the management API hands out this certificate alone. */
  readonly stored?: StoredCertificate
}

/** `store`: `ORG/ENV/STORE`. */
export interface StoredCertificate {
  readonly store: string
  readonly alias: string
}

export interface PathElement {
  readonly certificate: Certificate
  readonly origin: Origin
}

/** What the judge found. Faults come first in `findings`; the first of them is the verdict. */
export interface Judgement {
  readonly mode: Mode
  /** `trusted` exactly when no fault was found. */
  readonly code: VerdictCode
  readonly at: number | null
  /** Leaf first. Empty where the leaf cannot be read. */
  readonly path: readonly PathElement[]
  /** The path ends in an anchor. */
  readonly complete: boolean
  readonly findings: readonly Finding[]
  /** What the limits on work were spent on. */
  readonly work: { readonly signatures: number; readonly candidates: number }
}
