import { performance } from 'node:perf_hooks'
import type { Socket } from 'node:net'
import type { Dialed } from '../dial/dial.ts'
import { storyOf } from '../dial/story-of.ts'
import type { ConnectionStory } from '../dial/story.ts'
import type { Fault } from '../faults/fault.ts'
import { latin1 } from '../wire/bytes.ts'
import { ChunkedDecoder } from '../wire/h1/chunked.ts'
import { type Refusal, refusals } from '../wire/h1/refusal.ts'
import { incomplete } from '../wire/h1/request-head.ts'
import { ResponseHead } from '../wire/h1/response-head.ts'
import type { Timed } from './deadlines.ts'
import type { Exchange } from './exchange.ts'
import { lateAlert } from './late-alert.ts'
import type { Pool } from './pool.ts'
import { readBuffer, smallBytes } from './read-buffer.ts'
import { ReplyBuffer } from './reply-buffer.ts'
import { TrustEnd, trustEnded } from './trust-end.ts'
import type { RetireMode, Upstream, UpstreamConnection } from './upstream.ts'

const maxInformational = 32

/**
 * One HTTP/1.1 connection to a backend. It carries one exchange at a time and belongs to one pool, and so to one
 * snapshot (I2). Whatever leaves doubt about where the next response begins ends it.
 */
export class H1Upstream implements Timed, Upstream, UpstreamConnection {
  deadline = Number.POSITIVE_INFINITY
  readonly head = new ResponseHead()
  /** Requests served, this one included. */
  uses = 0
  readonly takesChunks = true
  readonly localAddress: string
  readonly remoteAddress: string
  readonly dialed: Dialed
  readonly openedAt = performance.now()
  readonly captured: boolean
  readonly #pool: Pool
  readonly #socket: Socket
  #exchange: Exchange | null = null
  #closed = false
  /** The connection ends with the exchange under way. */
  #last: boolean
  /** What TLS said against it after the handshake. */
  #late: Fault | null = null
  #tunnel = false
  #requestSent = false
  #anyResponse = false
  #informational = 0
  /** They go to the client whether it reads or not, so together they are bounded as one head is. (I10) */
  #informationalBytes = 0
  #framing: 'head' | 'none' | 'length' | 'chunked' | 'close' = 'head'
  /** The body of the request under way comes bare and is framed here. */
  #frames = false
  #remaining = 0
  #chunks: ChunkedDecoder | null = null
  /** Head bytes that did not make a whole head yet; a copy, since the read buffer is shared. */
  #partial: Buffer | null = null
  #out = ''
  /** Large parts of request bodies on their way; most connections never have one. */
  #gathered: ReplyBuffer | null = null
  #pausedByClient = false
  readonly #trustEnd: TrustEnd

  /** Ends the wait for the exact cause of the failure, when the exchange has ended first. */
  #forget: () => void = () => {}

