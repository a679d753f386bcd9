import type { Certificate } from '../x509/certificate.ts'
import type { Crl, CrlEntry } from '../x509/crl.ts'
import { isoDate, labelOf } from './certificate-ref.ts'
import { crlDuty } from './crl-duties.ts'
import { crlCovers, type ReasonSet, sameScope } from './crl-scope.ts'
import { type FaultFinding, fault } from './fault.ts'
import type { IssuersOf } from './links.ts'
import type { Candidate, Pool } from './pool.ts'
import type { Work } from './work.ts'

export interface RevocationContext {
  readonly crls: readonly Crl[]
  readonly time: number
  readonly leafOnly: boolean
  /** Also the duties of CRL issuers (RFC 5280 section 5.2), of those for servers also by the Baseline Requirements. */
  readonly duties: 'none' | 'standard' | 'web'
  readonly pool: Pool
  readonly issuersOf: IssuersOf
  readonly work: Work
  /** Faults that make a certificate useless as the signer of a list, or as a CA above it. */
  readonly unsound: (candidate: Candidate, isSigner: boolean) => boolean
}

type Status =
  | { readonly kind: 'good' }
  | { readonly kind: 'revoked'; readonly entry: CrlEntry; readonly crl: Crl }
  /** Why no list could be used, for people. */
  | { readonly kind: 'unknown'; readonly because: readonly string[] }

export interface Revocation {
  /** RFC 5280 section 6.3 for every certificate below the anchor. */
  faultsOf(path: readonly Candidate[]): FaultFinding[]
}

// A list may be signed with a key whose certificate needs a list in turn.
const maxNesting = 4

export function createRevocation(context: RevocationContext): Revocation {
  const statuses = new Map<string, Status>()
  const byIssuer = Map.groupBy(context.crls, ({ issuer }) => issuer.canonical)

  const statusOf = (subject: Candidate, issuer: Candidate, anchor: Candidate, nesting: number): Status => {
    const id = `${subject.certificate.sha256}${issuer.ca}`
    const known = statuses.get(id)
    if (known !== undefined) return known
    // A list that would have to vouch for its own signer vouches for nothing.
    statuses.set(id, { kind: 'unknown', because: ['the status of its signer hangs on itself'] })
    const status = findStatus(subject, issuer, anchor, nesting)
    statuses.set(id, status)
    return status
  }

  const findStatus = (subject: Candidate, issuer: Candidate, anchor: Candidate, nesting: number): Status => {
    const because: string[] = []
    const covered = new Set<string>()
    for (const crl of context.crls) {
      if (crl.deltaBase !== null) continue
      const scope = crlCovers(crl, subject.certificate)
      if (!scope.covers) {
        if (scope.because !== '') because.push(scope.because)
        continue
      }
      if (!addsReasons(scope.reasons, covered)) continue
      const unusable = unusableBecause(crl, issuer, anchor, nesting)
      if (unusable !== null) {
        because.push(unusable)
        continue
      }
      const delta = deltaOf(crl, issuer, anchor, nesting)
      const entry = lookUp(delta, crl, subject.certificate)
      if (entry !== null) return { kind: 'revoked', ...entry }
      for (const reason of scope.reasons) covered.add(reason)
      if (covered.size === reasonCount) return { kind: 'good' }
    }
    if (covered.size > 0) because.push('the lists do not cover all reasons')
    return { kind: 'unknown', because }
  }

  const unusableBecause = (crl: Crl, issuer: Candidate, anchor: Candidate, nesting: number): string | null => {
    const name = `the list of "${labelOf(crl.issuer)}"`
    const form = formOf(crl, context)
    if (form !== null) return `${name} ${form}`
    return signerOf(crl, issuer, anchor, nesting) ? null : `${name} is not signed with a key that may sign it`
  }

  /** RFC 5280 section 6.3.3 (f) and (g). */
  const signerOf = (crl: Crl, issuer: Candidate, anchor: Candidate, nesting: number): boolean => {
    const signers = [issuer, ...context.pool.named(crl.issuer.canonical)].filter(
      ({ certificate, origin }) => certificate.subject.canonical === crl.issuer.canonical && origin !== 'fetched',
    )
    return signers.some(
      (signer) =>
        maySignCrls(signer.certificate) &&
        context.work.verify(signer.certificate, crl) === 'good' &&
        (isSame(signer, issuer) || isSame(signer, anchor) || isTrusted(signer, anchor, nesting, crl)),
    )
  }

  /**
   * The signer of a list needs a path of its own, under the same anchor, with nothing on it revoked.
   *
   * @param signed the list, for its signer; null for a CA above it
   */
  const isTrusted = (
    signer: Candidate,
    anchor: Candidate,
    nesting: number,
    signed: Crl | null,
    seen = new Set<string>(),
  ): boolean => {
    if (signer.origin === 'anchor') return signer.certificate.sha256 === anchor.certificate.sha256
    if (nesting >= maxNesting || seen.has(signer.ca) || context.unsound(signer, signed !== null)) return false
    const below = new Set([...seen, signer.ca])
    return context
      .issuersOf(signer)
      .some(
        ({ issuer, signature }) =>
          signature === 'good' &&
          issuer.origin !== 'fetched' &&
          isTrusted(issuer, anchor, nesting, null, below) &&
          isUnrevoked(statusOf(signer, issuer, anchor, nesting + 1), signer, signed),
      )
  }

  /**
   * A CA may name one issuer of lists for all of its certificates, that issuer's own included. Its list then is the only one
   * there can be about it, and is believed as long as it does not say that its signer was revoked.
   */
  const isUnrevoked = ({ kind }: Status, { certificate }: Candidate, signed: Crl | null): boolean => {
    if (kind !== 'unknown' || signed === null) return kind === 'good'
    const scope = crlCovers(signed, certificate)
    return scope.covers && scope.reasons.size === reasonCount && lookUp(null, signed, certificate) === null
  }

  /** RFC 5280 section 6.3.3 (c). */
  const deltaOf = (base: Crl, issuer: Candidate, anchor: Candidate, nesting: number): Crl | null => {
    const found = (byIssuer.get(base.issuer.canonical) ?? []).filter(
      (delta) =>
        delta.deltaBase !== null &&
        base.crlNumber !== null &&
        delta.crlNumber !== null &&
        base.crlNumber >= delta.deltaBase &&
        delta.crlNumber > base.crlNumber &&
        sameScope(base, delta) &&
        unusableBecause(delta, issuer, anchor, nesting) === null,
    )
    return found.sort((one, other) => Number((other.crlNumber ?? 0n) - (one.crlNumber ?? 0n)))[0] ?? null
  }

  return {
    faultsOf(path) {
      const anchor = path.at(-1) as Candidate
      return path.slice(0, context.leafOnly ? Math.min(1, path.length - 1) : -1).flatMap((subject, at) => {
        const status = statusOf(subject, path[at + 1] as Candidate, anchor, 0)
        return status.kind === 'good' ? [] : [faultOf(status, subject.certificate, at)]
      })
    },
  }
}

