import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { LF, latin1 } from '../wire/bytes.ts'
import { ChunkedDecoder } from '../wire/h1/chunked.ts'
import { refusals } from '../wire/h1/refusal.ts'
import { incomplete, RequestHead } from '../wire/h1/request-head.ts'
import type { Timed } from './deadlines.ts'
import type { AnyResponseHead, Downstream } from './downstream.ts'
import { Exchange } from './exchange.ts'
import type { ForwardedPolicy } from './forwarded.ts'
import type { ListenerRuntime } from './listeners.ts'
import { plainAddress } from './peer-address.ts'
import { clientReadBuffer, kept, smallBytes, useOnce } from './read-buffer.ts'
import type { Recording } from './recording.ts'
import { ReplyBuffer } from './reply-buffer.ts'
import { withSharedReads } from './shared-reads.ts'
import type { WorkerRuntime } from './runtime.ts'
import type { BodyFraming } from './upstream.ts'

/**
 * - `head`: between requests, or inside a head
 * - `body`: a body is being read
 * - `waiting`: the request is read, the response is under way
 * - `lingering`: the last response is written; what still comes is thrown away, so that no reset destroys it on its way
 */
type State = 'head' | 'body' | 'waiting' | 'tunnel' | 'lingering' | 'closed'

const lingerMs = 2000
const lingerBytes = 1_048_576
const none = Buffer.alloc(0)

/** One HTTP/1.1 connection of a client. Requests are served one after the other, pipelined ones included. */
export class H1Client implements Timed, Downstream {
  deadline: number
  readonly listener: ListenerRuntime
  readonly head = new RequestHead()
  forwarded: ForwardedPolicy
  #forwardedFrom: ListenerRuntime['forwarded']
  readonly #address: string
  readonly tlsVersion: string
  readonly #runtime: WorkerRuntime
  readonly #socket: Socket
  readonly #exchange: Exchange
  #state: State = 'head'
  /** Bytes read and not consumed: part of a head, a body the backend cannot take yet, pipelined requests. */
  #rest: Buffer | null = null
  #consuming = false
  #close = false
  #remaining = 0
  #chunks: ChunkedDecoder | null = null
  /** Nothing of the chunked body has been read: how it goes on is known with its upstream. */
  #chunksFresh = false
  /** The response under way is of a length that nobody said, and is framed here. */
  #framing = false
  #lingered = 0
  #paused = false
  #ended = false
  readonly #reply: ReplyBuffer
  /** Where the head of the request is that begins. */
  #headIn: Buffer = none
  #headEnd = 0

