import type { Certificate } from '../x509/certificate.ts'
import { ipBytes, ipText } from '../x509/ip-address.ts'
import { extensionOids } from '../x509/oids.ts'
import type { VerdictCode } from '../verdict/codes.ts'
import { clip, labelOf } from './certificate-ref.ts'
import { bounding, hints, type Role } from './certificate-rules.ts'
import { type FaultFinding, fault } from './fault.ts'
import type { JudgeInput } from './types.ts'

/** I10: of one certificate; more would say nothing more about its issuer. */
const maxDuties = 32

interface Duty {
  /** Section of the standard. */
  readonly rule: string
  readonly code: VerdictCode
  /** Continues `"name" ...`. */
  readonly breach: string
}

/**
 * What issuers owe by RFC 5280 section 4 and, for certificates of TLS servers, by the CA/Browser Forum's Baseline
 * Requirements (BR). None of it is a step of path validation, so these faults come after all others.
 */
export function dutyFaults(
  certificate: Certificate,
  at: number,
  role: Role,
  { purpose }: Pick<JudgeInput, 'purpose'>,
): FaultFinding[] {
  const duties = [
    ...profileDuties(certificate, role),
    ...fieldDuties(certificate),
    ...identifierDuties(certificate, role),
    ...authorityDuties(certificate, role),
    ...keyUsageDuties(certificate),
    ...criticalityDuties(certificate),
    ...nameDuties(certificate),
    ...(purpose === 'server' ? [...keyDuties(certificate, role), ...webDuties(certificate, role)] : []),
  ]
  return duties
    .slice(0, maxDuties)
    .map(({ rule, code, breach }) =>
      fault(code, { at, certificate }, `"${labelOf(certificate.subject)}" ${breach}`, { rule }),
    )
}

const breach = (rule: string, breach: string, code: VerdictCode = 'malformed-certificate'): Duty => ({
  rule,
  code,
  breach,
})

const fieldRule = (field: string): string => `RFC 5280 section 4 (${field})`

/** `rule` in the evidence of a breach that an issuer's name makes. */
export const issuerFieldRule: string = fieldRule('issuer')

/** Defects that path validation lets pass. A root's serial number was drawn before there were rules, and identifies nothing. */
function* profileDuties({ defects }: Certificate, role: Role): Generator<Duty> {
  for (const { reason, offset, field, kind } of defects) {
    if (bounding.has(field) || (kind === 'encoding' && !hints.has(field))) continue
    if (role.anchor && !role.leaf && field === 'serialNumber') continue
    yield breach(fieldRule(field), `is malformed at byte ${offset}: ${reason}`)
  }
}

function* fieldDuties(certificate: Certificate): Generator<Duty> {
  const { issuerUniqueId, subjectUniqueId, notBefore, notAfter, extensions, version } = certificate
  if (issuerUniqueId || subjectUniqueId) yield breach('RFC 5280 section 4.1.2.8', 'has a unique identifier')
  if (notAfter < notBefore) yield breach('RFC 5280 section 4.1.2.5', 'ends before it begins')
  if (version < 3 && extensions.length === 0) yield breach('RFC 5280 section 4.1.2.1', `is of version ${version}`)
}

function* identifierDuties(certificate: Certificate, role: Role): Generator<Duty> {
  const { authorityKey, subjectKeyId, selfSignedForm, basicConstraints } = certificate
  // BR section 7.1.2.1: roots may go without, whoever signed them; a limit to the path is a mark of CAs that are none.
  const root = selfSignedForm || (role.anchor && basicConstraints?.pathLength === null)
  if (authorityKey?.keyId == null && !root) {
    yield breach('RFC 5280 section 4.2.1.1', 'has no authority key identifier')
  }
  if (basicConstraints?.ca === true && subjectKeyId === null) {
    yield breach('RFC 5280 section 4.2.1.2', 'is a CA without a subject key identifier')
  }
}

