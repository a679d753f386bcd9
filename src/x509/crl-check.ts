import type { Certificate } from './certificate.ts'
import type { CrlEntry } from './crl-entries.ts'
import type { Crl } from './crl-list.ts'
import type { DistributionPointName, ReasonFlag } from './distribution-points.ts'
import type { GeneralName } from './general-name.ts'
import { type Name, nameWithin, sameName } from './name.ts'
import { verifySignature } from './signature.ts'

/** X509_V_ERR_ of OpenSSL's verifier, without the prefix: those that a list without `unusedBecause` can bring about. */
export type CrlError =
  | 'UNABLE_TO_GET_CRL'
  | 'KEYUSAGE_NO_CRL_SIGN'
  | 'DIFFERENT_CRL_SCOPE'
  | 'CRL_NOT_YET_VALID'
  | 'CRL_HAS_EXPIRED'
  | 'CRL_SIGNATURE_FAILURE'
  | 'CERT_REVOKED'

/** What is wrong with the lists for one certificate of a path. */
export interface CrlFault {
  readonly error: CrlError
  readonly at: number
  /** The list that was looked at; null: there is none. */
  readonly crl: Crl | null
  readonly entry: CrlEntry | null
}

/**
 * What OpenSSL 3.5 makes of lists with X509_V_FLAG_CRL_CHECK and X509_V_FLAG_CRL_CHECK_ALL (`check_revocation`), which is what
 * the runtime sets as soon as a context has one: every certificate of the path needs one, the root too, which its own list
 * covers. Without extended support a list comes from whoever issued the certificate, or from a namesake above it in the path.
 *
 * @param path leaf first; null where a certificate is passed over (proxy certificates, RFC 3820)
 * @param crls without those that `unusedBecause` names
 * @param verifies for who has to count what it costs
 */
export function checkCrls(
  path: readonly (Certificate | null)[],
  crls: readonly Crl[],
  time: number,
  verifies: (crl: Crl, signer: Certificate) => boolean = isSignedBy,
): CrlFault[] {
  const now = Math.floor(time / 1000) * 1000
  return path.flatMap((subject, at) => (subject === null ? [] : faultsAt(path, subject, at, crls, now, verifies)))
}

/** When the first of the lists that a path is judged by ends; Infinity: none of them says. */
export function crlsEnd(path: readonly (Certificate | null)[], crls: readonly Crl[], time: number): number {
  const now = Math.floor(time / 1000) * 1000
  const chosen = path.map((subject, at) => (subject === null ? null : choose(path, subject, at, crls, new Set(), now)))
  return Math.min(Number.POSITIVE_INFINITY, ...chosen.map((choice) => choice?.crl.nextUpdate ?? Infinity))
}

/** Why OpenSSL as the runtime calls it never judges by the list, or would judge wrongly; '' where it does. */
export function unusedBecause(crl: Crl): string {
  const idp = crl.issuingDistributionPoint
  const unknown = [...crl.unknownCriticalExtensions, ...crl.unknownCriticalEntryExtensions]
  if (crl.deltaBase !== null) return 'is a delta list, a difference to another one (RFC 5280 section 5.2.4)'
  if (idp?.indirect === true) return 'is an indirect list, for certificates of other CAs (RFC 5280 section 5.2.5)'
  if (idp?.onlyAttributeCertificates === true) return 'is for attribute certificates only'
  if (idp !== null && idp.onlySomeReasons !== null) return 'is about some reasons of revocation only'
  if (idp?.onlyUserCertificates === true && idp.onlyCaCertificates) return 'is for neither CAs nor end entities'
  return unknown.length === 0 ? '' : `has a critical extension that is not understood: ${unknown.join(', ')}`
}

const allReasons: readonly ReasonFlag[] = [
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
]

/** `check_cert`. */
function faultsAt(
  path: readonly (Certificate | null)[],
  subject: Certificate,
  at: number,
  crls: readonly Crl[],
  now: number,
  verifies: (crl: Crl, signer: Certificate) => boolean,
): CrlFault[] {
  const faults: CrlFault[] = []
  const covered = new Set<ReasonFlag>()
  let last: Crl | null = null
  while (covered.size < allReasons.length) {
    const choice = choose(path, subject, at, crls, covered, now)
    if (choice === null) return [...faults, { error: 'UNABLE_TO_GET_CRL', at, crl: last, entry: null }]
    const { crl, signer, scope } = choice
    last = crl
    const report = (error: CrlError, entry: CrlEntry | null = null): void => void faults.push({ error, at, crl, entry })
    if (signer.keyUsage !== null && !signer.keyUsage.has('cRLSign')) report('KEYUSAGE_NO_CRL_SIGN')
    if (scope === null) report('DIFFERENT_CRL_SCOPE')
    if (crl.thisUpdate > now) report('CRL_NOT_YET_VALID')
    if (hasEnded(crl, now)) report('CRL_HAS_EXPIRED')
    if (!verifies(crl, signer)) report('CRL_SIGNATURE_FAILURE')
    const entry = crl.entryOf(subject.serialBytes, subject.issuer)
    if (entry !== null && entry.reason !== 'removeFromCRL') report('CERT_REVOKED', entry)
    const before = covered.size
    for (const reason of scope ?? []) covered.add(reason)
    if (covered.size === before) return [...faults, { error: 'UNABLE_TO_GET_CRL', at, crl, entry: null }]
  }
  return faults
}

