import type { Socket } from 'node:net'
import { errorCodes, type H2ErrorCode } from '../wire/h2/error-codes.ts'
import {
  flags,
  frameHeaderBytes,
  frameTypes,
  writeFrameHeader,
  writeGoaway,
  writePing,
  writeRstStream,
  writeSettingsAck,
  writeWindowUpdate,
} from '../wire/h2/frames.ts'
import { type SettingName, writeSettings } from '../wire/h2/settings.ts'
import { chunkBytes, giveChunkBack, takeChunk } from './chunks.ts'

/** More of one DATA frame would keep small responses of other streams waiting. */
const maxDataFrame = 16_384

/**
 * What is on its way to the peer of one HTTP/2 connection. Frames of all its streams are gathered and leave with one write
 * at the end of the turn of the event loop: many requests, one TLS record.
 */
export class H2Output {
  /** Where frames are written, from `at` on; see `room`. */
  buf: Buffer
  at = 0
  readonly #socket: Socket
  readonly #flush = (): void => {
    this.#scheduled = false
    this.flush()
  }
  #scheduled = false
  #closed = false
  /** Where in `buf` the DATA frame written last begins, and whose it is; -1: none is there any more. */
  #lastData = -1
  #lastDataStream = 0
  #dataFrames = 0

  constructor(socket: Socket) {
    this.#socket = socket
    this.buf = empty
  }

  /** The peer does not keep up; the socket's 'drain' follows. */
  get stalled(): boolean {
    return this.#socket.writableNeedDrain
  }

  /** Bytes that the peer has not taken yet. */
  get waiting(): number {
    return this.#socket.writableLength + this.at
  }

  /** Makes room for `bytes` in `buf`; whoever writes there moves `at`, in the same turn. */
  room(bytes: number): void {
    if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(this.#flush)
    }
    if (this.at + bytes <= this.buf.length) return
    this.flush()
    this.buf = bytes <= chunkBytes ? takeChunk() : Buffer.allocUnsafeSlow(bytes)
  }

  /** Writes what was gathered. */
  flush(): void {
    const { buf, at } = this
    if (buf === empty) return
    this.buf = empty
    this.at = 0
    this.#lastData = -1
    if (at === 0 || this.#closed) {
      giveChunkBack(buf)
      return
    }
    if (this.#socket.writableLength > 0 && 4 * at <= buf.length) {
      // Behind what the peer has not read a few bytes are to hold a few bytes, not a chunk. (I10)
      this.#socket.write(Buffer.from(buf.subarray(0, at)))
      giveChunkBack(buf)
    } else {
      this.#socket.write(at === buf.length ? buf : buf.subarray(0, at), () => giveChunkBack(buf))
    }
  }

  /** Writes what was gathered, and nothing after it. */
  close(): void {
    this.flush()
    this.#closed = true
  }

  /** DATA frames of buf[start, end), which the windows allow. */
  data(streamId: number, buf: Buffer, start: number, end: number, endStream: boolean): void {
    let from = start
    do {
      const size = Math.min(end - from, maxDataFrame)
      this.room(size + frameHeaderBytes)
      const last = from + size === end
      this.#dataFrames++
      this.#lastData = this.at
      this.#lastDataStream = streamId
      const to = writeFrameHeader(
        this.buf,
        this.at,
        size,
        frameTypes.data,
        last && endStream ? flags.endStream : 0,
        streamId,
      )
      if (size > 0) buf.copy(this.buf, to, from, from + size)
      this.at = to + size
      from += size
    } while (from < end)
  }

  /** Ends the stream with the DATA frame that was written last, if that is its own and has not left yet. */
  endWithLast(streamId: number): boolean {
    if (this.#lastData === -1 || this.#lastDataStream !== streamId) return false
    this.buf[this.#lastData + 4] = flags.endStream
    return true
  }

  /** DATA frames since the last call; what is sent entitles the peer to grants. */
  takeDataFrames(): number {
    const frames = this.#dataFrames
    this.#dataFrames = 0
    return frames
  }

  settings(settings: Partial<Record<SettingName, number>>): void {
    this.room(64)
    this.at = writeSettings(this.buf, this.at, settings)
  }

  settingsAck(): void {
    this.room(frameHeaderBytes)
    this.at = writeSettingsAck(this.buf, this.at)
  }

  pong(payload: Buffer, from: number): void {
    this.room(frameHeaderBytes + 8)
    this.at = writePing(this.buf, this.at, true, payload, from)
  }

  windowUpdate(streamId: number, increment: number): void {
    this.room(frameHeaderBytes + 4)
    this.at = writeWindowUpdate(this.buf, this.at, streamId, increment)
  }

  reset(streamId: number, code: H2ErrorCode): void {
    this.room(frameHeaderBytes + 4)
    this.at = writeRstStream(this.buf, this.at, streamId, code)
  }

  goaway(lastStreamId: number, code: H2ErrorCode, debug: string): void {
    this.room(frameHeaderBytes + 8 + debug.length)
    this.at = writeGoaway(this.buf, this.at, lastStreamId, code, code === errorCodes.noError ? '' : debug)
  }
}

const empty = Buffer.alloc(0)
