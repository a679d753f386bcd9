import { X509Certificate } from 'node:crypto'

/** What ends a path, and what helps to build one: the certificates of a snapshot, indexed by subject. */
export class PathEnds {
  readonly #anchors: ReadonlySet<string>
  readonly #bySubject = new Map<string, X509Certificate[]>()
  /** The last path asked about and its answer; a target presents the same one again and again. */
  #lastPath: readonly Buffer[] = []
  #lastEnd = 0

  constructor(anchors: readonly string[], intermediates: readonly string[]) {
    const parsed = anchors.map((pem) => new X509Certificate(pem))
    this.#anchors = new Set(parsed.map((anchor) => anchor.fingerprint256))
    for (const certificate of [...parsed, ...intermediates.map((pem) => new X509Certificate(pem))]) {
      const list = this.#bySubject.get(certificate.subject) ?? []
      list.push(certificate)
      this.#bySubject.set(certificate.subject, list)
    }
  }

  /**
   * When the first certificate of the verified path ends, anchor and stored intermediates included (I2).
   *
   * The runtime does not show the path that OpenSSL verified, only what was served; the path is found again here the way
   * OpenSSL takes it, from the store first. What was served beyond the anchor does not count: an expired cross-sign beside
   * a good path has ended no trust.
   */
  of(served: readonly Buffer[], now: number): number {
    if (!samePath(served, this.#lastPath) || this.#lastEnd <= now) {
      const [leaf, ...above] = served.map((der) => new X509Certificate(der))
      if (leaf === undefined) return Number.POSITIVE_INFINITY
      this.#lastPath = served
      this.#lastEnd = this.#walk(leaf, [leaf, ...above], now)
    }
    return this.#lastEnd
  }

  #walk(leaf: X509Certificate, served: readonly X509Certificate[], now: number): number {
    let end = Number.POSITIVE_INFINITY
    let at: X509Certificate | undefined = leaf
    for (let depth = 0; at !== undefined && depth < 16; depth++) {
      end = Math.min(end, at.validToDate.getTime())
      if (this.#anchors.has(at.fingerprint256)) break
      at = this.#issuerOf(at, served, now)
    }
    return end
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

function samePath(one: readonly Buffer[], other: readonly Buffer[]): boolean {
  return one.length === other.length && one.every((der, index) => der.equals(other[index] as Buffer))
}
