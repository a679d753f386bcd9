import type { Refusal } from '../wire/h1/refusal.ts'
import { refusals } from '../wire/h1/refusal.ts'
import { errorCodes, type H2ErrorCode } from '../wire/h2/error-codes.ts'
import { finishHeaders, frameHeaderBytes } from '../wire/h2/frames.ts'
import { HeldBytes } from '../wire/h2/held-bytes.ts'
import { encodeLines, encodeStatus, linesBound } from '../wire/h2/hpack-encoder.ts'
import type { H2Refusal } from '../wire/h2/refusals.ts'
import { H2RequestHead } from '../wire/h2/request-fields.ts'
import type { Timed } from './deadlines.ts'
import type { AnyResponseHead, Downstream } from './downstream.ts'
import { Exchange } from './exchange.ts'
import type { ForwardedPolicy } from './forwarded.ts'
import { clientRefusals } from './h2-client-refusals.ts'
import { floods } from './h2-session.ts'
import { H2Stream, type StreamHost, streamWindowBytes } from './h2-stream.ts'
import type { ListenerRuntime } from './listeners.ts'
import type { Recording } from './recording.ts'
import { headersApart, requestHeader } from './request-header.ts'
import type { WorkerRuntime } from './runtime.ts'
import type { BodyFraming } from './upstream.ts'
import { webSocketProtocol, withoutLine } from './websocket.ts'

/** What a stream needs of the connection of its client. */
export interface ClientStreamHost extends StreamHost {
  readonly runtime: WorkerRuntime
  readonly listener: ListenerRuntime
  readonly forwarded: ForwardedPolicy
  readonly tlsVersion: string
  readonly address: string
  readonly port: number
  /** The backend was given something for it: `flushUpstream` is due. */
  touched(stream: H2ClientStream): void
  /** The stream is closed, with RST_STREAM where a code is given; the object may be used for another one. */
  released(stream: H2ClientStream, code: H2ErrorCode | null): void
  /** The client has made a stream end before its time. Too many of these end the connection. */
  blame(): void
}

/**
 * - `spare`: no stream
 * - `unbegun`: the head said `content-length: 0` and the end of the stream is due; nothing was forwarded
 * - `exchange`: the exchange is under way
 * - `tunnel`: so it is, and bytes pass both ways unread
 * - `answered`: the exchange has ended; the end of the response may still wait for a window
 */
type Phase = 'spare' | 'unbegun' | 'exchange' | 'tunnel' | 'answered'

/** One request as a stream of an HTTP/2 connection of a client. */
export class H2ClientStream extends H2Stream implements Timed, Downstream {
  deadline = Number.POSITIVE_INFINITY
  head = noHead
  readonly protocol = 'HTTP/2.0'
  readonly via = '2'
  readonly takesChunks = false
  readonly #client: ClientStreamHost
  readonly #exchange: Exchange
  #phase: Phase = 'spare'
  /** Of the body whose length was said, bytes still to come; -1: it was not said. */
  #left = -1
  #bodyBytes = 0
  /** Body bytes that the backend cannot have yet: at most the stream's window. (I10) */
  readonly #held = new HeldBytes()
  /** What `#held` has taken from the window. */
  #heldFlow = 0
  /** Trailers of a request that has ended and whose end the backend has not been told; null: none. */
  #end: string | null = null
  /** The client does not keep up with the response. */
  #blocked = false
  /** What RST_STREAM says when the response cannot be finished. */
  #code: H2ErrorCode = errorCodes.internalError
  /** RST_STREAM is all of the answer. */
  #silent = false
  #touched = false

  constructor(client: ClientStreamHost) {
    super(client)
    this.#client = client
    this.#exchange = new Exchange(client.runtime, this, client.address, client.port)
    client.runtime.deadlines.add(this)
  }

  /** Takes up a request. `endStream`: nothing follows its head. `refusal`: why it is not to be forwarded. */
  begin(id: number, sendWindow: number, head: H2RequestHead, endStream: boolean, refusal: H2Refusal | null): void {
    this.#prepare(id, sendWindow, head)
    this.remoteEnded = endStream
    const wrong = refusal ?? this.#fault(head, endStream)
    if (wrong !== null) {
      this.#refuse(wrong)
      if (refusal !== null) this.#client.blame()
      return
    }
    const tunnel = head.protocol !== ''
    if (tunnel) {
      // The gateway makes up its own for a backend that needs one (RFC 8441 section 5).
      head.lines = withoutLine(head.lines, 'sec-websocket-key')
      if (endStream) this.#end = ''
    } else if (!endStream) {
      this.#left = head.contentLength
      head.chunked = head.contentLength === -1
      if (head.contentLength === 0) {
        this.#phase = 'unbegun'
        this.#time()
        return
      }
    }
    this.#beginExchange(endStream || tunnel)
  }

