import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { oneAtATime } from '../../core/one-at-a-time.ts'
import type { Digest } from '../../pki/sign-der.ts'
import { selfSignedDer, type SubjectParts } from '../../pki/self-signed.ts'
import { type Certificate, parseCertificate } from '../../x509/certificate.ts'
import { ipBytes } from '../../x509/ip-address.ts'
import { badValue, type Bean, objectOf, textOf, textsOf } from './bean.ts'

/** What `format=selfsignedcert` asks for, in both spellings of it (apigee-edge.md 1.6). */
export interface SelfSignedRequest {
  /** '' where only the query has it. */
  readonly alias: string
  readonly subject: SubjectParts
  readonly names: readonly string[]
  readonly keyBits: number
  readonly digest: Digest
  readonly days: number
}

export function selfSignedRequest(bean: Bean): SelfSignedRequest {
  const subject = subjectOf(objectOf(bean['subject'], 'subject'))
  const keyBits = wholeNumber(bean['keySize'] ?? bean['key_size'], 'keySize', 2048)
  if (!keySizes.has(keyBits)) throw badValue('keySize', `must be one of ${[...keySizes].join(', ')}`)
  const days = wholeNumber(bean['certValidityInDays'] ?? bean['cert_validity_in_days'], 'certValidityInDays', 365)
  if (days < 1 || days > 36_500) throw badValue('certValidityInDays', 'must be 1 to 36500')
  const digest = digests.get(textOf(bean['sigAlg'] ?? bean['sig_alg'], 'sigAlg', 'SHA256withRSA').toLowerCase())
  if (digest === undefined) throw badValue('sigAlg', 'must be SHA256withRSA, SHA384withRSA or SHA512withRSA')
  return { alias: textOf(bean['alias'], 'alias'), subject, names: namesOf(bean), keyBits, digest, days }
}

export interface SelfSigned {
  readonly certificate: Certificate
  /** PKCS#8 PEM. */
  readonly key: string
}

export async function makeSelfSigned(request: SelfSignedRequest, now: number): Promise<SelfSigned> {
  const keys = await oneAtATime(() => generate('rsa', { modulusLength: request.keyBits }))
  const der = selfSignedDer({
    subject: request.subject,
    names: request.names,
    keys,
    digest: request.digest,
    notBefore: new Date(now),
    notAfter: new Date(now + request.days * dayMs),
  })
  return {
    certificate: parseCertificate(der),
    key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

const generate = promisify(generateKeyPair)
const dayMs = 86_400_000
const keySizes: ReadonlySet<number> = new Set([2048, 3072, 4096])

const digests: ReadonlyMap<string, Digest> = new Map<string, Digest>([
  ['sha256withrsa', 'sha256'],
  ['sha384withrsa', 'sha384'],
  ['sha512withrsa', 'sha512'],
])

function subjectOf(bean: Bean): SubjectParts {
  const part = (...keys: readonly string[]): string => {
    const key = keys.find((each) => bean[each] !== undefined && bean[each] !== null)
    const value = key === undefined ? '' : textOf(bean[key], `subject.${key}`).trim()
    // RFC 5280 appendix A.1 allows 64 to 128.
    if (value.length > 128) throw badValue(`subject.${key}`, 'has more than 128 characters')
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    if (/[\u0000-\u001f\u007f]/.test(value)) throw badValue(`subject.${key}`, 'has control characters')
    return value
  }
  const subject = {
    countryCode: part('countryCode', 'country', 'c'),
    state: part('state', 'st'),
    locality: part('locality', 'l'),
    org: part('org', 'organization', 'o'),
    orgUnit: part('orgUnit', 'organizationalUnit', 'ou'),
    commonName: part('commonName', 'cn'),
    email: part('email', 'emailAddress'),
  }
  if (subject.commonName === '') throw badValue('subject.commonName', 'is needed')
  if (subject.countryCode !== '' && !/^[A-Za-z]{2}$/.test(subject.countryCode))
    throw badValue('subject.countryCode', 'must have two letters')
  if (!/^[\u0020-\u007e]*$/.test(subject.email)) throw badValue('subject.email', 'must be ASCII')
  return subject
}

/** `{"subjectAlternativeName":["a.test"]}`, or the array alone. */
function namesOf(bean: Bean): readonly string[] {
  const given = bean['subjectAlternativeDNSNames']
  const list =
    Array.isArray(given) || given === undefined || given === null
      ? given
      : objectOf(given, 'subjectAlternativeDNSNames')['subjectAlternativeName']
  const names = textsOf(list, 'subjectAlternativeDNSNames').filter((name) => name !== '')
  if (names.length > 100) throw badValue('subjectAlternativeDNSNames', 'has more than 100 names')
  for (const name of names) {
    const isHost = /^(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$/.test(name)
    if (!isHost && ipBytes(name) === null)
      throw badValue('subjectAlternativeDNSNames', `has ${JSON.stringify(name)}, which is no name of a host`)
  }
  return names
}

function wholeNumber(value: unknown, what: string, fallback: number): number {
  const text = textOf(value, what).trim()
  if (text === '') return fallback
  if (!/^\d{1,6}$/.test(text)) throw badValue(what, 'must be a whole number')
  return Number(text)
}
