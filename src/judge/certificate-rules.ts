import type { Certificate } from '../x509/certificate.ts'
import { extensionOids } from '../x509/oids.ts'
import { isoDate, labelOf } from './certificate-ref.ts'
import { type FaultFinding, fault, type Place } from './fault.ts'
import { weakKey, weakSignature } from './strength.ts'
import type { JudgeInput } from './types.ts'

/** Where a certificate stands. A leaf may itself be the anchor. */
export interface Role {
  readonly leaf: boolean
  readonly anchor: boolean
}

type RuleInput = Pick<JudgeInput, 'time' | 'purpose' | 'securityLevel' | 'distrusted'>

/**
 * Faults that a certificate has in its role whatever the rest of the path is (RFC 5280 section 6.1.3 (a)(2), 6.1.4 (k) to
 * (o), and key and hash strength). Anchors are checked like other CAs: the standard leaves that open, and an operator
 * who trusts an expired root wants to hear of it.
 */
export function certificateFaults(certificate: Certificate, at: number, role: Role, input: RuleInput): FaultFinding[] {
  const place = { at, certificate }
  return [
    ...distrust(place, input),
    ...form(place),
    ...criticalExtensions(place),
    ...validity(place, input.time),
    ...purpose(place, role, input.purpose),
    ...weakKey(certificate, at, input.securityLevel),
    ...(role.anchor ? [] : weakSignature(certificate, at, input.securityLevel)),
  ]
}

interface Here extends Place {
  readonly at: number
  readonly certificate: Certificate
}

/** RFC 5280 section 6.1.4 (k) and (n): an issuer is a CA and may sign certificates. */
export function issuerFaults(certificate: Certificate, at: number, role: Role): FaultFinding[] {
  const { basicConstraints, keyUsage, version, subject } = certificate
  const place = { at, certificate }
  // Section 6.1.4 (k): a version 1 certificate cannot say it, so it must be known otherwise; being an anchor is that.
  const known = role.anchor && version < 3 && basicConstraints === null
  if (basicConstraints?.ca !== true && !known) {
    const evidence = { basicConstraints, version }
    return [fault('issuer-not-ca', place, `"${labelOf(subject)}" issued a certificate and is not a CA`, evidence)]
  }
  if (keyUsage !== null && !keyUsage.has('keyCertSign')) {
    return [
      fault(
        'issuer-key-usage',
        place,
        `The key usage of "${labelOf(subject)}" does not allow it to sign certificates`,
        {
          keyUsage: [...keyUsage],
          needed: 'keyCertSign',
        },
      ),
    ]
  }
  return []
}

function distrust({ at, certificate }: Here, { distrusted }: RuleInput): FaultFinding[] {
  if (!distrusted?.some(({ sha256 }) => sha256 === certificate.sha256)) return []
  return [fault('distrusted', { at, certificate }, `"${labelOf(certificate.subject)}" is explicitly distrusted`)]
}

/**
 * Defects in what validation reads and readers may differ about. An unreadable pointer or hint refuses nothing: nothing is
 * decided by it. What is read without doubt and forbidden to issuers is a matter of the strict mode.
 */
function form(place: Here): FaultFinding[] {
  const { certificate } = place
  const faults = certificate.defects
    .filter(({ kind, field }) => kind === 'encoding' || bounding.has(field))
    .filter(
      ({ field }) => !hints.has(field) || certificate.extensions.some(({ oid, critical }) => oid === field && critical),
    )
    .map(({ field, offset, reason }) =>
      fault(
        'malformed-certificate',
        place,
        `"${labelOf(certificate.subject)}" is malformed at byte ${offset}: ${reason}`,
        {
          field,
          offset,
          reason,
        },
      ),
    )
  if (certificate.publicKey.curve === 'explicit') {
    // RFC 5480 section 2.1.1: only named curves; a peer that chooses its own curve chooses a weak one (CVE-2020-0601).
    faults.push(
      fault('malformed-certificate', place, `The key of "${labelOf(certificate.subject)}" defines its own curve`, {
        rule: 'RFC 5480 section 2.1.1',
      }),
    )
  }
  return faults
}

