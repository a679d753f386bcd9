import { isUtf8 } from 'node:buffer'

import {
  childrenOf,
  contentOf,
  type DerElement,
  DerError,
  DerReader,
  expectTag,
  rawOf,
  readWhole,
  tags,
} from './der.ts'
import { readOid } from './der-values.ts'
import { attributeNames } from './oids.ts'

export interface NameAttribute {
  readonly oid: string
  /** Identifier octet of the value. */
  readonly tag: number
  /** Decoded text; null where the value is not a string or its bytes are not valid for its type. */
  readonly text: string | null
  /** The value's DER. */
  readonly der: Buffer
}

/** A distinguished name: least specific part first, as encoded. */
export interface Name {
  readonly der: Buffer
  readonly rdns: readonly (readonly NameAttribute[])[]
  /** Two names are the same for OpenSSL if and only if these are equal. */
  readonly canonical: string
}

/**
 * `edge`: Java's form, most specific first, `CN=a, O=b, C=US`. `windows`: .NET's, with `S=` for the state and `E=` for mail.
 * `openssl`: one line, as encoded, `/C=US/O=b/CN=a`.
 */
export type NameStyle = 'edge' | 'windows' | 'openssl'

export function readName(element: DerElement, what: string): Name {
  const rdns = childrenOf(element, what, tags.sequence).map((set) => {
    expectTag(set, tags.set, what)
    return readAttributes(set, what)
  })
  return { der: Buffer.from(rawOf(element)), rdns, canonical: rdns.map(canonicalRdn).join('/') }
}

/** The parts of one RDN; whoever calls has looked at the tag. */
export function readAttributes(set: DerElement, what: string): readonly NameAttribute[] {
  const attributes = childrenOf(set, what).map((pair) => readAttribute(pair, what))
  if (attributes.length === 0) throw new DerError(set.start, `${what}: an empty part`)
  return attributes
}

/**
 * The name that a relative one stands for (RFC 5280 section 4.2.1.13). `der` is that of the name it was added to: compare
 * with `sameName`.
 */
export function nameWithin(base: Name, relative: readonly NameAttribute[]): Name {
  const rdn = canonicalRdn(relative)
  return {
    der: base.der,
    rdns: [...base.rdns, relative],
    canonical: base.rdns.length === 0 ? rdn : `${base.canonical}/${rdn}`,
  }
}

/**
 * Whether a value is of a type that names do not have, or not of its own type, such as a UTF8String without UTF-8: OpenSSL
 * reads nothing that holds such a name.
 */
export const hasBrokenValue = ({ rdns }: Name): boolean => rdns.some((rdn) => rdn.some(isBroken))

function isBroken({ tag, text, der }: NameAttribute): boolean {
  if (!nameTags.has(tag) || (text === null && textTags.has(tag))) return true
  // UCS-2 has no surrogates, in pairs or alone (X.680 section 41.14). People do read such a text.
  if (tag === tags.bmpString && /[\ud800-\udfff]/.test(text ?? '')) return true
  if (tag !== tags.bitString) return false
  const { bytes, body, end } = readWhole(der)
  return end === body || (bytes[body] as number) > 7
}

const textTags: ReadonlySet<number> = new Set([tags.utf8String, tags.bmpString, tags.universalString])
// OpenSSL's ASN1_PRINTABLE, as far as anybody uses it.
const nameTags: ReadonlySet<number> = new Set([
  ...textTags,
  tags.printableString,
  tags.ia5String,
  tags.numericString,
  tags.t61String,
  tags.bitString,
  tags.sequence,
])

/** RFC 5280 section 7.1 in OpenSSL's reading: ASCII case and white space do not count, nor the type of string. */
export const sameName = (one: Name, other: Name): boolean => one.canonical === other.canonical

export function renderName(name: Name, style: NameStyle): string {
  const parts = name.rdns.map((rdn) => rdn.map((attribute) => renderAttribute(attribute, style)))
  if (style === 'openssl') return parts.map((rdn) => `/${rdn.join('+')}`).join('')
  return parts
    .reverse()
    .map((rdn) => rdn.join(' + '))
    .join(', ')
}

