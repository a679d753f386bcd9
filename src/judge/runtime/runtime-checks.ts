import type { CrlError } from '../../x509/crl-check.ts'
import type { Crl } from '../../x509/crl.ts'
import type { RuntimeCertificate } from './runtime-certificate.ts'
import { checkNameConstraints, comparisonsOf, type NameConstraintError } from './runtime-name-constraints.ts'
import type { RuntimePath } from './runtime-path.ts'
import { resourceErrors } from './runtime-resources.ts'
import { bitsOfLevel } from '../strength.ts'
import { listErrors } from './runtime-revocation.ts'
import { keyStrength, signatureStrength } from './runtime-strength.ts'
import { affordComparisons, affordLink, type Steps } from './steps.ts'

/** X509_V_ERR_ of OpenSSL's verifier, without the prefix: those that this gateway's context can meet. */
export type OpensslError =
  | NameConstraintError
  | CrlError
  | 'EE_KEY_TOO_SMALL'
  | 'CERT_CHAIN_TOO_LONG'
  | 'DEPTH_ZERO_SELF_SIGNED_CERT'
  | 'SELF_SIGNED_CERT_IN_CHAIN'
  | 'UNABLE_TO_GET_ISSUER_CERT'
  | 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'
  | 'UNHANDLED_CRITICAL_EXTENSION'
  | 'PROXY_CERTIFICATES_NOT_ALLOWED'
  | 'INVALID_NON_CA'
  | 'INVALID_CA'
  | 'EC_KEY_EXPLICIT_PARAMS'
  | 'INVALID_PURPOSE'
  | 'PATH_LENGTH_EXCEEDED'
  | 'CA_KEY_TOO_SMALL'
  | 'CA_MD_TOO_WEAK'
  | 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
  | 'KEYUSAGE_NO_CERTSIGN'
  | 'KEYUSAGE_NO_DIGITAL_SIGNATURE'
  | 'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY'
  | 'CERT_SIGNATURE_FAILURE'
  | 'ERROR_IN_CERT_NOT_BEFORE_FIELD'
  | 'CERT_NOT_YET_VALID'
  | 'ERROR_IN_CERT_NOT_AFTER_FIELD'
  | 'CERT_HAS_EXPIRED'
  | 'PROXY_SUBJECT_NAME_VIOLATION'
  | 'UNNESTED_RESOURCE'
  | 'INVALID_EXTENSION'

/** One call of the verify callback. The runtime's lets all of them pass and keeps the last. */
export interface RuntimeError {
  readonly error: OpensslError
  readonly at: number
  /** What tells one reason for the same error from another. */
  readonly detail?: Readonly<Record<string, unknown>>
}

export interface CheckRules {
  readonly purpose: 'server' | 'client' | 'any'
  readonly level: number
  readonly partialChain: boolean
  readonly now: number
  /** The lists of the context. */
  readonly crls: readonly Crl[]
}

type Report = (error: OpensslError, at: number, detail?: RuntimeError['detail']) => void

/** What `X509_verify_cert` finds wrong with a chain that was built, in its order. */
export function checkPath(path: RuntimePath, rules: CheckRules, steps: Steps): readonly RuntimeError[] {
  const errors: RuntimeError[] = []
  const report: Report = (error, at, detail) =>
    errors.push(detail === undefined ? { error, at } : { error, at, detail })
  const [leaf] = path.chain as [RuntimeCertificate]
  if (isWeak(leaf, rules.level)) report('EE_KEY_TOO_SMALL', 0)
  if (!path.trusted) reportNoAnchor(path, errors, report)
  checkExtensions(path.chain, rules, report)
  checkStrengths(path.chain, rules.level, report)
  for (const found of listErrors(path.chain, rules.crls, rules.now, steps)) {
    report(found.error, found.at, { list: found })
  }
  verifyInternally(path.chain, rules, steps, report)
  checkConstraints(path.chain, steps, report)
  checkResources(path.chain, steps, report)
  return errors
}

/**
 * What OpenSSL will say of the end of a path once its issuer is there: until then it looks neither at its dates nor at the
 * strength of its signature.
 */
export function latentErrors({ chain, trusted }: RuntimePath, rules: CheckRules): readonly RuntimeError[] {
  const top = chain.length - 1
  const end = chain[top] as RuntimeCertificate
  if (trusted || end.selfSigned) return []
  const errors: RuntimeError[] = []
  const report: Report = (error, at) => errors.push({ error, at })
  // A leaf's dates are looked at, and an anchor's that need not be a root.
  if (top > 0 && !rules.partialChain) checkTime(end, top, rules.now, report)
  const needed = bitsOfLevel(rules.level)
  if (needed > 0 && signatureStrength(end) < needed) report('CA_MD_TOO_WEAK', top)
  return errors
}

