/**
 * Every connection to a backend reads into this one buffer: reads happen one at a time on a worker's thread, and what is
 * kept beyond the callback is copied. Saves an allocation per read.
 */
export const readBuffer = Buffer.allocUnsafeSlow(65_536)

/** The same for clients of plain listeners; a read from a client never happens inside a read from a backend. */
export const clientReadBuffer = Buffer.allocUnsafeSlow(65_536)

/** Pieces up to this size are joined into one string and written with one call; larger ones are written as they are. */
export const smallBytes = 4096

/** buf[start, end) to keep beyond this turn: a copy where `buf` is one of the shared buffers, a view otherwise. */
export function kept(buf: Buffer, start: number, end: number): Buffer {
  const view = buf.subarray(start, end)
  return buf.buffer === readBuffer.buffer || buf.buffer === clientReadBuffer.buffer ? Buffer.from(view) : view
}
