import { attempt, type Complain, complainer, type Defect } from './defects.ts'
import { asBuffer, contextTag, type DerElement, DerReader, rawOf, readWhole, tags } from './der.ts'
import { integerHex, readBitString, readCount, readInteger, readTime } from './der-values.ts'
import { readDistributionPoints } from './distribution-points.ts'
import { type Extension, extensionReader, readExtensions } from './extension-list.ts'
import {
  readAuthorityInfoAccess,
  readAuthorityKeyIdentifier,
  readBasicConstraints,
  readExtendedKeyUsage,
  readKeyUsage,
  readSubjectAltNames,
  readSubjectKeyId,
} from './extensions.ts'
import { hasBrokenValue, type Name, readName } from './name.ts'
import { extensionOids } from './oids.ts'
import {
  readInhibitAnyPolicy,
  readNameConstraints,
  readPolicies,
  readPolicyConstraints,
  readPolicyMappings,
} from './path-constraints.ts'
import { readPublicKey } from './public-key.ts'
import { readSignatureAlgorithm, readSignatureBits } from './signature-algorithm.ts'
import { endOfTime, startOfTime } from './validity.ts'

/** The fields of a certificate as they are encoded, and what is wrong with them. */
export function readFrame(bytes: Uint8Array) {
  const der = Buffer.from(asBuffer(bytes))
  const defects: Defect[] = []
  const outer = new DerReader(readWhole(der), 'certificate', tags.sequence)
  const body = outer.next('to-be-signed part', tags.sequence)
  const outerAlgorithm = outer.next('signature algorithm', tags.sequence)
  const signature = readSignatureBits(outer.next('signature'), complainer(defects, 'signature'))
  outer.finish('certificate')

  const reader = new DerReader(body, 'to-be-signed part')
  const version = readVersion(reader, complainer(defects, 'version'))
  const serialBytes = readSerial(reader.next('serial number'), complainer(defects, 'serialNumber'))
  const innerAlgorithm = reader.next('signature algorithm', tags.sequence)
  const issuer = readParty(reader.next('issuer'), 'issuer', complainer(defects, 'issuer'))
  const validity = readValidity(reader.next('validity'), defects)
  const subject = readParty(reader.next('subject'), 'subject', complainer(defects, 'subject'))
  const publicKey = readPublicKey(reader.next('public key'), complainer(defects, 'publicKey'))
  const issuerUniqueId = reader.optional('issuer unique identifier', contextTag(1, false))
  const subjectUniqueId = reader.optional('subject unique identifier', contextTag(2, false))
  const extensionList = reader.optional('extensions', contextTag(3, true))
  reader.finish('to-be-signed part')
  // Nobody uses them, but what is none of the kind is no certificate for OpenSSL.
  for (const [element, field] of [
    [issuerUniqueId, 'issuerUniqueId'],
    [subjectUniqueId, 'subjectUniqueId'],
  ] as const) {
    if (element !== null) attempt(element, complainer(defects, field), (it) => readBitString(it, field, it.tag))
  }

  const firstLate = extensionList ?? issuerUniqueId ?? subjectUniqueId
  if (firstLate !== null && version < (extensionList === null ? 2 : 3)) {
    complainer(defects, 'version')(firstLate.start, `a field that version ${version} does not have`, 'profile')
  }
  const extensions = readExtensions(extensionList, defects)
  return {
    der,
    tbs: rawOf(body),
    signature,
    version,
    serial: integerHex(serialBytes),
    serialBytes,
    subject,
    issuer,
    ...validity,
    signatureAlgorithm: readSignatureAlgorithm(
      outerAlgorithm,
      innerAlgorithm,
      complainer(defects, 'signatureAlgorithm'),
    ),
    publicKey,
    issuerUniqueId: issuerUniqueId !== null,
    subjectUniqueId: subjectUniqueId !== null,
    extensions,
    ...extensionFacts(extensions, der, defects),
    defects: defects as readonly Defect[],
  }
}

