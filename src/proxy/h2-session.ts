import type { Socket } from 'node:net'
import { errorCodes, type H2ErrorCode } from '../wire/h2/error-codes.ts'
import { ReceiveWindow, SendWindow } from '../wire/h2/flow-window.ts'
import { FrameReader, type FrameReaderOptions } from '../wire/h2/frame-reader.ts'
import type { FrameVisitor } from '../wire/h2/frame-visitor.ts'
import { type H2Refusal, h2Refusals } from '../wire/h2/refusals.ts'
import type { Deadlines } from './deadlines.ts'
import { FrameBudget } from './frame-budget.ts'
import { H2Output } from './h2-output.ts'
import { type H2Stream, type StreamHost, streamWindowBytes } from './h2-stream.ts'

/** What all streams of a connection together may have sent and not seen read by us; it is granted again at once. */
export const connectionWindowBytes = 16_777_216

/**
 * WINDOW_UPDATEs that one DATA frame of 16 KiB is good for: some peers grant each 4 KiB that they have read, to the stream
 * and to the connection.
 */
const grantsPerData = 10
/** Bytes that a peer has left unread when frames that ask for an answer end the connection. */
const unreadMost = 16_777_216

/** What RFC 9113 gives both sides before SETTINGS. */
export const initialConnectionWindow = 65_535

/**
 * What both ends of an HTTP/2 connection have in common (RFC 9113 sections 5 and 6): streams by their id, windows, control
 * frames, and limits on frames that cost the sender nothing. What begins and ends streams is the subclass's.
 */
export abstract class H2Session<S extends H2Stream> implements FrameVisitor, StreamHost {
  readonly out: H2Output
  readonly sendWindow = new SendWindow(initialConnectionWindow)
  protected readonly socket: Socket
  protected readonly streams = new Map<number, S>()
  protected readonly reader: FrameReader
  /** The connection takes and sends nothing any more. */
  protected ended = false
  readonly #receiveWindow = new ReceiveWindow(connectionWindowBytes)
  /** Frames that ask for an answer, or for nothing at all. */
  readonly #idleFrames: FrameBudget
  /** Grants beyond what we have sent: WINDOW_UPDATE of one byte each, without end. */
  readonly #grants: FrameBudget
  readonly #blocked = new Set<H2Stream>()
  /** DATA that may come for streams which we have reset: what their windows allowed before the peer knew. */
  #lateBytes = 0

  constructor(socket: Socket, deadlines: Deadlines, options: FrameReaderOptions) {
    this.socket = socket
    this.out = new H2Output(socket)
    this.reader = new FrameReader(this, options)
    this.#idleFrames = new FrameBudget(deadlines, 1000, 200)
    this.#grants = new FrameBudget(deadlines, 4000, 2000)
  }

  /** The highest stream id that was ever begun. */
  protected abstract get lastStreamId(): number
  /** Highest id of a stream of the peer's that we have dealt with, for GOAWAY. */
  protected abstract get lastPeerStreamId(): number
  /** The connection is over: what was under way fails. Called once. */
  protected abstract connectionFailed(refusal: H2Refusal): void
  /** `reader.peer` has changed. */
  protected abstract settingsChanged(): void
  abstract headers(
    streamId: number,
    block: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    refusal: H2Refusal | null,
  ): void
  abstract goaway(lastStreamId: number, code: number, debug: string): void
  /** DATA of a stream that has ended. */
  protected abstract dataAfterEnd(streamId: number, endStream: boolean): void

  get maxFrameSize(): number {
    return this.reader.peer.maxFrameSize
  }

  /** Takes what was read from the socket. */
  protected feed(buf: Buffer, start: number, end: number): void {
    if (this.ended) return
    const refusal = this.reader.feed(buf, start, end)
    if (refusal !== null) this.failConnection(refusal)
  }

  /** The peer reads again. */
  protected socketDrained(): void {
    this.#resumeBlocked()
  }

  blocked(stream: H2Stream): void {
    this.#blocked.add(stream)
  }

  /** The stream is over; nothing is sent or taken for it. */
  protected forget(stream: S): void {
    this.streams.delete(stream.id)
    this.#blocked.delete(stream)
  }

  /** Ends the connection with GOAWAY. */
  protected failConnection(refusal: H2Refusal): void {
    if (this.ended) return
    this.ended = true
    this.reader.stop()
    this.out.goaway(this.lastPeerStreamId, refusal.code, refusal.summary)
    this.out.close()
    this.connectionFailed(refusal)
  }

  resetStream(streamId: number, code: H2ErrorCode): void {
    this.out.reset(streamId, code)
    this.mayBeLate()
  }

  /** A stream was given up while the peer may still be sending for it. */
  protected mayBeLate(): void {
    this.#lateBytes += streamWindowBytes
  }

  /** A frame that costs its sender nothing. @returns false when there were too many, and the connection is over */
  protected allowIdleFrame(): boolean {
    this.#credit()
    if (this.#idleFrames.take() && this.out.waiting <= unreadMost) return true
    this.failConnection(floods.frames)
    return false
  }

  /** What we send entitles the peer to grants, and to the PINGs by which some measure how fast DATA comes to them. */
  #credit(): void {
    const frames = this.out.takeDataFrames()
    if (frames === 0) return
    this.#grants.give(grantsPerData * frames)
    this.#idleFrames.give(frames)
  }

