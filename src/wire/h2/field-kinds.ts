import { HT, isFieldValue, isToken, COLON, SP } from '../bytes.ts'
import { F, fieldNumber } from '../h1/fields.ts'

/**
 * What a field is to the gateway, as one number: 0 is any field, then the numbers of h1/fields.ts, then what only HTTP/2
 * has to know. Pseudo-header fields come last: `kind >= firstPseudo`.
 */
export const cookieKind = 100
export const firstPseudo = 200
export const P = {
  ':authority': 200,
  ':method': 201,
  ':path': 202,
  ':protocol': 203,
  ':scheme': 204,
  ':status': 205,
} as const

/** What is wrong with a field whatever message it stands in, as bits; an entry of the dynamic table keeps them. */
export const badName = 1
export const unknownPseudo = 2
export const badValue = 4

/** 1 for fields that speak of one HTTP/1.1 hop: their presence makes a message malformed (RFC 9113 section 8.2.2). */
export const isConnectionField = connectionFields()

/** Kind of the field whose name is buf[start, end); -1 for a pseudo-header field of no RFC. */
export function fieldKind(buf: Uint8Array, start: number, end: number): number {
  // Bytes behind `end` are another field's: the buffer is used again and again.
  if (start === end) return 0
  if (buf[start] === COLON) return pseudoKind(buf, start, end)
  if (end - start === 6 && isCookie(buf, start)) return cookieKind
  return fieldNumber(buf, start, end)
}

/** Token in lower case (RFC 9113 section 8.2.1). */
export function isLowerToken(buf: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (lowerToken[buf[at] as number] !== 1) return false
  return end > start
}

/** A value without control bytes, and without white space at its ends (RFC 9113 section 8.2.1). */
export function isCleanValue(buf: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true
  const first = buf[start]
  const last = buf[end - 1]
  if (first === SP || first === HT || last === SP || last === HT) return false
  for (let at = start; at < end; at++) if (isFieldValue[buf[at] as number] !== 1) return false
  return true
}

const lowerToken = Uint8Array.from(isToken, (member, byte) => (byte >= 0x41 && byte <= 0x5a ? 0 : member))

const pseudoNames = Object.entries(P).map(([name, kind]) => ({ bytes: Buffer.from(name, 'latin1'), kind }))

function pseudoKind(buf: Uint8Array, start: number, end: number): number {
  next: for (const { bytes, kind } of pseudoNames) {
    if (bytes.length !== end - start) continue
    for (let i = 1; i < bytes.length; i++) if (buf[start + i] !== bytes[i]) continue next
    return kind
  }
  return -1
}

function isCookie(buf: Uint8Array, start: number): boolean {
  return (
    buf[start] === 0x63 &&
    buf[start + 1] === 0x6f &&
    buf[start + 2] === 0x6f &&
    buf[start + 3] === 0x6b &&
    buf[start + 4] === 0x69 &&
    buf[start + 5] === 0x65
  )
}

function connectionFields(): Uint8Array {
  const table = new Uint8Array(256)
  for (const name of ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'] as const) {
    table[F[name]] = 1
  }
  return table
}
