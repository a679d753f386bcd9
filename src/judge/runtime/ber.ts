/**
 * ASN.1 the way OpenSSL's decoder takes it: BER lengths of any form, constructed strings, any byte but 00 for true. Used to
 * know what the runtime makes of bytes that our strict reader complains about; facts for people come from the strict one.
 */
export interface Ber {
  /** Class and number without the bit for constructed; 0xff stands for every number above 30. */
  readonly tag: number
  readonly constructed: boolean
  readonly content: Buffer
  /** The element and everything of it. */
  readonly raw: Buffer
}

/** The runtime could not decode it either. */
export class BerError extends Error {
  override readonly name = 'BerError'
}

export const contextClass = 0x80

/** The first element; what follows it is not looked at. */
export const readBer = (bytes: Buffer, depth = 0): Ber => readAt(bytes, 0, depth)

/** Every element of a SEQUENCE OF or SET OF, for which OpenSSL does not look at the bit for constructed. */
export function elementsOf(parent: Ber, depth = 0): Ber[] {
  const elements: Ber[] = []
  const { content } = parent
  for (let at = 0; at < content.length; ) {
    const element = readAt(content, at, depth + 1)
    elements.push(element)
    at += element.raw.length
  }
  return elements
}

/** Fields of a SEQUENCE in order. `finish` refuses what nobody asked for. */
export class Fields {
  readonly #elements: Ber[]

  constructor(sequence: Ber) {
    if (!sequence.constructed) throw new BerError('a SEQUENCE that is not constructed')
    this.#elements = elementsOf(sequence)
  }

  optional(tag: number): Ber | null {
    return this.#elements[0]?.tag === tag ? (this.#elements.shift() ?? null) : null
  }

  next(): Ber {
    const element = this.#elements.shift()
    if (element === undefined) throw new BerError('a field is missing')
    return element
  }

  finish(): void {
    if (this.#elements.length > 0) throw new BerError('more fields than there may be')
  }
}

export function sequenceOf(bytes: Buffer): Ber {
  const element = readBer(bytes)
  if (element.tag !== 0x10) throw new BerError('not a SEQUENCE')
  return element
}

/** The one element inside of an explicit tag. */
export function explicitOf(wrapper: Ber): Ber {
  if (!wrapper.constructed) throw new BerError('an explicit tag that is not constructed')
  const elements = elementsOf(wrapper)
  if (elements.length !== 1) throw new BerError('an explicit tag around more than one element')
  return elements[0] as Ber
}

export function booleanOf({ constructed, content }: Ber): boolean {
  if (constructed || content.length !== 1) throw new BerError('not a BOOLEAN')
  return content[0] !== 0
}

export function integerOf({ constructed, content }: Ber): bigint {
  const [first, second] = content
  if (constructed || first === undefined) throw new BerError('not an INTEGER')
  const padded = first === 0 || (first === 0xff && content.subarray(1).some((byte) => byte !== 0))
  if (second !== undefined && padded && (first & 0x80) === (second & 0x80)) throw new BerError('a padded INTEGER')
  return BigInt.asIntN(content.length * 8, BigInt(`0x${content.toString('hex')}`))
}

/** Hexadecimal content of an OBJECT IDENTIFIER. */
export function oidOf({ constructed, content }: Ber): string {
  const last = content.at(-1)
  if (constructed || last === undefined || last >= 0x80) throw new BerError('not an OBJECT IDENTIFIER')
  for (const [index, byte] of content.entries()) {
    if (byte === 0x80 && (index === 0 || (content[index - 1] as number) < 0x80)) throw new BerError('a padded OID')
  }
  return content.toString('hex')
}

/** Content of a string, put together where it comes in pieces. */
export function stringOf(element: Ber, depth = 0): Buffer {
  if (!element.constructed) return element.content
  if (depth > maxPieces) throw new BerError('a string nested too deep')
  return Buffer.concat(elementsOf(element).map((piece) => stringOf(piece, depth + 1)))
}

/** Bytes of a BIT STRING with the unused bits cleared. */
export function bitsOf(element: Ber): Buffer {
  const content = stringOf(element)
  const unused = content[0]
  if (unused === undefined || unused > 7) throw new BerError('not a BIT STRING')
  const bits = Buffer.from(content.subarray(1))
  if (bits.length > 0) bits[bits.length - 1] = (bits.at(-1) as number) & (0xff << unused)
  return bits
}

/** The same with definite, minimal lengths: what the strict reader can read, if anything. */
export function toDer(element: Ber): Buffer {
  const constructed = element.constructed || element.tag === 0x10 || element.tag === 0x11
  const content = constructed ? Buffer.concat(elementsOf(element).map(toDer)) : element.content
  const head = [element.tag | (constructed ? 0x20 : 0)]
  if (content.length < 0x80) head.push(content.length)
  else {
    const octets: number[] = []
    for (let left = content.length; left > 0; left = Math.floor(left / 256)) octets.unshift(left % 256)
    head.push(0x80 | octets.length, ...octets)
  }
  return Buffer.concat([Buffer.from(head), content])
}

// OpenSSL's ASN1_MAX_CONSTRUCTED_NEST and ASN1_MAX_STRING_NEST.
const maxNest = 30
const maxPieces = 5

function readAt(bytes: Buffer, start: number, depth: number): Ber {
  if (depth > maxNest) throw new BerError('nested too deep')
  const identifier = byteAt(bytes, start)
  let at = start + 1
  let tag = identifier & 0xdf
  if ((identifier & 0x1f) === 0x1f) {
    let number = 0
    for (; byteAt(bytes, at) >= 0x80; at++) number = number * 128 + (byteAt(bytes, at) & 0x7f)
    number = number * 128 + byteAt(bytes, at)
    at += 1
    // A small number written long is the same number.
    tag = number < 0x1f ? (identifier & 0xc0) | number : 0xff
  }
  const constructed = (identifier & 0x20) !== 0
  const first = byteAt(bytes, at)
  at += 1
  if (first === 0x80) return readIndefinite(bytes, start, at, { tag, constructed }, depth)
  let length = first
  if (first > 0x80) {
    length = 0
    for (let octet = first & 0x7f; octet > 0; octet--, at++) {
      length = length * 256 + byteAt(bytes, at)
      if (length > bytes.length) throw new BerError('a length beyond the end')
    }
  }
  if (length > bytes.length - at) throw new BerError('a length beyond the end')
  return { tag, constructed, content: bytes.subarray(at, at + length), raw: bytes.subarray(start, at + length) }
}

function readIndefinite(
  bytes: Buffer,
  start: number,
  body: number,
  what: Pick<Ber, 'tag' | 'constructed'>,
  depth: number,
): Ber {
  if (!what.constructed) throw new BerError('an indefinite length of a primitive element')
  let at = body
  while (byteAt(bytes, at) !== 0 || byteAt(bytes, at + 1) !== 0) at += readAt(bytes, at, depth + 1).raw.length
  return { ...what, content: bytes.subarray(body, at), raw: bytes.subarray(start, at + 2) }
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at]
  if (byte === undefined) throw new BerError('ends too early')
  return byte
}
