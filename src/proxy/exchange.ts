import type { Fault } from '../faults/fault.ts'
import { renderFault, requestIdHeaders } from '../faults/render.ts'
import type { AccessRecord, BackendRecord, RequestRef } from '../observe/events.ts'
import type { Refusal } from '../wire/h1/refusal.ts'
import { refusals } from '../wire/h1/refusal.ts'
import type { ResponseHead } from '../wire/h1/response-head.ts'
import type { ProxyRuntime, TargetRuntime } from './generation.ts'
import type { H1Client } from './h1-client.ts'
import type { BodyFraming, H1Upstream } from './h1-upstream.ts'
import { leavesBasePath } from './path.ts'
import type { ProxyPlan } from './plan.ts'
import { answerProbe } from './probes.ts'
import type { WorkerRuntime } from './runtime.ts'

/** Methods that a repetition does not change (RFC 9110 section 9.2.2): only these are ever sent twice. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/**
 * One request on its way: route, target, exchange over a verified connection, account. A client connection keeps one and
 * uses it for request after request; it is itself the access record, so that a request allocates none.
 */
export class Exchange implements AccessRecord {
  id = ''
  startedAt = 0
  totalMs = 0
  readonly worker: number
  listener = ''
  readonly clientAddress: string
  readonly clientPort: number
  clientProtocol = ''
  clientTls = ''
  method = ''
  target = ''
  host = ''
  userAgent = ''
  forwardedFor = ''
  proxy: ProxyPlan | null = null
  status = 0
  requestBytes = 0
  responseBytes = 0
  responseBodyBytes = 0
  backend: MutableBackend | null = null
  fault: Fault | null = null

  /** Until when a connection may be waited for; for the pool. */
  waitsUntil = 0

