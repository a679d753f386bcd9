import { childrenOf, contentOf, type DerElement, DerReader, tags } from '../x509/der.ts'
import { readOid } from '../x509/der-values.ts'

/** What a bag says about what it holds, RFC 7292 section 4.2. */
export interface BagAttributes {
  /** `friendlyName`, which Java takes for the alias. */
  readonly alias: string | null
  /** Hex of `localKeyId`: equal for a key and its certificate. */
  readonly localKeyId: string | null
  /** Java marks so the certificates of a trust store, and shows no others. */
  readonly trusted: boolean
}

export function readBagAttributes(set: DerElement | null): BagAttributes {
  let alias: string | null = null
  let localKeyId: string | null = null
  let trusted = false
  for (const pair of set === null ? [] : childrenOf(set, 'attributes')) {
    const attribute = new DerReader(pair, 'attribute', tags.sequence)
    const oid = readOid(attribute.next('attribute type'), 'attribute type')
    const [value] = childrenOf(attribute.next('attribute values', tags.set), 'attribute values')
    if (value === undefined) continue
    if (oid === friendlyName) alias = bmpText(value) ?? alias
    else if (oid === localKey) localKeyId = contentOf(value).toString('hex')
    else if (oid === trustedKeyUsage) trusted = true
  }
  return { alias, localKeyId, trusted }
}

function bmpText(value: DerElement): string | null {
  const bytes = contentOf(value)
  if (value.tag === tags.utf8String) return bytes.toString('utf8')
  if (value.tag !== tags.bmpString || bytes.length % 2 !== 0) return null
  return Buffer.from(bytes).swap16().toString('utf16le')
}

const friendlyName = '1.2.840.113549.1.9.20'
const localKey = '1.2.840.113549.1.9.21'
const trustedKeyUsage = '2.16.840.1.113894.746875.1.1'
