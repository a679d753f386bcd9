import { huffmanCodes } from '../../src/wire/h2/huffman.ts'

export type Field = readonly [name: string, value: string]

export function hex(text: string): Buffer {
  return Buffer.from(text.replace(/\s+/g, ''), 'hex')
}

/** An HPACK integer with `bits` bits of prefix in a byte whose other bits are `first`. */
export function integer(first: number, bits: number, value: number): Buffer {
  const prefix = 2 ** bits - 1
  if (value < prefix) return Buffer.from([first | value])
  const bytes = [first | prefix]
  let rest = value - prefix
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.from([...bytes, rest])
}

const codes = huffmanCodes()

/** The Huffman code of latin1 text, bit by bit, padded with ones. */
export function huffman(text: string): Buffer {
  let bits = ''
  for (const byte of Buffer.from(text, 'latin1')) {
    const [code, length] = codes[byte] as readonly [number, number]
    bits += code.toString(2).padStart(length, '0')
  }
  return bitsOf(bits.padEnd(Math.ceil(bits.length / 8) * 8, '1'))
}

export function bitsOf(bits: string): Buffer {
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}

export function string(text: string, coded = false): Buffer {
  const bytes = coded ? huffman(text) : Buffer.from(text, 'latin1')
  return Buffer.concat([integer(coded ? 0x80 : 0, 7, bytes.length), bytes])
}

export interface LiteralOptions {
  /** Index of the name; 0: the name is written. */
  readonly index?: number
  readonly coded?: boolean
  readonly form?: 'incremental' | 'without' | 'never'
}

export function literal(
  [name, value]: Field,
  { index = 0, coded = false, form = 'without' }: LiteralOptions = {},
): Buffer {
  const bits = form === 'incremental' ? 6 : 4
  const first = form === 'incremental' ? 0x40 : form === 'never' ? 0x10 : 0
  const named = integer(first, bits, index)
  return Buffer.concat(index === 0 ? [named, string(name, coded), string(value, coded)] : [named, string(value, coded)])
}

export function block(...fields: readonly (Field | Buffer)[]): Buffer {
  return Buffer.concat(fields.map((field) => (Buffer.isBuffer(field) ? field : literal(field))))
}

export function indexed(index: number): Buffer {
  return integer(0x80, 7, index)
}
