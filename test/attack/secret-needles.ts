import { createPrivateKey } from 'node:crypto'

/** What to look for: a text that nothing may hold, and where it comes from. */
export interface Needle {
  readonly name: string
  readonly plain: readonly string[]
  /** Compared with the haystack in lower case, without colons and white space. */
  readonly hex: readonly string[]
  /** Compared with the haystack in base64's own alphabet, without white space and escaped line ends. */
  readonly base64: readonly string[]
  readonly raw: readonly Buffer[]
}

/** A password or token, as it is and as the parts of an Authorization field or a body in base64. */
export function textNeedle(name: string, text: string): Needle {
  return {
    name,
    plain: [text],
    hex: [Buffer.from(text).toString('hex')],
    base64: alignments(Buffer.from(text)),
    raw: [],
  }
}

/** Pieces of the private numbers of a key: whoever shows 24 bytes of one, in whatever spelling, is found. */
export function keyNeedle(name: string, pem: string): Needle {
  const jwk = createPrivateKey(pem).export({ format: 'jwk' })
  const pieces = (['d', 'p', 'q', 'dp', 'dq', 'qi'] as const).flatMap((part) => {
    const bytes = Buffer.from(jwk[part] ?? '', 'base64url')
    const starts = Array.from({ length: Math.floor(bytes.length / 32) }, (_, index) => index * 32 + 4)
    return starts.map((start) => bytes.subarray(start, start + 24)).filter((piece) => piece.length === 24)
  })
  return {
    name,
    plain: [],
    hex: pieces.map((piece) => piece.toString('hex')),
    base64: pieces.flatMap(alignments),
    raw: pieces,
  }
}

/** Base64 of the bytes wherever they stand in a longer text, without what depends on their neighbours. */
function alignments(bytes: Buffer): readonly string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    const first = before === 0 ? 0 : before + 1
    const last = (before + bytes.length) % 3 === 0 ? text.length : text.length - 1
    return text.slice(first, last)
  })
}

/** @returns the names of the needles that are in it */
export function leaksIn(haystack: Buffer, needles: readonly Needle[]): readonly string[] {
  const text = haystack.toString('latin1')
  const decoded = text.includes('%') ? `${text} ${unescaped(text)}` : text
  const hex = decoded.toLowerCase().replaceAll(/[\s:]/g, '')
  const base64 = decoded
    .replaceAll(/\\+[nrt]|\s/g, '')
    .replaceAll('\\/', '/')
    .replaceAll('-', '+')
    .replaceAll('_', '/')
  return needles
    .filter(
      (needle) =>
        needle.plain.some((each) => decoded.includes(each)) ||
        needle.hex.some((each) => hex.includes(each)) ||
        needle.base64.some((each) => base64.includes(each.replaceAll('-', '+').replaceAll('_', '/'))) ||
        needle.raw.some((each) => haystack.includes(each)),
    )
    .map(({ name }) => name)
}

const unescaped = (text: string): string =>
  text.replaceAll(/%([0-9a-fA-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
