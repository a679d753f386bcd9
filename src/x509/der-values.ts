import { contentOf, type DerElement, DerError, expectTag, tags } from './der.ts'

/** Dotted text of an OBJECT IDENTIFIER. */
export function readOid(element: DerElement, what: string, tag: number = tags.oid): string {
  expectTag(element, tag, what)
  const bytes = contentOf(element)
  if (bytes.length === 0 || bytes.length > 64)
    throw new DerError(element.start, `${what}: an OID of ${bytes.length} bytes`)
  const arcs: string[] = []
  let value = 0n
  let fresh = true
  for (const [index, byte] of bytes.entries()) {
    if (fresh && byte === 0x80) throw new DerError(element.body + index, `${what}: an OID arc that is not minimal`)
    value = (value << 7n) | BigInt(byte & 0x7f)
    fresh = byte < 0x80
    if (!fresh) continue
    if (arcs.length === 0) {
      const top = value < 80n ? value / 40n : 2n
      arcs.push(String(top), String(value - top * 40n))
    } else arcs.push(String(value))
    value = 0n
  }
  if (!fresh) throw new DerError(element.end, `${what}: an OID that ends inside an arc`)
  return arcs.join('.')
}

/** Two's complement bytes of an INTEGER, checked to be minimal. */
export function readInteger(element: DerElement, what: string, tag: number = tags.integer): Buffer {
  expectTag(element, tag, what)
  const bytes = contentOf(element)
  const [first, second] = bytes
  if (first === undefined) throw new DerError(element.start, `${what}: an empty INTEGER`)
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw new DerError(element.body, `${what}: an INTEGER that is not minimal`)
  }
  return bytes
}

/** An INTEGER that fits four bytes and is not negative. */
export function readCount(element: DerElement, what: string, tag: number = tags.integer): number {
  const bytes = readInteger(element, what, tag)
  if (bytes.length > 4 || (bytes[0] as number) >= 0x80) throw new DerError(element.start, `${what}: out of range`)
  return bytes.readUIntBE(0, bytes.length)
}

/** Upper-case hexadecimal of an INTEGER with a sign, the way OpenSSL and Node print serial numbers. */
export function integerHex(bytes: Buffer): string {
  if ((bytes[0] as number) < 0x80) {
    const digits = bytes.toString('hex').toUpperCase()
    return digits.length > 2 && digits.startsWith('00') ? digits.slice(2) : digits
  }
  const magnitude = (1n << BigInt(bytes.length * 8)) - BigInt(`0x${bytes.toString('hex')}`)
  const digits = magnitude.toString(16).toUpperCase()
  return `-${digits.length % 2 === 0 ? '' : '0'}${digits}`
}

export function readBoolean(element: DerElement, what: string): boolean {
  expectTag(element, tags.boolean, what)
  const bytes = contentOf(element)
  if (bytes.length !== 1 || (bytes[0] !== 0 && bytes[0] !== 0xff)) {
    throw new DerError(element.start, `${what}: a BOOLEAN that is neither 00 nor FF`)
  }
  return bytes[0] === 0xff
}

/** Bytes of a BIT STRING with the unused bits cleared, and how many of them there are. */
export function readBitString(element: DerElement, what: string): { bytes: Buffer; unused: number } {
  expectTag(element, tags.bitString, what)
  const unused = element.bytes[element.body]
  if (element.end === element.body || unused === undefined || unused > 7) {
    throw new DerError(element.start, `${what}: a BIT STRING without a valid count of unused bits`)
  }
  const bytes = element.bytes.subarray(element.body + 1, element.end)
  if (bytes.length === 0 && unused > 0) throw new DerError(element.start, `${what}: unused bits of nothing`)
  return { bytes, unused }
}

/** Milliseconds since the epoch of a UTCTime or GeneralizedTime in the one form of RFC 5280 section 4.1.2.5. */
export function readTime(element: DerElement, what: string): number {
  const short = element.tag === tags.utcTime
  if (!short && element.tag !== tags.generalizedTime) throw new DerError(element.start, `${what}: not a time`)
  const text = contentOf(element).toString('latin1')
  const match = (short ? utcTime : generalizedTime).exec(text)
  if (match === null) throw new DerError(element.start, `${what}: a time that is not in seconds with a final Z`)
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  // RFC 5280 section 4.1.2.5.1: two digits mean 1950 to 2049.
  const fullYear = short ? year + (year < 50 ? 2000 : 1900) : year
  const date = new Date(0)
  date.setUTCFullYear(fullYear, month - 1, day)
  date.setUTCHours(hour, minute, second)
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60
  if (!real) throw new DerError(element.start, `${what}: no such date`)
  return date.getTime()
}

const utcTime = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
const generalizedTime = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
