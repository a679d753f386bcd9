import { badHuffman, decodeHuffman, huffmanOverflow } from './huffman.ts'

/** The block ends inside the integer or string. */
export const truncated = -3
/** An integer of more than 28 bits: no length or index here comes near it. */
const badInteger = -4
export const badString = badHuffman
export const overflow = huffmanOverflow

/** The integer that `readInteger` read. A variable of the module, because two results would be an allocation. */
export let integer = 0
/** The offset after the string that `readString` read; good after `overflow` as well. */
export let cursor = 0

/**
 * Reads the rest of an integer (RFC 7541 section 5.1) whose first byte ended at `at` and held `first` below `prefix`'s bits.
 *
 * @returns the offset after it, `truncated` or `badInteger`
 */
export function readInteger(buf: Buffer, at: number, end: number, prefix: number, first = prefix): number {
  if (first !== prefix) {
    integer = first
    return at
  }
  let value = prefix
  let read = at
  for (let shift = 0; shift < 28; shift += 7) {
    if (read >= end) return truncated
    const byte = buf[read++] as number
    value += (byte & 0x7f) << shift
    if (byte < 0x80) {
      integer = value
      return read
    }
  }
  return badInteger
}

/**
 * Reads a string literal (RFC 7541 section 5.2) to out[write, limit).
 *
 * @returns the offset after the text, `truncated`, `badInteger`, `badString` or `overflow`
 */
export function readString(buf: Buffer, start: number, end: number, out: Buffer, write: number, limit: number): number {
  if (start >= end) return truncated
  const first = buf[start] as number
  let at = start + 1
  let length = first & 0x7f
  if (length === 0x7f) {
    at = readInteger(buf, at, end, 0x7f)
    if (at < 0) return at
    length = integer
  }
  const stop = at + length
  if (stop > end) return truncated
  cursor = stop
  if (first >= 0x80) return decodeHuffman(buf, at, stop, out, write, limit)
  if (length > limit - write) return overflow
  let to = write
  if (length > 64) {
    buf.copy(out, to, at, stop)
    return to + length
  }
  while (at < stop) out[to++] = buf[at++] as number
  return to
}
