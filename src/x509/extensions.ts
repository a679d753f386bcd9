import type { Complain } from './defects.ts'
import { childrenOf, contextTag, type DerElement, DerError, DerReader, tags } from './der.ts'
import { integerHex, readBitString, readBoolean, readCount, readInteger, readOid } from './der-values.ts'
import { namedBits } from './distribution-points.ts'
import { asciiOf, directoryNames, type GeneralName, hexOf, readGeneralNames } from './general-name.ts'
import type { Name } from './name.ts'

export interface BasicConstraints {
  readonly ca: boolean
  readonly pathLength: number | null
}

export interface AuthorityKeyIdentifier {
  /** Upper-case hexadecimal. */
  readonly keyId: string | null
  readonly issuer: Name | null
  readonly serial: string | null
}

const keyUsageNames = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const

export type KeyUsage = (typeof keyUsageNames)[number]

// RFC 5280 section 4.2.1.9. `cA FALSE` written out is not DER, yet common and harmless.
export function readBasicConstraints(value: DerElement, complain: Complain): BasicConstraints {
  const reader = new DerReader(value, 'basic constraints', tags.sequence)
  const ca = reader.optional('cA', tags.boolean)
  const pathLength = reader.optional('path length', tags.integer)
  reader.finish('basic constraints')
  return {
    ca: ca !== null && readBoolean(ca, 'cA', complain),
    pathLength: pathLength === null ? null : readCount(pathLength, 'path length'),
  }
}

// RFC 5280 section 4.2.1.3.
export function readKeyUsage(value: DerElement, complain: Complain): ReadonlySet<KeyUsage> {
  const usages = namedBits(readBitString(value, 'key usage'), keyUsageNames)
  if (usages.length === 0) complain(value.start, 'key usage: allows nothing', 'profile')
  return new Set(usages)
}

// RFC 5280 section 4.2.1.12.
export function readExtendedKeyUsage(value: DerElement): readonly string[] {
  const purposes = childrenOf(value, 'extended key usage', tags.sequence)
  if (purposes.length === 0) throw new DerError(value.start, 'extended key usage: names no purpose')
  return purposes.map((purpose) => readOid(purpose, 'extended key usage'))
}

// RFC 5280 sections 4.2.1.6 and 4.2.1.7.
export const readSubjectAltNames = (value: DerElement, complain: Complain): readonly GeneralName[] =>
  readGeneralNames(value, 'alternative name', complain, tags.sequence)

// RFC 5280 section 4.2.1.2.
export function readSubjectKeyId(value: DerElement): string {
  if (value.tag !== tags.octetString) throw new DerError(value.start, 'subject key identifier: not an OCTET STRING')
  return hexOf(value)
}

// RFC 5280 section 4.2.1.1.
export function readAuthorityKeyIdentifier(value: DerElement, complain: Complain): AuthorityKeyIdentifier {
  const reader = new DerReader(value, 'authority key identifier', tags.sequence)
  const keyId = reader.optional('key identifier', contextTag(0, false))
  const issuer = reader.optional('authority issuer', contextTag(1, true))
  const serial = reader.optional('authority serial number', contextTag(2, false))
  reader.finish('authority key identifier')
  if ((issuer === null) !== (serial === null)) {
    complain(value.start, 'authority key identifier: issuer and serial number belong together', 'profile')
  }
  const names = issuer === null ? [] : readGeneralNames(issuer, 'authority issuer', complain)
  return {
    keyId: keyId === null ? null : hexOf(keyId),
    issuer: directoryNames(names)[0] ?? null,
    serial: serial === null ? null : integerHex(readInteger(serial, 'authority serial number', contextTag(2, false))),
  }
}

// RFC 5280 section 4.2.2.1.
export function readAuthorityInfoAccess(
  value: DerElement,
  complain: Complain,
): { caIssuers: readonly string[]; ocsp: readonly string[] } {
  const caIssuers: string[] = []
  const ocsp: string[] = []
  for (const access of childrenOf(value, 'authority information access', tags.sequence)) {
    const reader = new DerReader(access, 'access description', tags.sequence)
    const method = readOid(reader.next('access method'), 'access method')
    const location = reader.next('access location')
    if (location.tag !== contextTag(6, false)) continue
    const url = asciiOf(location, 'access location', complain)
    if (method === '1.3.6.1.5.5.7.48.2') caIssuers.push(url)
    if (method === '1.3.6.1.5.5.7.48.1') ocsp.push(url)
  }
  return { caIssuers, ocsp }
}
