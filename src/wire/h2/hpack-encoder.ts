import { COLON, CR, HT, SP } from '../bytes.ts'
import { isWord } from '../h1/values.ts'
import { staticFields } from './hpack-tables.ts'

/**
 * Encodes field blocks (RFC 7541) without the dynamic table and without Huffman: literals, names from the static table.
 * What that costs in bytes it saves in state: a block means the same on every connection, so pieces of it are made once
 * and copied. Every function writes at `at`, returns the offset after, and needs the room that `linesBound` says.
 */

/**
 * Bytes that `encodeLines` may need for these lines: a field takes no more than its line, whose colon, CR and LF make up for
 * the literal's first byte and two lengths, but for names and values over 126 bytes.
 */
export function linesBound(lines: string): number {
  return lines.length + (lines.length >> 6) + 16
}

/** Bytes that one field may need. */
export function fieldBound(name: string, value: string): number {
  return name.length + value.length + 12
}

/** A request's pseudo-header fields but :path, encoded once for all requests of a target. */
export function encodeRequestStart(method: string, scheme: string, authority: string): Buffer {
  const out = Buffer.allocUnsafeSlow(48 + method.length + scheme.length + authority.length)
  let at = encodeField(out, 0, ':method', method)
  at = encodeField(out, at, ':scheme', scheme)
  at = encodeField(out, at, ':authority', authority)
  return Buffer.from(out.subarray(0, at))
}

/** The :path field; latin1. */
export function encodePath(out: Buffer, at: number, path: string): number {
  if (path === '/') {
    out[at] = 0x80 | rootPathIndex
    return at + 1
  }
  out[at] = pathIndex
  return writeString(out, at + 1, path)
}

/** The :status field. */
export function encodeStatus(out: Buffer, at: number, status: number): number {
  const index = statusIndex[status]
  if (index !== undefined) {
    out[at] = 0x80 | index
    return at + 1
  }
  out[at] = firstStatusIndex
  out[at + 1] = 3
  out[at + 2] = 0x30 + Math.floor(status / 100)
  out[at + 3] = 0x30 + (Math.floor(status / 10) % 10)
  out[at + 4] = 0x30 + (status % 10)
  return at + 5
}

/** One field; the name in lower case. */
export function encodeField(out: Buffer, at: number, name: string, value: string): number {
  let index = 0
  for (let i = 0; i < staticFields.length; i++) {
    if (staticFields[i]?.[0] !== name) continue
    if (staticFields[i]?.[1] === value) {
      out[at] = 0x80 | (i + 1)
      return at + 1
    }
    if (index === 0) index = i + 1
  }
  const first = neverIndexed.has(name) ? 0x10 : 0
  let end = at
  if (index === 0) {
    out[end++] = first
    end = writeString(out, end, name)
  } else {
    end = writeInteger(out, end, first, 0x0f, index)
  }
  return writeString(out, end, value)
}

/** A value as a string literal, behind a name that was written before. */
export function encodeValue(out: Buffer, at: number, value: string): number {
  return writeString(out, at, value)
}

/**
 * Header lines of an HTTP/1.1 head, each with its CRLF, as fields: names in lower case, values without the white space
 * around them, and without the fields that HTTP/2 forbids (RFC 9113 section 8.2.2) or says otherwise (Host). The lines
 * have been validated by whoever read them.
 */
export function encodeLines(out: Buffer, at: number, lines: string): number {
  const { length } = lines
  if (text.length < length) text = Buffer.allocUnsafeSlow(2 * length)
  text.write(lines, 0, 'latin1')
  let end = at
  let read = 0
  while (read < length) {
    const nameStart = read
    let hash = 0
    let byte = text[read] as number
    while (byte !== COLON && read < length) {
      if (byte >= 0x41 && byte <= 0x5a) text[read] = byte |= 0x20
      hash += byte
      byte = text[++read] as number
    }
    const nameEnd = read++
    while (text[read] === SP || text[read] === HT) read++
    const valueStart = read
    while (read < length && text[read] !== CR) read++
    let valueEnd = read
    while (valueEnd > valueStart && (text[valueEnd - 1] === SP || text[valueEnd - 1] === HT)) valueEnd--
    read += 2
    const known = knownName(nameStart, nameEnd, hash)
    if (known === null) {
      out[end] = 0
      end = writeRange(out, end + 1, nameStart, nameEnd)
    } else if (!known.sent && !(known.te && isWord(text, valueStart, valueEnd, 'trailers'))) {
      continue
    } else if (known.index === 0) {
      out[end] = known.first
      end = writeRange(out, end + 1, nameStart, nameEnd)
    } else {
      end = writeInteger(out, end, known.first, 0x0f, known.index)
    }
    end = writeRange(out, end, valueStart, valueEnd)
  }
  return end
}

