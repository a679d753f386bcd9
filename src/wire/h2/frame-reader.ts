import { readControlFrame } from './control-frames.ts'
import { type BlockLimits, FieldBlock } from './field-block.ts'
import { frameFault } from './frame-rules.ts'
import type { FrameVisitor } from './frame-visitor.ts'
import { clientPreface, defaultMaxFrameSize, flags, frameHeaderBytes, frameTypes, read31 } from './frames.ts'
import { HeldBytes } from './held-bytes.ts'
import { type H2Refusal, h2Refusals } from './refusals.ts'
import { PeerSettings } from './settings.ts'

export interface FrameReaderOptions extends BlockLimits {
  /** Whether the peer is a server: it sends no preface and may not allow push. */
  readonly fromServer: boolean
  /** Our SETTINGS_MAX_FRAME_SIZE. */
  readonly maxFrameSize?: number
}

const inPreface = 0
const inHeader = 1
const inPayload = 2
const inData = 3
const inIgnored = 4
const stopped = 5

/**
 * Reads one direction of a connection (RFC 9113 sections 4 to 6) from buffers that others will write to: what is not yet a
 * whole frame is copied, DATA is not kept at all. A connection without half a frame under way holds no buffer.
 */
export class FrameReader {
  readonly peer = new PeerSettings()
  /** Frames begun, of any type. */
  frames = 0
  readonly #visitor: FrameVisitor
  readonly #fromServer: boolean
  readonly #maxFrameSize: number
  readonly #block: FieldBlock
  #state: number
  #refusal: H2Refusal | null = null
  #first = true
  /** Number of the frame that began the field block under way. */
  #blockFrame = 0
  /** Frame header or payload so far, when it did not come in one piece. */
  readonly #held = new HeldBytes()
  #prefaceBytes = 0
  #length = 0
  #type = 0
  #flags = 0
  #streamId = 0
  /** Bytes of DATA or of an ignored frame that are still to come, padding included. */
  #remaining = 0
  /** Of these, padding; -1 while its length is unknown. */
  #padding = 0
  /** Padding and its length, of the frame under way: counted with the last piece of its data. */
  #overhead = 0

  constructor(visitor: FrameVisitor, options: FrameReaderOptions) {
    this.#visitor = visitor
    this.#fromServer = options.fromServer
    this.#maxFrameSize = options.maxFrameSize ?? defaultMaxFrameSize
    this.#block = new FieldBlock(options)
    this.#state = options.fromServer ? inHeader : inPreface
  }