function criticalExtensions(place: Here): FaultFinding[] {
  const unknown = place.certificate.extensions.filter(({ oid, critical }) => critical && !processed.has(oid))
  if (unknown.length === 0) return []
  const oids = unknown.map(({ oid }) => oid)
  return [
    fault(
      'unknown-critical-extension',
      place,
      `"${labelOf(place.certificate.subject)}" carries a critical extension that is not understood: ${oids.join(', ')}`,
      { oids, rule: 'RFC 5280 section 4.2' },
    ),
  ]
}

function validity(place: Here, time: number): FaultFinding[] {
  const { notBefore, notAfter, subject } = place.certificate
  // RFC 5280 section 4.1.2.5: whole seconds, both ends included.
  const now = Math.floor(time / 1000) * 1000
  const evidence = { notBefore: isoDate(notBefore), notAfter: isoDate(notAfter), time: isoDate(now) }
  if (now > notAfter) {
    return [fault('expired', place, `"${labelOf(subject)}" expired at ${isoDate(notAfter)}`, evidence)]
  }
  if (now < notBefore) {
    return [fault('not-yet-valid', place, `"${labelOf(subject)}" is not valid before ${isoDate(notBefore)}`, evidence)]
  }
  return []
}

const anyPurpose = '2.5.29.37.0'
const purposes = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const

/**
 * RFC 5280 section 4.2.1.12. In a CA it bounds what the CA issues for: the standard does not say so, and every verifier of
 * the web does it.
 */
function purpose(place: Here, role: Role, wanted: JudgeInput['purpose']): FaultFinding[] {
  if (wanted === 'any') return []
  const { extendedKeyUsage, keyUsage, subject } = place.certificate
  const whom = wanted === 'server' ? 'TLS servers' : 'TLS clients'
  if (
    extendedKeyUsage !== null &&
    !extendedKeyUsage.includes(purposes[wanted]) &&
    !extendedKeyUsage.includes(anyPurpose)
  ) {
    return [
      fault('wrong-purpose', place, `"${labelOf(subject)}" is not meant for ${whom}`, {
        extendedKeyUsage,
        needed: purposes[wanted],
      }),
    ]
  }
  // RFC 8446 section 4.4.2.2 and the key exchanges of TLS 1.2: one of these, or the key can do nothing in a handshake.
  const needed = wanted === 'server' ? serverKeyUsages : clientKeyUsages
  if (role.leaf && keyUsage !== null && !needed.some((usage) => keyUsage.has(usage))) {
    return [
      fault('wrong-purpose', place, `The key usage of "${labelOf(subject)}" allows nothing that ${whom} do`, {
        keyUsage: [...keyUsage],
        needed,
      }),
    ]
  }
  return []
}

const serverKeyUsages = ['digitalSignature', 'keyEncipherment', 'keyAgreement'] as const
const clientKeyUsages = ['digitalSignature', 'keyAgreement'] as const

/** Extensions that bound what a CA may do: one that is not as it should be bounds nobody knows what. */
export const bounding: ReadonlySet<string> = new Set([
  extensionOids.nameConstraints,
  extensionOids.certificatePolicies,
  extensionOids.policyMappings,
  extensionOids.policyConstraints,
  extensionOids.inhibitAnyPolicy,
])

/** Extensions that only help to find something; validation does without them. */
export const hints: ReadonlySet<string> = new Set([
  extensionOids.subjectKeyIdentifier,
  extensionOids.authorityKeyIdentifier,
  extensionOids.authorityInfoAccess,
  '2.5.29.18',
  '2.5.29.46',
])

/** Critical extensions that this judge obeys, or that ask nothing of a verifier. */
const processed: ReadonlySet<string> = new Set([
  extensionOids.keyUsage,
  extensionOids.subjectAltName,
  extensionOids.basicConstraints,
  extensionOids.nameConstraints,
  extensionOids.crlDistributionPoints,
  extensionOids.certificatePolicies,
  extensionOids.policyMappings,
  extensionOids.policyConstraints,
  extensionOids.extendedKeyUsage,
  extensionOids.inhibitAnyPolicy,
  extensionOids.subjectKeyIdentifier,
  extensionOids.authorityKeyIdentifier,
  // issuerAltName, freshestCRL, OCSP no check.
  '2.5.29.18',
  '2.5.29.46',
  '1.3.6.1.5.5.7.48.1.5',
])
