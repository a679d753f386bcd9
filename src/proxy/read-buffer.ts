/**
 * Every connection to a backend reads into this one buffer: reads happen one at a time on a worker's thread, and what is
 * kept beyond the callback is copied. Saves an allocation per read.
 */
export const readBuffer = Buffer.allocUnsafeSlow(65_536)

/** The same for clients of plain listeners; a read from a client never happens inside a read from a backend. */
export const clientReadBuffer = Buffer.allocUnsafeSlow(65_536)

/** Pieces up to this size are joined into one string and written with one call; larger ones are written as they are. */
export const smallBytes = 4096

/** Memory of a read that is given back as soon as it is dealt with; see `useOnce`. */
let lent: ArrayBufferLike | null = null

/**
 * Has `use` deal with a large read, and gives its memory back at once. Left to the garbage collector, what a large upload
 * leaves behind grows to tens of MiB before it looks (I10): to it each piece is an object of a few bytes.
 */
export function useOnce(buf: Buffer, use: (buf: Buffer) => void): void {
  const { buffer } = buf
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== buf.length) {
    use(buf) // it shares its memory with others
    return
  }
  lent = buffer
  use(buf)
  lent = null
  buffer.transfer(0)
}

/** buf[start, end) to keep beyond this turn: a copy where the memory of `buf` is used again, a view otherwise. */
export function kept(buf: Buffer, start: number, end: number): Buffer {
  const view = buf.subarray(start, end)
  const { buffer } = buf
  return buffer === readBuffer.buffer || buffer === clientReadBuffer.buffer || buffer === lent
    ? Buffer.from(view)
    : view
}
