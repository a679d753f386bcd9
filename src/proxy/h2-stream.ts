import { ReceiveWindow, SendWindow } from '../wire/h2/flow-window.ts'
import { frameHeaderBytes, finishHeaders } from '../wire/h2/frames.ts'
import { encodeLines, linesBound } from '../wire/h2/hpack-encoder.ts'
import type { H2Refusal } from '../wire/h2/refusals.ts'
import type { H2Output } from './h2-output.ts'

/** What one stream may have sent to us before any of it was passed on: what one costs that nobody ever reads. (I10) */
export const firstStreamWindowBytes = 65_536

/** The same once the other side has begun to read: enough for a distant peer. It bounds what a slow reader costs. (I10) */
export const streamWindowBytes = 262_144

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly out: H2Output
  readonly sendWindow: SendWindow
  /** Largest frame that the peer takes. */
  readonly maxFrameSize: number
  /** The stream has bytes or an end that cannot leave; `resumeSending` follows when they may. */
  blocked(stream: H2Stream): void
}

/**
 * One stream of an HTTP/2 connection, either side: its windows, and what waits for them. Objects are used again for other
 * streams, so whoever holds one must let go of it when it has ended.
 */
export abstract class H2Stream {
  id = 0
  readonly sendWindow = new SendWindow(0)
  /** We have sent END_STREAM or RST_STREAM. */
  localEnded = false
  /** The peer has. */
  remoteEnded = false
  protected readonly host: StreamHost
  readonly #receiveWindow = new ReceiveWindow(firstStreamWindowBytes, streamWindowBytes)
  /** Body bytes that the windows do not allow yet: from `#pendingStart` to `#pendingEnd`. */
  #pending: Buffer | null = null
  #pendingStart = 0
  #pendingEnd = 0
  /** The trailers to end with once nothing is pending; null: no end yet. */
  #ending: string | null = null
  /** Received and not credited, since the other side does not keep up. */
  #withheld = 0
  #withholding = false

  constructor(host: StreamHost) {
    this.host = host
  }

  /** A piece of DATA. @param flowBytes to be credited with `consumed` */
  abstract received(buf: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void
  abstract resetByPeer(code: number): void
  /** What the peer said is wrong for this stream alone. */
  abstract refused(refusal: H2Refusal): void
  /** What was blocked has left. */
  protected abstract drained(): void

  /** Body bytes wait for a window, or for the peer to read. */
  get sending(): boolean {
    return this.#pending !== null
  }

  /** Makes the object that of a new stream. */
  protected open(id: number, sendWindow: number): void {
    this.id = id
    this.sendWindow.reset(sendWindow)
    this.#receiveWindow.reset()
    this.localEnded = false
    this.remoteEnded = false
    this.#pending = null
    this.#ending = null
    this.#withheld = 0
    this.#withholding = false
  }

  /** @returns false when the peer sent more than it may: FLOW_CONTROL_ERROR */
  protected takeWindow(flowBytes: number): boolean {
    return this.#receiveWindow.received(flowBytes)
  }

  /** Bytes were passed on, so the peer may send as many more. */
  protected consumed(flowBytes: number): void {
    if (this.#withholding) {
      this.#withheld += flowBytes
      return
    }
    const increment = this.#receiveWindow.consumed(flowBytes)
    if (increment > 0 && !this.remoteEnded) this.host.out.windowUpdate(this.id, increment)
  }

  /** The other side does not keep up: the peer is granted no more until `grant`. */
  protected withhold(): void {
    this.#withholding = true
  }

  protected grant(): void {
    if (!this.#withholding) return
    this.#withholding = false
    const withheld = this.#withheld
    this.#withheld = 0
    if (withheld > 0) this.consumed(withheld)
  }

  protected get withholding(): boolean {
    return this.#withholding
  }

  /** Sends body bytes as far as the windows allow, and keeps the rest. @returns false when the peer does not keep up */
  protected sendData(buf: Buffer, start: number, end: number): boolean {
    if (this.#pending !== null) {
      this.#keep(buf, start, end)
      return false
    }
    const { host, sendWindow } = this
    const take = Math.min(end - start, sendWindow.available, host.sendWindow.available)
    if (take > 0) {
      host.out.data(this.id, buf, start, start + take, false)
      sendWindow.take(take)
      host.sendWindow.take(take)
    }
    const sent = start + Math.max(take, 0)
    if (sent < end) this.#keep(buf, sent, end)
    else if (!host.out.stalled) return true
    host.blocked(this)
    return false
  }

  /** Ends our side, after what is pending. `trailers`: lines with their CRLF. */
  protected sendEnd(trailers: string): void {
    if (this.localEnded) return
    if (this.#pending !== null) {
      this.#ending = trailers
      return
    }
    this.localEnded = true
    const { out } = this.host
    if (trailers !== '') this.#sendTrailers(trailers)
    else if (!out.endWithLast(this.id)) out.data(this.id, nothing, 0, 0, true)
  }

  /** Nothing more of ours is to leave. */
  protected dropPending(): void {
    this.#pending = null
    this.#ending = null
  }

  /** A window has opened, or the peer reads again. @returns false while bytes still wait */
  resumeSending(): boolean {
    const pending = this.#pending
    if (pending !== null) {
      const { host, sendWindow } = this
      const start = this.#pendingStart
      const length = this.#pendingEnd - start
      const take = Math.min(length, sendWindow.available, host.sendWindow.available)
      if (take > 0) {
        host.out.data(this.id, pending, start, start + take, false)
        sendWindow.take(take)
        host.sendWindow.take(take)
        if (take === length) this.#pending = null
        else this.#pendingStart += take
      }
    }
    if (this.#pending !== null || this.host.out.stalled) return false
    if (this.#ending !== null) {
      const trailers = this.#ending
      this.#ending = null
      this.sendEnd(trailers)
    }
    this.drained()
    return true
  }

  /** Adds to what is pending; small pieces, many of them, are not each a copy of the rest. (I10) */
  #keep(buf: Buffer, start: number, end: number): void {
    const length = end - start
    const held = this.#pending === null ? 0 : this.#pendingEnd - this.#pendingStart
    if (this.#pending === null || this.#pendingEnd + length > this.#pending.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(held + length, 2 * held))
      this.#pending?.copy(grown, 0, this.#pendingStart, this.#pendingEnd)
      this.#pending = grown
      this.#pendingStart = 0
      this.#pendingEnd = held
    }
    buf.copy(this.#pending, this.#pendingEnd, start, end)
    this.#pendingEnd += length
  }

  #sendTrailers(trailers: string): void {
    const { out, maxFrameSize } = this.host
    const bound = linesBound(trailers)
    out.room(bound + frameHeaderBytes * (2 + Math.ceil(bound / maxFrameSize)))
    const blockEnd = encodeLines(out.buf, out.at + frameHeaderBytes, trailers)
    out.at = finishHeaders(out.buf, out.at, blockEnd, this.id, true, maxFrameSize)
  }
}

const nothing = Buffer.alloc(0)
