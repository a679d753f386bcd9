import { likelyIssued, type RuntimeCertificate } from './runtime-certificate.ts'
import { affordEvidence, type Steps } from './steps.ts'

/** Certificates of the context, in the order they were given to it; equal ones count once (`X509_STORE_add_cert`). */
export interface RuntimeStore {
  named(canonical: string): readonly RuntimeCertificate[]
}

/** What `build_chain` came to. */
export interface RuntimePath {
  /** Leaf first. */
  readonly chain: readonly RuntimeCertificate[]
  /** From here on the certificates are the store's. */
  readonly trustedFrom: number
  /** An anchor was reached. */
  readonly trusted: boolean
  /** The path was cut off at the limit. */
  readonly tooLong: boolean
}

export interface PathRules {
  readonly partialChain: boolean
  /** Most certificates of a chain, leaf included and anchor not. */
  readonly maxLength: number
  /** Seconds since the epoch, in milliseconds. */
  readonly now: number
}

export function createStore(certificates: readonly RuntimeCertificate[]): RuntimeStore {
  const byName = new Map<string, RuntimeCertificate[]>()
  for (const certificate of certificates) {
    const list = byName.get(certificate.subject.canonical)
    if (list === undefined) byName.set(certificate.subject.canonical, [certificate])
    else if (!list.some(({ id }) => id === certificate.id)) list.push(certificate)
  }
  return { named: (canonical) => byName.get(canonical) ?? [] }
}

/**
 * `build_chain` of OpenSSL 3.5 with X509_V_FLAG_TRUSTED_FIRST, which is its default: the store is asked first at every step,
 * and once it has given an issuer the served certificates are not asked any more, whatever comes. There is no way back.
 */
export function buildPath(
  leaf: RuntimeCertificate,
  served: readonly RuntimeCertificate[],
  store: RuntimeStore,
  rules: PathRules,
  steps: Steps,
): RuntimePath {
  const chain = [leaf]
  const untrusted = [...served]
  let trustedFrom = 1
  let askServed = true
  let askStore = true
  const outcome = (trusted: boolean): RuntimePath => ({
    chain,
    trustedFrom,
    trusted,
    tooLong: !trusted && chain.length > rules.maxLength,
  })
  while (askServed || askStore) {
    const top = chain.at(-1) as RuntimeCertificate
    const full = chain.length > rules.maxLength
    if (askStore) {
      const issuer = full ? null : bestIssuer(top, store.named(top.issuer.canonical), rules, steps)
      // A self-signed one is trusted only if the store has the very same; a namesake is no substitute.
      if (issuer !== null && !(top.selfSigned && issuer.id !== top.id)) {
        if (top.selfSigned) chain.pop()
        trustedFrom = Math.min(trustedFrom, chain.length)
        chain.push(issuer)
        askServed = false
        if (issuer.selfSigned || rules.partialChain) return outcome(true)
        continue
      }
      if (!askServed) break
    }
    const next = top.selfSigned || full ? null : bestIssuer(top, unusedOf(chain, untrusted), rules, steps)
    if (next === null) {
      askServed = false
      askStore = true
      continue
    }
    untrusted.splice(untrusted.indexOf(next), 1)
    chain.push(next)
    trustedFrom = chain.length
  }
  // Nothing of the store above the leaf: with partial chains the leaf itself may be in it.
  if (rules.partialChain && trustedFrom === chain.length && chain.length <= rules.maxLength) {
    if (store.named(leaf.subject.canonical).some(({ id }) => id === leaf.id)) {
      trustedFrom = 0
      return outcome(true)
    }
  }
  return outcome(false)
}

/** Whether somebody else than the path has it signed one of its certificates too, and is himself an anchor or under one. */
export function hasChoices(
  { chain, trusted }: RuntimePath,
  served: readonly RuntimeCertificate[],
  store: RuntimeStore,
  steps: Steps,
): boolean {
  if (!trusted) return false
  const used = new Set(chain.map(({ id }) => id))
  return chain.slice(0, -1).some((subject) => {
    const stored = store.named(subject.issuer.canonical)
    return [...stored, ...served].some((other) => {
      steps.candidates += 1
      if (used.has(other.id) || !likelyIssued(other, subject)) return false
      const anchored =
        (stored.includes(other) && other.selfSigned) ||
        store.named(other.issuer.canonical).some((above) => likelyIssued(above, other))
      return anchored && affordEvidence(steps, other) && subject.signedBy(other)
    })
  })
}

/** What is in the chain is not used twice, but for a leaf that names itself as its issuer. */
function unusedOf(chain: readonly RuntimeCertificate[], served: readonly RuntimeCertificate[]): RuntimeCertificate[] {
  const [leaf] = chain
  if (chain.length === 1 && leaf?.selfIssued) return [...served]
  const used = new Set(chain.map(({ id }) => id))
  return served.filter(({ id }) => !used.has(id))
}

/** `get0_best_issuer_sk`: the first that is valid now, otherwise the first of those that end last. */
function bestIssuer(
  subject: RuntimeCertificate,
  candidates: readonly RuntimeCertificate[],
  { now }: PathRules,
  steps: Steps,
): RuntimeCertificate | null {
  let best: RuntimeCertificate | null = null
  for (const candidate of candidates) {
    steps.candidates += 1
    if (!likelyIssued(candidate, subject)) continue
    if (isValidAt(candidate, now)) return candidate
    if (best === null || endsLater(candidate, best)) best = candidate
  }
  return best
}

/** `ASN1_TIME_compare`, which answers neither way where it cannot read one of the two. */
const endsLater = (one: RuntimeCertificate, other: RuntimeCertificate): boolean =>
  one.notAfter !== null && other.notAfter !== null && one.notAfter > other.notAfter

// `X509_cmp_time` takes a time equal to now for one that has been: the last second is already too late.
const isValidAt = ({ notBefore, notAfter }: RuntimeCertificate, now: number): boolean =>
  notBefore !== null && notAfter !== null && notBefore <= now && notAfter > now
