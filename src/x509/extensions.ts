import { childrenOf, contentOf, contextTag, type DerElement, DerError, DerReader, readElement, tags } from './der.ts'
import { integerHex, readBitString, readBoolean, readCount, readInteger, readOid } from './der-values.ts'
import { ipText } from './ip-address.ts'
import { escapeControls, type Name, readName, renderName } from './name.ts'

export interface SubjectAltName {
  readonly kind: 'dns' | 'ip' | 'email' | 'uri' | 'other'
  /** As presented; bytes that could forge a log line are escaped, so such a value matches no host. */
  readonly value: string
}

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
export function readBasicConstraints(value: DerElement): BasicConstraints {
  const reader = new DerReader(value, 'basic constraints', tags.sequence)
  const ca = reader.optional('cA', tags.boolean)
  const pathLength = reader.optional('path length', tags.integer)
  reader.finish('basic constraints')
  return {
    ca: ca !== null && readBoolean(ca, 'cA'),
    pathLength: pathLength === null ? null : readCount(pathLength, 'path length'),
  }
}

// RFC 5280 section 4.2.1.3.
export function readKeyUsage(value: DerElement): ReadonlySet<KeyUsage> {
  const { bytes, unused } = readBitString(value, 'key usage')
  const bits = bytes.length * 8 - unused
  const set = (index: number): boolean =>
    index < bits && (((bytes[index >> 3] as number) >> (7 - (index & 7))) & 1) === 1
  return new Set(keyUsageNames.filter((_, index) => set(index)))
}

// RFC 5280 section 4.2.1.12.
export function readExtendedKeyUsage(value: DerElement): readonly string[] {
  const purposes = childrenOf(value, 'extended key usage', tags.sequence)
  if (purposes.length === 0) throw new DerError(value.start, 'extended key usage: names no purpose')
  return purposes.map((purpose) => readOid(purpose, 'extended key usage'))
}

// RFC 5280 section 4.2.1.6.
export function readSubjectAltNames(value: DerElement): readonly SubjectAltName[] {
  return childrenOf(value, 'subject alternative name', tags.sequence).map(readGeneralName)
}

// RFC 5280 section 4.2.1.2.
export function readSubjectKeyId(value: DerElement): string {
  if (value.tag !== tags.octetString) throw new DerError(value.start, 'subject key identifier: not an OCTET STRING')
  return hexOf(value)
}

// RFC 5280 section 4.2.1.1.
export function readAuthorityKeyIdentifier(value: DerElement): AuthorityKeyIdentifier {
  const reader = new DerReader(value, 'authority key identifier', tags.sequence)
  const keyId = reader.optional('key identifier', contextTag(0, false))
  const issuer = reader.optional('authority issuer', contextTag(1, true))
  const serial = reader.optional('authority serial number', contextTag(2, false))
  reader.finish('authority key identifier')
  return {
    keyId: keyId === null ? null : hexOf(keyId),
    issuer: issuer === null ? null : directoryName(issuer),
    serial: serial === null ? null : integerHex(readInteger(serial, 'authority serial number', contextTag(2, false))),
  }
}

// RFC 5280 section 4.2.1.13: only full names that are URIs can be fetched.
export function readCrlUrls(value: DerElement): readonly string[] {
  const urls: string[] = []
  for (const point of childrenOf(value, 'CRL distribution points', tags.sequence)) {
    const name = new DerReader(point, 'distribution point', tags.sequence).optional('point name', contextTag(0, true))
    if (name === null) continue
    const full = new DerReader(name, 'point name').optional('full name', contextTag(0, true))
    if (full === null) continue
    urls.push(...childrenOf(full, 'full name').filter(isUri).map(textOf))
  }
  return urls
}

// RFC 5280 section 4.2.2.1.
export function readAuthorityInfoAccess(value: DerElement): { caIssuers: readonly string[]; ocsp: readonly string[] } {
  const caIssuers: string[] = []
  const ocsp: string[] = []
  for (const access of childrenOf(value, 'authority information access', tags.sequence)) {
    const reader = new DerReader(access, 'access description', tags.sequence)
    const method = readOid(reader.next('access method'), 'access method')
    const location = reader.next('access location')
    if (!isUri(location)) continue
    if (method === '1.3.6.1.5.5.7.48.2') caIssuers.push(textOf(location))
    if (method === '1.3.6.1.5.5.7.48.1') ocsp.push(textOf(location))
  }
  return { caIssuers, ocsp }
}

function readGeneralName(element: DerElement): SubjectAltName {
  switch (element.tag) {
    case contextTag(1, false):
      return { kind: 'email', value: textOf(element) }
    case contextTag(2, false):
      return { kind: 'dns', value: textOf(element) }
    case contextTag(6, false):
      return { kind: 'uri', value: textOf(element) }
    case contextTag(7, false): {
      const ip = ipText(contentOf(element))
      return ip === null ? { kind: 'other', value: `IP:#${hexOf(element)}` } : { kind: 'ip', value: ip }
    }
    case contextTag(4, true):
      return { kind: 'other', value: `DirName:${renderName(explicitName(element), 'edge')}` }
    case contextTag(8, false):
      return { kind: 'other', value: `RID:${readOid(element, 'registered ID', contextTag(8, false))}` }
    case contextTag(0, true):
    case contextTag(3, true):
    case contextTag(5, true):
      return { kind: 'other', value: `#${hexOf(element)}` }
    default:
      throw new DerError(element.start, 'subject alternative name: not a GeneralName')
  }
}

function directoryName(names: DerElement): Name | null {
  const first = childrenOf(names, 'authority issuer').find(({ tag }) => tag === contextTag(4, true))
  return first === undefined ? null : explicitName(first)
}

const explicitName = (wrapper: DerElement): Name =>
  readName(readElement(wrapper.bytes, wrapper.body, wrapper.end, wrapper.depth + 1), 'directory name')

const isUri = (element: DerElement): boolean => element.tag === contextTag(6, false)

// IA5String by definition. Latin-1 keeps every byte visible; nothing outside of ASCII can match a host.
const textOf = (element: DerElement): string => escapeControls(contentOf(element).toString('latin1'))

const hexOf = (element: DerElement): string => contentOf(element).toString('hex').toUpperCase()
