import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Refusal } from '../wire/h1/refusal.ts'
import { errorCodes, type H2ErrorCode } from '../wire/h2/error-codes.ts'
import { frameHeaderBytes, writePing } from '../wire/h2/frames.ts'
import { type H2Refusal, h2Refusals } from '../wire/h2/refusals.ts'
import { RequestFieldReader } from '../wire/h2/request-fields.ts'
import type { Timed } from './deadlines.ts'
import type { ForwardedPolicy } from './forwarded.ts'
import { FrameBudget } from './frame-budget.ts'
import { type ClientStreamHost, H2ClientStream } from './h2-client-stream.ts'
import { clientRefusals } from './h2-client-refusals.ts'
import { connectionWindowBytes, H2Session, initialConnectionWindow } from './h2-session.ts'
import { firstStreamWindowBytes } from './h2-stream.ts'
import type { ListenerClient, ListenerRuntime } from './listeners.ts'
import { plainAddress } from './peer-address.ts'
import { clientReadBuffer, smallBytes, useOnce } from './read-buffer.ts'
import { ResetStreams } from './reset-streams.ts'
import type { WorkerRuntime } from './runtime.ts'
import { withSharedReads } from './shared-reads.ts'

/** Our SETTINGS_HEADER_TABLE_SIZE: what RFC 9113 gives anyway. Costs memory from the first field that a client puts there. */
const tableBytes = 4096
/** CONTINUATION frames of one field block; with frames of 16 KiB a block needs two. (CVE-2024-27316) */
const continuations = 16
/**
 * Streams that a client may end before their time: all it may have under way at once, twice, and this many a second. Each
 * may become a reset at a backend, on a connection that it shares with other clients; backends count as well, and nghttp2,
 * which many are made with, ends a connection at this rate.
 */
const resetsPerSecond = 33
const leastResets = 200
/** Bytes that a client leaves unread before it is read from no more. (I10) */
const unreadLimit = 262_144
/** Stream objects kept for further requests, and what is left of them some time after the last one. */
const busySpares = 128
const idleSpares = 2
const trimMs = 1000
/** How long the answer to the PING that goes with the first GOAWAY is waited for. */
const drainPingMs = 1000
const lingerMs = 2000
const lingerBytes = 1_048_576
const maxStreamId = 0x7fff_ffff
const never = Number.POSITIVE_INFINITY

/** Serves a client that speaks HTTP/2 on a connection just accepted. */
export function acceptH2(runtime: WorkerRuntime, listener: ListenerRuntime, socket: Socket): H2Client {
  let client: H2Client | null = null
  const read = (length: number): boolean => client?.read(clientReadBuffer, 0, length) ?? true
  const shared = withSharedReads(socket, read)
  client = new H2Client(runtime, listener, shared ?? socket)
  if (shared === null) client.readEvents()
  return client
}

/** One HTTP/2 connection of a client. Requests are its streams. */
export class H2Client extends H2Session<H2ClientStream> implements Timed, ListenerClient, ClientStreamHost {
  deadline = never
  readonly runtime: WorkerRuntime
  readonly listener: ListenerRuntime
  readonly tlsVersion: string
  readonly address: string
  readonly port: number
  readonly #fields: RequestFieldReader
  readonly #streamLimit: number
  readonly #resetBudget: FrameBudget
  #forwarded: ForwardedPolicy
  #forwardedFrom: ListenerRuntime['forwarded']
  readonly #spares: H2ClientStream[] = []
  /** Streams whose backend was given something in the read under way. */
  readonly #dirty: H2ClientStream[] = []
  #reading = false
  #paused = false
  /** Highest id that the client has begun a stream with; -1, so that the first one follows it by two. */
  #lastId = -1
  /** Highest id of a stream that was dealt with: none after the final GOAWAY is. */
  #lastTaken = 0
  /** Every odd id up to `#lastId` was used. */
  #contiguous = true
  readonly #resets = new ResetStreams()
  #settingsAcked = false
  /** `asked`: GOAWAY without an end was sent. `told`: the final one. */
  #draining: 'no' | 'asked' | 'told' = 'no'
  #socketState: 'open' | 'lingering' | 'closed' = 'open'
  #lingered = 0
  /** Number of the frame that has begun to arrive and is not whole, see `FrameReader.unfinished`. */
  #unfinished = 0
  // Moments, in the time of `Deadlines.now`; `deadline` is the first of them.
  /** For what has begun to arrive, the preface to begin with. */
  #headBy: number
  /** For the next request. */
  #idleBy: number
  /** For the end of a drain's first step. */
  #drainBy = never
  /** For the client to read what it was sent. */
  #unreadBy = never
  /** For giving up stream objects that are not needed. */
  #trimBy = never

