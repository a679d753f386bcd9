import type { Field, Scalar, Schema } from './schema.ts'

/*
 * The protobuf wire format (protobuf.dev/programming-guides/encoding), as far as OTLP needs it: a writer that goes by tables,
 * and a reader of the few fields of an answer.
 */

/** A message as bytes. Fields that are undefined are left out; repeated numbers are packed. */
export function writeMessage(schema: Schema, message: object): Buffer {
  used = 0
  putMessage(schema, message as Readonly<Record<string, unknown>>)
  const bytes = Buffer.from(buffer.subarray(0, used))
  if (buffer.length > keptBytes) buffer = Buffer.allocUnsafe(initialBytes)
  return bytes
}

/** The head of a field that holds `length` bytes: what stands before a message within a message. */
export function lengthPrefix(number: number, length: number): Buffer {
  used = 0
  putVarint(number * 8 + wireTypes.bytes)
  putVarint(length)
  return Buffer.from(buffer.subarray(0, used))
}

/** Fields of a message: varints as numbers, bytes as they are. Throws a RangeError where it is malformed. */
export function readMessage(bytes: Uint8Array): ReadonlyMap<number, number | Uint8Array> {
  const fields = new Map<number, number | Uint8Array>()
  const at = { offset: 0 }
  while (at.offset < bytes.length) {
    const tag = readVarint(bytes, at)
    const number = Math.floor(tag / 8)
    switch (tag % 8) {
      case wireTypes.varint:
        fields.set(number, readVarint(bytes, at))
        break
      case wireTypes.fixed64:
        readBytes(bytes, at, 8)
        break
      case wireTypes.bytes:
        fields.set(number, readBytes(bytes, at, readVarint(bytes, at)))
        break
      case wireTypes.fixed32:
        readBytes(bytes, at, 4)
        break
      default:
        throw new RangeError(`field ${number} has wire type ${tag % 8}`)
    }
  }
  return fields
}

const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const
const wireTypeOf: Readonly<Record<Scalar, number>> = {
  string: wireTypes.bytes,
  bytes: wireTypes.bytes,
  bool: wireTypes.varint,
  enum: wireTypes.varint,
  int64: wireTypes.varint,
  double: wireTypes.fixed64,
  fixed64: wireTypes.fixed64,
  fixed32: wireTypes.fixed32,
}

// One buffer for all messages of this thread: each is written in one go, and copied out.
const initialBytes = 16 * 1024
const keptBytes = 1024 * 1024
let buffer = Buffer.allocUnsafe(initialBytes)
let used = 0

function putMessage(schema: Schema, message: Readonly<Record<string, unknown>>): void {
  // By the fields of the message and not of the table: most of a table is unset.
  for (const name in message) {
    const value = message[name]
    if (value === undefined) continue
    const field = schema[name]
    if (field === undefined) throw new TypeError(`the message has no field ${name}`)
    if (field.repeated === true) putRepeated(field, value as readonly unknown[])
    else putField(field, value)
  }
}

function putRepeated(field: Field, values: readonly unknown[]): void {
  const { number, type } = field
  if (typeof type === 'object' || wireTypeOf[type] === wireTypes.bytes) {
    for (const value of values) putField(field, value)
    return
  }
  if (values.length === 0) return
  putVarint(number * 8 + wireTypes.bytes)
  putSized(() => {
    for (const value of values) putScalar(type, value)
  })
}

function putField({ number, type }: Field, value: unknown): void {
  if (typeof type === 'object') {
    putVarint(number * 8 + wireTypes.bytes)
    putSized(() => putMessage(type, value as Readonly<Record<string, unknown>>))
    return
  }
  putVarint(number * 8 + wireTypeOf[type])
  putScalar(type, value)
}

function putScalar(type: Scalar, value: unknown): void {
  switch (type) {
    case 'string': {
      const string = value as string
      const length = Buffer.byteLength(string)
      putVarint(length)
      reserve(length)
      buffer.write(string, used)
      used += length
      return
    }
    case 'bytes': {
      const hex = value as string
      putVarint(hex.length / 2)
      reserve(hex.length / 2)
      used += buffer.write(hex, used, 'hex')
      return
    }
    case 'bool':
      putVarint(value === true ? 1 : 0)
      return
    case 'enum':
      putVarint(value as number)
      return
    case 'int64':
      putInt64(value as string)
      return
    case 'double':
      reserve(8)
      used = buffer.writeDoubleLE(Number(value), used)
      return
    case 'fixed64':
      reserve(8)
      used = buffer.writeBigUInt64LE(BigInt(value as string), used)
      return
    case 'fixed32':
      reserve(4)
      used = buffer.writeUInt32LE(value as number, used)
  }
}

/** Something with its length before it: one byte is kept free for that, and room is made where it takes more. */
function putSized(put: () => void): void {
  reserve(1)
  const start = (used += 1)
  put()
  const length = used - start
  const more = varintLength(length) - 1
  if (more > 0) {
    reserve(more)
    buffer.copyWithin(start + more, start, used)
  }
  used = start - 1
  putVarint(length)
  used += length
}

function putInt64(decimal: string): void {
  let value = BigInt.asUintN(64, BigInt(decimal))
  reserve(10)
  while (value > 0x7fn) {
    buffer[used++] = Number(value & 0x7fn) | 0x80
    value >>= 7n
  }
  buffer[used++] = Number(value)
}

/** Of a number that is not negative and below 2^53. */
function putVarint(value: number): void {
  reserve(8)
  while (value > 0x7f) {
    buffer[used++] = (value % 0x80) | 0x80
    value = Math.floor(value / 0x80)
  }
  buffer[used++] = value
}

function varintLength(value: number): number {
  let length = 1
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) length++
  return length
}

function reserve(bytes: number): void {
  if (used + bytes <= buffer.length) return
  const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, used + bytes))
  buffer.copy(larger, 0, 0, used)
  buffer = larger
}

function readVarint(bytes: Uint8Array, at: { offset: number }): number {
  let value = 0
  for (let factor = 1; ; factor *= 0x80) {
    const byte = bytes[at.offset++]
    if (byte === undefined || factor > 2 ** 63) throw new RangeError('a varint does not end')
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return value
  }
}

function readBytes(bytes: Uint8Array, at: { offset: number }, length: number): Uint8Array {
  const end = at.offset + length
  if (end > bytes.length) throw new RangeError(`a field of ${length} bytes does not end`)
  const field = bytes.subarray(at.offset, end)
  at.offset = end
  return field
}
