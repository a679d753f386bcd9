import type { SecureContext } from 'node:tls'
import type { LeafFacts } from '../observe/events.ts'
import type { TargetTlsPlan } from '../proxy/plan.ts'
import { type Certificate, parseCertificate } from '../x509/certificate.ts'
import { checkIdentity } from '../x509/host-names.ts'
import { renderName } from '../x509/name.ts'
import { checkRequiredStaple, type StapleCheck } from '../x509/ocsp-staple.ts'
import { IdentityError } from './classify.ts'
import { PathEnds } from './path-end.ts'
import type { CrlExplanation } from './revocation.ts'
import { createTargetContext, sameContext } from './tls-context.ts'

/** A resumable session and how long what it proves is true. */
interface KeptSession {
  readonly session: Buffer
  readonly validUntil: number
}

/** A leaf that the target has presented, and what of it does not change while the snapshot lasts. */
export interface SeenLeaf {
  readonly der: Buffer
  readonly certificate: Certificate
  readonly facts: LeafFacts
  /** It covers one of the names to verify. */
  readonly named: boolean
  /** Whether every key of its chain is of a kind that the runtime can show. */
  keys: 'unknown' | 'usual' | 'unusual'
  /** The chain that was captured with it last, as served; empty: none was. */
  served: readonly Buffer[]
}

/**
 * Everything a worker holds for one snapshot: the context, the last verified session, the leaves seen. It is created
 * with the snapshot's pool and dropped with it, so no session can reach another snapshot (I2).
 */
export class TargetTrust {
  readonly plan: TargetTlsPlan
  readonly context: SecureContext
  /** The protocols to offer, as ALPN writes them (RFC 7301 section 3.1). */
  readonly alpn: Buffer
  #session: KeptSession | null = null
  #ends: PathEnds | null = null
  /** The last chain that was verified. */
  #chain: readonly Buffer[] = []
  /** The last few, latest first. */
  readonly #leaves: SeenLeaf[] = []
  #captures = maxCaptures
  #capturedAt = 0
  readonly #chainSkippedUntil: number
  readonly #nameSkippedUntil: number

  /**
   * @param sibling trusts the same for other names: its context is used as well, which is dear to make for many anchors. A
   * context holds no session, so none is shared (I2).
   */
  constructor(plan: TargetTlsPlan, sibling: TargetTrust | null = null) {
    if (sibling?.sharesContextWith(plan) === false) throw new TypeError('a context serves one kind of trust')
    this.plan = plan
    this.context = sibling?.context ?? createTargetContext(plan)
    this.#ends = sibling?.pathEnds() ?? null
    this.alpn = Buffer.concat(
      plan.alpn.map((name) => Buffer.from(`${String.fromCharCode(name.length)}${name}`, 'latin1')),
    )
    this.#chainSkippedUntil = plan.skipChain ? endOf(plan, 'chain') : Number.NEGATIVE_INFINITY
    this.#nameSkippedUntil = plan.skipName ? endOf(plan, 'name') : Number.NEGATIVE_INFINITY
  }

