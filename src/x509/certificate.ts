import { createHash } from 'node:crypto'

import {
  asBuffer,
  contextTag,
  type DerElement,
  DerError,
  DerReader,
  rawOf,
  readElement,
  readWhole,
  tags,
} from './der.ts'
import { integerHex, readBitString, readBoolean, readCount, readInteger, readOid, readTime } from './der-values.ts'
import {
  type AuthorityKeyIdentifier,
  type BasicConstraints,
  type KeyUsage,
  readAuthorityInfoAccess,
  readAuthorityKeyIdentifier,
  readBasicConstraints,
  readCrlUrls,
  readExtendedKeyUsage,
  readKeyUsage,
  readSubjectAltNames,
  readSubjectKeyId,
  type SubjectAltName,
} from './extensions.ts'
import { couldIssue, signatureVerifies } from './issued.ts'
import { type Name, readName, sameName } from './name.ts'
import { extensionOids, processedExtensions } from './oids.ts'
import { type PublicKeyFacts, readPublicKey } from './public-key.ts'
import { readSignatureAlgorithm, type SignatureAlgorithm } from './signature-algorithm.ts'

interface Extension {
  readonly oid: string
  readonly critical: boolean
  /** Content of the OCTET STRING. */
  readonly value: Buffer
  /** Offset of the extension in the certificate. */
  readonly offset: number
}

/** Something wrong inside a certificate whose frame can be read. */
interface Defect {
  /** OID of the extension, or the field's name. */
  readonly field: string
  readonly offset: number
  readonly reason: string
}

/** The facts of one certificate. Nothing here is judged: see the path rules and the lint for that. */
export interface Certificate {
  readonly der: Buffer
  /** Re-encoded, 64 columns, final line break. */
  readonly pem: string
  /** Upper-case hexadecimal, as the thumbprints of logs and APIs. */
  readonly sha256: string
  readonly sha1: string
  readonly version: number
  readonly serial: string
  readonly subject: Name
  readonly issuer: Name
  /** Milliseconds since the epoch; both ends belong to the validity. */
  readonly notBefore: number
  readonly notAfter: number
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly publicKey: PublicKeyFacts
  readonly extensions: readonly Extension[]
  readonly basicConstraints: BasicConstraints | null
  readonly keyUsage: ReadonlySet<KeyUsage> | null
  /** OIDs; null where the extension is absent, which means any purpose. */
  readonly extendedKeyUsage: readonly string[] | null
  readonly subjectAltNames: readonly SubjectAltName[]
  readonly subjectKeyId: string | null
  readonly authorityKeyId: string | null
  readonly authorityKey: AuthorityKeyIdentifier | null
  readonly crlUrls: readonly string[]
  readonly aiaUrls: { readonly caIssuers: readonly string[]; readonly ocsp: readonly string[] }
  readonly unknownCriticalExtensions: readonly string[]
  readonly defects: readonly Defect[]
  /** Subject and issuer are the same name. */
  readonly selfIssued: boolean
  /**
   * OpenSSL's criterion for a root (EXFLAG_SS): self-issued, and neither key identifiers nor kind of key contradict it. In a
   * store OpenSSL takes such a certificate for an anchor **without checking its signature**, so whatever must not anchor
   * has to be kept from it by this form and not by the stricter `selfSigned`.
   */
  readonly selfSignedForm: boolean
  /** `selfSignedForm`, and the signature verifies with the certificate's own key. Computed on first use. */
  readonly selfSigned: boolean
}

/**
 * Reads one DER certificate. Throws `DerError` where the frame cannot be read; what is wrong inside of one extension becomes
 * a defect, because servers do serve such certificates and a diagnosis has to show them.
 */