  /** A field block after the first: trailers. */
  trailers(lines: string, endStream: boolean, refusal: H2Refusal | null): void {
    if (this.remoteEnded) this.refused(clientRefusals.streamClosed)
    else if (refusal !== null) this.refused(refusal)
    else if (this.head.protocol !== '') this.refused(clientRefusals.trailersInTunnel)
    else if (!endStream) this.refused(clientRefusals.trailersOpen)
    else if (this.#left > 0) this.refused(clientRefusals.length)
    else this.#ended(lines)
  }

  /** Writes what the backend was given. */
  flushUpstream(): void {
    this.#touched = false
    if (this.#exchanging) this.#exchange.flushUpstream()
  }

  /** The connection is gone. */
  lost(): void {
    if (this.#exchanging) this.#exchange.abort()
    this.#clear()
  }

  /** The connection ends because of what the client sent. @returns whether a request says so in the log */
  connectionFailed(refusal: Refusal): boolean {
    if (!this.#exchanging) return false
    this.#silent = true
    this.#exchange.refuse(refusal)
    return true
  }

  /** Accounts for a connection that failed with no request under way. */
  logRefusal(refusal: Refusal): void {
    this.#prepare(0, 0, new H2RequestHead())
    this.remoteEnded = true
    this.#phase = 'exchange'
    this.connectionFailed(refusal)
  }

  // -- for the exchange -----------------------------------------------------------------------------------------------

  get listener(): ListenerRuntime {
    return this.#client.listener
  }

  get forwarded(): ForwardedPolicy {
    return this.#client.forwarded
  }

  get tlsVersion(): string {
    return this.#client.tlsVersion
  }

  get upgrade(): string {
    return this.head.protocol
  }

  recordHead(recording: Recording): void {
    const { head } = this
    let lines = head.lines
    for (const name of headersApart) {
      // What stands for :authority is no field of this head.
      if (name === 'host') continue
      for (const value of requestHeader(this, name)) lines += `${name}: ${value}\r\n`
    }
    recording.requestFields(head.method, head.target, lines)
  }

  informational(head: AnyResponseHead): void {
    this.#sendHead(head.status, head.lines, '', false)
  }

  respond(head: AnyResponseHead, own: string, framing: BodyFraming): number {
    this.#exchange.recording?.responseFieldsSent(head.status, head.lines + own)
    return this.#sendHead(head.status, head.lines, own, framing === 'none')
  }

  data(buf: Buffer, start: number, end: number): boolean {
    if (this.localEnded) return true
    const flowing = this.sendData(buf, start, end)
    this.#blocked = !flowing
    // Where both sides have something to say, one that listens is not idle.
    if (!flowing || !this.remoteEnded) this.#time()
    return flowing
  }

  dataEnd(trailers: string): void {
    this.sendEnd(trailers)
  }

  answer(status: number, _reason: string, lines: string, body: string): number {
    if (this.#silent) return 0
    const bare = body === '' || this.head.method === 'HEAD'
    const length = `content-length: ${body.length}\r\n`
    this.#exchange.recording?.responseFieldsSent(status, lines + length)
    const head = this.#sendHead(status, lines, length, bare)
    if (bare) return head
    this.data(Buffer.from(body, 'latin1'), 0, body.length)
    this.sendEnd('')
    return head + frameHeaderBytes + body.length
  }

  switched(_reason: string, _protocol: string, lines: string, via: string): void {
    // A 2xx of CONNECT has no length (RFC 9110 section 9.3.6).
    const kept = withoutLine(lines, 'content-length')
    const own = `via: ${via} postern\r\n`
    this.#exchange.recording?.responseFieldsSent(200, kept + own)
    this.#sendHead(200, kept, own, false)
    this.#phase = 'tunnel'
    this.#pump()
  }

  tunnelBytes(bytes: Buffer): boolean {
    return this.data(bytes, 0, bytes.length)
  }

  endTunnel(): void {
    this.#phase = 'answered'
    this.sendEnd('')
    this.#settle()
  }

  flush(): void {
    // The connection writes for all of its streams at the end of the turn.
  }

  flushSoon(): void {}

  closeAfter(): void {
    // The stream alone ends, and `responseDone` sees to it.
  }

  cut(): void {
    if (this.#exchanging) this.#reset(this.#code)
  }

  backendReady(): void {
    this.#pump()
    this.#touch()
  }

  backendDrained(): void {
    this.grant()
    this.#pump()
    this.#touch()
  }

  responseDone(_requestComplete: boolean): void {
    if (!this.#exchanging) return
    this.#phase = 'answered'
    if (this.#silent) this.#reset(this.#code)
    else this.#settle()
  }

  // -- for the connection ---------------------------------------------------------------------------------------------

  received(buf: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void {
    if (this.remoteEnded) {
      this.refused(clientRefusals.streamClosed)
      return
    }
    if (!this.takeWindow(flowBytes)) {
      this.refused(floods.streamWindow)
      return
    }
    if (this.#phase === 'answered') {
      // Thrown away, and not granted again.
      this.remoteEnded = endStream
      return
    }
    const length = end - start
    if (this.#left !== -1) {
      this.#left -= length
      if (this.#left < 0 || (endStream && this.#left > 0)) {
        this.refused(clientRefusals.length)
        return
      }
    } else if (this.head.protocol === '') {
      this.#bodyBytes += length
      this.#exchange.requestBytes += length
      const limit = this.listener.plan.limits.bodyBytes
      if (limit !== null && this.#bodyBytes > limit) {
        this.#refuse(refusals.bodyTooLarge)
        return
      }
    }
    if (this.#mustHold(endStream)) {
      this.#held.add(buf, start, end, streamWindowBytes)
      if (length > 0) this.#heldFlow += flowBytes
      else this.consumed(flowBytes)
    } else {
      this.#deliver(buf, start, end, flowBytes)
    }
    if (endStream) this.#ended('')
    else this.#time()
    this.#touch()
  }

  resetByPeer(_code: number): void {
    this.remoteEnded = true
    if (this.#exchanging) this.#exchange.abort()
    this.#phase = 'answered'
    this.#close(null)
    this.#client.blame()
  }

  refused(refusal: H2Refusal): void {
    this.#code = refusal.code
    if (this.#phase === 'answered') this.#reset(refusal.code)
    else this.#refuse(refusal)
    this.#client.blame()
  }

  protected drained(): void {
    this.#blocked = false
    if (this.#exchanging) this.#exchange.clientDrained()
    else this.#settle()
    this.#time()
  }

  override resumeSending(): boolean {
    const before = this.sendWindow.available
    const whole = super.resumeSending()
    if (!whole && this.sendWindow.available !== before) this.#time()
    return whole
  }

  onDeadline(): void {
    if (this.#phase === 'exchange' && !this.#blocked) {
      this.#exchange.fail({
        kind: 'request-timeout',
        verdict: null,
        party: 'client',
        summary: clientRefusals.bodyTimeout.summary,
        evidence: {},
      })
    } else if (this.#phase === 'unbegun') {
      this.#refuse(clientRefusals.bodyTimeout)
    } else if (this.#phase !== 'spare') {
      if (this.#exchanging) this.#exchange.abort()
      this.#phase = 'answered'
      this.#reset(errorCodes.cancel)
    }
  }

  // -------------------------------------------------------------------------------------------------------------------

  get #exchanging(): boolean {
    return this.#phase === 'exchange' || this.#phase === 'tunnel'
  }

  #prepare(id: number, sendWindow: number, head: H2RequestHead): void {
    this.open(id, sendWindow)
    this.head = head
    this.#left = -1
    this.#bodyBytes = 0
    this.#end = null
    this.#blocked = false
    this.#code = errorCodes.internalError
    this.#silent = false
  }

  /** What is wrong with a head that is well formed, here. */
  #fault(head: H2RequestHead, endStream: boolean): H2Refusal | Refusal | null {
    if (head.scheme !== (this.tlsVersion === '' ? 'http' : 'https')) return clientRefusals.scheme
    if (endStream && head.contentLength > 0) return clientRefusals.length
    if (head.protocol === '') return null
    if (head.protocol !== webSocketProtocol) return clientRefusals.protocol
    // It would be framing to an HTTP/1.1 backend, and is none here. (I8)
    return head.contentLength === -1 ? null : clientRefusals.tunnelLength
  }

  #beginExchange(complete: boolean): void {
    this.#phase = 'exchange'
    this.#exchange.begin(complete)
    this.#time()
    this.#touch()
  }

  /** Answers with a fault, or with RST_STREAM alone: what is malformed has nothing in it to go by (RFC 9113 section 8.1.1). */
  #refuse(refusal: H2Refusal | Refusal): void {
    if ('code' in refusal && refusal.kind === 'bad-request') {
      this.#silent = true
      this.#code = refusal.code
    }
    if (!this.#exchanging) this.#phase = 'exchange'
    this.#exchange.refuse(refusal)
  }

  /** The client has ended its side. */
  #ended(trailers: string): void {
    this.remoteEnded = true
    if (this.#phase === 'unbegun') {
      this.#beginExchange(true)
    } else if (this.#exchanging) {
      this.#end = trailers
      this.#pump()
      this.#touch()
    }
  }

  /**
   * Whether body bytes have to wait. So do those that complete a body of a said length, until the client has ended it:
   * then alone they were all of it, and an HTTP/1.1 backend would take a request that is refused for a whole one. (I8)
   */
  #mustHold(ended: boolean): boolean {
    return (
      this.#held.length > 0 ||
      !this.#exchange.ready ||
      this.withholding ||
      (this.#left === 0 && !ended) ||
      (this.head.protocol !== '' && this.#phase !== 'tunnel')
    )
  }

  /** Gives the backend what was held, and the end, as far as they may go. */
  #pump(): void {
    const { length } = this.#held
    if (!this.#exchanging || !this.#exchange.ready || (this.head.protocol !== '' && this.#phase !== 'tunnel')) return
    if (length > 0) {
      if (this.withholding || (this.#left === 0 && !this.remoteEnded)) return
      const flowBytes = this.#heldFlow
      this.#heldFlow = 0
      this.#deliver(this.#held.take(), 0, length, flowBytes)
    }
    const end = this.#end
    if (end !== null && this.#exchanging) {
      this.#end = null
      if (this.#phase === 'tunnel') this.#exchange.tunnelEndedByClient()
      else this.#exchange.requestEnd(end)
    }
    this.#time()
  }

  #deliver(buf: Buffer, start: number, end: number, flowBytes: number): void {
    if (end > start) {
      const flowing =
        this.#phase === 'tunnel'
          ? this.#exchange.tunnelFromClient(Buffer.from(buf.subarray(start, end)))
          : this.#exchange.requestData(buf, start, end)
      if (!flowing) this.withhold()
    }
    this.consumed(flowBytes)
  }

  #touch(): void {
    if (this.#touched || !this.#exchanging) return
    this.#touched = true
    this.#client.touched(this)
  }

  #sendHead(status: number, lines: string, own: string, endStream: boolean): number {
    const { out, maxFrameSize } = this.#client
    const bound = linesBound(lines) + linesBound(own)
    out.room(bound + frameHeaderBytes * (2 + Math.ceil(bound / maxFrameSize)))
    const { at } = out
    let end = encodeStatus(out.buf, at + frameHeaderBytes, status)
    end = encodeLines(out.buf, end, lines)
    end = encodeLines(out.buf, end, own)
    out.at = finishHeaders(out.buf, at, end, this.id, endStream, maxFrameSize)
    if (endStream) this.localEnded = true
    return out.at - at
  }

  /** Closes the stream when both sides of it are done. */
  #settle(): void {
    if (this.#phase !== 'answered') return
    // A client that still sends is told that it need not, after all of the response (RFC 9113 section 8.1).
    if (this.localEnded) this.#close(this.remoteEnded ? null : errorCodes.noError)
    else this.#time()
  }

  #reset(code: H2ErrorCode): void {
    this.dropPending()
    this.#close(code)
  }

  #close(code: H2ErrorCode | null): void {
    this.dropPending()
    this.localEnded = true
    this.#clear()
    this.#client.released(this, code)
  }

  /** Lets go of what belonged to the stream. */
  #clear(): void {
    this.#phase = 'spare'
    this.deadline = Number.POSITIVE_INFINITY
    this.head = noHead
    this.#held.take()
    this.#heldFlow = 0
  }

  /** Something has moved, or waits from now on: how long may it take until something moves again? */
  #time(): void {
    const { deadlines } = this.#client.runtime
    const { timeouts } = this.listener.plan
    switch (this.#phase) {
      case 'spare':
        return
      case 'tunnel':
        this.deadline = deadlines.in(timeouts.tunnelIdleMs)
        return
      case 'exchange': {
        // What has no way to go on is not the client's doing: then the pool or the backend is timed.
        const awaited = !this.remoteEnded && this.head.protocol === '' && this.#exchange.ready && !this.withholding
        this.deadline = this.#blocked || awaited ? deadlines.in(timeouts.bodyIdleMs) : Number.POSITIVE_INFINITY
        return
      }
      default:
        this.deadline = deadlines.in(timeouts.bodyIdleMs)
    }
  }
}

/** Of streams that are none. */
const noHead = new H2RequestHead()