interface Choice {
  readonly crl: Crl
  readonly signer: Certificate
  /** Reasons it speaks about; null: it is not for this certificate. */
  readonly scope: ReadonlySet<ReasonFlag> | null
  readonly score: number
}

/** `get_crl_sk`: the best score, and of equals the newest. */
function choose(
  path: readonly (Certificate | null)[],
  subject: Certificate,
  at: number,
  crls: readonly Crl[],
  covered: ReadonlySet<ReasonFlag>,
  now: number,
): Choice | null {
  let best: Choice | null = null
  for (const crl of crls) {
    const choice = rate(path, subject, at, crl, covered, now)
    if (choice === null || (best !== null && choice.score < best.score)) continue
    if (best !== null && choice.score === best.score && crl.thisUpdate <= best.crl.thisUpdate) continue
    best = choice
  }
  return best
}

/** `get_crl_score`, as far as it differs from list to list; null: 0, never used. */
function rate(
  path: readonly (Certificate | null)[],
  subject: Certificate,
  at: number,
  crl: Crl,
  covered: ReadonlySet<ReasonFlag>,
  now: number,
): Choice | null {
  if (!sameName(crl.issuer, subject.issuer)) return null
  const found = signerOf(path, at, crl)
  if (found === null) return null
  const reasons = scopeOf(crl, subject)
  if (reasons !== null && reasons.every((reason) => covered.has(reason))) return null
  const timely = crl.thisUpdate <= now && !hasEnded(crl, now)
  const score = (reasons === null ? 0 : 0x80) + (timely ? 0x40 : 0) + (found.next ? 0x18 : 0x08)
  return { crl, signer: found.signer, scope: reasons === null ? null : new Set(reasons), score }
}

/** `crl_akid_check`: the next certificate of the path, whatever its name, or one above with the name of the list's issuer. */
function signerOf(
  path: readonly (Certificate | null)[],
  at: number,
  crl: Crl,
): { readonly signer: Certificate; readonly next: boolean } | null {
  const first = Math.min(at + 1, path.length - 1)
  const next = path[first] ?? null
  if (next !== null && keyIdsAgree(next, crl)) return { signer: next, next: true }
  const above = path
    .slice(first + 1)
    .find((one) => one !== null && sameName(one.subject, crl.issuer) && keyIdsAgree(one, crl))
  return above === undefined || above === null ? null : { signer: above, next: false }
}

/** `X509_check_akid`. */
function keyIdsAgree(signer: Certificate, { authorityKey }: Crl): boolean {
  if (authorityKey === null) return true
  const { keyId, serial, issuer } = authorityKey
  if (keyId !== null && signer.subjectKeyId !== null && keyId !== signer.subjectKeyId) return false
  if (serial !== null && serial !== signer.serial) return false
  return issuer === null || sameName(issuer, signer.issuer)
}

/** `crl_crldp_check`: the reasons that the list covers for the certificate; null: it is not for it. */
function scopeOf(crl: Crl, subject: Certificate): readonly ReasonFlag[] | null {
  const idp = crl.issuingDistributionPoint
  const isCa = subject.basicConstraints?.ca === true
  if (idp !== null && (isCa ? idp.onlyUserCertificates : idp.onlyCaCertificates)) return null
  for (const point of subject.crlDistributionPoints ?? []) {
    const { crlIssuer, reasons } = point
    if (crlIssuer !== null && !crlIssuer.some((name) => sameName(name, crl.issuer))) continue
    if (idp !== null && !pointsAgree(point, crlIssuer?.[0] ?? subject.issuer, idp, crl.issuer)) continue
    return reasons === null ? allReasons : allReasons.filter((reason) => reasons.has(reason))
  }
  return idp === null || !isNamed(idp) ? allReasons : null
}

const isNamed = ({ fullName, relativeName }: DistributionPointName): boolean =>
  fullName !== null || relativeName !== null

/** `idp_check_dp`. */
function pointsAgree(point: DistributionPointName, base: Name, idp: DistributionPointName, crlIssuer: Name): boolean {
  if (!isNamed(point) || !isNamed(idp)) return true
  const ours = namesOf(point, base)
  const theirs = namesOf(idp, crlIssuer)
  return ours.some((one) => theirs.some((other) => sameGeneralName(one, other)))
}

const namesOf = ({ fullName, relativeName }: DistributionPointName, base: Name): readonly GeneralName[] =>
  fullName ?? (relativeName === null ? [] : [{ kind: 'directory', value: '', name: nameWithin(base, relativeName) }])

function sameGeneralName(one: GeneralName, other: GeneralName): boolean {
  if (one.kind === 'directory' || other.kind === 'directory') {
    return one.kind === 'directory' && other.kind === 'directory' && sameName(one.name, other.name)
  }
  return one.kind === other.kind && one.value === other.value
}

/** `X509_cmp_time` takes a time equal to now for one that has been. */
const hasEnded = ({ nextUpdate }: Crl, now: number): boolean => nextUpdate !== null && nextUpdate <= now

/** Hashing a long list is dear, and it is asked about again and again. */
const signatures = new WeakMap<Crl, Map<string, boolean>>()

export function isSignedBy(crl: Crl, { publicKey }: Certificate): boolean {
  const known = signatures.get(crl) ?? new Map<string, boolean>()
  signatures.set(crl, known)
  const key = publicKey.spki.toString('latin1')
  const good = known.get(key) ?? verifySignature(publicKey, crl) === 'good'
  if (known.size < maxSigners) known.set(key, good)
  return good
}

/** I10. */
const maxSigners = 64