/** The last common name, for people. Never an identity: see host-names.ts. */
export function commonNameOf(name: Name): string | null {
  const attribute = name.rdns.flat().findLast(({ oid }) => oid === '2.5.4.3')
  return attribute?.text === undefined || attribute.text === null ? null : escapeControls(attribute.text)
}

/**
 * Text from a certificate is the peer's text. Control characters, line separators and bidirectional overrides would let it
 * forge log lines or turn them round on a terminal; they become hex pairs of their UTF-8 bytes (RFC 4514 section 2.4).
 */
export function escapeControls(text: string): string {
  return text.replaceAll(unsafe, (character) =>
    Buffer.from(character, 'utf8')
      .toString('hex')
      .toUpperCase()
      .replaceAll(/../g, (pair) => `\\${pair}`),
  )
}

const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

function readAttribute(pair: DerElement, what: string): NameAttribute {
  const reader = new DerReader(pair, what, tags.sequence)
  const oid = readOid(reader.next(`${what}: attribute type`), `${what}: attribute type`)
  const value = reader.next(`${what}: attribute value`)
  reader.finish(what)
  return { oid, tag: value.tag, text: decodeString(value.tag, contentOf(value)), der: Buffer.from(rawOf(value)) }
}

function decodeString(tag: number, bytes: Buffer): string | null {
  switch (tag) {
    case tags.utf8String:
      return isUtf8(bytes) ? bytes.toString('utf8') : null
    case tags.printableString:
    case tags.ia5String:
    case tags.numericString:
    case tags.visibleString:
    // T.61 in certificates is Latin-1 in practice, and OpenSSL reads it so.
    case tags.t61String:
      return bytes.toString('latin1')
    case tags.bmpString:
      return bytes.length % 2 === 0 ? Buffer.from(bytes).swap16().toString('utf16le') : null
    case tags.universalString:
      return decodeUtf32(bytes)
    default:
      return null
  }
}

function decodeUtf32(bytes: Buffer): string | null {
  if (bytes.length % 4 !== 0) return null
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    const point = bytes.readUInt32BE(at)
    if (point > 0x10_ff_ff || (point >= 0xd8_00 && point < 0xe0_00)) return null
    text += String.fromCodePoint(point)
  }
  return text
}

// OpenSSL keeps NumericString as it is, and so must we, or the two would build different paths.
function canonicalRdn(attributes: readonly NameAttribute[]): string {
  return attributes
    .map(({ oid, tag, text, der }) =>
      text === null || tag === tags.numericString
        ? `${oid}#${der.toString('hex')}`
        : `${oid}=${JSON.stringify(fold(text))}`,
    )
    .sort()
    .join('+')
}

const fold = (text: string): string =>
  text
    .replaceAll(/[ \t\n\v\f\r]+/g, ' ')
    .replaceAll(/^ | $/g, '')
    .replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())

function renderAttribute({ oid, text, der }: NameAttribute, style: NameStyle): string {
  const key = attributeNames[oid]?.[style] ?? (style === 'openssl' ? oid : `OID.${oid}`)
  // RFC 4514 section 2.4: a value without a text form is shown as its encoding.
  if (text === null) return `${key}=#${der.toString('hex').toUpperCase()}`
  if (style === 'openssl') return `${key}=${opensslText(text)}`
  return `${key}=${quote(text, style)}`
}

const quotable = /[,+="\n<>#;\\]|^ | $|^$/

function quote(text: string, style: 'edge' | 'windows'): string {
  if (!quotable.test(text)) return escapeControls(text)
  const inner = style === 'windows' ? text.replaceAll('"', '""') : text.replaceAll(/["\\]/g, '\\$&')
  return `"${escapeControls(inner)}"`
}

/** `X509_NAME_oneline` prints every byte outside of printable ASCII as `\xHH`. */
function opensslText(text: string): string {
  let out = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    out +=
      byte < 0x20 || byte > 0x7e ? `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}` : String.fromCharCode(byte)
  }
  return out
}