/** The block of `lines` by itself, to be copied wherever the same lines are sent. */
export function encodedLines(lines: string): Buffer {
  const out = Buffer.allocUnsafeSlow(linesBound(lines))
  return Buffer.from(out.subarray(0, encodeLines(out, 0, lines)))
}

interface KnownName {
  readonly name: string
  /** In the static table; 0: not there. */
  readonly index: number
  /** First byte of the literal: without indexing, or never indexed. */
  readonly first: number
  readonly sent: boolean
  readonly te: boolean
}

/** Secrets: no hop may put them where guesses could be measured against them (RFC 7541 section 7.1.3). */
const neverIndexed: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])

/** Host is :authority; the others speak of an HTTP/1.1 hop. TE goes on when it says trailers. */
const notSent = [
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]

const pathIndex = 4
const rootPathIndex = 4
const firstStatusIndex = 8

const statusIndex: Readonly<Record<number, number>> = Object.fromEntries(
  staticFields.flatMap(([name, value], i) => (name === ':status' ? [[Number(value), i + 1]] : [])),
)

/** By length and sum of bytes, which tells all of these names apart but for a few. */
const knownNames = knownByHash()

function knownByHash(): readonly (readonly KnownName[] | undefined)[] {
  const table: KnownName[][] = []
  const names = new Set([
    ...staticFields.map(([name]) => name).filter((name) => !name.startsWith(':')),
    ...notSent,
    'te',
  ])
  for (const name of names) {
    const hash = Buffer.from(name, 'latin1').reduce((sum, byte) => sum + byte, 0)
    const known: KnownName = {
      name,
      index: staticFields.findIndex(([other]) => other === name) + 1,
      first: neverIndexed.has(name) ? 0x10 : 0,
      sent: name !== 'te' && !notSent.includes(name),
      te: name === 'te',
    }
    ;(table[slotOf(name.length, hash)] ??= []).push(known)
  }
  return Array.from({ length: 1024 }, (_, slot) => table[slot])
}

function slotOf(length: number, hash: number): number {
  return (hash * 31 + length) & 1023
}

function knownName(start: number, end: number, hash: number): KnownName | null {
  const candidates = knownNames[slotOf(end - start, hash)]
  if (candidates === undefined) return null
  next: for (const known of candidates) {
    const { name } = known
    if (name.length !== end - start) continue
    for (let i = 0; i < name.length; i++) if (text[start + i] !== name.charCodeAt(i)) continue next
    return known
  }
  return null
}

function writeInteger(out: Buffer, at: number, first: number, prefix: number, value: number): number {
  if (value < prefix) {
    out[at] = first | value
    return at + 1
  }
  out[at] = first | prefix
  let rest = value - prefix
  let end = at + 1
  while (rest >= 0x80) {
    out[end++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  out[end] = rest
  return end + 1
}

function writeString(out: Buffer, at: number, value: string): number {
  const start = writeInteger(out, at, 0, 0x7f, value.length)
  if (value.length > 48) return start + out.write(value, start, 'latin1')
  for (let i = 0; i < value.length; i++) out[start + i] = value.charCodeAt(i)
  return start + value.length
}

/** text[start, end) as a string literal. */
function writeRange(out: Buffer, at: number, start: number, end: number): number {
  let to = writeInteger(out, at, 0, 0x7f, end - start)
  if (end - start > 64) return to + text.copy(out, to, start, end)
  for (let from = start; from < end; from++) out[to++] = text[from] as number
  return to
}

/** Lines being encoded; nothing waits in between, so one for all. */
let text = Buffer.allocUnsafeSlow(16_384)
