import { ChunkedDecoder } from '../../src/wire/h1/chunked.ts'
import { forbiddenInTrailer } from '../../src/wire/h1/fields.ts'
import type { Refusal } from '../../src/wire/h1/refusal.ts'
import type { RequestHead } from '../../src/wire/h1/request-head.ts'

/** What the decoder made of a body that came in pieces. */
export interface Decoded {
  /** What is passed on. */
  readonly text: string
  readonly bodyBytes: number
  /** Offset after the last byte consumed, or why it was refused. */
  readonly end: number | Refusal
  readonly complete: boolean
}

/** Decodes bytes cut at these ends; stops where the body is complete. */
export function decodeInPieces(bytes: Buffer, cuts: readonly number[], reframe: boolean): Decoded {
  const decoder = new ChunkedDecoder()
  decoder.reset(reframe)
  let text = ''
  let at = 0
  for (const cut of cuts) {
    const result = decoder.decode(bytes, at, cut)
    if (typeof result !== 'number') return { text, bodyBytes: decoder.bodyBytes, end: result, complete: false }
    for (let i = 0; i < decoder.rangeCount; i += 2) {
      text += bytes.toString('latin1', decoder.ranges[i], decoder.ranges[i + 1])
    }
    if (result !== cut && !decoder.complete) throw new Error(`stopped at ${result} of ${cut} without being complete`)
    at = result
    if (decoder.complete) break
  }
  return { text, bodyBytes: decoder.bodyBytes, end: at, complete: decoder.complete }
}

/**
 * A second, independent reading of the chunked coding, by regular expressions over the whole text.
 *
 * @returns null where it is malformed or not complete
 */
export function referenceDecode(text: string): { reframed: string; data: string; end: number } | null {
  let reframed = ''
  let data = ''
  let at = 0
  for (;;) {
    sizeLine.lastIndex = at
    const line = sizeLine.exec(text)
    if (line === null) return null
    const digits = line[1] ?? ''
    const size = Number.parseInt(digits, 16)
    at += line[0].length
    reframed += `${digits}\r\n`
    if (size === 0) break
    if (text.slice(at + size, at + size + 2) !== '\r\n') return null
    data += text.slice(at, at + size)
    reframed += text.slice(at, at + size + 2)
    at += size + 2
  }
  trailers.lastIndex = at
  const section = trailers.exec(text)
  if (section === null) return null
  let counted = 0
  for (const line of section[0].split('\r\n').slice(0, -2)) {
    // The decoder's limit counts a line and its CR.
    counted += line.length + 1
    if (counted > 16_384) return null
    const name = line.slice(0, line.indexOf(':')).toLowerCase()
    if (forbiddenInTrailer(name)) return null
  }
  return { reframed: reframed + section[0], data, end: at + section[0].length }
}

const sizeLine = /([0-9a-fA-F]{1,12})(?:;[\t\x20-\x7e\x80-\xff]{0,1024})?\r\n/y
const trailers = /(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/y

/** The grammar that every request head which is taken must have. */
export const requestGrammar =
  /^(?:\r\n)?[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64} [!"$-[\]-~]+ HTTP\/1\.[01]\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n$/

/** The grammar that every response head which is taken must have. */
export const responseGrammar =
  /^HTTP\/1\.[01] [1-5]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n$/

/** The head that a backend gets, but for what the gateway adds of its own. */
export function forwardedHead(head: RequestHead): string {
  const framing = head.chunked ? 'Transfer-Encoding: chunked\r\n' : ''
  return `${head.method} ${head.target} HTTP/1.1\r\nHost: ${head.host === '' ? 'backend.test' : head.host}\r\n${head.lines}${framing}\r\n`
}

/** What of a head decides where it goes and where the next one begins. */
export function reading(head: RequestHead): Record<string, unknown> {
  const { method, target, contentLength, chunked, lines } = head
  return { method, target, contentLength, chunked, lines }
}