  constructor(runtime: WorkerRuntime, listener: ListenerRuntime, socket: Socket) {
    const { limits, timeouts } = listener.plan
    super(socket, runtime.deadlines, {
      fromServer: false,
      // Twice the limit, so that a head which is somewhat too large gets its 431.
      blockBytes: Math.max(2 * limits.headerBytes, 16_384),
      continuations,
    })
    this.runtime = runtime
    this.listener = listener
    this.tlsVersion = socket instanceof TLSSocket ? (socket.getProtocol() ?? '') : ''
    this.address = plainAddress(socket.remoteAddress ?? '')
    this.port = socket.remotePort ?? 0
    this.#forwardedFrom = listener.forwarded
    this.#forwarded = listener.forwarded(this.address, this.tlsVersion !== '')
    this.#streamLimit = limits.streams
    this.#resetBudget = new FrameBudget(
      runtime.deadlines,
      Math.max(leastResets, 2 * this.#streamLimit),
      resetsPerSecond,
    )
    this.#fields = new RequestFieldReader({
      tableBytes,
      listBytes: limits.headerBytes,
      // What `headerCount` limits are lines: browsers send each cookie as a field of its own.
      fieldCount: limits.headerBytes,
      pathBytes: limits.requestLineBytes,
      connectProtocol: true,
    })
    this.#headBy = runtime.deadlines.in(timeouts.headMs)
    this.#idleBy = runtime.deadlines.in(timeouts.keepAliveMs)
    this.#schedule()
    runtime.deadlines.add(this)
    socket.on('drain', () => this.#drained())
    socket.on('end', () => this.#peerEnded())
    socket.on('error', () => this.#gone())
    socket.on('close', () => this.#gone())
    this.out.settings({
      headerTableSize: tableBytes,
      maxConcurrentStreams: this.#streamLimit,
      initialWindowSize: firstStreamWindowBytes,
      maxHeaderListSize: limits.headerBytes,
      enableConnectProtocol: 1,
    })
    this.out.windowUpdate(0, connectionWindowBytes - initialConnectionWindow)
    if (this.tlsVersion === 'TLSv1' || this.tlsVersion === 'TLSv1.1') this.failConnection(clientRefusals.oldTls)
  }

  /** Reads by 'data' events: TLS, and runtimes that do not let a listener's sockets share a buffer. */
  readEvents(): void {
    const use = (chunk: Buffer): void => {
      this.read(chunk, 0, chunk.length)
    }
    this.socket.on('data', (chunk: Buffer) => {
      if (chunk.length > smallBytes) useOnce(chunk, use)
      else use(chunk)
    })
    this.socket.resume()
  }

  /** Takes what was read from the socket. @returns false: read no more */
  read(buf: Buffer, start: number, end: number): boolean {
    if (this.#socketState === 'lingering') {
      this.#lingered += end - start
      if (this.#lingered > lingerBytes) this.destroy()
      return true
    }
    this.#reading = true
    this.feed(buf, start, end)
    this.#reading = false
    for (const stream of this.#dirty) stream.flushUpstream()
    this.#dirty.length = 0
    if (!this.ended) this.#readDone()
    return !this.#paused
  }

  // -- for the listener -----------------------------------------------------------------------------------------------

  get idle(): boolean {
    return this.streams.size === 0
  }

  /**
   * Ends the connection after what is under way, and after what the client sends before it can know (RFC 9113 section
   * 6.8): a first GOAWAY takes back nothing, the final one follows when the client has seen the first.
   */
  drain(): void {
    if (this.ended || this.#draining !== 'no') return
    if (this.reader.frames === 0) {
      this.#finish()
      return
    }
    this.#draining = 'asked'
    this.out.goaway(maxStreamId, errorCodes.noError, '')
    this.out.room(frameHeaderBytes + pingPayload.length)
    this.out.at = writePing(this.out.buf, this.out.at, false, pingPayload, 0)
    this.#drainBy = this.runtime.deadlines.in(drainPingMs)
    this.#schedule()
  }

  destroy(): void {
    this.socket.destroy()
    this.#gone()
  }

  onDeadline(): void {
    const { now } = this.runtime.deadlines
    if (this.#socketState === 'lingering' || this.#unreadBy <= now) this.destroy()
    else if (this.#drainBy <= now) this.#lastGoaway()
    else if (this.#headBy <= now) this.#headTimeout()
    else if (this.#idleBy <= now && this.idle) this.drain()
    else this.#trim()
    if (!this.ended) this.#schedule()
  }

  #headTimeout(): void {
    // A connection on which nothing was said ends without a word in the log.
    if (this.reader.frames === 0) this.#finish()
    else this.failConnection(clientRefusals.headTimeout)
  }

  /** An idle connection holds little. (I10) */
  #trim(): void {
    this.#trimBy = never
    if (!this.idle) return
    while (this.#spares.length > idleSpares) this.runtime.deadlines.delete(this.#spares.pop() as H2ClientStream)
  }

  // -- for the streams ------------------------------------------------------------------------------------------------

  get forwarded(): ForwardedPolicy {
    if (this.#forwardedFrom !== this.listener.forwarded) {
      // The listener's plan has changed: a proxy that was trusted may not be any more.
      this.#forwardedFrom = this.listener.forwarded
      this.#forwarded = this.listener.forwarded(this.address, this.tlsVersion !== '')
    }
    return this.#forwarded
  }

  touched(stream: H2ClientStream): void {
    if (this.#reading) this.#dirty.push(stream)
    else stream.flushUpstream()
  }

  released(stream: H2ClientStream, code: H2ErrorCode | null): void {
    this.forget(stream)
    if (code !== null) this.#sendReset(stream.id, code, stream.remoteEnded)
    if (this.#spares.length < busySpares) this.#spares.push(stream)
    else this.runtime.deadlines.delete(stream)
    if (this.streams.size === 0 && !this.ended) this.#quiet()
  }

  blame(): void {
    if (!this.ended && !this.#resetBudget.take()) this.failConnection(clientRefusals.resets)
  }

  // -- frames ---------------------------------------------------------------------------------------------------------

  protected get lastStreamId(): number {
    return this.#lastId
  }

  protected get lastPeerStreamId(): number {
    return this.#lastTaken
  }

  headers(
    streamId: number,
    block: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    refusal: H2Refusal | null,
  ): void {
    if (this.ended) return
    if (streamId <= this.#lastId) {
      const wrong = this.#fields.readTrailers(block, start, end)
      if (wrong?.scope === 'connection') this.failConnection(wrong)
      else this.#trailers(streamId, endStream, refusal ?? wrong)
      return
    }
    this.#contiguous &&= streamId === this.#lastId + 2
    this.#lastId = streamId
    // Decoded whatever becomes of it, for the table (RFC 9113 section 4.3).
    let wrong = this.#fields.read(block, start, end)
    if (wrong?.scope === 'connection') {
      this.failConnection(wrong)
      return
    }
    if (this.#fields.lineCount > this.listener.plan.limits.headerCount) wrong ??= h2Refusals.tooManyFields
    // The final GOAWAY has said that it will not be dealt with.
    if (this.#draining === 'told') {
      if (!endStream) this.mayBeLate()
      this.allowIdleFrame()
      return
    }
    this.#lastTaken = streamId
    if (this.streams.size >= this.#streamLimit) {
      this.#sendReset(streamId, errorCodes.refusedStream, endStream)
      // Before it knows the limit a client may exceed it.
      if (this.#settingsAcked) this.blame()
      else this.allowIdleFrame()
      return
    }
    const stream = this.#spares.pop() ?? new H2ClientStream(this)
    this.streams.set(streamId, stream)
    stream.begin(streamId, this.reader.peer.initialWindowSize, this.#fields.head, endStream, refusal ?? wrong)
  }

  /** A field block on a stream that was begun before. */
  #trailers(streamId: number, endStream: boolean, refusal: H2Refusal | null): void {
    const stream = this.streams.get(streamId)
    if (stream !== undefined) stream.trailers(this.#fields.trailers, endStream, refusal)
    else if (!this.#late(streamId, endStream)) {
      this.failConnection(this.#contiguous ? clientRefusals.closedStream : clientRefusals.lowStream)
    } else if (!endStream) {
      this.allowIdleFrame()
    }
  }

  goaway(): void {
    // It opens no stream of ours that could be told not to; it ends the connection when it likes.
    this.allowIdleFrame()
  }

  override settingsAck(): void {
    this.#settingsAcked = true
    super.settingsAck()
  }

  override pingAck(buf: Buffer, at: number): void {
    if (this.#draining === 'asked') this.#lastGoaway()
    else super.pingAck(buf, at)
  }

  protected settingsChanged(): void {
    // Fields are encoded without the dynamic table, whatever size the client gives it.
  }

  protected dataAfterEnd(streamId: number, endStream: boolean): void {
    if (!this.#late(streamId, endStream)) this.failConnection(clientRefusals.closedStream)
  }

  /** Whether a frame on a closed stream was on its way before the client could know; it is ignored. */
  #late(streamId: number, endStream: boolean): boolean {
    if (streamId > this.#lastTaken) return true
    if (!this.#resets.has(streamId)) return this.#resets.mayHave(streamId) && this.allowIdleFrame()
    if (endStream) this.#resets.delete(streamId)
    return true
  }

  override rstStream(streamId: number, code: number): void {
    this.#resets.delete(streamId)
    super.rstStream(streamId, code)
  }

  #sendReset(streamId: number, code: H2ErrorCode, remoteEnded: boolean): void {
    if (this.ended) return
    this.resetStream(streamId, code)
    if (!remoteEnded) this.#resets.add(streamId)
  }

  // -- the connection's life ------------------------------------------------------------------------------------------

  #readDone(): void {
    const { unfinished, frames } = this.reader
    if (frames > 0 && (unfinished === 0 || unfinished !== this.#unfinished)) {
      this.#headBy = unfinished === 0 ? never : this.#in(this.listener.plan.timeouts.headMs)
      this.#unfinished = unfinished
    }
    if (!this.#paused && this.out.waiting > unreadLimit) {
      // Who does not read its responses is served no further request: they would pile up here. (I10)
      this.#paused = true
      this.#unreadBy = this.#in(this.listener.plan.timeouts.bodyIdleMs)
      this.socket.pause()
    }
    this.#schedule()
  }

  #drained(): void {
    if (this.#paused) {
      this.#paused = false
      this.#unreadBy = never
      this.socket.resume()
    }
    this.socketDrained()
    if (!this.ended) this.#schedule()
  }

  /** No stream is under way any more. */
  #quiet(): void {
    if (this.#draining === 'told') {
      this.#finish()
      return
    }
    this.#idleBy = this.#in(this.listener.plan.timeouts.keepAliveMs)
    if (this.#spares.length > idleSpares) this.#trimBy = this.#in(trimMs)
    this.#schedule()
  }

  #schedule(): void {
    const idleBy = this.streams.size === 0 && this.#draining === 'no' ? this.#idleBy : never
    this.deadline = Math.min(this.#headBy, idleBy, this.#drainBy, this.#unreadBy, this.#trimBy)
  }

  #in(ms: number): number {
    return this.runtime.deadlines.in(ms)
  }

  #lastGoaway(): void {
    this.#draining = 'told'
    this.#drainBy = never
    if (this.streams.size === 0) this.#finish()
    else this.out.goaway(this.#lastTaken, errorCodes.noError, '')
  }

  /** Ends a connection that nothing is wrong with. */
  #finish(): void {
    if (this.ended) return
    this.ended = true
    this.reader.stop()
    this.out.goaway(this.#lastTaken, errorCodes.noError, '')
    this.out.close()
    this.#linger()
  }

  protected connectionFailed(refusal: Refusal): void {
    let logged = false
    for (const stream of [...this.streams.values()]) if (stream.connectionFailed(refusal)) logged = true
    // What ends a connection stands in the log, whether or not a request was under way.
    if (!logged) (this.#spares.pop() ?? new H2ClientStream(this)).logRefusal(refusal)
    this.#linger()
  }

  /** What still comes is thrown away, so that no reset destroys our last frames on their way. */
  #linger(): void {
    if (this.#socketState !== 'open') return
    this.#socketState = 'lingering'
    // The short time counts from the last byte written; until then a slow reader has the time of a body.
    const { bodyIdleMs } = this.listener.plan.timeouts
    this.deadline = this.#in(this.socket.writableLength === 0 ? lingerMs : bodyIdleMs)
    if (this.socket.writableLength !== 0) {
      this.socket.once('finish', () => {
        if (this.#socketState === 'lingering') this.deadline = this.#in(lingerMs)
      })
    }
    this.socket.end()
    if (this.#paused) {
      this.#paused = false
      this.socket.resume()
    }
  }

  /** The client has sent its last byte: without grants and acknowledgements of its own it is gone. */
  #peerEnded(): void {
    if (this.#socketState === 'lingering') this.socket.destroySoon()
    else this.destroy()
  }

  #gone(): void {
    if (this.#socketState === 'closed') return
    this.#socketState = 'closed'
    this.ended = true
    this.reader.stop()
    this.out.close()
    this.deadline = never
    const { deadlines } = this.runtime
    deadlines.delete(this)
    for (const stream of [...this.streams.values(), ...this.#spares]) {
      deadlines.delete(stream)
      stream.lost()
    }
    this.streams.clear()
    this.#spares.length = 0
    this.listener.clients.delete(this)
    this.runtime.generation.metrics.clientClosed()
    this.socket.destroy()
  }
}

const pingPayload = Buffer.from('draining', 'latin1')
