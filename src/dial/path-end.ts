import { X509Certificate } from 'node:crypto'
import type { TargetTlsPlan } from '../proxy/plan.ts'
import { revocationWords } from '../verdict/revocation.ts'
import { type Certificate, parseCertificate } from '../x509/certificate.ts'
import { checkCrls, crlsEnd } from '../x509/crl-check.ts'
import { type Crl, readCrls } from '../x509/crl.ts'
import { crlFacts, foremost } from '../x509/revocation-facts.ts'
import type { CrlExplanation } from './revocation.ts'

/** What ends a path, and what helps to build one: the certificates of a snapshot, indexed by subject, and its lists. */
export class PathEnds {
  readonly #anchors: ReadonlySet<string>
  readonly #bySubject = new Map<string, X509Certificate[]>()
  readonly #lists: readonly string[]
  #crls: readonly Crl[] | null = null
  /** The last path asked about and its answer; a target presents the same one again and again. */
  #lastPath: readonly Buffer[] = []
  #lastEnd = 0
  /** The last explanation: looking through a long list is dear, and a backend that is refused is asked again and again. */
  #explained: {
    readonly served: readonly Buffer[]
    readonly whole: boolean
    readonly at: number
    readonly as: CrlExplanation
  } | null = null

  constructor({ anchors, intermediates, revocation }: Pick<TargetTlsPlan, 'anchors' | 'intermediates' | 'revocation'>) {
    this.#lists = revocation.mode === 'crl' ? revocation.crls : []
    const parsed = anchors.map((pem) => new X509Certificate(pem))
    this.#anchors = new Set(parsed.map((anchor) => anchor.fingerprint256))
    for (const certificate of [...parsed, ...intermediates.map((pem) => new X509Certificate(pem))]) {
      const list = this.#bySubject.get(certificate.subject) ?? []
      list.push(certificate)
      this.#bySubject.set(certificate.subject, list)
    }
  }

  /**
   * When the first certificate of the verified path ends, anchor and stored intermediates included, or the first list that
   * says that none of them is revoked (I2).
   *
   * The runtime does not show the path that OpenSSL verified, only what was served; the path is found again here the way
   * OpenSSL takes it, from the store first. What was served beyond the anchor does not count: an expired cross-sign beside
   * a good path has ended no trust.
   */
  of(served: readonly Buffer[], now: number): number {
    if (!samePath(served, this.#lastPath) || this.#lastEnd <= now) {
      const { path } = this.#walk(served, now)
      if (path.length === 0) return Number.POSITIVE_INFINITY
      this.#lastPath = served
      const lists = this.#lists.length === 0 ? Number.POSITIVE_INFINITY : crlsEnd(path.map(factsOf), this.#read(), now)
      this.#lastEnd = Math.min(lists, ...path.map((certificate) => certificate.validToDate.getTime()))
    }
    return this.#lastEnd
  }

  /** Whether it is one of the trusted certificates, or of those that help to build paths. */
  holds(der: Buffer): boolean {
    const certificate = new X509Certificate(der)
    return (this.#bySubject.get(certificate.subject) ?? []).some(({ raw }) => raw.equals(der))
  }

  /** Who issued the leaf; null where nobody who did is at hand. */
  issuerOfLeaf(served: readonly Buffer[], now: number): Certificate | null {
    const { path, certificates } = this.#walk(served, now)
    const [leaf, next] = path
    // A leaf may be an anchor itself, and its issuer is the one who vouches for it all the same.
    const issuer = leaf === undefined ? undefined : (next ?? this.#issuerOf(leaf, certificates, now))
    if (issuer !== undefined) return factsOf(issuer)
    return leaf?.checkIssued(leaf) === true ? factsOf(leaf) : null
  }

  /** What the lists say of a chain that was refused. `whole`: `served` is all of it, and not the leaf alone. */
  explainLists(served: readonly Buffer[], whole: boolean, now: number): CrlExplanation {
    const last = this.#explained
    if (
      last !== null &&
      last.whole === whole &&
      samePath(last.served, served) &&
      Math.abs(now - last.at) < explainedMs
    ) {
      return last.as
    }
    const as = this.#explain(served, whole, now)
    this.#explained = { served, whole, at: now, as }
    return as
  }

  #explain(served: readonly Buffer[], whole: boolean, now: number): CrlExplanation {
    const { path, anchored } = this.#walk(served, now)
    if (!anchored) return whole && path.length > 0 ? 'unanchored' : null
    const certificates = path.map(factsOf)
    const fault = foremost(checkCrls(certificates, this.#read(), now))
    const subject = fault === null ? null : certificates[fault.at]
    return fault === null || subject == null ? null : revocationWords(crlFacts(fault, subject))
  }

  #read(): readonly Crl[] {
    this.#crls ??= this.#lists.flatMap((pem) => readCrls(pem))
    return this.#crls
  }

  #walk(served: readonly Buffer[], now: number) {
    const certificates = served.map((der) => new X509Certificate(der))
    const path: X509Certificate[] = []
    let at: X509Certificate | undefined = certificates[0]
    let anchored = false
    while (at !== undefined && path.length < maxPath) {
      path.push(at)
      anchored = this.#anchors.has(at.fingerprint256)
      at = anchored ? undefined : this.#issuerOf(at, certificates, now)
    }
    return { path, certificates, anchored }
  }

  #issuerOf(subject: X509Certificate, served: readonly X509Certificate[], now: number): X509Certificate | undefined {
    const issues = (candidate: X509Certificate): boolean =>
      candidate !== subject && subject.checkIssued(candidate) && subject.verify(candidate.publicKey)
    const stored = (this.#bySubject.get(subject.issuer) ?? []).filter(issues)
    const good = stored.filter((candidate) => candidate.validToDate.getTime() > now)
    return (
      good.sort((one, other) => other.validToDate.getTime() - one.validToDate.getTime())[0] ??
      served.find(issues) ??
      stored[0]
    )
  }
}

/** I10. */
const maxPath = 16
const explainedMs = 1000

/** null where our strict reader has nothing of it: no list speaks of it then. */
function factsOf({ raw }: X509Certificate): Certificate | null {
  try {
    return parseCertificate(raw)
  } catch {
    return null
  }
}

function samePath(one: readonly Buffer[], other: readonly Buffer[]): boolean {
  return one.length === other.length && one.every((der, index) => der.equals(other[index] as Buffer))
}
