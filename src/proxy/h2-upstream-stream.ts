import type { ConnectionStory } from '../dial/story.ts'
import type { Fault } from '../faults/fault.ts'
import { errorCodeName, errorCodes, type H2ErrorCode } from '../wire/h2/error-codes.ts'
import { finishHeaders, frameHeaderBytes } from '../wire/h2/frames.ts'
import { encodedLines, encodeField, encodePath, encodeValue } from '../wire/h2/hpack-encoder.ts'
import type { H2Refusal } from '../wire/h2/refusals.ts'
import type { Timed } from './deadlines.ts'
import type { Exchange } from './exchange.ts'
import { floods } from './h2-session.ts'
import { H2Stream } from './h2-stream.ts'
import type { H2Upstream } from './h2-upstream.ts'
import type { UpstreamFailure } from './repeating.ts'
import type { Upstream } from './upstream.ts'
import { webSocketProtocol } from './websocket.ts'

const maxInformational = 32
/** More of the lines sent last is not worth its memory, in every object of every connection. (I10) */
const linesRemembered = 4096
const noLines = Buffer.alloc(0)

/** One request as a stream of a connection to a backend. */
export class H2UpstreamStream extends H2Stream implements Timed, Upstream {
  deadline = Number.POSITIVE_INFINITY
  readonly takesChunks = false
  readonly gathering = false
  uses = 0
  readonly #session: H2Upstream
  #exchange: Exchange | null = null
  #requestSent = false
  /** `reads` of the session when the request had been sent. */
  #readsBefore = 0
  #anyResponse = false
  #informational = 0
  /** Bytes of their lines. They go to the client whether or not it reads, so all of them are one head's worth. (I10) */
  #informationalBytes = 0
  #hasHead = false
  /** The response is of a length that was said: bytes of it to come; -1 when not. */
  #remaining = -1
  #bodyless = false
  #paused = false
  #tunnel = false
  #connecting = false
  /** The header lines sent last and what they were encoded to: those of a client seldom change. */
  #lines = ''
  #linesBlock: Buffer = noLines

  constructor(session: H2Upstream) {
    super(session)
    this.#session = session
    session.pool.deadlines.add(this)
  }

  get localAddress(): string {
    return this.#session.localAddress
  }

  get remoteAddress(): string {
    return this.#session.remoteAddress
  }

  get openedAt(): number {
    return this.#session.openedAt
  }

  story(): ConnectionStory {
    return this.#session.story()
  }

  /** No byte of a response has come. */
  get untouched(): boolean {
    return !this.#anyResponse
  }

  /** The connection has answered requests before. */
  get reusedConnection(): boolean {
    return this.#session.served > 0
  }

  get stage(): string {
    return this.#anyResponse ? 'inside its response' : 'before the first byte of its response'
  }

  /** Makes the object ready for another exchange. @param uses of the connection so far */
  prepare(uses: number): void {
    this.open(0, 0)
    this.uses = uses
    this.#requestSent = false
    this.#anyResponse = false
    this.#informational = 0
    this.#informationalBytes = 0
    this.#hasHead = false
    this.#remaining = -1
    this.#bodyless = false
    this.#paused = false
    this.#tunnel = false
    this.#connecting = false
  }

  /** The session has given it an id. */
  enrolled(id: number, sendWindow: number): void {
    this.open(id, sendWindow)
  }

  // -- for the exchange -----------------------------------------------------------------------------------------------

  start(exchange: Exchange): void {
    this.#exchange = exchange
    this.uses = this.#session.uses + 1
    this.deadline = Number.POSITIVE_INFINITY
    if (exchange.upgrade === '') {
      this.#session.enroll(this)
      this.#sendHead(exchange, exchange.method, '', exchange.requestComplete && exchange.contentLength <= 0)
      return
    }
    this.#connecting = true
    this.#session.awaitSettings(this)
  }

