import { hash, type KeyObject, X509Certificate } from 'node:crypto'
import { type Certificate, parseCertificate } from '../../x509/certificate.ts'
import { DerError, readElement, readWhole } from '../../x509/der.ts'
import { readOid } from '../../x509/der-values.ts'
import type { Name } from '../../x509/name.ts'
import { readPublicKey } from '../../x509/public-key.ts'
import { provedBy } from '../../x509/signature.ts'
import { readSignatureAlgorithm } from '../../x509/signature-algorithm.ts'
import { costOf } from '../work.ts'
import {
  type Ber,
  BerError,
  contextClass,
  elementsOf,
  explicitOf,
  Fields,
  integerOf,
  oidOf,
  readBer,
  toDer,
} from './ber.ts'
import { isUnreadable, type RuntimeExtensions, readRuntimeExtensions, readRuntimeName } from './runtime-extensions.ts'

/** A certificate as the runtime holds it. */
export interface RuntimeCertificate extends RuntimeExtensions {
  /** As OpenSSL writes it again: the signed part as it came, what is around it as DER. By this it tells them apart. */
  readonly der: Buffer
  /** Digest of it: two certificates with the same one are one. */
  readonly id: string
  /** As our strict reader has it, or would if the encoding were DER; null where that cannot be. */
  readonly facts: Certificate | null
  /** Why the strict reader refuses it, which is what the gateway asks about a leaf. */
  readonly malformed: { readonly offset: number; readonly reason: string } | null
  readonly version: bigint
  readonly serial: bigint
  readonly subject: Name
  readonly issuer: Name
  /** Milliseconds since the epoch; null where OpenSSL cannot compare the time and calls it an error in the field. */
  readonly notBefore: number | null
  readonly notAfter: number | null
  /** Dotted OID of the signed part, which is what issuers' keys are compared with. */
  readonly signatureOid: string
  /** Of the signature itself. Lower case; null where the algorithm has its own digest or is unknown. */
  readonly signature: { readonly oid: string; readonly hash: string | null }
  /** EXFLAG_SI. */
  readonly selfIssued: boolean
  /** EXFLAG_SS: never looked at the signature. */
  readonly selfSigned: boolean
  /** null: the runtime cannot read the key. */
  readonly key: RuntimeKey | null
  readonly explicitCurve: boolean
  /** What verifying one signature with the key costs, in the units of `work.ts`. */
  readonly verifyCost: number
  /** `X509_verify`. Costs a signature. */
  signedBy(issuer: RuntimeCertificate): boolean
}

export interface RuntimeKey {
  /** `rsa`, `ec`, ... */
  readonly kind: string
  /** Of the modulus or of the curve. */
  readonly bits: number
  readonly curve: string | null
}

/** Read once while the caller holds the bytes: those of stores are judged again and again. */
const known = new WeakMap<Buffer, RuntimeCertificate | 'unreadable'>()

/** The runtime's own reading of keys, which is dear; null where it has none. */
const keys = new WeakMap<RuntimeCertificate, KeyObject | null>()

/** null where OpenSSL refuses the bytes; a handshake ends there, whatever else is served. */
export function runtimeCertificate(der: Buffer, facts: Certificate | null): RuntimeCertificate | null {
  let certificate = known.get(der)
  if (certificate === undefined) {
    certificate = read(der, facts) ?? 'unreadable'
    known.set(der, certificate)
  }
  return certificate === 'unreadable' ? null : certificate
}

/**
 * `ossl_x509_likely_issued`: names agree, what the authority key identifier says agrees, and the key is of the kind that
 * signed. Nothing is said about the signature.
 */
export function likelyIssued(issuer: RuntimeCertificate, subject: RuntimeCertificate): boolean {
  if (issuer.subject.canonical !== subject.issuer.canonical) return false
  if (issuer.invalid.length > 0 || subject.invalid.length > 0) return false
  return keyIdsAgree(issuer, subject.authorityKey) && keyFits(issuer.key, subject.signatureOid)
}

function read(der: Buffer, facts: Certificate | null): RuntimeCertificate | null {
  const x509 = openssl(der)
  if (x509 === null) return null
  try {
    // SSL_R_CERT_LENGTH_MISMATCH; OpenSSL's own reader does not look.
    if (readBer(der).raw.length !== der.length) return null
    const written = readBer(x509.raw)
    return readParts(written, x509, facts === null ? factsOf(written) : { facts, malformed: null })
  } catch (error) {
    if (isUnreadable(error)) return null
    throw error
  }
}

