import { huffmanCodes } from '../../src/wire/h2/huffman.ts'
import { staticFields } from '../../src/wire/h2/hpack-tables.ts'
import { type Field, indexed, integer, literal } from '../wire-h2/blocks.ts'

/** A second implementation of RFC 7541, written for being obvious: lists of strings, integers without a limit. */

/** The dynamic table of RFC 7541 section 2.3.2; the newest entry is the first. */
export class ReferenceTable {
  readonly entries: Field[] = []
  maximum: number

  constructor(maximum: number) {
    this.maximum = maximum
  }

  get size(): number {
    return this.entries.reduce((sum, field) => sum + sizeOf(field), 0)
  }

  add(field: Field): void {
    this.entries.unshift(field)
    this.#evict()
  }

  resize(maximum: number): void {
    this.maximum = maximum
    this.#evict()
  }

  /** The entry of an index that counts both tables (section 2.3.3). */
  at(index: number): Field | undefined {
    return index <= staticFields.length ? staticFields[index - 1] : this.entries[index - staticFields.length - 1]
  }

  #evict(): void {
    while (this.entries.length > 0 && this.size > this.maximum) this.entries.pop()
  }
}

/** How a field is to be written; what cannot be done (no such index) is done without. */
export interface Form {
  readonly kind: 'indexed' | 'incremental' | 'without' | 'never'
  readonly namedByIndex: boolean
  readonly coded: boolean
}

/** Encodes with everything RFC 7541 has. */
export class ReferenceEncoder {
  readonly #table: ReferenceTable

  constructor(tableBytes: number) {
    this.#table = new ReferenceTable(tableBytes)
  }

  field(field: Field, { kind, namedByIndex, coded }: Form): Buffer {
    const whole = this.#indexOf((other) => other[0] === field[0] && other[1] === field[1])
    if (kind === 'indexed' && whole > 0) return indexed(whole)
    const form = kind === 'indexed' ? 'without' : kind
    const index = namedByIndex ? this.#indexOf((other) => other[0] === field[0]) : 0
    const written = literal(field, { index, coded, form })
    if (form === 'incremental') this.#table.add(field)
    return written
  }

  /** One of the entries of the dynamic table, by its index; nothing where there is none. */
  recalled(choice: number): Buffer {
    const { length } = this.#table.entries
    return length === 0 ? Buffer.alloc(0) : indexed(staticFields.length + 1 + (choice % length))
  }

  /** A dynamic table size update. */
  resize(maximum: number): Buffer {
    this.#table.resize(maximum)
    return integer(0x20, 5, maximum)
  }

  /** The highest index, so that the dynamic table is used where it can be; 0: none. */
  #indexOf(matches: (field: Field) => boolean): number {
    for (let index = staticFields.length + this.#table.entries.length; index > 0; index--) {
      if (matches(this.#table.at(index) as Field)) return index
    }
    return 0
  }
}

export type ReferenceError = 'truncated' | 'integer' | 'index' | 'huffman' | 'size' | 'size-late'

/** Decodes one block; fields as they stand there, whatever they say. */
export function referenceDecode(
  table: ReferenceTable,
  limit: number,
  block: Buffer,
): readonly Field[] | ReferenceError {
  const fields: Field[] = []
  const reader = new Reader(block)
  try {
    while (reader.at < block.length) {
      const byte = block[reader.at] as number
      if (byte >= 0x80) {
        fields.push(known(table, reader.integer(7)))
      } else if (byte >= 0x20 && byte < 0x40) {
        const size = reader.integer(5)
        if (fields.length > 0) throw new Wrong('size-late')
        if (size > limit) throw new Wrong('size')
        table.resize(size)
      } else {
        const incremental = byte >= 0x40
        const index = reader.integer(incremental ? 6 : 4)
        const name = index === 0 ? reader.string() : known(table, index)[0]
        const field = [name, reader.string()] as const
        fields.push(field)
        if (incremental) table.add(field)
      }
    }
  } catch (error) {
    if (error instanceof Wrong) return error.code
    throw error
  }
  return fields
}

export function sizeOf([name, value]: Field): number {
  return name.length + value.length + 32
}

class Wrong extends Error {
  readonly code: ReferenceError

  constructor(code: ReferenceError) {
    super(code)
    this.code = code
  }
}

function known(table: ReferenceTable, index: number): Field {
  const field = index === 0 ? undefined : table.at(index)
  if (field === undefined) throw new Wrong('index')
  return field
}

class Reader {
  at = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  integer(bits: number): number {
    const mask = 2 ** bits - 1
    let value = this.#byte() & mask
    if (value < mask) return value
    for (let factor = 1, count = 1; ; factor *= 128, count++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
      // The gateway's limit; RFC 7541 section 5.1 asks for one.
      if (count === 4) throw new Wrong('integer')
    }
  }

  string(): string {
    const coded = ((this.#bytes[this.at] ?? 0) & 0x80) !== 0
    const length = this.integer(7)
    if (this.at + length > this.#bytes.length) throw new Wrong('truncated')
    const bytes = this.#bytes.subarray(this.at, this.at + length)
    this.at += length
    return coded ? decoded(bytes) : bytes.toString('latin1')
  }

  #byte(): number {
    const byte = this.#bytes[this.at++]
    if (byte === undefined) throw new Wrong('truncated')
    return byte
  }
}

const symbols = new Map<string, number>(
  huffmanCodes().map(([code, bits], symbol) => [code.toString(2).padStart(bits, '0'), symbol]),
)

/** Bit by bit (RFC 7541 section 5.2). */
function decoded(bytes: Buffer): string {
  let text = ''
  let path = ''
  for (const byte of bytes) {
    for (const bit of byte.toString(2).padStart(8, '0')) {
      path += bit
      const symbol = symbols.get(path)
      if (symbol === undefined) continue
      if (symbol === 256) throw new Wrong('huffman')
      text += String.fromCharCode(symbol)
      path = ''
    }
  }
  if (path.length > 7 || path.includes('0')) throw new Wrong('huffman')
  return text
}
