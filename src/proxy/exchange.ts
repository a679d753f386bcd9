import { performance } from 'node:perf_hooks'
import type { ConnectionStory } from '../dial/story.ts'
import type { Fault } from '../faults/fault.ts'
import { renderFault, requestIdHeaders } from '../faults/render.ts'
import { hideParameters, isCredentialParameter } from '../observe/credentials.ts'
import type { AccessRecord, RequestRef } from '../observe/events.ts'
import type { Refusal } from '../wire/h1/refusal.ts'
import { refusals } from '../wire/h1/refusal.ts'
import { ResponseHead } from '../wire/h1/response-head.ts'
import { joinPath, pathOf, suffixOf } from './addressing.ts'
import { BackendPart } from './backend-part.ts'
import { circuitOpen, noServer } from './balance/balancer.ts'
import { Tries } from './balance/tries.ts'
import type { AnyResponseHead, Downstream } from './downstream.ts'
import { RequestVariables } from './flow-variables.ts'
import type { ProxyRuntime, ServerRuntime, TargetRuntime } from './generation.ts'
import { leavesBasePath } from './path.ts'
import type { ProxyPlan, RetryCause } from './plan.ts'
import { answerProbe } from './probes.ts'
import type { Pool } from './pool.ts'
import type { Observation } from './recorder.ts'
import type { Recording } from './recording.ts'
import { outcomeOf, repeatable, retryCause, type UpstreamFailure } from './repeating.ts'
import { h1RequestText, h2RequestLines } from './request-text.ts'
import type { Way } from './route.ts'
import type { WorkerRuntime } from './runtime.ts'
import type { BodyFraming, Upstream } from './upstream.ts'
import { agreedLines, lineValue, newWebSocketKey, withoutLine } from './websocket.ts'

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
  backend: BackendPart | null = null
  fault: Fault | null = null
  traceId = ''

  /** What is recorded of the request under way; null: nothing. For both sides. */
  recording: Recording | null = null
  /** Until when a connection may be waited for; for the pool. */
  waitsUntil = 0

  /** Path and query as the backend gets them. */
  path = ''
  readonly #runtime: WorkerRuntime
  readonly #client: Downstream
  readonly #backend = new BackendPart()
  #route: ProxyRuntime | null = null
  /** Whose turn it is to answer; its pool is asked for a connection. */
  #server: ServerRuntime | null = null
  /** Target that the rules of `#chosenBy` have chosen for this request. */
  #chosen: TargetRuntime | null = null
  #chosenBy: ProxyRuntime | null = null
  #variables: RequestVariables | null = null
  /** Nobody is to have the body; the answer follows it. */
  #discarding = false
  #upstream: Upstream | null = null
  #waitingAt: Pool | null = null
  /** Where the request was tried; only for targets that have a balancer. */
  readonly #tries = new Tries()
  #active = false
  /** Sec-WebSocket-Key that was made up for the backend, or left out for it. */
  #webSocketKey = ''
  #requestComplete = false
  #trailers = ''
  #bodySent = false
  #retried = false
  #responseStarted = false
  #tunnel = false
  #start = 0
  #backendStart = 0
  /** Why the request under way is recorded, or may be at its end; null: it is not. */
  #observation: Observation | null = null

  constructor(runtime: WorkerRuntime, client: Downstream, clientAddress: string, clientPort: number) {
    this.#runtime = runtime
    this.#client = client
    this.worker = runtime.worker
    this.clientAddress = clientAddress
    this.clientPort = clientPort
  }

  /** Body bytes can come now. */
  get ready(): boolean {
    return this.#upstream !== null || this.#discarding
  }

  /** The client takes the chunked framing of the backend as it is. */
  get takesChunks(): boolean {
    return this.#client.takesChunks
  }

  /** The backend takes the chunked framing of the client as it is; otherwise the data alone is to come. */
  get wantsChunks(): boolean {
    return this.#upstream?.takesChunks ?? true
  }

  /** A body of unsaid length comes from a client that has no chunked framing. */
  get bareBody(): boolean {
    const { head, via } = this.#client
    return head.chunked && via === '2'
  }

  /** Protocol that the client asks to change to; '' for none. */
  get upgrade(): string {
    return this.#client.upgrade
  }

  /** Nothing more of the request is to come. */
  get requestComplete(): boolean {
    return this.#requestComplete
  }

  /** The client has said how long the body is, or that there is none: -1 when not. */
  get contentLength(): number {
    return this.#client.head.contentLength
  }

  /** Where a connection is opened for it, the handshake is to be read. */
  get capture(): boolean {
    return this.recording?.whole ?? false
  }

  /** What the backend is asked as: `Host`, or `:authority`. */
  get authority(): string {
    const route = this.#route as ProxyRuntime
    const { host } = this.#client.head
    return route.plan.host === 'keep' && host !== '' ? host : (this.#server as ServerRuntime).authority
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
    this.clientProtocol = this.#client.protocol
    this.requestBytes = head.size + Math.max(head.contentLength, 0)
    this.#requestComplete = complete

    const listener = this.#client.listener
    if (listener.plan.probes && answerProbe(this.#runtime, this.#client, head)) {
      this.#active = false
      return
    }
    const router = listener.routerOf(this.#runtime.generation)
    const route = router.find(head.host, head.target)
    if (this.#runtime.recorder.tracing !== null || (route !== null && route.orders !== null)) this.#observe(route)
    if (route === null) {
      this.id = this.#runtime.ids.next(listener.plan.faults)
      this.fail({
        kind: 'no-route',
        verdict: null,
        party: 'client',
        summary: `no proxy for host "${head.host}" and path "${hideParameters(pathOf(head.target), isCredentialParameter)}"`,
        evidence: {},
      })
      return
    }
    const { matched } = router
    this.#route = route
    this.proxy = route.plan
    this.id = this.#runtime.ids.next(route.plan.faults)
    this.recording?.routed(this.listener, route.plan.basePath, pathOf(suffixOf(head.target, matched)))
    if (leavesBasePath(head.target, matched)) {
      this.refuse(refusals.dotSegment)
      return
    }
    const limit = listener.plan.limits.bodyBytes
    if (limit !== null && head.contentLength > limit) {
      this.refuse(refusals.bodyTooLarge)
      return
    }
    this.#backendStart = this.#start
    if (route.target === null) {
      this.#follow(route, matched)
      return
    }
    this.#address(route, route.target, matched)
    this.#acquire(route.target, false)
  }

  /** Goes where the rules of the route send the request. */
  #follow(route: ProxyRuntime, matched: number): void {
    const way = this.#wayOf(route, matched)
    switch (way.kind) {
      case 'target':
        this.#address(route, way.target, matched)
        this.#acquire(way.target, false)
        return
      case 'none':
        this.backend = null
        this.recording?.routeChosen(this.#ruleOf(route), '', true)
        this.#answerNothing()
        return
      case 'fault':
        this.backend = null
        this.#backendFailed(way.fault, null)
        this.fail(way.fault)
        return
      default:
        way satisfies never
    }
  }

  /** Under one generation a request is asked for its way once, however often it is tried: rules may look at the clock. */
  #wayOf(route: ProxyRuntime, matched: number): Way {
    const target = route === this.#chosenBy ? this.#chosen : route.target
    if (target !== null) return { kind: 'target', target }
    const variables = (this.#variables ??= new RequestVariables(this, this.#client))
    const way = route.choose(variables.begin(route.plan, matched), this.recording)
    if (way.kind === 'target') {
      this.#chosen = way.target
      this.#chosenBy = route
    }
    return way
  }

  /** Makes the request for its target: path, and what the log says of it. */
  #address(route: ProxyRuntime, target: TargetRuntime, matched: number): void {
    const { head } = this.#client
    const path = route.plan.path === 'keep' ? head.target : suffixOf(head.target, matched)
    this.backend = this.#backend
    this.#backend.target = target.plan.name
    this.path = joinPath(target.plan.pathPrefix, path)
    this.recording?.routeChosen(this.#ruleOf(route), target.plan.name, false)
  }

  /** Name of the rule that sent the request its way; '' where there are none. */
  #ruleOf(route: ProxyRuntime): string {
    return route.target === null ? (this.#variables?.routeName ?? '') : ''
  }

  #observe(route: ProxyRuntime | null): void {
    const observation = this.#runtime.recorder.begin(this.#client, route, this.#start)
    if (observation === null) return
    this.#observation = observation
    this.recording = observation.recording
    this.traceId = observation.trace?.context?.traceId ?? ''
  }

  /**
   * Finds the way again, under the generation in force: it may have changed since the request began, and a request made for
   * the old target must not reach the new one with its path and Host. @returns null when it has no target any more
   */
  #reroute(): TargetRuntime | null {
    const { head, listener } = this.#client
    const router = listener.routerOf(this.#runtime.generation)
    const route = router.find(head.host, head.target)
    const { matched } = router
    if (route === null || leavesBasePath(head.target, matched)) return null
    const way = this.#wayOf(route, matched)
    // Why it failed says more than that it would not have been forwarded now.
    if (way.kind !== 'target') return null
    this.#route = route
    this.proxy = route.plan
    this.#address(route, way.target, matched)
    return way.target
  }

  /** The head of the request as an HTTP/1.1 backend gets it. */
  h1Head(): string {
    const { head, via, upgrade } = this.#client
    const route = this.#route as ProxyRuntime
    const host =
      route.plan.host === 'keep' && head.host !== ''
        ? ` HTTP/1.1\r\nHost: ${head.host}\r\n`
        : (this.#server as ServerRuntime).hostLine
    if (upgrade !== '' && via === '2') this.#webSocketKey = newWebSocketKey()
    const text = h1RequestText(this.#client, this.#lines, this.path, host, this.id, this.#webSocketKey)
    this.recording?.requestSent(text)
    return text
  }

  /** The fields of the request for an HTTP/2 backend, as lines; `addedRequestId` comes beside them, never the same twice. */
  h2Lines(): string {
    const { head, via, upgrade } = this.#client
    let lines = this.#lines
    if (upgrade !== '' && via !== '2') {
      this.#webSocketKey = lineValue(head.lines, 'sec-websocket-key')
      lines = withoutLine(lines, 'sec-websocket-key')
    }
    const text = h2RequestLines(this.#client, lines)
    this.recording?.requestFieldsSent(upgrade === '' ? this.method : 'CONNECT', this.path, text, this.addedRequestId)
    return text
  }

  /** Header lines of the client that go on; those of its trace as the gateway takes part in it. */
  get #lines(): string {
    const { head } = this.#client
    const trace = this.#observation === null ? null : this.#observation.trace
    return trace === null ? head.lines : trace.linesFor(head.lines, head.traceFields)
  }

  /** Value of X-Request-ID that the gateway adds; '' where the client brought one. */
  get addedRequestId(): string {
    return this.#client.head.requestId === '' ? this.id : ''
  }

  /** A request that could not be read, or may not be forwarded. */
  refuse(refusal: Refusal): void {
    if (!this.#active) {
      this.#reset()
      const { head } = this.#client
      this.method = head.method
      this.target = head.target
      this.host = head.host
      this.clientProtocol = head.method === '' ? '' : this.#client.protocol
    }
    if (this.id === '') this.id = this.#runtime.ids.next(this.#client.listener.plan.faults)
    this.fail({ kind: refusal.kind, verdict: null, party: 'client', summary: refusal.summary, evidence: {} })
  }

  // -- the client's side --------------------------------------------------------------------------------------------

  /** Body bytes to pass on, with their framing where `wantsChunks`. @returns false when the backend does not keep up */
  requestData(buf: Buffer, start: number, end: number): boolean {
    this.#bodySent = true
    if (this.recording !== null) {
      const { head, via } = this.#client
      this.recording.requestData(buf, start, end, head.chunked && via !== '2' && this.wantsChunks)
    }
    return this.#upstream?.sendBytes(buf, start, end) ?? true
  }

  requestEnd(trailers: string): void {
    this.#requestComplete = true
    this.#trailers = trailers
    this.recording?.requestEnd()
    if (this.#discarding) this.#answerNothing()
    else this.#upstream?.requestSent(trailers)
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
    if (!this.#tunnel) {
      this.fault = {
        kind: 'client-gone',
        verdict: null,
        party: 'client',
        summary: 'the client closed the connection before the response was complete',
        evidence: {},
      }
      this.recording?.fault(this.fault, '', '')
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

  waitingAt(pool: Pool): void {
    this.#waitingAt = pool
    this.recording?.waiting(pool.server.target, pool.server.name)
  }

  // -- the backend's side -------------------------------------------------------------------------------------------

  upstreamReady(upstream: Upstream): void {
    this.#waitingAt = null
    this.#upstream = upstream
    const backend = this.#backend
    backend.address = upstream.remoteAddress
    backend.reused = upstream.uses > 0
    this.recording?.connected(upstream)
    upstream.start(this)
    if (this.#requestComplete) upstream.requestSent(this.#trailers)
    this.#client.backendReady()
  }

  /** No connection could be had. `story`: of the one that was tried; null where none was. */
  upstreamRefused(fault: Fault, story: ConnectionStory | null = null): void {
    this.#waitingAt = null
    this.recording?.connectFailed(fault, story)
    this.#backendFailed(fault, null)
    this.#tries.end(outcomeOf(fault), fault)
    if (this.#retry(fault.kind === 'tls-untrusted' ? 'untrusted' : 'connect', fault)) return
    this.fail(fault)
  }

  /** The pool this exchange waited at was retired: wait at the one that took its place. */
  redispatch(): void {
    this.#waitingAt = null
    const { head, listener } = this.#client
    const router = listener.routerOf(this.#runtime.generation)
    const route = router.find(head.host, head.target)
    if (route !== null && !leavesBasePath(head.target, router.matched)) {
      this.#route = route
      this.proxy = route.plan
      this.#follow(route, router.matched)
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

  /** The exchange failed. */
  upstreamFailed(fault: Fault, how: UpstreamFailure): void {
    const connection = this.#upstream
    this.#upstream = null
    // Not once the client has a part of a response, whatever the backend says that it did not process: two would be read as
    // the answers to two requests. (I8)
    const untouched = !this.#responseStarted && !this.#bodySent
    if (untouched && !this.#retried && repeatable(how, this.method, this.#requestComplete)) {
      const target = this.#reroute()
      if (target !== null) {
        this.#retried = true
        this.#runtime.retried(this.#backend.target)
        if (how === 'refused') {
          this.#backendFailed(fault, connection)
          this.#tries.end('failed', fault)
        }
        this.recording?.tryFailed(fault)
        this.#acquire(target, true, fault)
        return
      }
    }
    this.#backendFailed(fault, connection)
    this.#tries.end(outcomeOf(fault), fault)
    if (untouched) {
      const cause = retryCause(fault, how)
      if (cause !== null && this.#retry(cause, fault, true)) return
    }
    this.fail(fault)
  }

  /**
   * Tries again, on another server where there is one, if the target's plan and budget allow it.
   *
   * @param sent there was a connection
   */
  #retry(cause: RetryCause, fault: Fault, sent = false): boolean {
    const { balancer } = this.#tries
    if (balancer === null || !balancer.mayRetry(this.#tries, cause, this.method, 0)) return false
    const target = this.#reroute()
    if (target === null) return false
    if (sent) this.recording?.tryFailed(fault)
    this.#acquire(target, false, fault)
    return true
  }

  upstreamDrained(): void {
    this.#client.backendDrained()
  }

  firstByte(): void {
    this.#backend.firstByteMs = performance.now() - this.#backendStart
  }

  informational(head: AnyResponseHead): void {
    this.recording?.informational(head.status)
    this.#client.informational(head)
  }

  /** @param protocol that of the backend: `HTTP/1.1`, `HTTP/1.0`, `HTTP/2.0` */
  responseHead(head: AnyResponseHead, framing: BodyFraming, protocol: string): void {
    this.recording?.responseReceived(head, protocol, framing === 'chunked')
    if (this.#tries.server !== -1 && this.#retriesStatus(head.status)) return
    if (head.status < 300 && this.upgrade !== '' && this.#client.via === '2') {
      // To this client a 2xx is the open tunnel (RFC 8441 section 5); to an HTTP/1.1 backend it is a refusal to make one.
      this.fail(
        this.#backendFault(
          `the backend answered ${head.status} to a WebSocket, where 101 or an error is due (RFC 6455 4.1)`,
        ),
      )
      return
    }
    this.#responseStarted = true
    this.status = head.status
    this.#backend.status = head.status
    this.#backend.protocol = protocol
    if (!this.#requestComplete) this.#client.closeAfter()
    const profile = this.#route?.plan.faults ?? 'native'
    this.responseBytes += this.#client.respond(
      head,
      `${idLineStarts[profile]}${this.id}${viaLines[protocol] ?? ''}`,
      framing,
    )
  }

  /** @returns true when the response is dropped, and its upstream with it, for another try */
  #retriesStatus(status: number): boolean {
    const tries = this.#tries
    tries.answered(status)
    if (
      this.#bodySent ||
      !this.#requestComplete ||
      tries.balancer?.mayRetry(tries, 'status', this.method, status) !== true
    )
      return false
    const target = this.#reroute()
    if (target === null || target.balancer === null) return false
    tries.end('ok')
    const server = target.balancer.pick(tries)
    // Where there is nowhere else to go, the answer that is there says more than that.
    if (server < 0) return false
    const upstream = this.#upstream
    this.#upstream = null
    upstream?.destroy()
    this.#acquireAt(target, server, false)
    return true
  }

  /** @returns false when the client does not keep up */
  responseData(buf: Buffer, start: number, end: number): boolean {
    const length = end - start
    this.responseBytes += length
    this.responseBodyBytes += length
    this.recording?.responseData(buf, start, end)
    return this.#client.data(buf, start, end)
  }

  /** @param trailers lines with their CRLF; '' where they went through with the chunked framing, or there are none */
  responseEnd(trailers: string): void {
    this.#client.dataEnd(trailers)
    this.recording?.responseEnd()
    this.#upstream = null
    this.#tries.end('ok')
    this.#done(this.#requestComplete)
  }

  /** The backend has said what it had to say in this read; `ended`: the whole response. */
  flushClient(ended: boolean): void {
    if (ended) this.#client.flush()
    else this.#client.flushSoon()
  }

  /**
   * The backend agreed to the upgrade: from here on bytes pass both ways unread. `http1`: with a 101; otherwise with the
   * 2xx of an extended CONNECT (RFC 8441 section 5).
   */
  switched(head: AnyResponseHead, http1: boolean, first: Buffer | null): void {
    const { via } = this.#client
    this.recording?.responseReceived(head, http1 ? 'HTTP/1.1' : 'HTTP/2.0', false)
    const lines = agreedLines(head.lines, this.#webSocketKey, http1, via !== '2')
    if (lines === null) {
      this.fail(
        this.#backendFault('the backend agreed to the WebSocket with a wrong Sec-WebSocket-Accept (RFC 6455 4.1)'),
      )
      return
    }
    this.#responseStarted = true
    this.#tunnel = true
    this.recording?.tunnel()
    this.#tries.answered(101)
    this.status = via === '2' ? 200 : 101
    this.#backend.status = head.status
    this.#backend.protocol = http1 ? 'HTTP/1.1' : 'HTTP/2.0'
    this.#client.switched(
      http1 ? head.reason : 'Switching Protocols',
      http1 ? head.upgrade : this.upgrade,
      lines,
      http1 ? `1.${head.minor}` : '2',
    )
    this.#client.flush()
    if (first !== null) this.tunnelFromBackend(first)
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
      this.recording?.fault(fault, '', '')
      this.#account()
      this.#client.cut()
      return
    }
    const listener = this.#client.listener.plan
    const { generation } = this.#runtime
    const rendered = renderFault({
      fault,
      profile: this.#route?.plan.faults ?? listener.faults,
      detail: this.#route?.plan.faultDetail ?? listener.faultDetail,
      requestId: this.id,
      listener: listener.name,
      target: this.target,
      organization: this.proxy?.organization ?? generation.plan.organization,
      environment: this.proxy?.environment ?? generation.plan.environment,
      proxy: this.proxy,
    })
    this.status = rendered.status
    this.recording?.fault(fault, rendered.code, rendered.source)
    // What could not be read has no known end, so neither has the connection. (I8)
    if (!this.#requestComplete) this.#client.closeAfter()
    let lines = `Date: ${this.#runtime.date()}\r\n`
    for (const [name, value] of rendered.headers) lines += `${name}: ${value}\r\n`
    const bytes = this.#client.answer(rendered.status, rendered.reason, lines, rendered.body)
    this.responseBytes += bytes
    // A stream that is reset and nothing else is told nothing.
    if (bytes > 0 && this.method !== 'HEAD') {
      this.responseBodyBytes += rendered.body.length
      this.recording?.answerBody(rendered.body)
    }
    this.#done(this.#requestComplete)
    this.#client.flush()
  }

  /** Edge's null route: 200 and no body, after the request's own has been read. */
  #answerNothing(): void {
    const { head, via, upgrade } = this.#client
    if (upgrade !== '' && via === '2') {
      const summary = 'a WebSocket came to a route without a target, where a 2xx would open it (RFC 8441 section 5)'
      this.fail({ kind: 'route-failed', verdict: null, party: 'client', summary, evidence: {} })
      return
    }
    if (!this.#requestComplete) {
      this.#discarding = true
      if (head.expectContinue) this.#client.informational(continueHead)
      this.#client.backendReady()
      return
    }
    this.#discarding = false
    this.status = 200
    const profile = this.#route?.plan.faults ?? 'native'
    const lines = `Date: ${this.#runtime.date()}\r\n${idLineStarts[profile]}${this.id}\r\n`
    this.responseBytes += this.#client.answer(200, 'OK', lines, '')
    this.#done(true)
    this.#client.flush()
  }

  /** @param earlier why the request is tried again; it says more than that there is no server left to try */
  #acquire(target: TargetRuntime, fresh: boolean, earlier: Fault | null = null): void {
    const { balancer } = target
    if (balancer === null) {
      this.#acquireAt(target, 0, fresh)
      return
    }
    const server = balancer.pick(this.#tries)
    if (server === noServer || server === circuitOpen) {
      this.#backend.url = target.origin + this.path
      this.#backend.snapshot = target.plan.tls?.snapshotId ?? ''
      const fault = earlier ?? balancer.fault(server)
      if (earlier === null) this.#backendFailed(fault, null)
      this.fail(fault)
      return
    }
    this.#acquireAt(target, server, fresh)
  }

  #acquireAt(target: TargetRuntime, server: number, fresh: boolean): void {
    const chosen = target.servers[server] as ServerRuntime
    this.#server = chosen
    this.recording?.serverChosen(target.plan.name, chosen.pool.server.name)
    this.#backend.url = chosen.origin + this.path
    this.#backend.snapshot = chosen.snapshot
    chosen.pool.acquire(this, fresh)
  }

  #dropUpstream(): void {
    this.#waitingAt?.forget(this)
    this.#waitingAt = null
    const connection = this.#upstream
    this.#upstream = null
    connection?.destroy()
  }

  #backendFailed(fault: Fault, connection: Upstream | null): void {
    // A connection that failed in its handshake never became one of ours; the dialer noted where it went.
    const { address, localAddress, connectionAgeMs } = fault.evidence
    const dialed = connection === null && typeof localAddress === 'string'
    this.#runtime.event({
      type: 'request-failed',
      target: this.backend === null ? '' : this.#backend.target,
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

  #backendFault(summary: string): Fault {
    const evidence = { address: this.#backend.address }
    return { kind: 'response-malformed', verdict: null, party: 'backend', summary, evidence }
  }

  /** What an event says of the request it belongs to. */
  ref(): RequestRef {
    return { id: this.id, proxy: this.proxy, method: this.method, elapsedMs: performance.now() - this.#start }
  }

  #done(requestComplete: boolean): void {
    this.#account()
    this.#client.responseDone(requestComplete)
  }

  #account(): void {
    this.#active = false
    this.#tries.end('neutral')
    const now = performance.now()
    this.totalMs = now - this.#start
    if (this.backend !== null) this.#backend.totalMs = now - this.#backendStart
    if (this.#observation !== null || this.#runtime.recorder.tracing !== null) this.#observed()
    this.#runtime.finished(this, this.#route)
  }

  #observed(): void {
    const { lines } = this.#client.head
    this.traceId = this.#runtime.recorder.ended(this, this.#observation, this.#start, lines)
    this.recording = null
    this.#observation = null
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
    this.traceId = ''
    this.recording = null
    this.#observation = null
    this.#route = null
    this.#server = null
    this.#chosen = null
    this.#chosenBy = null
    this.#discarding = false
    this.#upstream = null
    this.#waitingAt = null
    this.#requestComplete = false
    this.#trailers = ''
    this.#bodySent = false
    this.#retried = false
    this.#responseStarted = false
    this.#tunnel = false
    this.#tries.reset()
    this.#webSocketKey = ''
    this.#backend.reset()
  }
}

/** RFC 9110 section 15.2.1; for bodies that are read here. */
const continueHead = new ResponseHead()
continueHead.status = 100
continueHead.reason = 'Continue'

const idLineStarts = {
  native: `${requestIdHeaders.native}: `,
  apigee: `${requestIdHeaders.apigee}: `,
  apim: `${requestIdHeaders.apim}: `,
} as const

/** The end of the id's line and the Via line, by the protocol of the backend. */
const viaLines: Readonly<Record<string, string>> = {
  'HTTP/1.1': '\r\nVia: 1.1 postern\r\n',
  'HTTP/1.0': '\r\nVia: 1.0 postern\r\n',
  'HTTP/2.0': '\r\nVia: 2 postern\r\n',
}
