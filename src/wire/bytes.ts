// Byte classes of RFC 9110 section 5.6.2 and RFC 9112, as tables: one load per byte instead of a chain of compares.

export const HT = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20
export const COLON = 0x3a
export const SEMICOLON = 0x3b

/** token: header names and methods. */
export const isToken = classOf("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

/**
 * Bytes of a field value: HTAB, SP, VCHAR, obs-text. NUL, CR, LF, DEL and the other controls are what header injection
 * and request splitting are made of; RFC 9110 section 5.5 lets a recipient refuse them.
 */
export const isFieldValue = classOf((byte) => byte === HT || (byte >= 0x20 && byte <= 0x7e) || byte >= 0x80)

/**
 * Bytes of a request target that this gateway forwards. RFC 3986 excludes more than is refused here; `"<>^{|}` and the
 * backtick are sent by real clients and read alike everywhere. Refused are controls and space (they end the target),
 * `#` (a fragment is never sent), `\` (some backends read it as `/`), and bytes over 0x7e (no agreed encoding).
 */
export const isTarget = classOf((byte) => byte > 0x20 && byte < 0x7f && byte !== 0x23 && byte !== 0x5c)

/** Bytes of a host name or IPv4 address in Host: no userinfo, path, list or percent-encoding (RFC 9110 section 7.2). */
export const isHostName = classOf('-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')

/** Value of a hexadecimal digit, 255 for anything else. */
export const hexValue = hexTable()

function classOf(members: string | ((byte: number) => boolean)): Uint8Array {
  const table = new Uint8Array(256)
  for (let byte = 0; byte < 256; byte++) {
    const member = typeof members === 'string' ? members.includes(String.fromCharCode(byte)) : members(byte)
    table[byte] = member ? 1 : 0
  }
  return table
}

function hexTable(): Uint8Array {
  const table = new Uint8Array(256).fill(255)
  for (let value = 0; value < 16; value++) {
    const digit = value.toString(16)
    table[digit.charCodeAt(0)] = value
    table[digit.toUpperCase().charCodeAt(0)] = value
  }
  return table
}

/**
 * buf[start, end) as a latin1 string, one character a byte. `toString('latin1')` is a chain of checks around this method
 * of Buffer, which the types leave out; three calls a request make the difference measurable.
 */
export function latin1(buf: Buffer, start: number, end: number): string {
  return (buf as Buffer & { latin1Slice(start: number, end: number): string }).latin1Slice(start, end)
}

/**
 * buf[start, end) as `latin1` gives it, `last` itself where it reads the same: what a connection sends with every request
 * costs no new string, and who compares it with the last one compares two references.
 */
export function latin1Again(buf: Buffer, start: number, end: number, last: string): string {
  const length = end - start
  if (length !== last.length || length > 128) return latin1(buf, start, end)
  for (let i = 0; i < length; i++) if (buf[start + i] !== last.charCodeAt(i)) return latin1(buf, start, end)
  return last
}