  sendBytes(buf: Buffer, start: number, end: number): boolean {
    const flowing = this.sendData(buf, start, end)
    if (!flowing || this.#hasHead) this.#timeBody()
    else this.deadline = Number.POSITIVE_INFINITY
    return flowing
  }

  requestSent(trailers: string): void {
    this.#requestSent = true
    this.#readsBefore = this.#session.reads
    if (!this.#connecting) this.sendEnd(trailers)
    if (!this.#hasHead) this.deadline = this.#in(this.#session.pool.server.timeouts.firstByteMs)
  }

  flush(): void {
    // The session writes for all of its streams at the end of the turn.
  }

  pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.deadline = Number.POSITIVE_INFINITY
    this.withhold()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#timeBody()
    this.grant()
  }

  destroy(): void {
    if (this.#exchange === null) return
    this.#end(errorCodes.cancel)
  }

  sendTunnel(bytes: Buffer): boolean {
    this.deadline = Number.POSITIVE_INFINITY
    return this.sendData(bytes, 0, bytes.length)
  }

  endTunnel(): void {
    this.sendEnd('')
    if (this.remoteEnded) this.#end(null)
  }

  onDeadline(): void {
    const stage = !this.#requestSent ? 'request' : this.#hasHead ? 'response body' : 'response head'
    if (this.#requestSent && !this.#hasHead && this.#session.reads === this.#readsBefore) this.#session.wasSilent()
    this.fail(this.#session.fault('response-timeout', `no progress of the ${stage} within its timeout`), 'final', true)
  }

  /** The peer's SETTINGS are known: sends the extended CONNECT, if the peer takes it. */
  connect(): void {
    const exchange = this.#exchange
    if (exchange === null || this.id !== 0) return
    if (!this.#session.takesTunnels || exchange.upgrade !== webSocketProtocol) {
      this.fail(
        {
          kind: 'method-not-implemented',
          verdict: null,
          party: 'backend',
          summary: `the backend speaks HTTP/2 and takes no "${exchange.upgrade}" there (RFC 8441)`,
          evidence: { address: this.remoteAddress },
        },
        // Nothing was sent: it can go over a connection of HTTP/1.1, where the target has those.
        this.#session.pool.takesHttp1 ? 'unprocessed' : 'final',
        false,
      )
      return
    }
    this.#session.enroll(this)
    this.#sendHead(exchange, 'CONNECT', exchange.upgrade, false)
  }

  // -- for the session ------------------------------------------------------------------------------------------------

  headers(block: Buffer, start: number, end: number, endStream: boolean): void {
    const exchange = this.#exchange
    if (exchange === null) return
    if (!this.#anyResponse) {
      this.#anyResponse = true
      exchange.firstByte()
    }
    const { fields } = this.#session
    if (this.#hasHead) {
      if (!endStream) {
        this.refused(responseFaults.trailersWithoutEnd)
        return
      }
      const refusal = fields.readTrailers(block, start, end) ?? this.#lengthFault()
      if (refusal === null) this.#responseEnd(exchange, fields.trailers)
      else this.refused(refusal)
      return
    }
    const refusal = fields.read(block, start, end)
    if (refusal !== null) {
      this.refused(refusal)
      return
    }
    const { head } = fields
    if (head.status < 200) {
      this.#informationalBytes += head.lines.length
      const most = this.#session.pool.server.limits.responseHeaderBytes
      if (endStream) this.refused(responseFaults.informationalEnd)
      else if (++this.#informational > maxInformational || this.#informationalBytes > most)
        this.refused(responseFaults.informational)
      else exchange.informational(head)
      return
    }
    this.#hasHead = true
    if (this.#connecting && head.status < 300) {
      this.#tunnel = true
      this.deadline = Number.POSITIVE_INFINITY
      exchange.switched(head, false, null)
      if (endStream && this.#exchange === exchange) this.#tunnelEnd(exchange)
      return
    }
    this.#bodyless = exchange.method === 'HEAD' || head.status === 204 || head.status === 304
    this.#remaining = this.#bodyless ? 0 : head.contentLength
    const ends = endStream || this.#bodyless
    if (endStream && !this.#bodyless && head.contentLength > 0) {
      this.refused(responseFaults.length)
      return
    }
    const { id } = this
    exchange.responseHead(
      head,
      ends || head.contentLength === 0 ? 'none' : head.contentLength > 0 ? 'length' : 'open',
      'HTTP/2.0',
    )
    // A retry on the status may have made this object the stream of the same exchange's next try.
    if (this.#exchange !== exchange || this.id !== id) return
    if (endStream) {
      this.#responseEnd(exchange, '')
    } else {
      this.#timeBody()
      this.#session.flushAfterRead(exchange)
    }
  }

  received(buf: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void {
    const exchange = this.#exchange
    if (exchange === null) return
    if (!this.takeWindow(flowBytes)) {
      this.refused(floods.streamWindow)
      return
    }
    const length = end - start
    if (this.#tunnel) {
      this.#tunnelData(exchange, buf, start, end, flowBytes, endStream)
      return
    }
    if (!this.#hasHead) {
      this.refused(responseFaults.dataFirst)
      return
    }
    if (this.#remaining !== -1) {
      this.#remaining -= length
      if (this.#remaining < 0) {
        this.refused(responseFaults.length)
        return
      }
    }
    let flowing = true
    if (length > 0) flowing = exchange.responseData(buf, start, end)
    if (this.#exchange !== exchange) return
    if (endStream) {
      const refusal = this.#lengthFault()
      if (refusal === null) this.#responseEnd(exchange, '')
      else this.refused(refusal)
      return
    }
    if (flowing) this.#timeBody()
    else this.pause()
    this.consumed(flowBytes)
    this.#session.flushAfterRead(exchange)
  }

  resetByPeer(code: number): void {
    const exchange = this.#exchange
    if (exchange === null) return
    this.remoteEnded = true
    this.localEnded = true
    if (this.#tunnel) {
      this.#endTunnel(exchange)
      return
    }
    // REFUSED_STREAM promises that nothing was done (RFC 9113 section 8.7).
    const unprocessed = code === errorCodes.refusedStream && !this.#hasHead
    this.fail(
      this.#session.fault('response-eof', `the backend reset the stream (${errorCodeName(code)}) ${this.stage}`),
      unprocessed ? 'refused' : 'final',
      false,
    )
  }

  refused(refusal: H2Refusal): void {
    const kind = refusal.kind === 'headers-too-large' ? 'response-head-too-large' : 'response-malformed'
    this.#end(refusal.code, this.#session.fault(kind, `the response was refused: ${refusal.summary}`))
  }

  /** Ends the exchange with a fault. `reset`: the backend is told. */
  fail(fault: Fault, how: UpstreamFailure, reset: boolean): void {
    const exchange = this.#exchange
    if (exchange === null) return
    this.#end(reset ? errorCodes.cancel : null)
    exchange.upstreamFailed(fault, how)
  }

  protected drained(): void {
    const exchange = this.#exchange
    if (exchange === null) return
    if (this.#hasHead) this.#timeBody()
    else if (!this.#requestSent) this.deadline = Number.POSITIVE_INFINITY // it is the client that is timed
    exchange.upstreamDrained()
  }

  // -- parts ----------------------------------------------------------------------------------------------------------

  #sendHead(exchange: Exchange, method: string, protocol: string, endStream: boolean): void {
    const { out, maxFrameSize } = this.host
    const start = this.#session.requestStart(method, exchange.authority)
    const lines = exchange.h2Lines()
    if (lines !== this.#lines) {
      this.#lines = lines
      this.#linesBlock = encodedLines(lines)
    }
    const block = this.#linesBlock
    const id = exchange.addedRequestId
    const bound = start.length + exchange.path.length + block.length + id.length + protocol.length + 64
    out.room(bound + frameHeaderBytes * (2 + Math.ceil(bound / maxFrameSize)))
    const { buf, at } = out
    let to = at + frameHeaderBytes
    to += start.copy(buf, to)
    to = encodePath(buf, to, exchange.path)
    if (protocol !== '') to = encodeField(buf, to, ':protocol', protocol)
    to += block.copy(buf, to)
    if (id !== '') {
      to += requestIdName.copy(buf, to)
      to = encodeValue(buf, to, id)
    }
    out.at = finishHeaders(buf, at, to, this.id, endStream, maxFrameSize)
    this.localEnded = endStream
  }

  #tunnelData(
    exchange: Exchange,
    buf: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    endStream: boolean,
  ): void {
    if (end > start) exchange.tunnelFromBackend(Buffer.from(buf.subarray(start, end)))
    if (this.#exchange !== exchange) return
    this.consumed(flowBytes)
    if (endStream) this.#tunnelEnd(exchange)
  }

  #tunnelEnd(exchange: Exchange): void {
    this.remoteEnded = true
    this.sendEnd('')
    this.#endTunnel(exchange)
  }

  #endTunnel(exchange: Exchange): void {
    // First the exchange lets go: `#end` may hand this object to the next request, which is not the exchange's to destroy.
    this.#exchange = null
    exchange.tunnelEndedByBackend()
    this.#end(null)
  }

  /** A response that is shorter than it said is not one (RFC 9113 section 8.1.1, I8). */
  #lengthFault(): H2Refusal | null {
    return this.#remaining > 0 && !this.#bodyless ? responseFaults.length : null
  }

  #responseEnd(exchange: Exchange, trailers: string): void {
    this.remoteEnded = true
    this.#exchange = null
    this.#session.served++
    exchange.responseEnd(trailers)
    exchange.flushClient(true)
    // An early response: what the client still sends is not wanted (RFC 9113 section 8.1).
    this.#end(this.localEnded ? null : errorCodes.noError)
  }

  #timeBody(): void {
    const untimed = this.#tunnel || this.#paused
    this.deadline = untimed ? Number.POSITIVE_INFINITY : this.#in(this.#session.pool.server.timeouts.bodyIdleMs)
  }

  #in(ms: number): number {
    return this.#session.pool.deadlines.in(ms)
  }

  /** Lets go of the exchange and of the id. `code`: with RST_STREAM. `fault`: the exchange is told. */
  #end(code: H2ErrorCode | null, fault: Fault | null = null): void {
    const exchange = this.#exchange
    this.#exchange = null
    this.deadline = Number.POSITIVE_INFINITY
    this.dropPending()
    if (this.#lines.length > linesRemembered) {
      this.#lines = ''
      this.#linesBlock = noLines
    }
    if (code !== null && this.id !== 0 && !(this.localEnded && this.remoteEnded)) {
      this.#session.resetStream(this.id, code)
      this.#session.gaveUp()
    }
    this.localEnded = true
    this.remoteEnded = true
    this.#session.streamEnded(this)
    if (fault !== null) exchange?.upstreamFailed(fault, 'final')
  }
}

/** A literal without indexing, its name; the value follows. */
const requestIdName = Buffer.from('\x00\x0cx-request-id', 'latin1')

const responseFaults = {
  informational: malformed('too many informational responses before the final one'),
  informationalEnd: malformed('an informational response that ends the stream (RFC 9113 8.1)'),
  dataFirst: malformed('DATA before the head of the response (RFC 9113 8.1)'),
  length: malformed('the body is not as long as its Content-Length says (RFC 9113 8.1.1)'),
  trailersWithoutEnd: malformed('a field section after the body that does not end the stream (RFC 9113 8.1)'),
} as const

function malformed(summary: string): H2Refusal {
  return { kind: 'bad-request', scope: 'stream', code: errorCodes.protocolError, summary }
}