  constructor(runtime: WorkerRuntime, listener: ListenerRuntime, socket: Socket) {
    this.#runtime = runtime
    this.listener = listener
    const shared = withSharedReads(socket, (length) => this.#readShared(length))
    this.#socket = shared ?? socket
    this.#reply = new ReplyBuffer(this.#socket)
    this.tlsVersion = socket instanceof TLSSocket ? (socket.getProtocol() ?? '') : ''
    const address = plainAddress(this.#socket.remoteAddress ?? '')
    this.#address = address
    this.#forwardedFrom = listener.forwarded
    this.forwarded = listener.forwarded(address, this.tlsVersion !== '')
    this.#exchange = new Exchange(runtime, this, address, this.#socket.remotePort ?? 0)
    this.deadline = runtime.deadlines.in(listener.plan.timeouts.headMs)
    runtime.deadlines.add(this)
    if (shared === null) {
      const use = (chunk: Buffer): void => this.#data(chunk)
      socket.on('data', (chunk: Buffer) => {
        if (this.#state === 'body' && chunk.length > smallBytes) useOnce(chunk, use)
        else use(chunk)
      })
      // Plain listeners pause what they accept, for the shared reads that this runtime then did not allow.
      socket.resume()
    }
    this.#socket.on('drain', () => this.#drained())
    this.#socket.on('end', () => this.#end())
    this.#socket.on('error', () => this.#gone())
    this.#socket.on('close', () => this.#gone())
  }

  /** No request is under way and none has begun to arrive. */
  get idle(): boolean {
    return this.#state === 'head' && this.#rest === null
  }

  /** Ends an idle connection; a busy one after its response. */
  drain(): void {
    this.#close = true
    // A request that crosses our end on its way must not run: its response could not be delivered.
    if (this.idle) this.#linger()
  }

  destroy(): void {
    this.#socket.destroy()
    this.#gone()
  }

  // -- for the exchange ---------------------------------------------------------------------------------------------

  get protocol(): string {
    return this.head.minor === 1 ? 'HTTP/1.1' : 'HTTP/1.0'
  }

  get via(): string {
    return this.head.minor === 1 ? '1.1' : '1.0'
  }

  recordHead(recording: Recording): void {
    recording.requestReceived(latin1(this.#headIn, this.#headEnd - this.head.size, this.#headEnd))
  }

  /** HTTP/1.0 knows no transfer codings. */
  get takesChunks(): boolean {
    return this.head.minor === 1
  }

  get upgrade(): string {
    return this.head.upgrade
  }

  informational(head: AnyResponseHead): void {
    // RFC 9110 section 15.2: an HTTP/1.0 client does not know them.
    if (this.head.minor === 0) return
    this.#reply.text(`HTTP/1.1 ${head.status} ${head.reason}\r\n${head.lines}\r\n`)
    this.flush()
  }

  respond(head: AnyResponseHead, own: string, framing: BodyFraming): number {
    let ending = '\r\n'
    this.#framing = false
    if (framing === 'chunked' || framing === 'open') {
      if (this.head.minor === 1) {
        ending = 'Transfer-Encoding: chunked\r\n\r\n'
        this.#framing = framing === 'open'
      } else {
        this.#close = true
      }
    } else if (framing === 'none' && head.contentLength === -1 && this.#expectsBody(head.status)) {
      // HTTP/2 ends a response without a word of its length.
      ending = 'Content-Length: 0\r\n\r\n'
    }
    const text = `${statusLine(head)}${head.lines}${own}${this.#connectionHeader()}${ending}`
    this.#reply.text(text)
    this.#exchange.recording?.responseSent(text)
    return text.length
  }

  #expectsBody(status: number): boolean {
    return this.head.method !== 'HEAD' && status !== 204 && status !== 304
  }

  data(buf: Buffer, start: number, end: number): boolean {
    if (this.#framing) {
      this.#reply.text(`${(end - start).toString(16)}\r\n`)
      this.#reply.bytes(buf, start, end)
      this.#reply.text('\r\n')
    } else {
      this.#reply.bytes(buf, start, end)
    }
    return !this.#socket.writableNeedDrain
  }

  dataEnd(trailers: string): void {
    if (!this.#framing) return
    this.#framing = false
    this.#reply.text(`0\r\n${trailers}\r\n`)
  }

  answer(status: number, reason: string, lines: string, body: string): number {
    const text = `HTTP/1.1 ${status} ${reason}\r\n${lines}Content-Length: ${body.length}\r\n${this.#connectionHeader()}\r\n`
    this.#reply.text(text)
    this.#exchange.recording?.responseSent(text)
    if (this.head.method === 'HEAD') return text.length
    this.#reply.text(body)
    return text.length + body.length
  }

  switched(reason: string, protocol: string, lines: string, via: string): void {
    const text = `HTTP/1.1 101 ${reason}\r\n${lines}Connection: Upgrade\r\nUpgrade: ${protocol}\r\nVia: ${via} postern\r\n\r\n`
    this.#reply.text(text)
    this.#exchange.recording?.responseSent(text)
    this.#state = 'tunnel'
    this.deadline = this.#runtime.deadlines.in(this.listener.plan.timeouts.tunnelIdleMs)
    this.flush()
    if (!this.#consuming) this.#pump()
  }

  flush(): void {
    if (this.#state === 'closed') return
    this.#reply.flush()
    if (this.#socket.writableNeedDrain)
      this.deadline = this.#runtime.deadlines.in(this.listener.plan.timeouts.bodyIdleMs)
  }

  /** More of the body may come in this turn: what is being gathered waits for its end, anything else leaves now. */
  flushSoon(): void {
    if (this.#reply.gathering) this.#runtime.flushLater(this)
    else this.flush()
  }

  /** The connection ends with the response under way. */
  closeAfter(): void {
    this.#close = true
  }

  /** The Connection line of the response under way, with CRLF; '' when nothing needs saying. */
  #connectionHeader(): string {
    if (!this.head.keepAlive || this.#close || this.#runtime.draining) {
      this.#close = true
      return 'Connection: close\r\n'
    }
    return this.head.minor === 0 ? 'Connection: keep-alive\r\n' : ''
  }

  /** The backend has a connection for the request: its body can go. */
  backendReady(): void {
    if (this.#consuming) return
    this.#pump()
  }

  backendDrained(): void {
    if (this.#state === 'tunnel') this.#resume()
    else this.#pump()
  }

  /** The response is written. `requestComplete`: the request was read to its end. */
  responseDone(requestComplete: boolean): void {
    if (this.#state === 'closed') return
    if (this.#close || !requestComplete) {
      this.flush()
      this.#linger()
      return
    }
    this.#state = 'head'
    this.#awaitHead()
    if (this.#consuming) return
    if (this.#rest !== null || this.#paused) {
      this.flush()
      this.#pump()
    }
    if (this.#ended && this.#state === 'head' && this.#rest === null) {
      this.flush()
      this.#socket.end()
    }
  }

  /** The response broke off: the client must see that it is not whole. */
  cut(): void {
    // A client of HTTP/1.0 may be reading until the end of the connection, and would take an orderly one for the end.
    if (this.head.minor === 0 && this.tlsVersion === '') this.#socket.resetAndDestroy()
    this.destroy()
  }

  tunnelBytes(bytes: Buffer): boolean {
    this.deadline = this.#runtime.deadlines.in(this.listener.plan.timeouts.tunnelIdleMs)
    return this.#socket.write(bytes)
  }

  endTunnel(): void {
    this.#linger()
  }

  onDeadline(): void {
    if (this.#state === 'head' && this.#rest === null)
      // Idle, though the end of a response may still be on its way: an orderly end, which also crosses with no reset.
      this.#linger()
    else if (this.#state === 'head' && !this.#socket.writableNeedDrain)
      this.#exchange.refuse({ kind: 'request-timeout', summary: 'the head of the request did not arrive in time' })
    else if (this.#state === 'body' && !this.#paused)
      this.#exchange.fail({
        kind: 'request-timeout',
        verdict: null,
        party: 'client',
        summary: 'the body of the request paused longer than its timeout',
        evidence: {},
      })
    else this.destroy()
  }

  // -- reading ------------------------------------------------------------------------------------------------------

  #readShared(length: number): boolean {
    // The usual read is whole requests between two others: no view of the buffer is made for it.
    if (this.#state === 'head' && this.#rest === null) {
      this.deadline = this.#runtime.deadlines.in(this.listener.plan.timeouts.headMs)
      this.#consume(clientReadBuffer, length)
    } else {
      this.#data(clientReadBuffer.subarray(0, length))
    }
    return !this.#paused
  }

  #data(chunk: Buffer): void {
    switch (this.#state) {
      case 'lingering':
        this.#lingered += chunk.length
        if (this.#lingered > lingerBytes) this.destroy()
        return
      case 'closed':
        return
      case 'tunnel':
        this.#tunnelData(chunk)
        return
      case 'head':
        if (this.#rest === null) {
          this.deadline = this.#runtime.deadlines.in(this.listener.plan.timeouts.headMs)
        } else if (
          chunk.indexOf(LF) === -1 &&
          this.#rest.length + chunk.length <
            (this.#rest.indexOf(LF) === -1
              ? this.listener.plan.limits.requestLineBytes
              : this.listener.plan.limits.headerBytes)
        ) {
          // No line has ended, so there is nothing new to read: a head that dribbles in costs no parse per byte.
          this.#rest = Buffer.concat([this.#rest, chunk])
          return
        }
        break
      default:
    }
    const buf = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk])
    this.#rest = null
    this.#consume(buf, buf.length)
  }

  /** Goes on with what was left, and lets more come. */
  #pump(): void {
    const rest = this.#rest
    this.#rest = null
    if (rest !== null) this.#consume(rest, rest.length)
    else this.#exchange.flushUpstream()
    const wantsMore = this.#rest === null || (this.#state === 'head' && !this.#socket.writableNeedDrain)
    if (wantsMore) this.#resume()
  }

  #consume(buf: Buffer, end: number): void {
    this.#consuming = true
    let at = 0
    while (at < end) {
      if (this.#state === 'head') {
        if (this.#socket.writableNeedDrain) {
          // Who does not read its responses is served no further request: they would pile up here. (I10)
          this.#hold(buf, at, end)
          break
        }
        const read = this.head.read(buf, at, end, this.listener.plan.limits)
        if (read === incomplete) {
          this.#keep(buf, at, end)
          // It came behind a request, and so was not there when its time would have been set.
          if (at > 0) this.#awaitHead()
          break
        }
        if (typeof read !== 'number') {
          this.#close = true
          this.#exchange.refuse(read)
          break
        }
        at = read
        this.#headIn = buf
        this.#headEnd = read
        this.#begin()
        this.#headIn = none
      } else if (this.#state === 'body') {
        if (!this.#exchange.ready) {
          this.#hold(buf, at, end)
          break
        }
        at = this.#body(buf, at, end)
        if (at === -1) break
      } else if (this.#state === 'tunnel') {
        this.#tunnelData(buf.subarray(at, end))
        break
      } else if (this.#state === 'waiting') {
        this.#hold(buf, at, end)
        break
      } else {
        break
      }
    }
    this.#consuming = false
    this.#exchange.flushUpstream()
    if (this.#state !== 'head') return
    this.flush()
    if (this.#ended && this.#rest === null) this.#socket.end()
  }

  #begin(): void {
    const { head } = this
    const bodiless = !head.chunked && head.contentLength <= 0
    this.#state = bodiless ? 'waiting' : 'body'
    if (bodiless) {
      this.deadline = Number.POSITIVE_INFINITY
    } else {
      this.deadline = this.#runtime.deadlines.in(this.listener.plan.timeouts.bodyIdleMs)
      this.#remaining = head.contentLength
      if (head.chunked) {
        this.#chunks ??= new ChunkedDecoder()
        this.#chunksFresh = true
      }
    }
    if (this.#forwardedFrom !== this.listener.forwarded) this.#renewForwarded()
    this.#exchange.begin(bodiless)
  }

  /** The listener's plan has changed: a proxy that was trusted may not be any more. */
  #renewForwarded(): void {
    this.#forwardedFrom = this.listener.forwarded
    this.forwarded = this.listener.forwarded(this.#address, this.tlsVersion !== '')
  }

  /** Passes body bytes on. @returns the offset after them, or -1 when there is nothing more to do now */
  #body(buf: Buffer, start: number, end: number): number {
    let at = start
    let flowing = true
    if (this.head.chunked) {
      const chunks = this.#chunks as ChunkedDecoder
      if (this.#chunksFresh) {
        this.#chunksFresh = false
        chunks.reset(this.#exchange.wantsChunks)
      }
      const read = chunks.decode(buf, start, end)
      if (typeof read !== 'number') {
        this.#close = true
        this.#exchange.refuse(read)
        return -1
      }
      const limit = this.listener.plan.limits.bodyBytes
      if (limit !== null && chunks.bodyBytes > limit) {
        this.#close = true
        this.#exchange.refuse(refusals.bodyTooLarge)
        return -1
      }
      for (let i = 0; i < chunks.rangeCount; i += 2) {
        flowing = this.#exchange.requestData(buf, chunks.ranges[i] as number, chunks.ranges[i + 1] as number)
      }
      this.#exchange.requestBytes += read - start
      at = read
      if (chunks.complete) return this.#bodyDone(at, chunks.trailers)
    } else {
      const take = Math.min(this.#remaining, end - start)
      flowing = this.#exchange.requestData(buf, start, start + take)
      at = start + take
      this.#remaining -= take
      if (this.#remaining === 0) return this.#bodyDone(at, '')
    }
    if (flowing) {
      this.deadline = this.#runtime.deadlines.in(this.listener.plan.timeouts.bodyIdleMs)
    } else {
      this.deadline = Number.POSITIVE_INFINITY // the backend's clock runs now
      if (at < end) this.#hold(buf, at, end)
      else this.#pause()
      return -1
    }
    return at
  }

  #bodyDone(at: number, trailers: string): number {
    this.#state = 'waiting'
    this.deadline = Number.POSITIVE_INFINITY
    this.#exchange.requestEnd(trailers)
    return at
  }

  #tunnelData(bytes: Buffer): void {
    this.deadline = this.#runtime.deadlines.in(this.listener.plan.timeouts.tunnelIdleMs)
    if (!this.#exchange.tunnelFromClient(kept(bytes, 0, bytes.length))) this.#pause()
  }

  /** Part of a head: copied, so that a few bytes do not hold a whole read buffer. */
  #keep(buf: Buffer, at: number, end: number): void {
    this.#rest = Buffer.from(buf.subarray(at, end))
  }

  /** Bytes that cannot go on yet; no more are read until they can (I10). */
  #hold(buf: Buffer, at: number, end: number): void {
    this.#rest = kept(buf, at, end)
    this.#pause()
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    // What is not read cannot be late.
    if (this.#state === 'body') this.deadline = Number.POSITIVE_INFINITY
    this.#socket.pause()
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    if (this.#state === 'body') this.deadline = this.#runtime.deadlines.in(this.listener.plan.timeouts.bodyIdleMs)
    this.#socket.resume()
  }

  #drained(): void {
    if (this.#state === 'waiting' || this.#state === 'body') this.deadline = Number.POSITIVE_INFINITY
    else if (this.#state === 'head') {
      this.#awaitHead()
      if (this.#paused) this.#pump()
    }
    this.#exchange.clientDrained()
  }

  /** Between two requests: the time of a response still being read, of a head begun, or of an idle connection. */
  #awaitHead(): void {
    const { timeouts } = this.listener.plan
    this.deadline = this.#runtime.deadlines.in(
      this.#socket.writableNeedDrain
        ? timeouts.bodyIdleMs
        : this.#rest === null
          ? timeouts.keepAliveMs
          : timeouts.headMs,
    )
  }

  /** The client has sent its last byte; a response under way is still delivered (RFC 9112 section 9.6). */
  #end(): void {
    this.#ended = true
    switch (this.#state) {
      case 'waiting':
        return
      case 'tunnel':
        this.#exchange.tunnelEndedByClient()
        return
      case 'lingering':
        this.#socket.destroySoon()
        return
      case 'body':
        this.destroy()
        return
      default:
        this.#socket.end()
    }
  }

  #linger(): void {
    this.#state = 'lingering'
    this.#rest = null
    // The short time counts from the last byte written; until then a slow reader has the time of a body.
    const { bodyIdleMs } = this.listener.plan.timeouts
    this.deadline = this.#runtime.deadlines.in(this.#reply.unsent ? bodyIdleMs : lingerMs)
    if (this.#reply.unsent) this.#socket.once('finish', () => this.#lingerOn())
    this.#socket.end()
    if (this.#ended) this.#socket.destroySoon()
    this.#resume()
  }

  #lingerOn(): void {
    if (this.#state === 'lingering') this.deadline = this.#runtime.deadlines.in(lingerMs)
  }

  #gone(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#rest = null
    this.#reply.drop()
    this.deadline = Number.POSITIVE_INFINITY
    this.#runtime.deadlines.delete(this)
    this.listener.clients.delete(this)
    this.#runtime.generation.metrics.clientClosed()
    this.#exchange.abort()
    this.#socket.destroy()
  }
}

/** Status lines by status, with the reason they were made for: backends seldom use more than one. */
const statusLines: string[] = []
const statusReasons: string[] = []

function statusLine(head: AnyResponseHead): string {
  const { status, reason } = head
  if (statusReasons[status] !== reason) {
    statusReasons[status] = reason
    statusLines[status] = `HTTP/1.1 ${status} ${reason}\r\n`
  }
  return statusLines[status] as string
}
