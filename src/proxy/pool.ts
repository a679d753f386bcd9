import { isIP } from 'node:net'
import { addressText, type DialObserver } from '../dial/dial.ts'
import type { Opening } from '../dial/opening.ts'
import type { Resolver } from '../dial/resolver.ts'
import { storyOf } from '../dial/story-of.ts'
import { TargetTrust } from '../dial/target-trust.ts'
import type { Fault } from '../faults/fault.ts'
import type { RequestRef } from '../observe/events.ts'
import type { Deadlines, Timed } from './deadlines.ts'
import type { Exchange } from './exchange.ts'
import type { H1Upstream } from './h1-upstream.ts'
import type { H2Upstream } from './h2-upstream.ts'
import type { ServerPlan } from './plan.ts'
import { UpstreamDial } from './upstream-dial.ts'
import type { UpstreamConnection } from './upstream.ts'
import { webSocketProtocol } from './websocket.ts'

/** What a pool tells of its connections; for metrics and events. */
export interface PoolObserver {
  /** A dial begins, on behalf of a request. */
  dialing(request: RequestRef | null): DialObserver

  opened(connection: UpstreamConnection): void
  /** Brings the exact cause to a failure, at once or a moment later. @returns what ends the wait for it */
  consult(fault: Fault, done: (exact: Fault) => void): () => void
  refused(fault: Fault): void
  closed(connection: UpstreamConnection): void
}

/**
 * The connections of one worker to one server under one snapshot (I2). A change of what is trusted, or of how the server is
 * reached, makes another pool; this one is retired and never used again.
 */
export class Pool implements Timed {
  deadline = Number.POSITIVE_INFINITY
  readonly server: ServerPlan
  readonly trust: TargetTrust | null
  readonly deadlines: Deadlines
  readonly resolver: Resolver
  readonly observer: PoolObserver
  /** Last used, first taken: what is not needed grows old and is closed. */
  readonly #idle: H1Upstream[] = []
  /** HTTP/2 connections that take requests, in the order they were opened: the first with room gets the next. */
  readonly #sessions: H2Upstream[] = []
  readonly #all = new Set<UpstreamConnection>()
  readonly #dials = new Set<UpstreamDial>()
  readonly #waiting: Exchange[] = []
  /** What the server's connections turned out to speak; before that, one dial has to do for all who wait. */
  #speaks: 'unknown' | 'h1' | 'h2'
  #retired = false
  /** Ends the watch over the addresses of the server's name; null: none is kept. */
  #unwatch: (() => void) | null = null
  /** Connections of HTTP/1.1 alone, for upgrades that the HTTP/2 ones do not take; with the same limits again. */
  #upgrades: Pool | null = null

  /** Throws when the runtime cannot build the TLS context; then the generation is not built (I3). */
  constructor(
    server: ServerPlan,
    deadlines: Deadlines,
    resolver: Resolver,
    observer: PoolObserver,
    trust: TargetTrust | null = server.tls === null ? null : new TargetTrust(server.tls),
  ) {
    this.server = server
    this.trust = trust
    this.deadlines = deadlines
    this.resolver = resolver
    this.observer = observer
    const offersH2 = server.h2c || (server.tls?.alpn.includes('h2') ?? false)
    this.#speaks = offersH2 ? 'unknown' : 'h1'
  }

  /**
   * Finds the exchange a connection: `exchange.upstreamReady` is called at once when an idle one is there, later
   * otherwise, or `exchange.upstreamRefused`.
   *
   * @param fresh never an idle one of HTTP/1.1: for the retry after an idle connection turned out dead
   */
  acquire(exchange: Exchange, fresh: boolean): void {
    const elsewhere = exchange.upgrade === '' ? null : this.#poolForUpgrade(exchange.upgrade)
    if (elsewhere !== null) {
      elsewhere.acquire(exchange, fresh)
      return
    }
    const now = Date.now()
    const session = this.#sessionWithRoom(now)
    if (session !== null) {
      exchange.upstreamReady(session.open())
      return
    }
    if (!fresh) {
      for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
        if (connection.usable(now)) {
          exchange.upstreamReady(connection)
          return
        }
        connection.destroy()
      }
    }
    const { limits, timeouts } = this.server
    // Who has a dial of its own, or room for one, does not wait in the sense of the limit: `pending: 0` still connects.
    const queued = this.#waiting.length - this.#dials.size * this.#perDial()
    const full =
      this.#speaks === 'unknown'
        ? this.#waiting.length >= limits.connections + limits.pending // one dial stands for all of them, so far
        : this.#connections >= limits.connections && queued >= limits.pending
    if (full) {
      exchange.upstreamRefused({
        kind: 'overloaded',
        verdict: null,
        party: 'gateway',
        summary: `${queued} requests already wait for one of the ${this.#connections} connections to ${this.#what()}`,
        evidence: { connections: this.#connections, waiting: queued },
      })
      return
    }
    exchange.waitsUntil = this.deadlines.in(
      this.trust === null ? timeouts.connectMs : timeouts.connectMs + timeouts.handshakeMs,
    )
    if (this.deadline === Number.POSITIVE_INFINITY) {
      // Here and not at its birth: a pool of a generation that is never committed is not retired either. (I10)
      this.deadlines.add(this)
      this.deadline = exchange.waitsUntil
    }
    exchange.waitingAt(this)
    this.#waiting.push(exchange)
    this.#dialIfNeeded()
  }