  /**
   * Whether an exception is in force at this moment. The next generation will be without one that has ended; that it may be
   * late, or refused for another reason, must not prolong the exception (I1).
   */
  skips(check: 'chain' | 'name', now: number): boolean {
    return now < (check === 'chain' ? this.#chainSkippedUntil : this.#nameSkippedUntil)
  }

  /** When a connection opened now stops being good because an exception ends that it was opened under; Infinity: never (I2). */
  exceptionEnd(now: number): number {
    return Math.min(
      ...[this.#chainSkippedUntil, this.#nameSkippedUntil].filter((end) => end > now),
      Number.POSITIVE_INFINITY,
    )
  }

  /**
   * Whether the whole chain of a refused handshake may be captured, `now` being monotonic: a few at once, and one in a while
   * (docs/decisions/0008). Otherwise the leaf has to do, and a diagnosis knows the rest.
   */
  mayCapture(now: number): boolean {
    this.#captures = Math.min(maxCaptures, this.#captures + (now - this.#capturedAt) / captureEveryMs)
    this.#capturedAt = now
    if (this.#captures < 1) return false
    this.#captures -= 1
    return true
  }

  /** One copy of a chain for all connections that show it. */
  sharedChain(chain: readonly Buffer[]): readonly Buffer[] {
    if (!sameChain(chain, this.#chain)) this.#chain = chain
    return this.#chain
  }

  /** When the first certificate of a verified path ends, or the first list about it; `served` as DER, leaf first. */
  pathEnd(served: readonly Buffer[], now: number): number {
    return this.pathEnds().of(served, now)
  }

  /** A required staple against what the chain was verified to; `served` as DER, leaf first. */
  stapleCheck(staple: Buffer | null, leaf: Certificate, served: readonly Buffer[], now: number): StapleCheck {
    const issuer = staple === null ? null : this.pathEnds().issuerOfLeaf(served, now)
    return checkRequiredStaple(staple, { leaf, issuer, time: now })
  }

  /** What the lists say of a chain that was refused; null where they were not asked. */
  explainLists(served: readonly Buffer[], whole: boolean, now: number): CrlExplanation {
    return this.plan.revocation.mode === 'crl' ? this.pathEnds().explainLists(served, whole, now) : null
  }

  sharesContextWith(plan: TargetTlsPlan): boolean {
    return sameContext(plan, this.plan)
  }

  /** Made once it is needed, for siblings together. */
  pathEnds(): PathEnds {
    this.#ends ??= new PathEnds(this.plan)
    return this.#ends
  }

  /** A session from an earlier verified connection of this snapshot; null when resumption is off or what it proves has ended. */
  session(now: number): KeptSession | null {
    if (this.#session !== null && this.#session.validUntil <= now) this.#session = null
    return this.#session
  }

  /** Keeps a session of a connection that has passed every check. */
  keepSession(session: Buffer, validUntil: number): void {
    if (this.plan.resumption) this.#session = { session, validUntil }
  }

  dropSession(): void {
    this.#session = null
  }

  /**
   * The leaf as our strict reader has it. A target presents the same one again and again: nothing about it is read twice,
   * and whether it is valid now is the runtime's to say, each time. Throws on malformed DER.
   */
  leaf(der: Buffer): SeenLeaf {
    // By its bytes: whatever else is taken for the same certificate may be another one.
    const at = this.#leaves.findIndex((seen) => seen.der.equals(der))
    if (at === 0) return this.#leaves[0] as SeenLeaf
    const [known] = at === -1 ? [] : this.#leaves.splice(at, 1)
    const leaf = known ?? this.#read(der)
    this.#leaves.unshift(leaf)
    if (this.#leaves.length > maxLeaves) this.#leaves.pop()
    return leaf
  }

  /** Why the leaf is not for any of the names to verify; undefined when it is. */
  identityFault(leaf: SeenLeaf): IdentityError | undefined {
    if (leaf.named) return undefined
    const result = checkIdentity(leaf.certificate, this.plan.verifyNames)
    return result.ok ? undefined : new IdentityError(result.reason, result.expected, result.presented)
  }

  #read(der: Buffer): SeenLeaf {
    const certificate = parseCertificate(der)
    const named = checkIdentity(certificate, this.plan.verifyNames).ok
    return { der, certificate, facts: leafFacts(certificate), named, keys: 'unknown', served: [] }
  }
}

function sameChain(one: readonly Buffer[], other: readonly Buffer[]): boolean {
  return one.length === other.length && one.every((der, index) => der.equals(other[index] as Buffer))
}

/** I10. */
const maxLeaves = 8
const maxCaptures = 32
const captureEveryMs = 30_000

/** Node 24.21 ends with a segmentation fault when it shows a key on some other curve, secp256k1 and brainpoolP256r1 among them. */
const usualCurves: ReadonlySet<string | null> = new Set([null, 'P-256', 'P-384', 'P-521'])

export function keysOf(chain: readonly Buffer[]): SeenLeaf['keys'] {
  try {
    return chain.every((der) => usualCurves.has(parseCertificate(der).publicKey.curve)) ? 'usual' : 'unusual'
  } catch {
    return 'unusual' // malformed: not to be shown either
  }
}

/** The last end among the exceptions from one check; without an exception there is nothing to skip by. */
function endOf(plan: TargetTlsPlan, skip: 'chain' | 'name'): number {
  const ends = plan.exceptions
    .filter((each) => each.skip === skip)
    .map(({ until }) => until ?? Number.POSITIVE_INFINITY)
  return Math.max(...ends, Number.NEGATIVE_INFINITY)
}

function leafFacts(leaf: Certificate): LeafFacts {
  return {
    thumbprint: leaf.sha1,
    sha256: leaf.sha256,
    subject: bounded(renderName(leaf.subject, 'edge')),
    subjectWindows: bounded(renderName(leaf.subject, 'windows')),
    issuer: bounded(renderName(leaf.issuer, 'edge')),
    notAfter: leaf.notAfter,
    crlUrls: leaf.crlUrls.slice(0, maxUrls).map(bounded),
    aiaUrls: leaf.aiaUrls.caIssuers.slice(0, maxUrls).map(bounded),
  }
}

/** They stand in a log line for every connection, and a certificate may have 60 KiB of each. (I10) */
const maxUrls = 8
const maxText = 512

function bounded(text: string): string {
  return text.length <= maxText ? text : `${text.slice(0, maxText)}...`
}