function openssl(der: Buffer): X509Certificate | null {
  try {
    return new X509Certificate(der)
  } catch {
    return null
  }
}

function readParts(
  outer: Ber,
  x509: X509Certificate,
  { facts, malformed }: Pick<RuntimeCertificate, 'facts' | 'malformed'>,
): RuntimeCertificate {
  const [signed, outerAlgorithm] = elementsOf(outer) as [Ber, Ber]
  const fields = new Fields(signed)
  const version = fields.optional(contextClass)
  const serial = integerOf(fields.next())
  const algorithm = fields.next()
  const issuer = nameOf(fields.next(), facts?.issuer)
  const [notBefore, notAfter] = elementsOf(fields.next()).map(timeOf) as [number | null, number | null]
  const subject = nameOf(fields.next(), facts?.subject)
  const spki = fields.next()
  fields.optional(contextClass | 1)
  fields.optional(contextClass | 2)
  const list = fields.optional(contextClass | 3)
  const extensions = readRuntimeExtensions(list === null ? null : explicitOf(list))
  const signatureOid = dotted(elementsOf(algorithm)[0] as Ber)
  const publicKey = publicKeyOf(x509)
  const key = publicKey === null ? null : keyOf(publicKey)
  const selfIssued = subject.canonical === issuer.canonical
  const signatures = new WeakMap<RuntimeCertificate, boolean>()
  const certificate: RuntimeCertificate = {
    der: outer.raw,
    id: facts !== null && facts.der.equals(outer.raw) ? facts.sha256 : hash('sha256', outer.raw, 'hex').toUpperCase(),
    facts,
    malformed,
    version: version === null ? 0n : integerOf(explicitOf(version)),
    serial,
    subject,
    issuer,
    notBefore,
    notAfter,
    signatureOid,
    signature: (malformed === null && facts?.signatureAlgorithm) || signatureOf(outerAlgorithm),
    ...extensions,
    selfIssued,
    selfSigned:
      selfIssued &&
      keyIdsAgree({ ...extensions, serial, issuer }, extensions.authorityKey) &&
      keyFits(key, signatureOid),
    key,
    explicitCurve: key?.kind === 'ec' && hasExplicitCurve(spki),
    verifyCost: verifyCostOf(facts, spki),
    signedBy(by) {
      let good = signatures.get(by)
      if (good === undefined) {
        good = verifies(x509, keys.get(by) ?? null)
        signatures.set(by, good)
        // Only what the strict reader has from the very same bytes.
        const same = malformed === null && by.malformed === null
        if (good && same && facts !== null && by.facts !== null) provedBy(by.facts.publicKey, facts)
      }
      return good
    },
  }
  keys.set(certificate, publicKey)
  return certificate
}

function factsOf(written: Ber): Pick<RuntimeCertificate, 'facts' | 'malformed'> {
  const strict = tryStrict(written.raw)
  if (!(strict instanceof DerError)) return { facts: strict, malformed: null }
  const { offset, reason } = strict
  const loose = tryStrict(toDer(written))
  return { facts: loose instanceof DerError ? null : loose, malformed: { offset, reason } }
}

function tryStrict(der: Buffer): Certificate | DerError {
  try {
    return parseCertificate(der)
  } catch (error) {
    if (error instanceof DerError) return error
    throw error
  }
}

function nameOf(element: Ber, strict: Name | undefined): Name {
  if (strict !== undefined) return strict
  try {
    return readRuntimeName(element)
  } catch (error) {
    if (!isUnreadable(error)) throw error
    // OpenSSL has read it: it is a name, and equal to one of the same bytes.
    const der = toDer(element)
    return { der, rdns: [], canonical: `#${der.toString('hex')}` }
  }
}