function readVersion(reader: DerReader, complain: Complain): number {
  const wrapper = reader.optional('version', contextTag(0, true))
  if (wrapper === null) return 1
  const inner = new DerReader(wrapper, 'version')
  const version = readCount(inner.next('version'), 'version') + 1
  inner.finish('version')
  if (version === 1) complain(wrapper.start, 'version 1 written out, which DER leaves out', 'profile')
  if (version > 3) complain(wrapper.start, `version ${version}, which does not exist`, 'profile')
  return version
}

function readParty(element: DerElement, what: string, complain: Complain): Name {
  const name = readName(element, what)
  // RFC 5280 section 4.1.2.4; a subject may be empty.
  if (what === 'issuer' && name.rdns.length === 0) complain(element.start, 'an empty name', 'profile')
  if (hasBrokenValue(name)) complain(element.start, 'a value of a wrong type')
  return name
}

// RFC 5280 section 4.1.2.2.
function readSerial(element: DerElement, complain: Complain): Buffer {
  const bytes = readInteger(element, 'serial number')
  if ((bytes[0] as number) >= 0x80) complain(element.start, 'a negative serial number', 'profile')
  else if (bytes.every((byte) => byte === 0)) complain(element.start, 'the serial number zero', 'profile')
  if (bytes.length > 20) complain(element.start, `a serial number of ${bytes.length} octets`, 'profile')
  return bytes
}

function readValidity(element: DerElement, defects: Defect[]) {
  const reader = new DerReader(element, 'validity', tags.sequence)
  const from = reader.next('notBefore')
  const to = reader.next('notAfter')
  reader.finish('validity')
  return {
    notBefore: readBoundary(from, 'notBefore', complainer(defects, 'notBefore')) ?? endOfTime,
    notAfter: readBoundary(to, 'notAfter', complainer(defects, 'notAfter')) ?? startOfTime,
  }
}

/** RFC 5280 section 4.1.2.5: UTCTime through 2049. */
function readBoundary(element: DerElement, what: string, complain: Complain): number | null {
  const time = attempt(element, complain, (it) => readTime(it, what, complain))
  if (time !== null && element.tag === tags.generalizedTime) {
    const year = new Date(time).getUTCFullYear()
    if (year >= 1950 && year < 2050) complain(element.start, `${what}: a GeneralizedTime before 2050`, 'profile')
  }
  return time
}

function extensionFacts(extensions: readonly Extension[], der: Buffer, defects: Defect[]) {
  const read = extensionReader(extensions, der, defects)
  const crlDistributionPoints = read(extensionOids.crlDistributionPoints, readDistributionPoints)
  // Two lists of names: no reader may believe one that another reader does not see.
  const twoLists = extensions.filter(({ oid }) => oid === extensionOids.subjectAltName).length > 1
  return {
    basicConstraints: read(extensionOids.basicConstraints, readBasicConstraints),
    keyUsage: read(extensionOids.keyUsage, readKeyUsage),
    extendedKeyUsage: read(extensionOids.extendedKeyUsage, readExtendedKeyUsage),
    subjectAltNames: twoLists ? [] : (read(extensionOids.subjectAltName, readSubjectAltNames) ?? []),
    issuerAltNames: read(extensionOids.issuerAltName, readSubjectAltNames) ?? [],
    nameConstraints: read(extensionOids.nameConstraints, readNameConstraints),
    policies: read(extensionOids.certificatePolicies, readPolicies),
    policyMappings: read(extensionOids.policyMappings, readPolicyMappings),
    policyConstraints: read(extensionOids.policyConstraints, readPolicyConstraints),
    inhibitAnyPolicy: read(extensionOids.inhibitAnyPolicy, readInhibitAnyPolicy),
    subjectKeyId: read(extensionOids.subjectKeyIdentifier, readSubjectKeyId),
    authorityKey: read(extensionOids.authorityKeyIdentifier, readAuthorityKeyIdentifier),
    crlDistributionPoints,
    freshestCrl: read(extensionOids.freshestCrl, readDistributionPoints),
    crlUrls: (crlDistributionPoints ?? []).flatMap(({ fullName }) =>
      (fullName ?? []).flatMap(({ kind, value }) => (kind === 'uri' ? [value] : [])),
    ),
    aiaUrls: read(extensionOids.authorityInfoAccess, readAuthorityInfoAccess) ?? { caIssuers: [], ocsp: [] },
  }
}