  /**
   * What has begun to arrive and is not whole, as the number of the frame it began with: the field block under way, or a
   * frame other than DATA. 0: nothing has. Whoever times it starts anew when the number changes.
   */
  get unfinished(): number {
    if (this.#block.streamId !== 0) return this.#blockFrame
    if (this.#state === inPayload) return this.frames
    return this.#held.length > 0 ? this.frames + 1 : 0
  }

  /** Takes no more: for visitors that have ended the connection. */
  stop(): void {
    this.#state = stopped
    this.#held.take()
    this.#block.clear()
  }

  /** @returns null, or why the connection is refused; nothing is read after that */
  feed(buf: Buffer, start: number, end: number): H2Refusal | null {
    let at = start
    while (at < end && this.#state !== stopped) {
      switch (this.#state) {
        case inHeader:
          if (this.#held.length === 0 && end - at >= frameHeaderBytes) {
            this.#begin(buf, at)
            at += frameHeaderBytes
          } else {
            at = this.#held.add(buf, at, end, frameHeaderBytes)
            if (this.#held.length === frameHeaderBytes) this.#begin(this.#held.take(), 0)
          }
          break
        case inPayload:
          if (this.#held.length === 0 && end - at >= this.#length) {
            this.#state = inHeader
            this.#payload(buf, at, at + this.#length)
            at += this.#length
          } else {
            at = this.#held.add(buf, at, end, this.#length)
            if (this.#held.length === this.#length) {
              this.#state = inHeader
              this.#payload(this.#held.take(), 0, this.#length)
            }
          }
          break
        case inData:
          at = this.#data(buf, at, end)
          break
        case inIgnored: {
          const take = Math.min(this.#remaining, end - at)
          at += take
          this.#remaining -= take
          if (this.#remaining === 0) this.#state = inHeader
          break
        }
        default:
          at = this.#preface(buf, at, end)
      }
    }
    return this.#refusal
  }

  #preface(buf: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && this.#prefaceBytes < clientPreface.length) {
      if (buf[at++] !== clientPreface[this.#prefaceBytes++]) {
        this.#refuse(h2Refusals.preface)
        return at
      }
    }
    if (this.#prefaceBytes === clientPreface.length) this.#state = inHeader
    return at
  }

  /** A frame header (RFC 9113 section 4.1). */
  #begin(buf: Buffer, at: number): void {
    const length = ((buf[at] as number) << 16) | ((buf[at + 1] as number) << 8) | (buf[at + 2] as number)
    const type = buf[at + 3] as number
    const frameFlags = buf[at + 4] as number
    const streamId = read31(buf, at + 5)
    this.#length = length
    this.#type = type
    this.#flags = frameFlags
    this.#streamId = streamId
    this.frames++
    const fault = this.#orderFault(type, frameFlags, length, streamId) ?? frameFault(type, frameFlags, length, streamId)
    if (fault !== null) {
      if (fault.scope === 'connection') {
        this.#refuse(fault)
        return
      }
      this.#ignore(length)
      this.#visitor.streamError(streamId, fault)
      return
    }
    if (type === frameTypes.data) {
      this.#remaining = length
      this.#overhead = 0
      this.#padding = (frameFlags & flags.padded) === 0 ? 0 : -1
      if (length > 0) this.#state = inData
      else this.#visitor.data(streamId, buf, at, at, 0, (frameFlags & flags.endStream) !== 0)
    } else if (type > frameTypes.continuation) {
      this.#ignore(length)
      this.#visitor.ignored(type, streamId)
    } else if (length === 0) {
      this.#payload(buf, at, at)
    } else {
      this.#state = inPayload
    }
  }

  /** What is wrong with a frame because of the ones before it, or with its size. */
  #orderFault(type: number, frameFlags: number, length: number, streamId: number): H2Refusal | null {
    if (this.#first) {
      if (type !== frameTypes.settings || (frameFlags & flags.ack) !== 0) return h2Refusals.firstFrame
      this.#first = false
    }
    if (length > this.#maxFrameSize) return h2Refusals.frameSize
    return this.#block.fault(type, length, streamId)
  }

  #ignore(length: number): void {
    this.#remaining = length
    this.#state = length > 0 ? inIgnored : inHeader
  }

  #data(buf: Buffer, start: number, end: number): number {
    let at = start
    if (this.#padding === -1) {
      this.#padding = buf[at++] as number
      this.#remaining--
      this.#overhead = this.#padding + 1
      if (this.#padding > this.#remaining) {
        this.#refuse(h2Refusals.padding)
        return at
      }
    }
    const take = Math.min(this.#remaining, end - at)
    const data = Math.min(this.#remaining - this.#padding, take)
    this.#remaining -= take
    // While data is due the padding is still whole.
    if (take > data) this.#padding = this.#remaining
    const last = this.#remaining === 0
    if (last) this.#state = inHeader
    if (data > 0 || last) {
      const flowBytes = last ? data + this.#overhead : data
      this.#visitor.data(this.#streamId, buf, at, at + data, flowBytes, last && (this.#flags & flags.endStream) !== 0)
    }
    return at + take
  }

  /** The whole payload of a frame that is neither DATA nor ignored. */
  #payload(buf: Buffer, start: number, end: number): void {
    switch (this.#type) {
      case frameTypes.headers:
        this.#headers(buf, start, end)
        break
      case frameTypes.continuation:
        this.#block.add(buf, start, end)
        if ((this.#flags & flags.endHeaders) !== 0) this.#blockEnd()
        break
      default: {
        const refusal = readControlFrame(
          this.#visitor,
          this.peer,
          this.#fromServer,
          this.#type,
          this.#flags,
          this.#streamId,
          buf,
          start,
          end,
        )
        if (refusal !== null) this.#refuse(refusal)
      }
    }
  }

  #headers(buf: Buffer, start: number, end: number): void {
    const streamId = this.#streamId
    const frameFlags = this.#flags
    let from = start
    const padding = (frameFlags & flags.padded) === 0 ? 0 : (buf[from++] as number)
    let refusal: H2Refusal | null = null
    if ((frameFlags & flags.priority) !== 0) {
      // Priorities have no meaning any more (RFC 9113 section 5.3), but a wrong one still is.
      if (read31(buf, from) === streamId) refusal = h2Refusals.selfDependency
      from += 5
    }
    const to = end - padding
    if (to < from) {
      this.#refuse(h2Refusals.padding)
      return
    }
    const endStream = (frameFlags & flags.endStream) !== 0
    if ((frameFlags & flags.endHeaders) !== 0) {
      this.#visitor.headers(streamId, buf, from, to, endStream, refusal)
    } else {
      this.#blockFrame = this.frames
      this.#block.begin(streamId, endStream, refusal)
      this.#block.add(buf, from, to)
    }
  }

  #blockEnd(): void {
    const { streamId, bytes, length, endStream, refusal } = this.#block
    this.#block.clear()
    this.#visitor.headers(streamId, bytes, 0, length, endStream, refusal)
  }

  #refuse(refusal: H2Refusal): void {
    this.#refusal = refusal
    this.stop()
  }
}