  constructor(pool: Pool, dialed: Dialed) {
    const { socket } = dialed
    this.#pool = pool
    this.dialed = dialed
    this.#socket = socket
    // As dialed: a socket that a tap stands under has no addresses of its own.
    this.localAddress = dialed.localAddress
    this.remoteAddress = dialed.address
    this.captured = dialed.opening.tap !== null
    this.#last = this.captured
    socket.on('drain', () => this.#drained())
    socket.on('error', (error) => this.#broken(error))
    socket.on('end', () => this.#ended())
    socket.on('close', () => this.#broken(null))
    this.#trustEnd = new TrustEnd(dialed.validUntil, pool.server.timeouts.drainMs, () => this.retire('cut'))
    this.deadline = pool.deadlines.in(pool.server.timeouts.keepAliveMs)
    pool.deadlines.add(this)
  }

  get busy(): boolean {
    return this.#exchange !== null
  }

  /** Whether an idle connection may take another exchange. */
  usable(now: number): boolean {
    return !this.#closed && now < this.dialed.validUntil
  }

  story(): ConnectionStory {
    return storyOf(this.dialed.opening, this.#late)
  }

  start(exchange: Exchange): void {
    this.#exchange = exchange
    this.uses++
    this.#requestSent = false
    this.#anyResponse = false
    this.#informational = 0
    this.#informationalBytes = 0
    this.#framing = 'head'
    this.#out = exchange.h1Head()
    this.#frames = exchange.bareBody
    // While the request is under way only a stalled write is timed, see `sendBytes`; the answer's time starts at its end.
    this.deadline = Number.POSITIVE_INFINITY
  }

  sendBytes(buf: Buffer, start: number, end: number): boolean {
    if (this.#frames) {
      if (start === end) return true
      this.#text(`${(end - start).toString(16)}\r\n`)
      this.#bytes(buf, start, end)
      this.#text('\r\n')
    } else {
      this.#bytes(buf, start, end)
    }
    // Small pieces count too: a client that sends nothing else would otherwise never be stopped. (I10)
    const stalled = this.#socket.writableNeedDrain
    if (stalled || this.#framing !== 'head') this.#timeBody()
    else this.deadline = Number.POSITIVE_INFINITY
    return !stalled
  }

  requestSent(trailers: string): void {
    this.#requestSent = true
    if (this.#frames) {
      this.#frames = false
      this.#text(`0\r\n${trailers}\r\n`)
    }
    if (this.#framing === 'head') this.deadline = this.#pool.deadlines.in(this.#pool.server.timeouts.firstByteMs)
  }

  flush(): void {
    this.#writeOut()
    if (this.#gathered !== null) this.#gathered.flush()
  }

  get gathering(): boolean {
    return this.#gathered !== null && this.#gathered.gathering
  }

  /** The client does not keep up with the response. */
  pause(): void {
    if (this.#pausedByClient) return
    this.#pausedByClient = true
    this.deadline = Number.POSITIVE_INFINITY
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#pausedByClient) return
    this.#pausedByClient = false
    this.#timeBody()
    this.#socket.resume()
  }

  /** The connection ends: at once when idle, after the exchange under way otherwise. */
  retire(mode: RetireMode, drainMs?: number): void {
    this.#last = true
    if (this.#exchange === null) {
      this.destroy()
    } else if (mode === 'finish') {
      return
    } else if (mode === 'drain') {
      this.#trustEnd.drain(drainMs)
    } else {
      this.#fail(trustEnded)
    }
  }

  /** Ends the connection and tells nobody. */
  destroy(): void {
    this.#forget()
    if (this.#closed) return
    this.#closed = true
    this.#exchange = null
    this.deadline = Number.POSITIVE_INFINITY
    this.#trustEnd.clear()
    this.#pool.deadlines.delete(this)
    this.#gathered?.drop()
    this.#socket.destroy()
    this.#pool.closed(this)
  }

  /** Raw bytes of an upgraded connection. @returns false when the backend does not keep up */
  sendTunnel(bytes: Buffer): boolean {
    this.deadline = Number.POSITIVE_INFINITY
    return this.#socket.write(bytes)
  }

  /** The client's side of an upgraded connection has ended. */
  endTunnel(): void {
    this.#socket.end()
  }

  onDeadline(): void {
    if (this.#exchange === null) {
      this.destroy()
      return
    }
    const stage = !this.#requestSent ? 'request' : this.#framing === 'head' ? 'response head' : 'response body'
    this.#fail(this.#fault('response-timeout', `no progress of the ${stage} within its timeout`))
  }

  #writeOut(): void {
    if (this.#out === '') return
    const text = this.#out
    this.#out = ''
    this.#socket.write(text, 'latin1')
  }

  #text(text: string): void {
    if (this.gathering) this.#gathered?.text(text)
    else this.#out += text
  }

  #bytes(buf: Buffer, start: number, end: number): void {
    if (end - start <= smallBytes && this.#out.length <= smallBytes && !this.gathering) {
      this.#out += latin1(buf, start, end)
    } else {
      this.#writeOut()
      this.#gathered ??= new ReplyBuffer(this.#socket)
      this.#gathered.bytes(buf, start, end)
    }
  }

  read(length: number): boolean {
    if (this.#closed) return false
    if (this.#partial !== null) {
      const whole = Buffer.concat([this.#partial, readBuffer.subarray(0, length)])
      this.#partial = null
      this.#consume(whole, whole.length)
    } else {
      this.#consume(readBuffer, length)
    }
    return true
  }

  #consume(buf: Buffer, end: number): void {
    const exchange = this.#exchange
    if (exchange === null) {
      // Bytes that no request asked for: whoever sent them could be answering a smuggled one. (I8)
      this.destroy()
      return
    }
    if (this.#tunnel) {
      exchange.tunnelFromBackend(Buffer.from(buf.subarray(0, end)))
      return
    }
    if (!this.#anyResponse) {
      this.#anyResponse = true
      exchange.firstByte()
    }
    let at = 0
    while (at < end && this.#framing === 'head') {
      const read = this.head.read(buf, at, end, this.#pool.server.limits.responseHeaderBytes)
      if (read === incomplete) {
        this.#partial = Buffer.from(buf.subarray(at, end))
        break
      }
      if (typeof read !== 'number') {
        this.#refuse(read)
        return
      }
      at = read
      exchange.recording?.responseRead(buf, at - this.head.size, at)
      if (this.head.status < 200) {
        if (this.head.status === 101) {
          this.#switch(exchange, buf, at, end)
          return
        }
        this.#informationalBytes += this.head.size
        const tooLong = this.#informationalBytes > this.#pool.server.limits.responseHeaderBytes
        if (++this.#informational > maxInformational || tooLong) {
          this.#refuse(refusals.informational)
          return
        }
        exchange.informational(this.head)
        continue
      }
      this.#beginBody(exchange)
      if (this.#exchange !== exchange) return
    }
    if (this.#framing !== 'head') this.#body(exchange, buf, at, end)
    exchange.flushClient(this.#exchange !== exchange)
  }

  /** Chooses the framing of RFC 9112 section 6.3. */
  #beginBody(exchange: Exchange): void {
    const { head } = this
    if (exchange.method === 'HEAD' || head.status === 204 || head.status === 304) {
      this.#framing = 'none'
    } else if (head.chunked) {
      this.#framing = 'chunked'
      this.#chunks ??= new ChunkedDecoder()
      this.#chunks.reset(exchange.takesChunks)
    } else if (head.contentLength !== -1) {
      this.#framing = head.contentLength === 0 ? 'none' : 'length'
      this.#remaining = head.contentLength
    } else {
      this.#framing = 'close'
    }
    if (!head.keepAlive || this.#framing === 'close') this.#last = true
    exchange.responseHead(
      head,
      this.#framing === 'close' || (this.#framing === 'chunked' && !exchange.takesChunks) ? 'open' : this.#framing,
      head.minor === 1 ? 'HTTP/1.1' : 'HTTP/1.0',
    )
  }

  #body(exchange: Exchange, buf: Buffer, start: number, end: number): void {
    let at = start
    let flowing = true
    let trailers = ''
    switch (this.#framing) {
      case 'length': {
        const take = Math.min(this.#remaining, end - at)
        if (take > 0) flowing = exchange.responseData(buf, at, at + take)
        at += take
        this.#remaining -= take
        if (this.#remaining === 0) this.#framing = 'none'
        break
      }
      case 'chunked': {
        const chunks = this.#chunks as ChunkedDecoder
        const read = chunks.decode(buf, at, end)
        if (typeof read !== 'number') {
          this.#refuse(read)
          return
        }
        for (let i = 0; i < chunks.rangeCount; i += 2) {
          flowing = exchange.responseData(buf, chunks.ranges[i] as number, chunks.ranges[i + 1] as number)
        }
        at = read
        if (chunks.complete) {
          this.#framing = 'none'
          trailers = chunks.trailers
        }
        break
      }
      case 'close':
        if (end > at) flowing = exchange.responseData(buf, at, end)
        at = end
        break
      default:
    }
    if (this.#exchange !== exchange) return
    if (this.#framing === 'none') {
      // Bytes after the end of a response belong to no request of ours. (I8)
      if (at < end) this.#last = true
      this.#finish(exchange, trailers)
    } else if (!flowing) {
      this.pause()
    } else {
      this.#timeBody()
    }
  }

  /** The backend has taken what was waiting for it. */
  #drained(): void {
    const exchange = this.#exchange
    if (exchange === null) return
    if (this.#framing !== 'head') this.#timeBody()
    else if (!this.#requestSent) this.deadline = Number.POSITIVE_INFINITY // it is the client that is timed
    exchange.upstreamDrained()
  }

  /** Something of a body has moved, in either direction; something must again within the time of a body. */
  #timeBody(): void {
    // A tunnel has its own idle time, kept by the client's side; a client that does not read is timed there as well.
    const untimed = this.#tunnel || this.#pausedByClient
    this.deadline = untimed ? Number.POSITIVE_INFINITY : this.#pool.deadlines.in(this.#pool.server.timeouts.bodyIdleMs)
  }

  #finish(exchange: Exchange, trailers: string): void {
    this.#exchange = null
    if (this.#pausedByClient) {
      // TLS hands over what it has decrypted although it was paused, and the end of the response may be in that.
      this.#pausedByClient = false
      this.#socket.resume()
    }
    const reusable = !this.#last && this.#requestSent && !this.#closed
    if (reusable) {
      this.deadline = this.#pool.deadlines.in(this.#pool.server.timeouts.keepAliveMs)
      this.#pool.release(this)
    }
    exchange.responseEnd(trailers)
    if (!reusable) this.destroy()
  }

  #switch(exchange: Exchange, buf: Buffer, at: number, end: number): void {
    if (exchange.upgrade === '' || this.head.upgrade === '') {
      this.#refuse(refusals.switching)
      return
    }
    this.#tunnel = true
    this.#last = true
    this.deadline = Number.POSITIVE_INFINITY
    exchange.switched(this.head, true, at < end ? Buffer.from(buf.subarray(at, end)) : null)
  }

  #refuse(refusal: Refusal): void {
    const kind = refusal.kind === 'headers-too-large' ? 'response-head-too-large' : 'response-malformed'
    this.#fail(this.#fault(kind, `the response was refused: ${refusal.summary}`))
  }

  /** The backend has sent its last byte. */
  #ended(): void {
    const exchange = this.#exchange
    if (this.#tunnel && exchange !== null) {
      exchange.tunnelEndedByBackend()
      return
    }
    if (exchange !== null && this.#framing === 'close') {
      this.#last = true
      this.#finish(exchange, '')
      exchange.flushClient(true)
      return
    }
    this.#broken(null)
  }

  #broken(error: Error | null): void {
    if (this.#closed) return
    if (this.#exchange === null) {
      this.destroy()
      return
    }
    const alert = this.#anyResponse ? null : lateAlert(error, this.#pool.server, this)
    if (alert !== null) {
      this.#late = alert
      this.#fail(alert)
      return
    }
    const when = this.#anyResponse ? 'inside its response' : 'before the first byte of its response'
    const how = error === null ? 'closed the connection' : `broke the connection (${error.message})`
    this.#fail(this.#fault('response-eof', `the backend ${how} ${when}`))
  }

  #fail(fault: Fault): void {
    const exchange = this.#exchange
    const untouched = !this.#anyResponse
    const reused = this.uses > 1
    this.destroy()
    if (exchange === null) return
    const silent = untouched && fault.kind === 'response-eof'
    const refused = (exact: Fault): void => {
      if (exact.kind === 'client-certificate') this.#late = exact
      exchange.upstreamFailed(exact, 'final')
    }
    if (fault.kind === 'client-certificate') {
      this.#forget = this.#pool.consult(fault, refused)
      return
    }
    if (silent && !reused && this.#pool.server.tls?.clientCertificate != null) {
      // Whether TLS 1.3 has taken our certificate shows after the handshake alone, and some servers just close.
      const suspect = { ...fault, evidence: { ...fault.evidence, afterOurCertificate: true } }
      this.#forget = this.#pool.consult(suspect, refused)
      return
    }
    exchange.upstreamFailed(fault, reused && silent ? 'idle-death' : 'final')
  }

  #fault(kind: Fault['kind'], summary: string): Fault {
    return {
      kind,
      verdict: null,
      party: 'backend',
      summary,
      evidence: { address: this.remoteAddress, reused: this.uses > 1, uses: this.uses },
    }
  }
}