  // -- frames ---------------------------------------------------------------------------------------------------------

  data(streamId: number, buf: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void {
    if (this.ended) return
    if (!this.#receiveWindow.received(flowBytes)) {
      this.failConnection(floods.window)
      return
    }
    // Granted again at once, so that one stream that nobody reads does not stop the others; its own window bounds it.
    const increment = this.#receiveWindow.consumed(flowBytes)
    if (increment > 0) this.out.windowUpdate(0, increment)
    if (end === start && !endStream && !this.allowIdleFrame()) return
    const stream = this.streams.get(streamId)
    if (stream !== undefined) stream.received(buf, start, end, flowBytes, endStream)
    else if (streamId > this.lastStreamId) this.failConnection(floods.idleStream)
    else if ((this.#lateBytes -= flowBytes) < 0) this.failConnection(floods.streamWindow)
    else this.dataAfterEnd(streamId, endStream)
  }

  settings(windowShift: number): void {
    if (this.ended || !this.allowIdleFrame()) return
    for (const stream of this.streams.values()) {
      if (!stream.sendWindow.shift(windowShift)) {
        this.failConnection(floods.sendWindow)
        return
      }
    }
    this.out.settingsAck()
    this.settingsChanged()
    if (windowShift > 0) this.#resumeBlocked()
  }

  settingsAck(): void {
    this.allowIdleFrame()
  }

  ping(buf: Buffer, at: number): void {
    if (this.ended || !this.allowIdleFrame()) return
    this.out.pong(buf, at)
  }

  pingAck(_buf: Buffer, _at: number): void {
    this.allowIdleFrame()
  }

  windowUpdate(streamId: number, increment: number): void {
    if (this.ended) return
    this.#credit()
    if (!this.#grants.take()) {
      this.failConnection(floods.frames)
      return
    }
    if (streamId === 0) {
      if (this.sendWindow.shift(increment)) this.#resumeBlocked()
      else this.failConnection(floods.sendWindow)
      return
    }
    const stream = this.streams.get(streamId)
    if (stream === undefined) {
      if (streamId > this.lastStreamId) this.failConnection(floods.idleStream)
      return
    }
    if (!stream.sendWindow.shift(increment)) stream.refused(floods.streamSendWindow)
    // Out of the set first: what leaves may let more come, and that may be blocked again.
    else if (this.#blocked.delete(stream) && !stream.resumeSending()) this.#blocked.add(stream)
  }

  rstStream(streamId: number, code: number): void {
    if (this.ended) return
    const stream = this.streams.get(streamId)
    if (stream !== undefined) stream.resetByPeer(code)
    else if (streamId > this.lastStreamId) this.failConnection(floods.idleStream)
    else this.allowIdleFrame()
  }

  ignored(_type: number, _streamId: number): void {
    this.allowIdleFrame()
  }

  streamError(streamId: number, refusal: H2Refusal): void {
    if (this.ended) return
    const stream = this.streams.get(streamId)
    if (stream !== undefined) stream.refused(refusal)
    else if (this.allowIdleFrame()) this.resetStream(streamId, refusal.code)
  }

  #resumeBlocked(): void {
    let left = this.#blocked.size
    for (const stream of this.#blocked) {
      if (left-- === 0 || this.ended || this.out.stalled) return
      // Last in turn again: who waits for the connection's window is served after those who have waited longer.
      this.#blocked.delete(stream)
      if (!stream.resumeSending()) {
        this.#blocked.add(stream)
        if (this.sendWindow.available <= 0) return
      }
    }
  }
}

/** What a peer does that no frame by itself shows. */
export const floods = {
  frames: {
    ...h2Refusals.frameSize,
    code: errorCodes.enhanceYourCalm,
    summary: 'too many frames that ask for nothing',
  },
  window: {
    ...h2Refusals.frameSize,
    code: errorCodes.flowControlError,
    summary: 'more DATA than the window of the connection allows (RFC 9113 6.9)',
  },
  streamWindow: {
    ...h2Refusals.windowIncrement,
    code: errorCodes.flowControlError,
    summary: 'more DATA than the window of the stream allows (RFC 9113 6.9)',
  },
  sendWindow: {
    ...h2Refusals.frameSize,
    code: errorCodes.flowControlError,
    summary: 'a window of more than 2^31-1 bytes (RFC 9113 6.9.1)',
  },
  streamSendWindow: {
    ...h2Refusals.windowIncrement,
    code: errorCodes.flowControlError,
    summary: 'a window of more than 2^31-1 bytes (RFC 9113 6.9.1)',
  },
  idleStream: {
    ...h2Refusals.frameSize,
    code: errorCodes.protocolError,
    summary: 'a frame on a stream that nobody has begun (RFC 9113 5.1)',
  },
} as const satisfies Record<string, H2Refusal>
