import type { X509Certificate } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import type { LeafFacts } from '../observe/events.ts'
import type { TargetTlsPlan } from '../proxy/plan.ts'
import { type Certificate, parseCertificate } from '../x509/certificate.ts'
import { checkIdentity } from '../x509/host-names.ts'
import { renderName } from '../x509/name.ts'
import { IdentityError } from './classify.ts'
import { PathEnds } from './path-end.ts'
import { createTargetContext } from './tls-context.ts'

/** A resumable session and how long what it proves is true. */
interface KeptSession {
  readonly session: Buffer
  readonly validUntil: number
}

/**
 * Everything a worker holds for one snapshot: the context, the last verified session, the leaves seen. It is created
 * with the snapshot's pool and dropped with it, so no session can reach another snapshot (I2).
 */
export class TargetTrust {
  readonly plan: TargetTlsPlan
  readonly context: SecureContext
  #session: KeptSession | null = null
  #ends: PathEnds | null = null
  readonly #leaves = new Map<string, Certificate>()
  readonly #chainSkippedUntil: number
  readonly #nameSkippedUntil: number

  constructor(plan: TargetTlsPlan) {
    this.plan = plan
    this.context = createTargetContext(plan)
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

  /** When the first certificate of a verified path ends. */
  pathEnd(served: readonly X509Certificate[], now: number): number {
    this.#ends ??= new PathEnds(this.plan.anchors, this.plan.intermediates)
    return this.#ends.of(served, now)
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

  /** The parsed leaf, remembered for the few that a target presents. Throws on malformed DER. */
  leaf(der: Buffer): Certificate {
    const key = der.toString('latin1')
    const known = this.#leaves.get(key)
    if (known !== undefined) return known
    if (this.#leaves.size >= 8) this.#leaves.clear() // I10
    const certificate = parseCertificate(der)
    this.#leaves.set(key, certificate)
    return certificate
  }

  /** Why the leaf is not for any of the names to verify; undefined when it is. */
  identityFault(leaf: Certificate): IdentityError | undefined {
    const result = checkIdentity(leaf, this.plan.verifyNames)
    return result.ok ? undefined : new IdentityError(result.reason, result.expected, result.presented)
  }
}

/** The last end among the exceptions from one check; without an exception there is nothing to skip by. */
function endOf(plan: TargetTlsPlan, skip: 'chain' | 'name'): number {
  const ends = plan.exceptions
    .filter((each) => each.skip === skip)
    .map(({ until }) => until ?? Number.POSITIVE_INFINITY)
  return Math.max(...ends, Number.NEGATIVE_INFINITY)
}

export function leafFacts(leaf: Certificate): LeafFacts {
  return {
    thumbprint: leaf.sha1,
    sha256: leaf.sha256,
    subject: renderName(leaf.subject, 'edge'),
    subjectWindows: renderName(leaf.subject, 'windows'),
    issuer: renderName(leaf.issuer, 'edge'),
    notAfter: leaf.notAfter,
    crlUrls: leaf.crlUrls,
    aiaUrls: leaf.aiaUrls.caIssuers,
  }
}