function* authorityDuties(certificate: Certificate, role: Role): Generator<Duty> {
  const { basicConstraints, keyUsage, subject, nameConstraints, policyConstraints, policyMappings, extensions } =
    certificate
  const isCa = basicConstraints?.ca === true
  if (isCa) {
    if (subject.rdns.length === 0) yield breach('RFC 5280 section 4.1.2.6', 'is a CA without a name')
    // Roots have it since the Baseline Requirements; many are older, and section 6.1 reads none of an anchor.
    if (keyUsage === null && !role.anchor) yield breach('RFC 5280 section 4.2.1.3', 'is a CA without a key usage')
    else if (keyUsage !== null && basicConstraints.pathLength !== null && !keyUsage.has('keyCertSign')) {
      yield breach('RFC 5280 section 4.2.1.9', 'has a path length and may not sign certificates')
    }
    return
  }
  if (keyUsage?.has('keyCertSign')) yield breach('RFC 5280 section 4.2.1.9', 'may sign certificates and is no CA')
  if (basicConstraints !== null && basicConstraints.pathLength !== null) {
    yield breach('RFC 5280 section 4.2.1.9', 'has a path length and is no CA')
  }
  if (nameConstraints !== null) yield breach('RFC 5280 section 4.2.1.10', 'has name constraints and is no CA')
  if (policyConstraints !== null || policyMappings !== null) {
    yield breach('RFC 5280 sections 4.2.1.5 and 4.2.1.11', 'has policy constraints or mappings and is no CA')
  }
  if (role.leaf && extensions.some(({ oid }) => oid === extensionOids.inhibitAnyPolicy)) {
    yield breach('RFC 5280 section 4.2.1.14', 'inhibits anyPolicy and is no CA')
  }
}

/** What a kind of key cannot do, its key usage may not claim. */
function* keyUsageDuties({ keyUsage, publicKey }: Certificate): Generator<Duty> {
  const { algorithm } = publicKey
  const rule = algorithm.startsWith('ml-dsa')
    ? 'RFC 9881 section 5'
    : algorithm === 'ed25519' || algorithm === 'ed448'
      ? 'RFC 9295 section 3'
      : algorithm === 'ec'
        ? 'RFC 8813 section 3'
        : null
  if (rule === null) return
  for (const claim of algorithm === 'ec' ? encipherments : [...encipherments, ...agreements]) {
    if (keyUsage?.has(claim)) yield breach(rule, `claims a key usage that its kind of key does not have: ${claim}`)
  }
}

const encipherments = ['keyEncipherment', 'dataEncipherment'] as const
const agreements = ['keyAgreement', 'encipherOnly', 'decipherOnly'] as const

/** Extensions whose criticality the standard fixes, with the section. */
const mustBeCritical: Readonly<Record<string, string>> = {
  [extensionOids.policyConstraints]: '4.2.1.11',
  [extensionOids.inhibitAnyPolicy]: '4.2.1.14',
  [extensionOids.nameConstraints]: '4.2.1.10',
}

const mustNotBeCritical: Readonly<Record<string, string>> = {
  [extensionOids.authorityKeyIdentifier]: '4.2.1.1',
  [extensionOids.subjectKeyIdentifier]: '4.2.1.2',
  '2.5.29.9': '4.2.1.8',
  [extensionOids.freshestCrl]: '4.2.1.15',
  [extensionOids.authorityInfoAccess]: '4.2.2.1',
  '1.3.6.1.5.5.7.1.11': '4.2.2.2',
}

function* criticalityDuties({ extensions, basicConstraints, subject }: Certificate): Generator<Duty> {
  for (const { oid, critical } of extensions) {
    const must = mustBeCritical[oid]
    if (must !== undefined && !critical)
      yield breach(`RFC 5280 section ${must}`, `has ${nameOf(oid)} that are not critical`)
    const mustNot = mustNotBeCritical[oid]
    if (mustNot !== undefined && critical) yield breach(`RFC 5280 section ${mustNot}`, `has a critical ${nameOf(oid)}`)
    if (oid === extensionOids.basicConstraints && basicConstraints?.ca === true && !critical) {
      yield breach('RFC 5280 section 4.2.1.9', 'is a CA whose basic constraints are not critical')
    }
    if (oid === extensionOids.subjectAltName && subject.rdns.length === 0 && !critical) {
      yield breach('RFC 5280 section 4.2.1.6', 'has no subject, and alternative names that are not critical')
    }
  }
  if (subject.rdns.length === 0 && !extensions.some(({ oid }) => oid === extensionOids.subjectAltName)) {
    yield breach('RFC 5280 section 4.1.2.6', 'has neither a subject nor an alternative name')
  }
}