  /** The client takes a chunked body as it is; false for HTTP/1.0. */
  takesChunks = true
  readonly #runtime: WorkerRuntime
  readonly #client: H1Client
  readonly #backend: MutableBackend = {
    target: '',
    address: '',
    url: '',
    status: 0,
    protocol: '',
    totalMs: 0,
    firstByteMs: -1,
    reused: false,
    snapshot: '',
  }
  #route: ProxyRuntime | null = null
  #upstream: H1Upstream | null = null
  #waitingAt: TargetRuntime | null = null
  #active = false
  #requestText = ''
  #requestComplete = false
  #bodySent = false
  #retried = false
  #responseStarted = false
  #framing: BodyFraming = 'none'
  #start = 0
  #backendStart = 0

  constructor(runtime: WorkerRuntime, client: H1Client, clientAddress: string, clientPort: number) {
    this.#runtime = runtime
    this.#client = client
    this.worker = runtime.worker
    this.clientAddress = clientAddress
    this.clientPort = clientPort
  }

  /** The backend can take body bytes now. */
  get ready(): boolean {
    return this.#upstream !== null
  }

  get upgrading(): boolean {
    return this.#client.head.upgrade !== ''
  }

  /** Takes up the request whose head the client connection has read. `complete`: it has no body. */
  begin(complete: boolean): void {
    const { head } = this.#client
    this.#reset()
    this.method = head.method
    this.target = head.target
    this.host = head.host
    this.userAgent = head.userAgent
    this.forwardedFor = head.forwardedFor
    this.clientProtocol = head.minor === 1 ? 'HTTP/1.1' : 'HTTP/1.0'
    this.takesChunks = head.minor === 1
    this.requestBytes = head.size + Math.max(head.contentLength, 0)
    this.#requestComplete = complete

    const listener = this.#client.listener
    if (listener.plan.probes && answerProbe(this.#runtime, this.#client, head)) {
      this.#active = false
      return
    }
    const generation = this.#runtime.generation
    const route = generation.router.find(head.host, head.target)
    if (route === null) {
      this.id = this.#runtime.ids.next(listener.plan.faults)
      this.fail({
        kind: 'no-route',
        verdict: null,
        party: 'client',
        summary: `no proxy for host "${head.host}" and path "${head.target}"`,
        evidence: {},
      })
      return
    }
    const matched = generation.router.matched
    this.#route = route
    this.proxy = route.plan
    this.id = this.#runtime.ids.next(route.plan.faults)
    if (leavesBasePath(head.target, matched)) {
      this.refuse(refusals.dotSegment)
      return
    }
    const limit = listener.plan.limits.bodyBytes
    if (limit !== null && head.contentLength > limit) {
      this.refuse(refusals.bodyTooLarge)
      return
    }
    this.#address(route, matched)
    this.#backendStart = this.#start
    this.#acquire(route.target, false)
  }

  /** Makes the request for the route's target: path, Host and what the log says of it. */
  #address(route: ProxyRuntime, matched: number): void {
    const { head } = this.#client
    const { target } = route
    const path = route.plan.path === 'keep' ? head.target : suffixOf(head.target, matched)
    const url = joinPath(target.plan.pathPrefix, path)
    this.backend = this.#backend
    this.#backend.target = target.plan.name
    this.#backend.url = target.origin + url
    this.#backend.snapshot = target.plan.tls?.snapshotId ?? ''
    this.#requestText = this.#requestHead(route, url)
  }

  /**
   * Finds the way again, under the generation in force: it may have changed since the request began, and a request made for
   * the old target must not reach the new one with its path and Host. @returns null when it has no way any more
   */
  #reroute(): TargetRuntime | null {
    const { head } = this.#client
    const { router } = this.#runtime.generation
    const route = router.find(head.host, head.target)
    if (route === null || leavesBasePath(head.target, router.matched)) return null
    this.#route = route
    this.proxy = route.plan
    this.#address(route, router.matched)
    return route.target
  }

  /** The head of the request as the backend gets it. Few pieces: each costs a string on every request. */
  #requestHead(route: ProxyRuntime, url: string): string {
    const { head, forwarded } = this.#client
    const host = route.plan.host === 'keep' && head.host !== '' ? ` HTTP/1.1\r\nHost: ${head.host}\r\n` : route.hostLine
    const text = `${head.method} ${url}${host}${head.lines}${forwarded.lines(head)}`
    if (head.requestId === '' && head.minor === 1 && !head.teTrailers && !head.chunked && head.upgrade === '') {
      return `${text}X-Request-ID: ${this.id}\r\nVia: 1.1 postern\r\n\r\n`
    }
    const id = head.requestId === '' ? `X-Request-ID: ${this.id}\r\n` : ''
    const trailers = head.teTrailers ? 'TE: trailers\r\nConnection: TE\r\n' : ''
    const upgrade = head.upgrade === '' ? '' : `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`
    const coding = head.chunked ? 'Transfer-Encoding: chunked\r\n' : ''
    return `${text}${id}Via: 1.${head.minor} postern\r\n${trailers}${upgrade}${coding}\r\n`
  }

  /** A request that could not be read, or may not be forwarded. */
  refuse(refusal: Refusal): void {
    if (!this.#active) {
      this.#reset()
      const { head } = this.#client
      this.method = head.method
      this.target = head.target
      this.host = head.host
      this.clientProtocol = head.method === '' ? '' : head.minor === 1 ? 'HTTP/1.1' : 'HTTP/1.0'
    }
    if (this.id === '') this.id = this.#runtime.ids.next(this.#client.listener.plan.faults)
    this.fail({ kind: refusal.kind, verdict: null, party: 'client', summary: refusal.summary, evidence: {} })
  }

  // -- the client's side --------------------------------------------------------------------------------------------

  /** Body bytes to pass on, framing included. @returns false when the backend does not keep up */
  requestData(buf: Buffer, start: number, end: number): boolean {
    this.#bodySent = true
    return this.#upstream?.sendBytes(buf, start, end) ?? true
  }

  requestEnd(): void {
    this.#requestComplete = true
    this.#upstream?.requestSent()
  }

  flushUpstream(): void {
    const upstream = this.#upstream
    if (upstream === null) return
    // More of the body may come in this turn; its last part leaves at once.
    if (upstream.gathering && !this.#requestComplete) this.#runtime.flushLater(upstream)
    else upstream.flush()
  }

  clientDrained(): void {
    this.#upstream?.resume()
  }

  /** The client is gone: whatever runs for it ends. */
  abort(): void {
    if (!this.#active) return
    // A tunnel has no other end than one side's closing it.
    if (this.status !== 101) {
      this.fault = {
        kind: 'client-gone',
        verdict: null,
        party: 'client',
        summary: 'the client closed the connection before the response was complete',
        evidence: {},
      }
    }
    this.#dropUpstream()
    this.#account()
  }

  tunnelFromClient(bytes: Buffer): boolean {
    this.requestBytes += bytes.length
    return this.#upstream?.sendTunnel(bytes) ?? true
  }

  tunnelEndedByClient(): void {
    this.#upstream?.endTunnel()
  }

  // -- the backend's side -------------------------------------------------------------------------------------------

  upstreamReady(connection: H1Upstream): void {
    this.#waitingAt = null
    this.#upstream = connection
    const backend = this.#backend
    backend.address = connection.remoteAddress
    backend.reused = connection.uses > 0
    connection.start(this, this.#requestText)
    if (this.#requestComplete) connection.requestSent()
    this.#client.backendReady()
  }

  /** No connection could be had. */
  upstreamRefused(fault: Fault): void {
    this.#waitingAt = null
    this.#backendFailed(fault, null)
    this.fail(fault)
  }

  /** The pool this exchange waited at was retired: wait at the one that took its place. */
  redispatch(): void {
    this.#waitingAt = null
    const target = this.#reroute()
    if (target !== null) {
      this.#acquire(target, false)
      return
    }
    this.fail({
      kind: 'no-route',
      verdict: null,
      party: 'gateway',
      summary: 'its proxy was removed from the configuration while the request waited for a connection',
      evidence: {},
    })
  }

  /**
   * The connection failed. `replayable`: it was a reused one and died before any byte of a response, as happens when the
   * backend closes an idle connection in the moment it is used.
   */
  upstreamFailed(fault: Fault, replayable: boolean): void {
    const connection = this.#upstream
    this.#upstream = null
    if (replayable && !this.#retried && !this.#bodySent && this.#requestComplete && idempotent.has(this.method)) {
      const target = this.#reroute()
      if (target !== null) {
        this.#retried = true
        this.#acquire(target, true)
        return
      }
    }
    this.#backendFailed(fault, connection)
    this.fail(fault)
  }

  upstreamDrained(): void {
    this.#client.backendDrained()
  }

  firstByte(): void {
    this.#backend.firstByteMs = performance.now() - this.#backendStart
  }

  informational(head: ResponseHead): void {
    // RFC 9110 section 15.2: an HTTP/1.0 client does not know them.
    if (!this.takesChunks) return
    this.#text(`HTTP/1.1 ${head.status} ${head.reason}\r\n${head.lines}\r\n`)
    this.#client.flush()
  }

  responseHead(head: ResponseHead, framing: BodyFraming): void {
    this.#responseStarted = true
    this.#framing = framing
    this.status = head.status
    this.#backend.status = head.status
    this.#backend.protocol = head.minor === 1 ? 'HTTP/1.1' : 'HTTP/1.0'
    let ending = '\r\n'
    if (framing === 'chunked' || framing === 'close') {
      if (this.takesChunks) ending = 'Transfer-Encoding: chunked\r\n\r\n'
      else this.#client.closeAfter()
    }
    if (!this.#requestComplete) this.#client.closeAfter()
    const profile = this.#route?.plan.faults ?? 'native'
    const via = head.minor === 1 ? '\r\nVia: 1.1 postern\r\n' : '\r\nVia: 1.0 postern\r\n'
    this.#text(
      `${statusLine(head)}${head.lines}${idLineStarts[profile]}${this.id}${via}${this.#client.connectionHeader()}${ending}`,
    )
  }

  /** @returns false when the client does not keep up */
  responseData(buf: Buffer, start: number, end: number): boolean {
    const length = end - start
    this.responseBytes += length
    this.responseBodyBytes += length
    if (this.#framing === 'close' && this.takesChunks) {
      this.#client.text(`${length.toString(16)}\r\n`)
      this.#client.bytes(buf, start, end)
      return this.#client.text('\r\n')
    }
    return this.#client.bytes(buf, start, end)
  }

  responseEnd(): void {
    if (this.#framing === 'close' && this.takesChunks) this.#client.text('0\r\n\r\n')
    this.#upstream = null
    this.#done(this.#requestComplete)
  }

  /** The backend has said what it had to say in this read; `ended`: the whole response. */
  flushClient(ended: boolean): void {
    if (ended) this.#client.flush()
    else this.#client.flushSoon()
  }

  /** The backend agreed to the upgrade: from here on bytes pass both ways unread. */
  switched(head: ResponseHead, first: Buffer | null): void {
    this.#responseStarted = true
    this.status = 101
    this.#backend.status = 101
    this.#backend.protocol = 'HTTP/1.1'
    this.#text(
      `HTTP/1.1 101 ${head.reason}\r\n${head.lines}Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\nVia: 1.${head.minor} postern\r\n\r\n`,
    )
    this.#client.flush()
    if (first !== null) this.tunnelFromBackend(first)
    this.#client.tunnel()
  }

  tunnelFromBackend(bytes: Buffer): void {
    this.responseBytes += bytes.length
    this.responseBodyBytes += bytes.length
    if (!this.#client.tunnelBytes(bytes)) this.#upstream?.pause()
  }

  tunnelEndedByBackend(): void {
    this.#dropUpstream()
    this.#client.endTunnel()
    this.#account()
  }

  // -- ends ---------------------------------------------------------------------------------------------------------

  /** Ends the request with a fault: rendered for the client, or shown as a cut when the response had begun. */
  fail(fault: Fault): void {
    if (!this.#active) return
    this.fault = fault
    this.#dropUpstream()
    if (this.#responseStarted) {
      this.#account()
      this.#client.cut()
      return
    }
    const listener = this.#client.listener.plan
    const rendered = renderFault({
      fault,
      profile: this.#route?.plan.faults ?? listener.faults,
      detail: this.#route?.plan.faultDetail ?? listener.faultDetail,
      requestId: this.id,
      listener: listener.name,
      target: this.target,
      organization: this.#runtime.generation.plan.organization,
      environment: this.#runtime.generation.plan.environment,
      proxy: this.proxy,
    })
    this.status = rendered.status
    // What could not be read has no known end, so neither has the connection. (I8)
    if (!this.#requestComplete) this.#client.closeAfter()
    let text = `HTTP/1.1 ${rendered.status} ${rendered.reason}\r\nDate: ${this.#runtime.date()}\r\n`
    for (const [name, value] of rendered.headers) text += `${name}: ${value}\r\n`
    text += `Content-Length: ${rendered.body.length}\r\n${this.#client.connectionHeader()}\r\n`
    this.#text(text)
    if (this.method !== 'HEAD') {
      this.#text(rendered.body)
      this.responseBodyBytes += rendered.body.length
    }
    this.#done(this.#requestComplete)
    this.#client.flush()
  }

  #acquire(target: TargetRuntime, fresh: boolean): void {
    this.#waitingAt = target
    target.pool.acquire(this, fresh)
  }

  #dropUpstream(): void {
    this.#waitingAt?.pool.forget(this)
    this.#waitingAt = null
    const connection = this.#upstream
    this.#upstream = null
    connection?.destroy()
  }

  #backendFailed(fault: Fault, connection: H1Upstream | null): void {
    // A connection that failed in its handshake never became one of ours; the dialer noted where it went.
    const { address, localAddress, connectionAgeMs } = fault.evidence
    const dialed = connection === null && typeof localAddress === 'string'
    this.#runtime.event({
      type: 'request-failed',
      target: this.#backend.target,
      fault,
      request: this.ref(),
      localAddress: dialed ? localAddress : (connection?.localAddress ?? ''),
      remoteAddress: dialed ? String(address) : (connection?.remoteAddress ?? ''),
      connectionAgeMs: dialed
        ? Number(connectionAgeMs)
        : connection === null
          ? 0
          : performance.now() - connection.openedAt,
      connectionUses: connection?.uses ?? 0,
    })
  }

  /** What an event says of the request it belongs to. */
  ref(): RequestRef {
    return { id: this.id, proxy: this.proxy, method: this.method, elapsedMs: performance.now() - this.#start }
  }

  #text(text: string): void {
    this.responseBytes += text.length
    this.#client.text(text)
  }

  #done(requestComplete: boolean): void {
    this.#account()
    this.#client.responseDone(requestComplete)
  }

  #account(): void {
    this.#active = false
    const now = performance.now()
    this.totalMs = now - this.#start
    if (this.backend !== null) this.#backend.totalMs = now - this.#backendStart
    this.#runtime.finished(this, this.#route)
  }

  #reset(): void {
    this.#active = true
    this.#start = performance.now()
    this.startedAt = Date.now()
    this.id = ''
    this.listener = this.#client.listener.plan.name
    this.clientTls = this.#client.tlsVersion
    this.userAgent = ''
    this.forwardedFor = ''
    this.proxy = null
    this.status = 0
    this.requestBytes = 0
    this.responseBytes = 0
    this.responseBodyBytes = 0
    this.backend = null
    this.fault = null
    this.#route = null
    this.#upstream = null
    this.#waitingAt = null
    this.#requestComplete = false
    this.#bodySent = false
    this.#retried = false
    this.#responseStarted = false
    this.#framing = 'none'
    const backend = this.#backend
    backend.address = ''
    backend.status = 0
    backend.protocol = ''
    backend.firstByteMs = -1
    backend.reused = false
    backend.snapshot = ''
  }
}

const idLineStarts = {
  native: `${requestIdHeaders.native}: `,
  apigee: `${requestIdHeaders.apigee}: `,
  apim: `${requestIdHeaders.apim}: `,
} as const

/** Status lines by status, with the reason they were made for: backends seldom use more than one. */
const statusLines: string[] = []
const statusReasons: string[] = []

function statusLine(head: ResponseHead): string {
  const { status, reason } = head
  if (statusReasons[status] !== reason) {
    statusReasons[status] = reason
    statusLines[status] = `HTTP/1.1 ${status} ${reason}\r\n`
  }
  return statusLines[status] as string
}

type MutableBackend = { -readonly [K in keyof BackendRecord]: BackendRecord[K] }

function suffixOf(target: string, matched: number): string {
  return matched === 0 ? target : target.slice(matched)
}

/** Target path and suffix, byte for byte: `/v2` and `/x?y` is `/v2/x?y`, '' and '' is `/`. */
function joinPath(prefix: string, suffix: string): string {
  // OPTIONS * asks the server as a whole, and stays that to the last hop (RFC 9112 section 3.2.4).
  if (suffix === '*') return suffix
  const path = prefix + suffix
  return path.charCodeAt(0) === 0x2f ? path : `/${path}`
}
