import { asBuffer, contentOf, type DerElement, DerError, readElement, tags } from './der.ts'

/**
 * The same value in definite, minimal lengths and with octet strings in one piece, as a reader of DER wants it. PKCS#12 and
 * PKCS#7 are BER (RFC 7292 section 3.1), and Windows and older Java write indefinite lengths. What is primitive is kept as
 * it is; so are the bytes of a certificate, which are DER whatever is around them.
 */
export function derFromBer(input: Uint8Array): Buffer {
  const bytes = asBuffer(input)
  const node = readNode(bytes, 0, bytes.length, 0)
  if (node.end !== bytes.length) throw new DerError(node.end, `${bytes.length - node.end} bytes after the end`)
  const out = Buffer.alloc(sizeOf(node))
  write(node, out, 0)
  return out
}

/** The bytes of an OCTET STRING under an implicit tag, in one piece or in several. */
export function implicitOctets(element: DerElement, what: string): Buffer {
  if ((element.tag & constructed) === 0) return contentOf(element)
  const parts: Buffer[] = []
  for (let at = element.body; at < element.end; ) {
    const part = readElement(element.bytes, at, element.end, element.depth + 1)
    if (part.tag !== tags.octetString) throw new DerError(part.start, `${what}: a part that is no octet string`)
    parts.push(contentOf(part))
    at = part.end
  }
  return Buffer.concat(parts)
}

interface Node {
  readonly tag: number
  /** Of the content, as DER. */
  readonly size: number
  /** Past the element and its end-of-contents. */
  readonly end: number
  readonly parts: readonly Node[] | Buffer
}

const constructed = 0x20
const maxDepth = 32

function readNode(bytes: Buffer, start: number, limit: number, depth: number): Node {
  if (depth > maxDepth) throw new DerError(start, `nested deeper than ${maxDepth} levels`)
  if (start + 2 > limit) throw new DerError(start, 'ends inside a tag and length')
  const tag = bytes[start] as number
  if ((tag & 0x1f) === 0x1f) throw new DerError(start, 'a tag number above 30')
  const { body, length } = readLength(bytes, start, limit)
  if (length === null && (tag & constructed) === 0)
    throw new DerError(start, 'an indefinite length of a value that has no parts')
  const end = length === null ? limit : body + length
  if ((tag & constructed) === 0) {
    const parts = bytes.subarray(body, end)
    return { tag, size: parts.length, end, parts }
  }
  const parts: Node[] = []
  let at = body
  for (;;) {
    if (length !== null && at >= end) return nodeOf(tag, parts, end)
    if (length === null && bytes[at] === 0 && bytes[at + 1] === 0 && at + 2 <= end) return nodeOf(tag, parts, at + 2)
    const part = readNode(bytes, at, end, depth + 1)
    parts.push(part)
    at = part.end
  }
}

/** null: indefinite. */
function readLength(bytes: Buffer, start: number, limit: number): { body: number; length: number | null } {
  const first = bytes[start + 1] as number
  const body = start + 2
  if (first === 0x80) return { body, length: null }
  if (first < 0x80) return checked(start, body, first, limit)
  const octets = first & 0x7f
  if (octets > 4) throw new DerError(start + 1, `a length of ${octets} octets`)
  if (body + octets > limit) throw new DerError(start + 1, 'ends inside a length')
  return checked(start, body + octets, bytes.readUIntBE(body, octets), limit)
}

function checked(start: number, body: number, length: number, limit: number): { body: number; length: number } {
  if (length > limit - body) throw new DerError(start, `${length} bytes announced, ${limit - body} left`)
  return { body, length }
}

function nodeOf(tag: number, parts: readonly Node[], end: number): Node {
  const pieces = tag === (tags.octetString | constructed) ? parts.flatMap(bytesOf) : null
  if (pieces !== null) {
    const whole = Buffer.concat(pieces)
    return { tag: tags.octetString, size: whole.length, end, parts: whole }
  }
  return { tag, size: parts.reduce((sum, part) => sum + sizeOf(part), 0), end, parts }
}

function bytesOf({ tag, parts }: Node): Buffer {
  if (tag === tags.octetString && Buffer.isBuffer(parts)) return parts
  throw new DerError(0, 'an octet string with a part that is none')
}

const sizeOf = ({ size }: Node): number => 1 + lengthOctets(size) + size

const lengthOctets = (size: number): number =>
  size < 0x80 ? 1 : size < 0x1_00 ? 2 : size < 0x1_00_00 ? 3 : size < 0x1_00_00_00 ? 4 : 5

function write(node: Node, out: Buffer, start: number): number {
  const octets = lengthOctets(node.size)
  out[start] = node.tag
  if (octets === 1) out[start + 1] = node.size
  else {
    out[start + 1] = 0x80 | (octets - 1)
    out.writeUIntBE(node.size, start + 2, octets - 1)
  }
  let at = start + 1 + octets
  if (Buffer.isBuffer(node.parts)) return at + node.parts.copy(out, at)
  for (const part of node.parts) at = write(part, out, at)
  return at
}