function* nameDuties({ subjectAltNames, nameConstraints, policyMappings }: Certificate): Generator<Duty> {
  for (const { kind, value } of subjectAltNames) {
    if (kind === 'dns') {
      const fault = dnsNameFault(value)
      if (fault !== null)
        yield breach('RFC 5280 section 4.2.1.6', `has the alternative name "${clip(value)}": ${fault}`)
    } else if (kind === 'email' && !/^[^@\s]+@[^@\s]+$/.test(value)) {
      yield breach('RFC 5280 section 4.2.1.6', `has the mail address "${clip(value)}", which is none`)
    } else if (kind === 'uri' && !/^[a-z][a-z0-9+.-]*:./i.test(value)) {
      yield breach('RFC 5280 section 4.2.1.6', `has the URI "${clip(value)}", which is not absolute`)
    }
  }
  for (const subtree of [...(nameConstraints?.permitted ?? []), ...(nameConstraints?.excluded ?? [])]) {
    if (subtree.minimum !== 0 || subtree.maximum !== null) {
      yield breach('RFC 5280 section 4.2.1.10', 'has name constraints with a minimum or a maximum')
    }
    if (subtree.kind === 'dns' && subtree.value.startsWith('.')) {
      yield breach('RFC 5280 section 4.2.1.10', `has a DNS constraint with a leading dot, "${clip(subtree.value)}"`)
    }
    if (subtree.kind === 'ip' && !isPrefix(subtree.mask)) {
      yield breach('RFC 5280 section 4.2.1.10', 'has an address constraint that is no CIDR range')
    }
  }
  if (
    policyMappings?.some(({ issuerDomain, subjectDomain }) => issuerDomain === anyPolicy || subjectDomain === anyPolicy)
  ) {
    yield breach('RFC 5280 section 4.2.1.5', 'maps to or from anyPolicy')
  }
}

const anyPolicy = '2.5.29.32.0'

/** The preferred name syntax of RFC 1034 section 3.5 as RFC 1123 changed it, with a wildcard for the first label (BR). */
function dnsNameFault(value: string): string | null {
  if (ipBytes(value) !== null) return 'an IP address is no DNS name'
  const host = value.startsWith('*.') ? value.slice(2) : value
  if (host.includes('*')) return 'a wildcard is the whole of the first label'
  if (value !== host && !host.includes('.')) return 'a wildcard for a whole top-level domain'
  if (
    host.length > 253 ||
    !/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(host)
  ) {
    return 'not a host name in the preferred name syntax'
  }
  return null
}

function isPrefix(mask: Buffer): boolean {
  let ended = mask.length === 0
  if (ended) return false
  for (const byte of mask) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      const set = ((byte >> bit) & 1) === 1
      if (set && ended) return false
      if (!set) ended = true
    }
  }
  return true
}

/** BR sections 6.1.5, 6.1.6 and 7.1.3. */
function* keyDuties({ publicKey, signatureAlgorithm, subject }: Certificate, role: Role): Generator<Duty> {
  const { algorithm, bits, curve } = publicKey
  if (algorithm === 'rsa') {
    if (bits !== null && (bits < 2048 || bits % 8 !== 0)) {
      yield breach('BR section 6.1.5', `has an RSA key of ${bits} bits`, 'weak-key')
    }
  } else if (algorithm !== 'ec') {
    yield breach('BR section 6.1.5', `has a key that is neither RSA nor EC (${algorithm})`, 'weak-key')
  } else if (!webCurves.has(curve ?? '')) {
    yield breach('BR section 6.1.5', `has a key on the curve ${curve}`, 'weak-key')
  }
  if (role.anchor) return
  const { name, hash } = signatureAlgorithm
  if (!webSignatures.test(name) || !webHashes.has(hash ?? '')) {
    yield breach('BR section 7.1.3.2', `is signed with ${name} (issuer of "${labelOf(subject)}")`, 'weak-signature')
  }
}

const webCurves: ReadonlySet<string> = new Set(['P-256', 'P-384', 'P-521'])
const webHashes: ReadonlySet<string> = new Set(['sha256', 'sha384', 'sha512'])
const webSignatures = /^(?:sha\d+WithRSAEncryption|rsassaPss|ecdsa-with-SHA\d+)$/

