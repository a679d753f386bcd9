import { PosternError } from '../core/errors.ts'

/** Bytes that are not the DER they should be. `offset` counts from the start of the buffer that was read. */
export class DerError extends PosternError {
  override readonly name = 'DerError'
  readonly offset: number
  readonly reason: string

  constructor(offset: number, reason: string) {
    super('der-malformed', `byte ${offset}: ${reason}`, { evidence: { offset, reason } })
    this.offset = offset
    this.reason = reason
  }
}

/** Identifier octets of the universal types that certificates use. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** Identifier octet of a context-specific tag. */
export const contextTag = (number: number, constructed: boolean): number => 0x80 | (constructed ? 0x20 : 0) | number

/** One element: `start` is its identifier octet, `body` its first content octet, `end` is exclusive. */
export interface DerElement {
  readonly bytes: Buffer
  readonly tag: number
  readonly start: number
  readonly body: number
  readonly end: number
  readonly depth: number
}

// Certificates need about 12 levels, PKCS#7 around them a few more; the limit keeps hostile nesting cheap (I10).
const maxDepth = 32

/** Reads the element at `start`. Definite, minimal lengths only (X.690 section 10.1), never past `limit`. */
export function readElement(bytes: Buffer, start = 0, limit = bytes.length, depth = 0): DerElement {
  if (depth > maxDepth) throw new DerError(start, `nested deeper than ${maxDepth} levels`)
  if (start + 2 > limit) throw new DerError(start, 'ends inside a tag and length')
  const tag = bytes[start] as number
  if ((tag & 0x1f) === 0x1f) throw new DerError(start, 'a tag number above 30, which X.509 does not use')
  const first = bytes[start + 1] as number
  let body = start + 2
  let length = first
  if (first === 0x80) throw new DerError(start + 1, 'an indefinite length (BER, not DER)')
  if (first > 0x80) {
    const octets = first & 0x7f
    if (octets > 4) throw new DerError(start + 1, `a length of ${octets} octets`)
    if (body + octets > limit) throw new DerError(start + 1, 'ends inside a length')
    length = bytes.readUIntBE(body, octets)
    if (length < 0x80 || bytes[body] === 0) throw new DerError(start + 1, 'a length that is not minimal')
    body += octets
  }
  if (length > limit - body) throw new DerError(start, `${length} bytes announced, ${limit - body} left`)
  return { bytes, tag, start, body, end: body + length, depth }
}

/** The one element that fills `bytes` completely. */
export function readWhole(bytes: Uint8Array): DerElement {
  const element = readElement(asBuffer(bytes))
  if (element.end !== bytes.length) throw new DerError(element.end, `${bytes.length - element.end} bytes after the end`)
  return element
}

/** Walks the content of a constructed element, field by field. */
export class DerReader {
  readonly #parent: DerElement
  #at: number

  constructor(parent: DerElement, what: string, tag?: number) {
    if (tag !== undefined) expectTag(parent, tag, what)
    this.#parent = parent
    this.#at = parent.body
  }

  get done(): boolean {
    return this.#at >= this.#parent.end
  }

  /** Tag of the next element, -1 at the end. */
  get tag(): number {
    return this.done ? -1 : (this.#parent.bytes[this.#at] as number)
  }

  /** The next element, of the given tag where one is given. */
  next(what: string, tag?: number): DerElement {
    if (this.done) throw new DerError(this.#at, `${what} is missing`)
    const element = readElement(this.#parent.bytes, this.#at, this.#parent.end, this.#parent.depth + 1)
    if (tag !== undefined) expectTag(element, tag, what)
    this.#at = element.end
    return element
  }

  optional(what: string, tag: number): DerElement | null {
    return this.tag === tag ? this.next(what, tag) : null
  }

  /** Nothing may follow: an unread field would be a check that was not made. */
  finish(what: string): void {
    if (!this.done) throw new DerError(this.#at, `unexpected data at the end of ${what}`)
  }
}

/** Every child of a constructed element. */
export function childrenOf(parent: DerElement, what: string, tag?: number): DerElement[] {
  const reader = new DerReader(parent, what, tag)
  const children: DerElement[] = []
  while (!reader.done) children.push(reader.next(what))
  return children
}

export const contentOf = (element: DerElement): Buffer => element.bytes.subarray(element.body, element.end)

export const rawOf = (element: DerElement): Buffer => element.bytes.subarray(element.start, element.end)

export function expectTag(element: DerElement, tag: number, what: string): void {
  if (element.tag !== tag) throw new DerError(element.start, `${what}: tag ${hex(element.tag)} instead of ${hex(tag)}`)
}

export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const hex = (tag: number): string => `0x${tag.toString(16).padStart(2, '0')}`