function faultOf(status: Exclude<Status, { kind: 'good' }>, certificate: Certificate, at: number): FaultFinding {
  const place = { at, certificate }
  const subject = labelOf(certificate.subject)
  if (status.kind === 'revoked') {
    const { entry, crl } = status
    const when = entry.revokedAt === null ? null : isoDate(entry.revokedAt)
    return fault('revoked', place, `"${subject}" was revoked${when === null ? '' : ` at ${when}`}`, {
      revokedAt: when,
      reason: entry.reason,
      list: labelOf(crl.issuer),
    })
  }
  const because =
    status.because.length === 0 ? ['no list of its issuer is at hand'] : [...new Set(status.because)].slice(0, 8)
  return fault('revocation-unknown', place, `Whether "${subject}" was revoked is not known: ${because[0]}`, {
    because,
    issuer: labelOf(certificate.issuer),
    crlUrls: certificate.crlUrls,
  })
}

const maySignCrls = ({ keyUsage }: Certificate): boolean => keyUsage === null || keyUsage.has('cRLSign')

function lookUp(delta: Crl | null, base: Crl, certificate: Certificate): { entry: CrlEntry; crl: Crl } | null {
  const newer = delta?.entryOf(certificate.serialBytes, certificate.issuer) ?? null
  if (delta !== null && newer !== null) {
    // RFC 5280 section 6.3.3 (k): a hold that was lifted.
    return newer.reason === 'removeFromCRL' ? null : { entry: newer, crl: delta }
  }
  const entry = base.entryOf(certificate.serialBytes, certificate.issuer)
  return entry === null || entry.reason === 'removeFromCRL' ? null : { entry, crl: base }
}

/** What keeps a list from being used, whoever signed it. */
function formOf(crl: Crl, { time, duties }: RevocationContext): string | null {
  const now = Math.floor(time / 1000) * 1000
  const unknown = [...crl.unknownCriticalExtensions, ...crl.unknownCriticalEntryExtensions]
  if (unknown.length > 0) return `has a critical extension that is not understood: ${unknown.join(', ')}`
  const defect = crl.defects.find(({ kind }) => duties !== 'none' || kind === 'encoding')
  if (defect !== undefined) return `is malformed: ${defect.reason}`
  if (crl.thisUpdate > now) return `is not valid before ${isoDate(crl.thisUpdate)}`
  if (crl.nextUpdate !== null && crl.nextUpdate < now) return `was to be replaced at ${isoDate(crl.nextUpdate)}`
  return duties === 'none' ? null : crlDuty(crl, duties === 'web')
}

const reasonCount = 8

const addsReasons = (reasons: ReasonSet, covered: ReadonlySet<string>): boolean =>
  [...reasons].some((reason) => !covered.has(reason))

/** Another certificate of the same name and key may be anybody's: it has to be trusted itself. */
const isSame = (one: Candidate, other: Candidate): boolean => one.certificate.sha256 === other.certificate.sha256