  /** Some have waited as long as a connection may take: tunnels and endless streams can hold all there are. (I10) */
  onDeadline(): void {
    const { now } = this.deadlines
    for (let first = this.#waiting[0]; first !== undefined && first.waitsUntil <= now; first = this.#waiting[0]) {
      this.#waiting.shift()
      first.upstreamRefused({
        kind: 'overloaded',
        verdict: null,
        party: 'gateway',
        summary: `none of the ${this.#connections} connections to ${this.#what()} became free in time`,
        evidence: { connections: this.#connections, waiting: this.#waiting.length },
      })
    }
    this.deadline = this.#waiting[0]?.waitsUntil ?? Number.POSITIVE_INFINITY
  }

  /** The exchange no longer waits. */
  forget(exchange: Exchange): void {
    const at = this.#waiting.indexOf(exchange)
    if (at !== -1) this.#waiting.splice(at, 1)
  }

  /** A connection has finished its exchange and may serve another. */
  release(connection: H1Upstream): void {
    if (this.#waiting.length === 0) {
      this.#idle.push(connection)
    } else if (connection.usable(Date.now())) {
      this.#waiting.shift()?.upstreamReady(connection)
    } else {
      // I2: what its certificates, or an exception, vouched for has ended while it was busy. Another one is dialed.
      connection.destroy()
    }
  }

  opened(dial: UpstreamDial, connection: H1Upstream): void {
    this.#dials.delete(dial)
    this.#take(connection)
    this.#speaks = 'h1'
    if (this.#retired) connection.destroy()
    else if (!connection.usable(Date.now())) this.#openedTooLate(connection)
    else if (connection.captured) this.#serveOnce(connection)
    else this.release(connection)
    // Only now is it known that one connection serves one at a time.
    this.#dialIfNeeded()
  }

  openedSession(dial: UpstreamDial, session: H2Upstream): void {
    this.#dials.delete(dial)
    this.#take(session)
    this.#speaks = 'h2'
    if (this.#retired) {
      session.destroy()
    } else if (session.usable(Date.now())) {
      this.#sessions.push(session)
      if (session.captured) this.#nextFor(true)?.upstreamReady(session.open())
      this.roomIn(session)
      if (session.captured) session.takeNoMore()
      this.#dialIfNeeded()
    } else {
      this.#openedTooLate(session)
    }
  }

  /** A stream of the session has ended, or its peer allows more of them. */
  roomIn(session: H2Upstream): void {
    const now = Date.now()
    while (this.#waiting.length > 0 && session.hasRoom && session.usable(now)) {
      const exchange = this.#waiting.shift() as Exchange
      exchange.upstreamReady(session.open())
    }
  }

  /** The session takes no further requests; what it has under way goes on. */
  noMoreOf(session: H2Upstream): void {
    const at = this.#sessions.indexOf(session)
    if (at !== -1) this.#sessions.splice(at, 1)
    if (!this.#retired) this.#dialIfNeeded()
  }

  consult(fault: Fault, done: (exact: Fault) => void): () => void {
    return this.observer.consult(fault, done)
  }

  dialFailed(dial: UpstreamDial, fault: Fault, opening: Opening): void {
    this.#dials.delete(dial)
    this.observer.refused(fault)
    // Whoever counted on this dial: one where a connection serves one, all where it would have served all.
    const one = this.#perDial() === 1 ? this.#nextFor(dial.captures) : null
    this.#refuse(one === null ? this.#waiting.splice(0, this.#perDial()) : [one], fault, opening)
    this.#dialIfNeeded()
  }

  closed(connection: UpstreamConnection): void {
    if (!this.#all.delete(connection)) return
    this.observer.closed(connection)
    remove(this.#idle, connection)
    remove(this.#sessions, connection)
    if (this.#all.size === 0) this.#endWatch()
    if (!this.#retired) this.#dialIfNeeded()
  }

  /** Connections to addresses that the server's name no longer has are used no more; what they have under way ends. */
  #keepOnly(addresses: ReadonlySet<string>): void {
    for (const connection of [...this.#all]) {
      if (!addresses.has(hostOf(connection.remoteAddress))) connection.retire('finish')
    }
  }

  /**
   * Ends the pool: idle connections and dials at once, busy ones after their exchange (`drain`) or at once (`cut`).
   * Exchanges that wait are sent on, to the pool that took this one's place.
   *
   * @param drainMs how long busy ones have, where it is not the server's own drain time
   */
  retire(mode: 'drain' | 'cut', drainMs?: number): { idle: number; busy: number } {
    this.#retired = true
    this.deadlines.delete(this)
    this.#endWatch()
    const counts = this.#upgrades?.retire(mode, drainMs) ?? { idle: 0, busy: 0 }
    const waiting = this.#waiting.splice(0)
    for (const dial of this.#dials) {
      counts.idle++
      dial.abandon()
    }
    this.#dials.clear()
    for (const connection of [...this.#all]) {
      if (connection.busy) counts.busy++
      else counts.idle++
      connection.retire(mode, drainMs)
    }
    this.trust?.dropSession()
    for (const exchange of waiting) exchange.redispatch()
    return counts
  }

  /** Connections of HTTP/1.1 can be had. */
  get takesHttp1(): boolean {
    return !this.server.h2c && (this.server.tls?.alpn.includes('http/1.1') ?? true)
  }

  /** No connection is left, and none is under way. */
  get isEmpty(): boolean {
    return this.#connections === 0 && (this.#upgrades?.isEmpty ?? true)
  }

  get #connections(): number {
    return this.#all.size + this.#dials.size
  }

  #take(connection: UpstreamConnection): void {
    this.#all.add(connection)
    this.observer.opened(connection)
    const { dns, egress } = this.server
    // Behind a proxy it is the proxy's address that the connection has.
    const host = egress?.host ?? this.server.host
    if (this.#unwatch !== null || this.#retired || isIP(host) !== 0) return
    this.#unwatch = this.resolver.watch(host, dns, (addresses) => this.#keepOnly(addresses))
  }

  #endWatch(): void {
    this.#unwatch?.()
    this.#unwatch = null
  }

  #sessionWithRoom(now: number): H2Upstream | null {
    for (const session of this.#sessions) {
      if (!session.hasRoom) continue
      if (session.usable(now)) return session
      // I2: what vouched for it has ended; what it has under way ends on its own time.
      session.retire('drain')
      return this.#sessionWithRoom(now)
    }
    return null
  }

  /** Where an upgrade is to go instead; null: here. */
  #poolForUpgrade(protocol: string): Pool | null {
    if (this.#speaks === 'h1' || this.server.tls === null || !this.takesHttp1) return null
    // RFC 8441: where the backend takes a WebSocket as a stream, it needs no connection of its own. Whether it does is
    // known with its SETTINGS; a request that finds then that it does not comes here again.
    const mayTake = this.#sessions.length === 0 || this.#sessions.some((session) => session.mayTakeTunnels)
    if (protocol === webSocketProtocol && mayTake) return null
    const server = { ...this.server, tls: { ...this.server.tls, alpn: ['http/1.1'] } }
    this.#upgrades ??= new Pool(server, this.deadlines, this.resolver, this.observer)
    return this.#upgrades
  }

  /** Verified, and over already: a failure of the request it was dialed for, or it would be dialed again without end. (I10) */
  #openedTooLate(connection: UpstreamConnection): void {
    const waiting = this.#waiting.splice(0, this.#perDial())
    connection.destroy()
    const { host, port } = this.server
    const what = addressText(host, port)
    const { opening } = connection.dialed
    const fault: Fault = {
      kind: 'tls-untrusted',
      verdict: 'expired',
      party: 'backend',
      summary: `${what}: the verified path ended while the connection was opened`,
      evidence: { host, port, address: connection.remoteAddress, timings: opening.timings() },
    }
    this.#refuse(waiting, fault, opening)
  }

  #refuse(losers: readonly Exchange[], fault: Fault, opening: Opening): void {
    // Made only where somebody has asked for it.
    const story = losers.some(({ capture }) => capture) ? storyOf(opening, fault) : null
    for (const exchange of losers) exchange.upstreamRefused(fault, story)
  }

  /** A connection that is not kept goes to whom it was opened for. */
  #serveOnce(connection: H1Upstream): void {
    const exchange = this.#nextFor(true)
    if (exchange === null) connection.destroy()
    else exchange.upstreamReady(connection)
  }

  /** Takes out the one that has waited longest: with `captures` of those that a debug session records, if there is one. */
  #nextFor(captures: boolean): Exchange | null {
    const at = captures ? this.#waiting.findIndex(({ capture }) => capture) : 0
    return this.#waiting.splice(Math.max(at, 0), 1)[0] ?? null
  }

  /** Requests that one connection can be expected to serve at once. */
  #perDial(): number {
    return this.#speaks === 'h1' ? 1 : this.server.limits.streams
  }

  #dialIfNeeded(): void {
    if (this.#retired) return
    const perDial = this.#perDial()
    while (
      this.#waiting.length > 0 &&
      (this.#dials.size === 0 || (this.#speaks !== 'unknown' && this.#dials.size * perDial < this.#waiting.length)) &&
      this.#connections < this.server.limits.connections
    ) {
      const cause = this.#waiting[this.#dials.size * perDial]
      this.#dials.add(new UpstreamDial(this, cause?.ref() ?? null, cause?.capture ?? false))
    }
  }

  #what(): string {
    const { target, name } = this.server
    return `server "${name}" of target "${target}"`
  }
}

function remove(list: UpstreamConnection[], connection: UpstreamConnection): void {
  const at = list.indexOf(connection)
  if (at !== -1) list.splice(at, 1)
}

/** Without the port, and without the brackets of IPv6. */
function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
