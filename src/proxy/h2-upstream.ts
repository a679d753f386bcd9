import type { Dialed } from '../dial/dial.ts'
import { storyOf } from '../dial/story-of.ts'
import type { ConnectionStory } from '../dial/story.ts'
import type { Fault } from '../faults/fault.ts'
import { clientPreface } from '../wire/h2/frames.ts'
import { errorCodeName, errorCodes } from '../wire/h2/error-codes.ts'
import { encodeRequestStart } from '../wire/h2/hpack-encoder.ts'
import type { H2Refusal } from '../wire/h2/refusals.ts'
import { ResponseFieldReader } from '../wire/h2/response-fields.ts'
import type { Timed } from './deadlines.ts'
import type { Exchange } from './exchange.ts'
import { FrameBudget } from './frame-budget.ts'
import { H2UpstreamStream } from './h2-upstream-stream.ts'
import { connectionWindowBytes, H2Session, initialConnectionWindow } from './h2-session.ts'
import { firstStreamWindowBytes } from './h2-stream.ts'
import { lateAlert } from './late-alert.ts'
import type { Pool } from './pool.ts'
import { readBuffer } from './read-buffer.ts'
import { TrustEnd, trustEnded } from './trust-end.ts'
import type { RetireMode, UpstreamConnection } from './upstream.ts'

const maxStreamId = 0x7fff_ffff
/** Stream objects kept for the next requests. */
const sparesLimit = 256
const fieldCount = 500
/** Bytes that a backend leaves unread before it is given further requests. (I10) */
const unreadLimit = 1_048_576
/** Pseudo-header blocks remembered. */
const startsLimit = 256
/** What a peer has to read our last frames in. */
const lingerMs = 2000

/**
 * One HTTP/2 connection to a backend. It belongs to one pool, and so to one snapshot (I2). Requests of many clients are its
 * streams; what they say leaves with one write per turn.
 */
export class H2Upstream extends H2Session<H2UpstreamStream> implements Timed, UpstreamConnection {
  deadline = Number.POSITIVE_INFINITY
  readonly pool: Pool
  readonly dialed: Dialed
  readonly localAddress: string
  readonly remoteAddress: string
  readonly openedAt = performance.now()
  readonly captured: boolean
  readonly fields: ResponseFieldReader
  /** Requests begun. */
  uses = 0
  /** Requests answered to the end. */
  served = 0
  /** Times that something has come. */
  reads = 0
  #nextId = 1
  /** No further requests: the peer said GOAWAY, trust has ended, or ids have. */
  #closing = false
  /** No further requests, and nothing against those under way. */
  #full = false
  #gone = false
  #settled = false
  /** Streams that begin when the peer's SETTINGS are known. */
  readonly #awaitingSettings = new Set<H2UpstreamStream>()
  /** Exchanges that were given something in the read under way. */
  readonly #dirty: Exchange[] = []
  /** What TLS said against it after the handshake. */
  #late: Fault | null = null
  #startMethod = ''
  #startAuthority = ''
  #start: Buffer = clientPreface
  readonly #resets: FrameBudget
  readonly #spares: H2UpstreamStream[] = []
  readonly #trustEnd: TrustEnd