function reportNoAnchor(path: RuntimePath, errors: readonly RuntimeError[], report: Report): void {
  const { chain, trustedFrom, tooLong } = path
  const top = chain.length - 1
  const before = errors.at(-1)
  // An error that is there already is told once more, and nothing else.
  if (before !== undefined) {
    report(before.error, top)
    return
  }
  if (tooLong) report('CERT_CHAIN_TOO_LONG', top)
  if ((chain[top] as RuntimeCertificate).selfSigned) {
    report(top === 0 ? 'DEPTH_ZERO_SELF_SIGNED_CERT' : 'SELF_SIGNED_CERT_IN_CHAIN', top)
  } else {
    report(trustedFrom < chain.length ? 'UNABLE_TO_GET_ISSUER_CERT' : 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', top)
  }
}

/** `check_extensions`. */
function checkExtensions(chain: readonly RuntimeCertificate[], rules: CheckRules, report: Report): void {
  let mustBe: 'any' | 'ca' | 'no-ca' = 'any'
  let authorities = 0n
  let proxies = 0n
  for (const [at, certificate] of chain.entries()) {
    const { unhandledCritical, proxy, pathLength } = certificate
    if (unhandledCritical !== null) report('UNHANDLED_CRITICAL_EXTENSION', at, { oid: unhandledCritical })
    if (proxy) report('PROXY_CERTIFICATES_NOT_ALLOWED', at)
    const kind = authorityKind(certificate)
    if (mustBe === 'no-ca' && kind !== 'none') report('INVALID_NON_CA', at)
    // Only the end of a path may be a CA by what older standards had in place of basicConstraints.
    if (mustBe === 'ca' && (kind === 'none' || (at + 1 < chain.length && kind !== 'full'))) report('INVALID_CA', at)
    if (chain.length > 1) {
      if (certificate.key === null) report('UNSPECIFIED', at)
      else if (certificate.explicitCurve) report('EC_KEY_EXPLICIT_PARAMS', at)
    }
    const misfit = purposeMisfit(certificate, rules.purpose, mustBe === 'ca')
    if (misfit !== null) report('INVALID_PURPOSE', at, { reason: misfit })
    if (at > 1 && pathLength !== null && authorities > pathLength + proxies) {
      report('PATH_LENGTH_EXCEEDED', at, { pathLength: Number(pathLength), authoritiesBelow: Number(authorities) })
    }
    if (at > 0 && !certificate.selfIssued) authorities += 1n
    if (proxy) proxies += 1n
    mustBe = proxy ? 'no-ca' : 'ca'
  }
}

/** `check_ca`. `legacy`: a CA without saying so in basicConstraints. An invalid one is none. */
function authorityKind(certificate: RuntimeCertificate): 'none' | 'full' | 'legacy' {
  const { invalid, ca, keyUsage, version, selfSigned, netscapeType } = certificate
  if (invalid.length > 0 || refuses(keyUsage, usage.keyCertSign)) return 'none'
  if (ca !== null) return ca ? 'full' : 'none'
  if (version === 0n && selfSigned) return 'legacy'
  if (keyUsage !== null) return 'legacy'
  return netscapeType !== null && (netscapeType & netscape.anyCa) !== 0 ? 'legacy' : 'none'
}

type Misfit = 'extendedKeyUsage' | 'keyUsage' | 'netscapeType' | 'notAnAuthority'

/** `X509_check_purpose` for TLS; null: it fits. An invalid certificate is let pass, for it fails elsewhere. */
function purposeMisfit(
  certificate: RuntimeCertificate,
  purpose: CheckRules['purpose'],
  asAuthority: boolean,
): Misfit | null {
  const { invalid, purposes, keyUsage, netscapeType } = certificate
  if (purpose === 'any' || invalid.length > 0) return null
  const accepted = purpose === 'server' ? serverPurposes : clientPurposes
  // anyExtendedKeyUsage does not count here.
  if (purposes !== null && !purposes.some((oid) => accepted.has(oid))) return 'extendedKeyUsage'
  if (asAuthority) {
    if (authorityKind(certificate) === 'none') return 'notAnAuthority'
    const byNetscape =
      certificate.ca === null && keyUsage === null && !(certificate.version === 0n && certificate.selfSigned)
    return byNetscape && refuses(netscapeType, netscape.sslCa) ? 'netscapeType' : null
  }
  if (refuses(netscapeType, purpose === 'server' ? netscape.server : netscape.client)) return 'netscapeType'
  return refuses(keyUsage, purpose === 'server' ? usage.tlsServer : usage.tlsClient) ? 'keyUsage' : null
}

const serverPurposes: ReadonlySet<string> = new Set([
  '2b06010505070301',
  // Server gated crypto, Microsoft's and Netscape's.
  '2b0601040182370a0303',
  '6086480186f8420401',
])
const clientPurposes: ReadonlySet<string> = new Set(['2b06010505070302'])

const usage = {
  keyCertSign: 0x04,
  digitalSignature: 0x80,
  tlsServer: 0x80 | 0x20 | 0x08,
  tlsClient: 0x80 | 0x08,
} as const
const netscape = { client: 0x80, server: 0x40, sslCa: 0x04, anyCa: 0x07 } as const

/** The extension is there and allows none of it. */
const refuses = (bits: number | null, wanted: number): boolean => bits !== null && (bits & wanted) === 0

/** `check_auth_level`: every key above the leaf, and every signature but that of the path's end. */
function checkStrengths(chain: readonly RuntimeCertificate[], level: number, report: Report): void {
  const needed = bitsOfLevel(level)
  if (needed === 0) return
  for (const [at, certificate] of chain.entries()) {
    if (at > 0 && isWeak(certificate, level)) report('CA_KEY_TOO_SMALL', at)
    if (at < chain.length - 1 && signatureStrength(certificate) < needed) report('CA_MD_TOO_WEAK', at)
  }
}

function isWeak({ key }: RuntimeCertificate, level: number): boolean {
  const needed = bitsOfLevel(level)
  return needed > 0 && (key === null || keyStrength(key) < needed)
}

/** `internal_verify`. The end of a path is not verified by its own key; one that is not self-issued is not looked at. */
function verifyInternally(
  chain: readonly RuntimeCertificate[],
  { partialChain, now }: CheckRules,
  steps: Steps,
  report: Report,
): void {
  const top = chain.length - 1
  const end = chain[top] as RuntimeCertificate
  const endIsOwnIssuer = end.selfSigned && end.invalid.length === 0
  if (endIsOwnIssuer || partialChain) checkTime(end, top, now, report)
  else if (top === 0) {
    report('UNABLE_TO_VERIFY_LEAF_SIGNATURE', 0)
    checkTime(end, top, now, report)
  }
  for (let at = top - 1; at >= 0; at--) {
    const subject = chain[at] as RuntimeCertificate
    const issuer = chain[at + 1] as RuntimeCertificate
    if (subject.proxy) {
      if (refuses(issuer.keyUsage, usage.digitalSignature)) report('KEYUSAGE_NO_DIGITAL_SIGNATURE', at + 1)
    } else if (refuses(issuer.keyUsage, usage.keyCertSign)) report('KEYUSAGE_NO_CERTSIGN', at + 1)
    if (issuer.key === null) report('UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY', at + 1)
    else if (affordLink(steps, issuer) && !subject.signedBy(issuer)) report('CERT_SIGNATURE_FAILURE', at)
    checkTime(subject, at, now, report)
  }
}

/** `ossl_x509_check_cert_time`. */
function checkTime({ notBefore, notAfter }: RuntimeCertificate, at: number, now: number, report: Report): void {
  if (notBefore === null) report('ERROR_IN_CERT_NOT_BEFORE_FIELD', at)
  else if (notBefore > now) report('CERT_NOT_YET_VALID', at)
  if (notAfter === null) report('ERROR_IN_CERT_NOT_AFTER_FIELD', at)
  else if (notAfter <= now) report('CERT_HAS_EXPIRED', at)
}

/** `check_name_constraints`: of every certificate above, for the leaf and for what is not self-issued. */
function checkConstraints(chain: readonly RuntimeCertificate[], steps: Steps, report: Report): void {
  for (let at = chain.length - 1; at >= 0; at--) {
    const certificate = chain[at] as RuntimeCertificate
    if (at > 0 && certificate.selfIssued) continue
    if (certificate.proxy && !extendsIssuer(certificate)) report('PROXY_SUBJECT_NAME_VIOLATION', at)
    for (let above = chain.length - 1; above > at; above--) {
      const constraints = chain[above]?.nameConstraints ?? null
      if (constraints === null) continue
      if (!affordComparisons(steps, comparisonsOf(certificate, constraints))) return
      const found = checkNameConstraints(certificate, constraints, at === 0)
      if (found !== null) report(found.error, at, { name: found.name, constrainedBy: above })
    }
  }
}

/** RFC 3820 section 3.4: the issuer's name and one common name more. */
function extendsIssuer({ subject, issuer }: RuntimeCertificate): boolean {
  const last = subject.rdns.at(-1)
  return (
    subject.rdns.length > 1 &&
    subject.rdns.length === issuer.rdns.length + 1 &&
    last?.length === 1 &&
    last[0]?.oid === '2.5.4.3' &&
    (issuer.canonical === '' || subject.canonical.startsWith(`${issuer.canonical}/`))
  )
}

/** `X509v3_asid_validate_path` and `X509v3_addr_validate_path`. */
function checkResources(chain: readonly RuntimeCertificate[], steps: Steps, report: Report): void {
  for (const kind of ['autonomousSystems', 'addressBlocks'] as const) {
    const resources = chain.map((certificate) => certificate[kind])
    for (const { error, at } of resourceErrors(resources, (count) => affordComparisons(steps, count * rangeCost))) {
      report(error, at, { resource: kind })
    }
  }
}

/** Numbers of any length are compared, and sorted before. */
const rangeCost = 16