export function parseCertificate(bytes: Uint8Array): Certificate {
  const der = Buffer.from(asBuffer(bytes))
  const outer = new DerReader(readWhole(der), 'certificate', tags.sequence)
  const body = outer.next('to-be-signed part', tags.sequence)
  const outerAlgorithm = outer.next('signature algorithm', tags.sequence)
  readBitString(outer.next('signature'), 'signature')
  outer.finish('certificate')

  const reader = new DerReader(body, 'to-be-signed part')
  const version = readVersion(reader)
  const serial = integerHex(readInteger(reader.next('serial number'), 'serial number'))
  const innerAlgorithm = reader.next('signature algorithm', tags.sequence)
  const issuer = readName(reader.next('issuer'), 'issuer')
  const validity = new DerReader(reader.next('validity'), 'validity', tags.sequence)
  const notBefore = readTime(validity.next('notBefore'), 'notBefore')
  const notAfter = readTime(validity.next('notAfter'), 'notAfter')
  validity.finish('validity')
  const subject = readName(reader.next('subject'), 'subject')
  const publicKey = readPublicKey(reader.next('public key'))
  reader.optional('issuer unique identifier', contextTag(1, false))
  reader.optional('subject unique identifier', contextTag(2, false))
  const extensionList = reader.optional('extensions', contextTag(3, true))
  reader.finish('to-be-signed part')

  const defects: Defect[] = []
  // RFC 5280 section 4.1.1.2; OpenSSL fails the signature of such a certificate.
  if (!rawOf(innerAlgorithm).equals(rawOf(outerAlgorithm))) {
    defects.push({ field: 'signatureAlgorithm', offset: outerAlgorithm.start, reason: 'differs inside and outside' })
  }
  const extensions = extensionList === null ? [] : readExtensions(extensionList)
  const facts = extensionFacts(extensions, der, defects)
  const signatureAlgorithm = readSignatureAlgorithm(outerAlgorithm)
  const selfIssued = sameName(subject, issuer)
  const own = { subject, issuer, serial, subjectKeyId: facts.subjectKeyId, publicKey }
  const selfSignedForm = selfIssued && couldIssue(own, { issuer, authorityKey: facts.authorityKey, signatureAlgorithm })
  let selfSigned: boolean | null = selfSignedForm ? null : false
  return {
    der,
    pem: toPem(der),
    sha256: digest('sha256', der),
    sha1: digest('sha1', der),
    version,
    serial,
    subject,
    issuer,
    notBefore,
    notAfter,
    signatureAlgorithm,
    publicKey,
    extensions,
    ...facts,
    authorityKeyId: facts.authorityKey?.keyId ?? null,
    unknownCriticalExtensions: extensions
      .filter((it) => it.critical && !processedExtensions.has(it.oid))
      .map(({ oid }) => oid),
    defects,
    selfIssued,
    selfSignedForm,
    get selfSigned() {
      selfSigned ??= signatureVerifies(der, der)
      return selfSigned
    },
  }
}

export function toPem(der: Buffer): string {
  const lines = der.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

function readVersion(reader: DerReader): number {
  const wrapper = reader.optional('version', contextTag(0, true))
  if (wrapper === null) return 1
  const inner = new DerReader(wrapper, 'version')
  const version = readCount(inner.next('version'), 'version') + 1
  inner.finish('version')
  return version
}

function readExtensions(wrapper: DerElement): Extension[] {
  const outer = new DerReader(wrapper, 'extensions')
  const list = new DerReader(outer.next('extensions'), 'extensions', tags.sequence)
  outer.finish('extensions')
  const extensions: Extension[] = []
  while (!list.done) {
    const element = list.next('extension')
    const reader = new DerReader(element, 'extension', tags.sequence)
    const oid = readOid(reader.next('extension type'), 'extension type')
    const critical = reader.optional('critical', tags.boolean)
    const value = reader.next('extension value', tags.octetString)
    reader.finish('extension')
    extensions.push({
      oid,
      critical: critical !== null && readBoolean(critical, 'critical'),
      value: value.bytes.subarray(value.body, value.end),
      offset: element.start,
    })
  }
  return extensions
}

function extensionFacts(extensions: readonly Extension[], der: Buffer, defects: Defect[]) {
  const seen = new Set<string>()
  for (const { oid, offset } of extensions) {
    // RFC 5280 section 4.2: which of two would count is anybody's guess.
    if (seen.has(oid)) defects.push({ field: oid, offset, reason: 'the extension appears twice' })
    seen.add(oid)
  }
  const read = <T>(oid: string, parse: (value: DerElement) => T): T | null => {
    const extension = extensions.find((candidate) => candidate.oid === oid)
    if (extension === undefined) return null
    const start = extension.value.byteOffset - der.byteOffset
    const end = start + extension.value.length
    try {
      const value = readElement(der, start, end)
      if (value.end !== end) throw new DerError(value.end, 'bytes after the end of the extension value')
      return parse(value)
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      defects.push({ field: oid, offset: error.offset, reason: error.reason })
      return null
    }
  }
  return {
    basicConstraints: read(extensionOids.basicConstraints, readBasicConstraints),
    keyUsage: read(extensionOids.keyUsage, readKeyUsage),
    extendedKeyUsage: read(extensionOids.extendedKeyUsage, readExtendedKeyUsage),
    subjectAltNames: read(extensionOids.subjectAltName, readSubjectAltNames) ?? [],
    subjectKeyId: read(extensionOids.subjectKeyIdentifier, readSubjectKeyId),
    authorityKey: read(extensionOids.authorityKeyIdentifier, readAuthorityKeyIdentifier),
    crlUrls: read(extensionOids.crlDistributionPoints, readCrlUrls) ?? [],
    aiaUrls: read(extensionOids.authorityInfoAccess, readAuthorityInfoAccess) ?? { caIssuers: [], ocsp: [] },
  }
}

const digest = (algorithm: string, der: Buffer): string => createHash(algorithm).update(der).digest('hex').toUpperCase()