// `X509_cmp_time` takes the one form of RFC 5280 section 4.1.2.5 and nothing else.
function timeOf({ tag, content }: Ber): number | null {
  const match = (tag === 0x17 ? utcTime : generalizedTime).exec(content.toString('latin1'))
  if (match === null) return null
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const date = new Date(0)
  date.setUTCFullYear(tag === 0x17 ? year + (year < 50 ? 2000 : 1900) : year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60
  return real ? date.getTime() : null
}

const utcTime = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
const generalizedTime = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/

function publicKeyOf(x509: X509Certificate): KeyObject | null {
  try {
    return x509.publicKey
  } catch {
    return null
  }
}

function keyOf(publicKey: KeyObject): RuntimeKey | null {
  try {
    const { asymmetricKeyType: kind = 'unknown', asymmetricKeyDetails: details } = publicKey
    const curve = details?.namedCurve ?? null
    const bits = details?.modulusLength ?? Number(/\d{3}/.exec(curve ?? '')?.[0] ?? 0)
    return { kind, bits, curve }
  } catch {
    return null
  }
}

function verifyCostOf(facts: Certificate | null, spki: Ber): number {
  if (facts !== null) return costOf(facts.publicKey)
  try {
    return costOf(readPublicKey(readWhole(toDer(spki)), () => undefined))
  } catch (error) {
    if (!isUnreadable(error)) throw error
    return unknownCost
  }
}

/** Of a key that only OpenSSL can read: near that of the dearest. */
const unknownCost = 64

/** RFC 5480 section 2.1.1 allows named curves only; OpenSSL remembers that this one was spelled out. */
function hasExplicitCurve(spki: Ber): boolean {
  const [, parameters] = elementsOf(elementsOf(spki)[0] as Ber)
  return parameters?.tag === 0x10
}

/** `X509_check_akid`. */
function keyIdsAgree(
  issuer: Pick<RuntimeCertificate, 'subjectKeyId' | 'serial' | 'issuer'>,
  authority: RuntimeExtensions['authorityKey'],
): boolean {
  if (authority === null) return true
  const { keyId, serial, issuer: name } = authority
  if (keyId !== null && issuer.subjectKeyId !== null && !keyId.equals(issuer.subjectKeyId)) return false
  if (serial !== null && serial !== issuer.serial) return false
  return name === null || name.canonical === issuer.issuer.canonical
}

/** `check_sig_alg_match`: an algorithm that OpenSSL does not know was made by nobody's key. */
function keyFits(key: RuntimeKey | null, signatureOid: string): boolean {
  if (key === null) return false
  const needs = signatureKeys.get(signatureOid)
  return key.kind === needs || (needs === 'rsa-pss' && key.kind === 'rsa')
}

const arc = '2.16.840.1.101.3.4.3'
const signatureKeys: ReadonlyMap<string, string> = new Map([
  ...[2, 3, 4, 5, 11, 12, 13, 14, 15, 16].map((last) => [`1.2.840.113549.1.1.${last}`, 'rsa'] as const),
  ...['1.3.14.3.2.15', '1.3.14.3.2.29', '1.3.36.3.3.1.2'].map((oid) => [oid, 'rsa'] as const),
  ...[13, 14, 15, 16].map((last) => [`${arc}.${last}`, 'rsa'] as const),
  ['1.2.840.113549.1.1.10', 'rsa-pss'],
  ...['1.2.840.10040.4.3', '1.3.14.3.2.13', '1.3.14.3.2.27'].map((oid) => [oid, 'dsa'] as const),
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((last) => [`${arc}.${last}`, 'dsa'] as const),
  ['1.2.840.10045.4.1', 'ec'],
  ...[1, 2, 3, 4].map((last) => [`1.2.840.10045.4.3.${last}`, 'ec'] as const),
  ...[9, 10, 11, 12].map((last) => [`${arc}.${last}`, 'ec'] as const),
  ['1.3.101.112', 'ed25519'],
  ['1.3.101.113', 'ed448'],
  [`${arc}.17`, 'ml-dsa-44'],
  [`${arc}.18`, 'ml-dsa-65'],
  [`${arc}.19`, 'ml-dsa-87'],
])

function verifies(subject: X509Certificate, key: KeyObject | null): boolean {
  try {
    return key !== null && subject.verify(key)
  } catch {
    return false
  }
}

function signatureOf(algorithm: Ber): RuntimeCertificate['signature'] {
  try {
    const { oid, hash } = readSignatureAlgorithm(readWhole(toDer(algorithm)), null, () => undefined)
    return { oid, hash }
  } catch (error) {
    if (!isUnreadable(error)) throw error
    return { oid: '', hash: null }
  }
}

function dotted(element: Ber): string {
  const content = Buffer.from(oidOf(element), 'hex')
  if (content.length >= 0x80) throw new BerError('an OID too long')
  return readOid(readElement(Buffer.concat([Buffer.from([0x06, content.length]), content])), 'algorithm')
}