/** BR section 7.1.2: profiles of roots and of subscriber certificates. */
function* webDuties(certificate: Certificate, role: Role): Generator<Duty> {
  const { authorityKey, extendedKeyUsage, basicConstraints, keyUsage, selfIssued } = certificate
  if (role.anchor && !role.leaf) {
    if (extendedKeyUsage !== null) yield breach('BR section 7.1.2.1.2', 'is a root with an extended key usage')
  }
  if (authorityKey !== null && (authorityKey.issuer !== null || authorityKey.serial !== null)) {
    yield breach('BR section 7.1.2.1.3', 'names the issuer of its issuer in the authority key identifier')
  }
  if (role.anchor && selfIssued && authorityKey !== null && authorityKey.keyId !== certificate.subjectKeyId) {
    yield breach('BR section 7.1.2.1.3', 'is a root with an authority key identifier that is not its own')
  }
  yield* crlPointDuties(certificate)
  if (!role.leaf) return
  if (basicConstraints?.ca === true) {
    yield breach('BR section 7.1.2.7.8', 'is a CA and stands in the place of a server', 'wrong-purpose')
  }
  if (keyUsage?.has('cRLSign')) yield breach('BR section 7.1.2.7.11', 'is for a server and may sign revocation lists')
  if (extendedKeyUsage === null) {
    yield breach('BR section 7.1.2.7.6', 'has no extended key usage', 'wrong-purpose')
  } else {
    for (const [oid, what] of forbiddenPurposes) {
      if (extendedKeyUsage.includes(oid)) yield breach('BR section 7.1.2.7.10', `is also for ${what}`, 'wrong-purpose')
    }
  }
  if (certificate.extensions.some(({ oid, critical }) => oid === extensionOids.extendedKeyUsage && critical)) {
    yield breach('BR section 7.1.2.7.6', 'has a critical extended key usage')
  }
  const names = certificate.extensions.find(({ oid }) => oid === extensionOids.subjectAltName)
  if (names?.critical === true && certificate.subject.rdns.length > 0) {
    yield breach('BR section 7.1.2.7.12', 'has critical alternative names beside a subject')
  }
  yield* commonNameDuties(certificate)
}

/** What a server's key may not be used for besides. */
const forbiddenPurposes: readonly (readonly [oid: string, what: string])[] = [
  ['2.5.29.37.0', 'any purpose'],
  ['1.3.6.1.5.5.7.3.3', 'signing code'],
  ['1.3.6.1.5.5.7.3.4', 'mail'],
  ['1.3.6.1.5.5.7.3.8', 'time stamps'],
  ['1.3.6.1.5.5.7.3.9', 'OCSP answers'],
  ['1.3.6.1.4.1.11129.2.4.4', 'pre-certificates'],
]

/** BR section 7.1.2.11.2. */
function* crlPointDuties({ crlDistributionPoints }: Certificate): Generator<Duty> {
  for (const { fullName, relativeName, reasons, crlIssuer } of crlDistributionPoints ?? []) {
    if (fullName === null || relativeName !== null || reasons !== null || crlIssuer !== null) {
      yield breach('BR section 7.1.2.11.2', 'has a CRL distribution point that is more or less than an address')
    }
    if (fullName?.some((it) => it.kind !== 'uri' || !/^http:/i.test(it.value))) {
      yield breach('BR section 7.1.2.11.2', 'has a CRL distribution point that is no http address')
    }
  }
}

/** BR section 7.1.4.3: a common name is a copy, character for character, of an alternative name. */
function* commonNameDuties({ subject, subjectAltNames }: Certificate): Generator<Duty> {
  const names = subjectAltNames.filter(({ kind }) => kind === 'dns' || kind === 'ip')
  if (names.length === 0) return
  const commonNames = subject.rdns.flat().filter(({ oid }) => oid === '2.5.4.3')
  if (commonNames.length > 1) yield breach('BR section 7.1.4.3', 'has more than one common name')
  const hosts = names.filter(({ kind }) => kind === 'dns')
  for (const { text } of commonNames) {
    const bytes = text === null ? null : ipBytes(text)
    // What nobody takes for a host or an address cannot be another one than the alternative names.
    if (text !== null && !maybeHost.test(text)) continue
    // A host name beside addresses only says something else than they do, not another spelling of them.
    if (hosts.length === 0 && bytes === null && text?.includes('.') === true && !endsInNumber.test(text)) continue
    const known = names.some(({ kind, value }) => {
      if (kind === 'ip') return bytes !== null && text === value && ipText(bytes) === text
      // The domain of the alternative names stands for them in the common name of many.
      return text === value || value.endsWith(`.${text}`)
    })
    if (!known)
      yield breach(
        'BR section 7.1.4.3',
        `has the common name "${clip(text ?? '')}", which is not among its alternative names`,
      )
  }
}

/** Several labels, an address, or a number that some take for one. */
const maybeHost = /[.:]|^(?:0x[\da-f]+|\d+)$/i
const endsInNumber = /(?:^|\.)(?:0x[\da-f]*|\d+)\.?$/i

const extensionNames: Readonly<Record<string, string>> = {
  [extensionOids.policyConstraints]: 'policy constraints',
  [extensionOids.inhibitAnyPolicy]: 'inhibit-anyPolicy settings',
  [extensionOids.nameConstraints]: 'name constraints',
  [extensionOids.authorityKeyIdentifier]: 'authority key identifier',
  [extensionOids.subjectKeyIdentifier]: 'subject key identifier',
  [extensionOids.freshestCrl]: 'freshest CRL',
  [extensionOids.authorityInfoAccess]: 'authority information access',
}

const nameOf = (oid: string): string => extensionNames[oid] ?? oid
