import { type Complain, refuse } from './defects.ts'
import { contentOf, type DerElement, DerError, expectTag, tags } from './der.ts'

/** Dotted text of an OBJECT IDENTIFIER. */
export function readOid(element: DerElement, what: string, tag: number = tags.oid): string {
  expectTag(element, tag, what)
  const bytes = contentOf(element)
  if (bytes.length === 0 || bytes.length > 64)
    throw new DerError(element.start, `${what}: an OID of ${bytes.length} bytes`)
  // A certificate has about 40; BigInt only where an arc needs it.
  let text = ''
  let arc = 0
  let length = 0
  let whole = false
  for (const byte of bytes) {
    whole = byte < 0x80
    if ((length === 0 && byte === 0x80) || length > 6) {
      whole = false
      break
    }
    arc = arc * 128 + (byte & 0x7f)
    length += 1
    if (!whole) continue
    if (text === '') {
      const top = arc < 80 ? Math.floor(arc / 40) : 2
      text = `${top}.${arc - top * 40}`
    } else text += `.${arc}`
    arc = 0
    length = 0
  }
  return whole ? text : readLongOid(element, bytes, what)
}

function readLongOid(element: DerElement, bytes: Buffer, what: string): string {
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

/** What is not 00 counts as true (BER), after a complaint where it is not FF either (X.690 section 11.1). */
export function readBoolean(
  element: DerElement,
  what: string,
  complain: Complain = refuse,
  tag: number = tags.boolean,
): boolean {
  expectTag(element, tag, what)
  const value = element.bytes[element.body]
  if (element.end - element.body !== 1 || value === undefined) {
    throw new DerError(element.start, `${what}: a BOOLEAN of ${element.end - element.body} bytes`)
  }
  if (value !== 0 && value !== 0xff) complain(element.start, `${what}: a BOOLEAN that is neither 00 nor FF`)
  return value !== 0
}

/** Bytes of a BIT STRING with the unused bits cleared, and how many of them there are. */
export function readBitString(
  element: DerElement,
  what: string,
  tag: number = tags.bitString,
): { bytes: Buffer; unused: number } {
  expectTag(element, tag, what)
  const unused = element.bytes[element.body]
  if (element.end === element.body || unused === undefined || unused > 7) {
    throw new DerError(element.start, `${what}: a BIT STRING without a valid count of unused bits`)
  }
  const bytes = element.bytes.subarray(element.body + 1, element.end)
  if (bytes.length === 0 && unused > 0) throw new DerError(element.start, `${what}: unused bits of nothing`)
  return { bytes, unused }
}

/**
 * Milliseconds since the epoch of a UTCTime or GeneralizedTime in the one form of RFC 5280 section 4.1.2.5. Forms of BER are
 * read after a complaint: without seconds, with fractions of them, with an offset.
 */
export function readTime(element: DerElement, what: string, complain: Complain = refuse): number {
  const short = element.tag === tags.utcTime
  if (!short && element.tag !== tags.generalizedTime) throw new DerError(element.start, `${what}: not a time`)
  if (element.end - element.body > 32) throw new DerError(element.start, `${what}: a time of too many characters`)
  const text = contentOf(element).toString('latin1')
  const match = (short ? utcTime : generalizedTime).exec(text)
  if (match === null) throw new DerError(element.start, `${what}: a time that is not in seconds with a final Z`)
  const [year, month, day, hour, minute] = match.slice(1, 6).map(Number) as [number, number, number, number, number]
  const [seconds, fraction, zone] = match.slice(6) as [string | undefined, string | undefined, string | undefined]
  if (seconds === undefined || fraction !== undefined || zone !== 'Z') {
    complain(element.start, `${what}: a time that is not in seconds with a final Z`)
  }
  const second = Number(seconds ?? 0)
  // RFC 5280 section 4.1.2.5.1: two digits mean 1950 to 2049.
  const fullYear = short ? year + (year < 50 ? 2000 : 1900) : year
  const date = new Date(0)
  date.setUTCFullYear(fullYear, month - 1, day)
  date.setUTCHours(hour, minute, second)
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60
  if (!real) throw new DerError(element.start, `${what}: no such date`)
  return date.getTime() - offsetOf(zone)
}

const utcTime = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:(\d\d)(\.\d+)?)?(Z|[+-]\d{4})?$/
const generalizedTime = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(?:(\d\d)(\.\d+)?)?(Z|[+-]\d{4})?$/

/** Milliseconds that a zone is ahead of UTC; a time without one is taken for UTC. */
function offsetOf(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z') return 0
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3))
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000
}
