import type { H2ErrorCode } from './error-codes.ts'

/** What a client sends before anything else (RFC 9113 section 3.4). */
export const clientPreface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

export const frameHeaderBytes = 9
/** Of a peer that has not said otherwise, and the least it may say. */
export const defaultMaxFrameSize = 16_384

/** Frame types of RFC 9113 section 6. */
export const frameTypes = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const

export const flags = {
  ack: 0x1,
  endStream: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const

// Each writer writes at `at` and returns the offset after what it wrote; the caller has made room.

export function writeFrameHeader(
  out: Buffer,
  at: number,
  length: number,
  type: number,
  frameFlags: number,
  streamId: number,
): number {
  out[at] = length >> 16
  out[at + 1] = length >> 8
  out[at + 2] = length
  out[at + 3] = type
  out[at + 4] = frameFlags
  write32(out, at + 5, streamId)
  return at + frameHeaderBytes
}

export function writeSettingsAck(out: Buffer, at: number): number {
  return writeFrameHeader(out, at, 0, frameTypes.settings, flags.ack, 0)
}

/** @param payload the 8 bytes from `from` on; a reply repeats them (RFC 9113 section 6.7) */
export function writePing(out: Buffer, at: number, ack: boolean, payload: Buffer, from: number): number {
  const start = writeFrameHeader(out, at, 8, frameTypes.ping, ack ? flags.ack : 0, 0)
  for (let i = 0; i < 8; i++) out[start + i] = payload[from + i] as number
  return start + 8
}

export function writeRstStream(out: Buffer, at: number, streamId: number, code: H2ErrorCode): number {
  return write32(out, writeFrameHeader(out, at, 4, frameTypes.rstStream, 0, streamId), code)
}

export function writeWindowUpdate(out: Buffer, at: number, streamId: number, increment: number): number {
  return write32(out, writeFrameHeader(out, at, 4, frameTypes.windowUpdate, 0, streamId), increment)
}

/** @param debug latin1 text for the peer's operators; says no more than a refusal's summary (I6) */
export function writeGoaway(out: Buffer, at: number, lastStreamId: number, code: H2ErrorCode, debug: string): number {
  let end = writeFrameHeader(out, at, 8 + debug.length, frameTypes.goaway, 0, 0)
  end = write32(out, end, lastStreamId)
  end = write32(out, end, code)
  return end + out.write(debug, end, 'latin1')
}

/**
 * Makes HEADERS, and CONTINUATION where the peer's maximum demands it, of a field block that was encoded in place:
 * `frameHeaderBytes` were left free at `at`, and the block fills out[at + 9, blockEnd).
 *
 * @returns the offset after the frames. Each CONTINUATION takes 9 bytes more than the block.
 */
export function finishHeaders(
  out: Buffer,
  at: number,
  blockEnd: number,
  streamId: number,
  endStream: boolean,
  maxFrameSize: number,
): number {
  const start = at + frameHeaderBytes
  const length = blockEnd - start
  const streamFlags = endStream ? flags.endStream : 0
  if (length <= maxFrameSize) {
    writeFrameHeader(out, at, length, frameTypes.headers, streamFlags | flags.endHeaders, streamId)
    return blockEnd
  }
  const pieces = Math.ceil(length / maxFrameSize)
  // From the back, so nothing is overwritten before it was moved.
  for (let piece = pieces - 1; piece > 0; piece--) {
    const from = start + piece * maxFrameSize
    const size = Math.min(maxFrameSize, blockEnd - from)
    const to = from + piece * frameHeaderBytes
    out.copyWithin(to, from, from + size)
    const last = piece === pieces - 1 ? flags.endHeaders : 0
    writeFrameHeader(out, to - frameHeaderBytes, size, frameTypes.continuation, last, streamId)
  }
  writeFrameHeader(out, at, maxFrameSize, frameTypes.headers, streamFlags, streamId)
  return blockEnd + (pieces - 1) * frameHeaderBytes
}

export function read32(buf: Buffer, at: number): number {
  return (
    (((buf[at] as number) << 24) |
      ((buf[at + 1] as number) << 16) |
      ((buf[at + 2] as number) << 8) |
      (buf[at + 3] as number)) >>>
    0
  )
}

/** Stream ids, windows: the highest bit is reserved and ignored. */
export function read31(buf: Buffer, at: number): number {
  return read32(buf, at) & 0x7fff_ffff
}

export function write32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
  return at + 4
}
