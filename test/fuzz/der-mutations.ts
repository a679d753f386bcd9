import type { Random } from '../support/random.ts'

interface Node {
  readonly start: number
  readonly body: number
  readonly end: number
  /** Index in the list; -1 for the whole. */
  readonly parent: number
}

const octetString = 0x04
const bitString = 0x03

/** Every element of a DER text, those inside of OCTET STRING and BIT STRING included, parents before children. */
function indexed(der: Buffer): Node[] {
  const nodes: Node[] = []
  walk(der, 0, der.length, -1, nodes)
  return nodes
}

/** False where the bytes are no list of elements. Reads on its own: it must not share the faults of what it is to find. */
function walk(der: Buffer, from: number, to: number, parent: number, nodes: Node[]): boolean {
  const before = nodes.length
  for (let start = from; start < to; ) {
    const node = element(der, start, to, parent)
    if (node === null) {
      nodes.length = before
      return false
    }
    const index = nodes.push(node) - 1
    const tag = der[start] as number
    const wraps = tag === octetString ? node.body : tag === bitString && der[node.body] === 0 ? node.body + 1 : -1
    if ((tag & 0x20) !== 0) walk(der, node.body, node.end, index, nodes)
    else if (wraps !== -1 && node.end - wraps > 2 && (der[wraps] as number) >= 0x02)
      walk(der, wraps, node.end, index, nodes)
    start = node.end
  }
  return true
}

function element(der: Buffer, start: number, limit: number, parent: number): Node | null {
  const first = der[start + 1]
  if (start + 2 > limit || first === undefined || first === 0x80 || first > 0x83) return null
  const body = start + 2 + (first > 0x80 ? first & 0x7f : 0)
  if (body > limit) return null
  const end = body + (first > 0x80 ? der.readUIntBE(start + 2, first & 0x7f) : first)
  return end > limit ? null : { start, body, end, parent }
}

/** `der` with one element replaced by other bytes, and the lengths of all around it put right. */
function replaced(der: Buffer, nodes: readonly Node[], index: number, bytes: Buffer): Buffer {
  let at = nodes[index] as Node
  let inner = bytes
  while (at.parent !== -1) {
    const parent = nodes[at.parent] as Node
    const length = inner.length + (at.start - parent.body) + (parent.end - at.end)
    inner = Buffer.concat([
      header(der[parent.start] as number, length),
      der.subarray(parent.body, at.start),
      inner,
      der.subarray(at.end, parent.end),
    ])
    at = parent
  }
  return Buffer.concat([der.subarray(0, at.start), inner, der.subarray(at.end)])
}

function header(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.from([tag, length])
  if (length < 0x100) return Buffer.from([tag, 0x81, length])
  if (length < 0x1_00_00) return Buffer.from([tag, 0x82, length >> 8, length & 0xff])
  return Buffer.from([tag, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff])
}

/** A header that says the same and is not DER. */
function oddHeader(tag: number, length: number, random: Random): Buffer {
  const wide = Buffer.from([tag, 0x84, 0, 0, 0, 0])
  wide.writeUInt32BE(length, 2)
  return random.below(3) === 0 ? Buffer.from([tag, 0x80]) : wide
}

/**
 * Bytes near a real structure: mostly one change inside, with all lengths right around it, so that it is a value that is
 * odd and not the frame; at times raw changes, which break the frame.
 */
export function mutant(corpus: readonly Seed[], chosen: number, random: Random): Buffer {
  let { der, nodes } = corpus[chosen] as Seed
  const changes = 1 + (random.below(4) === 0 ? random.below(3) : 0)
  for (let change = 0; change < changes; change += 1) {
    if (change > 0) nodes = indexed(der)
    der = nodes.length === 0 || random.below(6) === 0 ? rawChange(der, random) : nodeChange(der, nodes, corpus, random)
  }
  return der
}

export interface Seed {
  readonly der: Buffer
  readonly nodes: Node[]
}

export const seedOf = (der: Buffer): Seed => ({ der, nodes: indexed(der) })

function rawChange(der: Buffer, random: Random): Buffer {
  const at = random.below(der.length + 1)
  const before = der.subarray(0, at)
  switch (random.below(4)) {
    case 0:
      return Buffer.concat([before, Buffer.from([random.below(256)]), der.subarray(at)])
    case 1:
      return Buffer.concat([before, der.subarray(at + 1 + random.below(4))])
    case 2:
      return Buffer.from(before)
    default: {
      const copy = Buffer.from(der)
      if (at < copy.length) copy[at] = (copy[at] as number) ^ (1 << random.below(8))
      return copy
    }
  }
}

const oddTags = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x30, 0x31, 0x80, 0x81, 0x82, 0x86, 0x87,
  0x88, 0xa0, 0xa1, 0xa3, 0xa4, 0x1f,
]
const oddContents = [
  '',
  '\0',
  '\xff',
  '\x80',
  'a\0b.test',
  '*.test',
  '\x7f\xff\xff\xff',
  '\x01\0\0\0\0',
  '20240101000000Z',
  '240101000000+0100',
  '\xe4',
  '*',
].map((text) => Buffer.from(text, 'latin1'))

function nodeChange(der: Buffer, nodes: readonly Node[], corpus: readonly Seed[], random: Random): Buffer {
  const index = random.below(nodes.length)
  const { start, body, end } = nodes[index] as Node
  const whole = der.subarray(start, end)
  const content = der.subarray(body, end)
  const tag = der[start] as number
  const put = (bytes: Buffer): Buffer => replaced(der, nodes, index, bytes)
  const withContent = (bytes: Buffer): Buffer => put(Buffer.concat([header(tag, bytes.length), bytes]))
  switch (random.below(10)) {
    case 0:
      return put(Buffer.alloc(0))
    case 1:
      return put(Buffer.concat([whole, whole]))
    case 2: {
      const other = corpus[random.below(corpus.length)] as Seed
      const from = other.nodes[random.below(other.nodes.length)]
      if (from === undefined) return put(Buffer.alloc(0))
      return put(
        Buffer.concat([random.below(2) === 0 ? whole : Buffer.alloc(0), other.der.subarray(from.start, from.end)]),
      )
    }
    case 3:
      return put(Buffer.concat([header(oddTags[random.below(oddTags.length)] as number, content.length), content]))
    case 4:
      return put(Buffer.concat([oddHeader(tag, content.length, random), content]))
    case 5:
      return withContent(oddContents[random.below(oddContents.length)] as Buffer)
    case 6:
      return withContent(content.subarray(0, random.below(content.length + 1)))
    case 7:
      return withContent(Buffer.concat([content, Buffer.from([random.below(256)])]))
    default: {
      if (content.length === 0) return withContent(Buffer.from([random.below(256)]))
      const copy = Buffer.from(content)
      const at = random.below(copy.length)
      copy[at] = random.below(2) === 0 ? random.below(256) : (copy[at] as number) ^ (1 << random.below(8))
      return withContent(copy)
    }
  }
}
