import { FrameReader, type FrameReaderOptions } from '../../src/wire/h2/frame-reader.ts'
import type { H2Refusal } from '../../src/wire/h2/refusals.ts'
import { RequestFieldReader } from '../../src/wire/h2/request-fields.ts'
import { RecordingVisitor } from '../wire-h2/recording-visitor.ts'

export interface SessionFault {
  readonly what: string
  /**
   * - `connection`: nghttp2 ends the connection
   * - `perhaps`: it may, and RFC 9113 lets it
   * - `reading`: nothing can be said of what follows
   */
  readonly ends: 'connection' | 'perhaps' | 'reading'
}

/**
 * What is wrong with good frames because of the streams and windows they speak of: the work of a session, not of the
 * reader of frames (RFC 9113 sections 5.1, 5.2, 6.9). Only as much of it as tells why nghttp2 ends a connection.
 */
export class SessionModel extends RecordingVisitor {
  /** The first. */
  fault: SessionFault | null = null
  readonly #reader: FrameReader
  readonly #fields = new RequestFieldReader({
    tableBytes: 4096,
    listBytes: 500_000,
    fieldCount: 10_000,
    pathBytes: 100_000,
    connectProtocol: false,
  })
  /** Streams opened: whether the client may still send on them. */
  readonly #streams = new Map<number, 'open' | 'ended' | 'reset'>()
  #last = 0
  #acks = 0
  #window = 65_535
  readonly #windows = new Map<number, number>()

  constructor(options: FrameReaderOptions) {
    super()
    this.#reader = new FrameReader(this, options)
  }

  read(bytes: Buffer): H2Refusal | null {
    return this.#reader.feed(bytes, 0, bytes.length)
  }

  /** Frames begun, the first SETTINGS among them. */
  get frames(): number {
    return this.#reader.frames
  }

  isOpen(streamId: number): boolean {
    return this.#streams.get(streamId) === 'open'
  }

  override headers(
    id: number,
    block: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    refusal: H2Refusal | null,
  ): void {
    if (refusal !== null)
      this.#say('a stream that depends on itself (RFC 7540 section 5.3.1: a stream error)', 'perhaps')
    const state = this.#streams.get(id)
    if (state === undefined && id < this.#last) this.#say('a stream below the highest (5.1.1)', 'perhaps')
    if (state === 'ended') this.#say('HEADERS after END_STREAM (5.1)', 'connection')
    if (state === 'reset') this.#say('HEADERS after a reset (5.1)', 'reading')
    const verdict =
      state === 'open' ? this.#fields.readTrailers(block, start, end) : this.#fields.read(block, start, end)
    if (verdict?.scope === 'connection') this.#say('a field block that is none', 'connection')
    this.#last = Math.max(this.#last, id)
    // Trailers have to end the stream (8.1).
    const malformed = verdict !== null || (state === 'open' && !endStream)
    const lengthDiffers = state === undefined && this.#fields.head.contentLength > 0
    this.#streams.set(id, malformed || lengthDiffers ? 'reset' : endStream ? 'ended' : 'open')
  }

  override data(id: number, _buf: Buffer, _start: number, _end: number, _flowBytes: number, endStream: boolean): void {
    const state = this.#streams.get(id)
    if (id > this.#last) this.#say('DATA of an idle stream (5.1)', 'connection')
    else if (state === 'ended') this.#say('DATA after END_STREAM (5.1)', 'connection')
    else if (state !== 'open') this.#say('DATA of a closed stream (5.1)', 'perhaps')
    if (endStream && state === 'open') this.#streams.set(id, 'ended')
  }

  override settings(windowShift: number): void {
    if (windowShift > 0 && this.#streams.size > 0) this.#say('windows grow, some perhaps too far (6.9.2)', 'perhaps')
  }

  override settingsAck(): void {
    if (++this.#acks > 1) this.#say('an acknowledgement of nothing', 'perhaps')
  }

  override pingAck(): void {
    this.#say('an answer to no PING, which Node takes for an error', 'perhaps')
  }

  override windowUpdate(id: number, increment: number): void {
    if (id > this.#last) this.#say('WINDOW_UPDATE of an idle stream (5.1)', 'connection')
    if (id !== 0) {
      const window = (this.#windows.get(id) ?? 0) + increment
      this.#windows.set(id, window)
      // With the initial window, which may be 0 and more.
      if (window + 65_535 > 0x7fff_ffff || this.#reader.peer.initialWindowSize !== 65_535) {
        this.#say('the window of a stream over 2^31-1, perhaps (6.9.1: a stream error)', 'perhaps')
      }
      return
    }
    this.#window += increment
    if (this.#window > 0x7fff_ffff) this.#say('the window of the connection over 2^31-1 (6.9.1)', 'connection')
  }

  override rstStream(id: number): void {
    if (id > this.#last) this.#say('RST_STREAM of an idle stream (5.1)', 'connection')
    else this.#streams.set(id, 'reset')
  }

  override goaway(): void {
    this.#say('GOAWAY: the session ends as it sees fit', 'reading')
  }

  override ignored(type: number, id: number): void {
    if (type === 0x10) this.#say('PRIORITY_UPDATE (RFC 9218), which nghttp2 reads', 'perhaps')
    if (type === 0x2 && id % 2 === 0) this.#say('PRIORITY of a stream that the server would open', 'perhaps')
  }

  override streamError(id: number, refusal: H2Refusal): void {
    this.#say(`an error of the stream for the gateway: ${refusal.summary}`, 'perhaps')
    this.#streams.set(id, 'reset')
  }

  #say(what: string, ends: SessionFault['ends']): void {
    this.fault ??= { what, ends }
  }
}