  constructor(pool: Pool, dialed: Dialed) {
    const limit = pool.server.limits.responseHeaderBytes
    super(dialed.socket, pool.deadlines, { fromServer: true, blockBytes: limit, continuations: 16 })
    this.pool = pool
    this.dialed = dialed
    this.fields = fieldReader(limit)
    this.#resets = new FrameBudget(pool.deadlines, 300, 20)
    const { socket } = dialed
    // As dialed: a socket that a tap stands under has no addresses of its own.
    this.localAddress = dialed.localAddress
    this.remoteAddress = dialed.address
    this.captured = dialed.opening.tap !== null
    socket.on('drain', () => {
      this.socketDrained()
      if (this.hasRoom) this.pool.roomIn(this)
    })
    socket.on('error', (error) => this.#broken(error))
    socket.on('end', () => this.#broken(null))
    socket.on('close', () => this.#broken(null))
    const { out } = this
    out.room(clientPreface.length)
    out.at += clientPreface.copy(out.buf, out.at)
    out.settings({
      // Blocks then mean the same on every connection, so what they were decoded to can be remembered.
      headerTableSize: 0,
      enablePush: 0,
      initialWindowSize: firstStreamWindowBytes,
      maxHeaderListSize: limit,
    })
    out.windowUpdate(0, connectionWindowBytes - initialConnectionWindow)
    this.#trustEnd = new TrustEnd(dialed.validUntil, pool.server.timeouts.drainMs, () => this.retire('cut'))
    this.deadline = pool.deadlines.in(pool.server.timeouts.keepAliveMs)
    pool.deadlines.add(this)
  }

  get busy(): boolean {
    return this.streams.size > 0 || this.#awaitingSettings.size > 0
  }

  /** Another request may begin. */
  get hasRoom(): boolean {
    return (
      !this.#closing &&
      !this.#full &&
      this.#taken < this.pool.server.limits.streams &&
      this.#taken < this.reader.peer.maxConcurrentStreams &&
      this.out.waiting <= unreadLimit
    )
  }

  get #taken(): number {
    return this.streams.size + this.#awaitingSettings.size
  }

  /** The peer takes extended CONNECT (RFC 8441); it says so with its SETTINGS. */
  get takesTunnels(): boolean {
    return this.reader.peer.enableConnectProtocol
  }

  /** It does, or has not said yet. */
  get mayTakeTunnels(): boolean {
    return !this.#settled || this.takesTunnels
  }

  usable(now: number): boolean {
    return !this.#gone && now < this.dialed.validUntil
  }

  story(): ConnectionStory {
    return storyOf(this.dialed.opening, this.#late)
  }

  /** Those that it has are its last; unlike `retire`, they all begin. */
  takeNoMore(): void {
    this.#full = true
    this.pool.noMoreOf(this)
    if (!this.busy) this.destroy()
  }

  /** A stream for an exchange; it begins with `start`. */
  open(): H2UpstreamStream {
    const stream = this.#spares.pop() ?? new H2UpstreamStream(this)
    stream.prepare(this.uses)
    return stream
  }

  read(length: number): boolean {
    this.reads++
    this.feed(readBuffer, 0, length)
    const dirty = this.#dirty
    for (const exchange of dirty) exchange.flushClient(false)
    dirty.length = 0
    return true
  }

  /** The connection ends: at once when idle, after what is under way otherwise. */
  retire(mode: RetireMode, drainMs?: number): void {
    this.#noMore()
    if (!this.busy) {
      this.destroy()
    } else if (mode === 'finish') {
      return
    } else if (mode === 'drain') {
      this.#trustEnd.drain(drainMs)
    } else {
      this.#failAll(trustEnded)
    }
  }

  /** Ends the connection and tells nobody. */
  destroy(): void {
    if (this.#gone) return
    this.#gone = true
    this.#closing = true
    this.deadline = Number.POSITIVE_INFINITY
    this.pool.deadlines.delete(this)
    this.#trustEnd.clear()
    if (!this.ended) {
      this.ended = true
      this.reader.stop()
      this.out.goaway(0, errorCodes.noError, '')
      this.out.close()
    }
    // Orderly: the peer reads our GOAWAY before the end, if it reads. (I10)
    this.socket.destroySoon()
    if (!this.socket.destroyed) setTimeout(() => this.socket.destroy(), lingerMs).unref()
    for (const stream of this.#spares) this.pool.deadlines.delete(stream)
    this.#spares.length = 0
    this.pool.closed(this)
  }

  /** Idle for too long. */
  onDeadline(): void {
    if (!this.busy) this.destroy()
  }

  /** Pseudo-header fields but :path, encoded. Most requests of a backend have those of the one before. */
  requestStart(method: string, authority: string): Buffer {
    if (method === this.#startMethod && authority === this.#startAuthority) return this.#start
    this.#startMethod = method
    this.#startAuthority = authority
    this.#start = requestStart(method, this.pool.server.scheme, authority)
    return this.#start
  }

  /**
   * A stream was given up by us. Backends end connections of which too many are (CVE-2023-44487), and with them requests of
   * other clients; this one is left alone before.
   */
  gaveUp(): void {
    if (!this.#resets.take()) this.retire('finish')
  }

  /** A request had no answer in time, and nothing else has come meanwhile: the path may be dead. Others go elsewhere. */
  wasSilent(): void {
    this.retire('finish')
  }

  // -- for its streams ------------------------------------------------------------------------------------------------

  /** Gives the stream the next id, in the order in which streams begin (RFC 9113 section 5.1.1). */
  enroll(stream: H2UpstreamStream): void {
    const id = this.#nextId
    this.#nextId += 2
    stream.enrolled(id, this.reader.peer.initialWindowSize)
    this.streams.set(id, stream)
    this.uses++
    this.deadline = Number.POSITIVE_INFINITY
    if (this.#nextId > maxStreamId) this.#noMore()
  }

  /** Calls `stream.connect` once the peer's SETTINGS are known. */
  awaitSettings(stream: H2UpstreamStream): void {
    if (this.#settled) stream.connect()
    else this.#awaitingSettings.add(stream)
  }

  /** What the exchange was given leaves at the end of this read: a head and what follows it with one write. */
  flushAfterRead(exchange: Exchange): void {
    if (this.#dirty.at(-1) !== exchange) this.#dirty.push(exchange)
  }

  /** The stream has ended; `open` may hand it out again. */
  streamEnded(stream: H2UpstreamStream): void {
    this.forget(stream)
    this.#awaitingSettings.delete(stream)
    if (this.#spares.length < sparesLimit && !this.#gone) this.#spares.push(stream)
    else this.pool.deadlines.delete(stream)
    if (this.#closing || this.#full) {
      if (!this.busy) this.destroy()
      return
    }
    if (this.streams.size === 0) this.deadline = this.pool.deadlines.in(this.pool.server.timeouts.keepAliveMs)
    this.pool.roomIn(this)
  }

  fault(kind: Fault['kind'], summary: string): Fault {
    return {
      kind,
      verdict: null,
      party: 'backend',
      summary,
      evidence: { address: this.remoteAddress, protocol: 'h2', uses: this.uses },
    }
  }

  // -- for the session ------------------------------------------------------------------------------------------------

  protected get lastStreamId(): number {
    return this.#nextId - 2
  }

  protected get lastPeerStreamId(): number {
    return 0
  }

  protected settingsChanged(): void {
    this.#settled = true
    for (const stream of [...this.#awaitingSettings]) stream.connect()
    this.#awaitingSettings.clear()
    if (this.hasRoom) this.pool.roomIn(this)
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
    const stream = this.streams.get(streamId)
    // With a table of 0 bytes a block can be left undecoded: the next one does not depend on it.
    if (stream === undefined) {
      if (streamId > this.lastStreamId) this.failConnection({ ...idle })
      else this.allowIdleFrame()
      return
    }
    if (refusal !== null) stream.refused(refusal)
    else stream.headers(block, start, end, endStream)
  }

  /** What it did not process can be sent again, elsewhere (RFC 9113 section 6.8). */
  goaway(lastStreamId: number, code: number, debug: string): void {
    if (this.ended || !this.allowIdleFrame()) return
    this.#noMore()
    const text = debug === '' ? '' : `, "${debug.slice(0, 128)}"`
    const fault = this.fault('response-eof', `the backend ended the connection (GOAWAY ${errorCodeName(code)}${text})`)
    for (const [id, stream] of [...this.streams]) if (id > lastStreamId) stream.fail(fault, 'unprocessed', false)
    if (!this.busy) this.destroy()
  }

  protected dataAfterEnd(): void {
    // Of a stream that was reset by us: it was on its way. Its flow has been credited.
  }

  protected connectionFailed(refusal: H2Refusal): void {
    this.#failAll(this.fault('response-malformed', `the response was refused: ${refusal.summary}`))
  }

  #noMore(): void {
    if (this.#closing) return
    this.#closing = true
    this.pool.noMoreOf(this)
    // What was not sent yet must not be any more: this may be because trust has ended. (I1)
    const fault = this.fault('response-eof', 'the connection was given up before the request could begin')
    for (const stream of [...this.#awaitingSettings]) stream.fail(fault, 'unprocessed', false)
  }

  #failAll(fault: Fault): void {
    this.#closing = true
    const streams = [...this.streams.values(), ...this.#awaitingSettings]
    this.destroy()
    for (const stream of streams) stream.fail(fault, 'final', false)
  }

  #broken(error: Error | null): void {
    if (this.#gone) return
    this.ended = true
    this.out.close()
    const alert = this.#settled ? null : lateAlert(error, this.pool.server, this)
    if (alert !== null) {
      this.#late = alert
      // For the log; its streams do not wait for it.
      this.pool.consult(alert, () => {})
      this.#failAll(alert)
      return
    }
    const how = error === null ? 'closed the connection' : `broke the connection (${error.message})`
    const streams = [...this.streams.values(), ...this.#awaitingSettings]
    this.destroy()
    for (const stream of streams) {
      stream.fail(
        this.fault('response-eof', `the backend ${how} ${stream.stage}`),
        stream.untouched && stream.reusedConnection ? 'idle-death' : 'final',
        false,
      )
    }
  }
}

const idle: H2Refusal = {
  kind: 'bad-request',
  scope: 'connection',
  code: errorCodes.protocolError,
  summary: 'a response to a request that was not sent (RFC 9113 5.1)',
}

/** One for all connections of a worker with the same limit: with a table of 0 bytes it keeps nothing between blocks. */
const readers = new Map<number, ResponseFieldReader>()

function fieldReader(listBytes: number): ResponseFieldReader {
  let reader = readers.get(listBytes)
  if (reader === undefined) {
    reader = new ResponseFieldReader({ tableBytes: 0, listBytes, fieldCount }, 256)
    readers.set(listBytes, reader)
  }
  return reader
}

/** Pseudo-header fields but :path, encoded; a worker asks few backends with few methods. */
const starts = new Map<string, Buffer>()

function requestStart(method: string, scheme: string, authority: string): Buffer {
  const key = `${method} ${scheme} ${authority}`
  let start = starts.get(key)
  if (start === undefined) {
    if (starts.size >= startsLimit) starts.clear() // I10: with `host: keep` clients choose
    start = encodeRequestStart(method, scheme, authority)
    starts.set(key, start)
  }
  return start
}
