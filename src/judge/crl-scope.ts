import type { Certificate } from '../x509/certificate.ts'
import type { Crl } from '../x509/crl.ts'
import type { DistributionPoint, DistributionPointName, ReasonFlag } from '../x509/distribution-points.ts'
import type { GeneralName } from '../x509/general-name.ts'
import { type Name, nameWithin, sameName } from '../x509/name.ts'
import { labelOf } from './certificate-ref.ts'

export type ReasonSet = ReadonlySet<ReasonFlag>

/** RFC 5280 section 6.3.1: all that a list can be about. */
const allReasons: ReasonSet = new Set<ReasonFlag>([
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
])

export type Scope =
  | { readonly covers: true; readonly reasons: ReasonSet }
  /** `because` is empty for a list that has nothing to do with the certificate. */
  | { readonly covers: false; readonly because: string }

/** RFC 5280 section 6.3.3 (b) and (d): whether the list speaks about the certificate, and for which reasons. */
export function crlCovers(crl: Crl, certificate: Certificate): Scope {
  const points = certificate.crlDistributionPoints ?? []
  const reasons = new Set<ReasonFlag>()
  let because = ''
  // Last, a list of the issuer for everything, wherever it came from.
  for (const point of [...points, issuersOwn]) {
    const found = pointCovers(crl, certificate, point)
    if (found.covers) for (const reason of found.reasons) reasons.add(reason)
    else if (because === '') because = found.because
  }
  return reasons.size > 0 ? { covers: true, reasons } : { covers: false, because }
}

const issuersOwn: DistributionPoint = { fullName: null, relativeName: null, reasons: null, crlIssuer: null }

function pointCovers(crl: Crl, certificate: Certificate, point: DistributionPoint): Scope {
  const idp = crl.issuingDistributionPoint
  const foreign = point.crlIssuer !== null
  const issuerFits = foreign
    ? (point.crlIssuer ?? []).some((name) => sameName(name, crl.issuer)) &&
      (idp?.indirect === true || sameName(crl.issuer, certificate.issuer))
    : sameName(crl.issuer, certificate.issuer)
  if (!issuerFits) return { covers: false, because: '' }
  if (idp === null) return { covers: true, reasons: reasonsOf(point.reasons, null) }
  const list = `the list of "${labelOf(crl.issuer)}"`
  const isCa = certificate.basicConstraints?.ca === true
  if (idp.onlyAttributeCertificates) return { covers: false, because: `${list} is for attribute certificates only` }
  if (idp.onlyUserCertificates && isCa) return { covers: false, because: `${list} is for end entities only` }
  if (idp.onlyCaCertificates && !isCa) return { covers: false, because: `${list} is for CAs only` }
  if (!pointMatches(idp, crl.issuer, point, certificate.issuer)) {
    return { covers: false, because: `${list} is for another distribution point` }
  }
  return { covers: true, reasons: reasonsOf(point.reasons, idp.onlySomeReasons) }
}

/** Section 6.3.3 (b)(2)(i). Without a name on both sides there is nothing to compare. */
function pointMatches(
  idp: DistributionPointName,
  crlIssuer: Name,
  point: DistributionPoint,
  certificateIssuer: Name,
): boolean {
  const listNames = namesOf(idp, crlIssuer)
  if (listNames.length === 0) return true
  const pointNames = namesOf(point, point.crlIssuer?.[0] ?? certificateIssuer)
  const names =
    pointNames.length > 0 ? pointNames : (point.crlIssuer ?? [certificateIssuer]).map((name) => directory(name))
  return names.some((one) => listNames.some((other) => sameGeneralName(one, other)))
}

const namesOf = ({ fullName, relativeName }: DistributionPointName, base: Name): readonly GeneralName[] =>
  fullName ?? (relativeName === null ? [] : [directory(nameWithin(base, relativeName))])

const directory = (name: Name): GeneralName => ({ kind: 'directory', value: '', name })

function sameGeneralName(one: GeneralName, other: GeneralName): boolean {
  if (one.kind === 'directory' || other.kind === 'directory') {
    return one.kind === 'directory' && other.kind === 'directory' && sameName(one.name, other.name)
  }
  return one.kind === other.kind && one.value === other.value
}

function reasonsOf(point: ReasonSet | null, list: ReasonSet | null): ReasonSet {
  return new Set([...allReasons].filter((reason) => point?.has(reason) !== false && list?.has(reason) !== false))
}

/** A delta and the list it adds to have the same scope where their issuing distribution points are the same bytes. */
export function sameScope(one: Crl, other: Crl): boolean {
  const valueOf = (crl: Crl): Buffer | undefined => crl.extensions.find(({ oid }) => oid === '2.5.29.28')?.value
  const [a, b] = [valueOf(one), valueOf(other)]
  return a === undefined || b === undefined ? a === b : a.equals(b)
}
