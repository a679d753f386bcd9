import type { DialObserver } from '../dial/dial.ts'
import { TargetTrust } from '../dial/target-trust.ts'
import type { Fault } from '../faults/fault.ts'
import type { RequestRef } from '../observe/events.ts'
import type { Deadlines, Timed } from './deadlines.ts'
import type { Exchange } from './exchange.ts'
import { H1Upstream } from './h1-upstream.ts'
import type { TargetPlan } from './plan.ts'

/** What a pool tells of its connections; for metrics and events. */
export interface PoolObserver {
  /** A dial begins, on behalf of a request. */
  dialing(request: RequestRef | null): DialObserver

  opened(connection: H1Upstream): void
  refused(fault: Fault): void
  closed(connection: H1Upstream): void
}

/**
 * The connections of one worker to one target under one snapshot (I2). A change of what is trusted, or of how the target
 * is reached, makes another pool; this one is retired and never used again.
 */
export class Pool implements Timed {
  deadline = Number.POSITIVE_INFINITY
  readonly target: TargetPlan
  readonly trust: TargetTrust | null
  readonly deadlines: Deadlines
  readonly observer: PoolObserver
  /** Last used, first taken: what is not needed grows old and is closed. */
  readonly #idle: H1Upstream[] = []
  readonly #all = new Set<H1Upstream>()
  readonly #waiting: Exchange[] = []
  #dialing = 0
  #retired = false

  /** Throws when the runtime cannot build the TLS context; then the generation is not built (I3). */
  constructor(target: TargetPlan, deadlines: Deadlines, observer: PoolObserver) {
    this.target = target
    this.trust = target.tls === null ? null : new TargetTrust(target.tls)
    this.deadlines = deadlines
    this.observer = observer
  }

  /**
   * Finds the exchange a connection: `exchange.upstreamReady` is called at once when an idle one is there, later
   * otherwise, or `exchange.upstreamRefused`.
   *
   * @param fresh never an idle one: for the retry after an idle connection turned out dead
   */
  acquire(exchange: Exchange, fresh: boolean): void {
    if (!fresh) {
      const now = Date.now()
      for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
        if (connection.usable(now)) {
          exchange.upstreamReady(connection)
          return
        }
        connection.destroy()
      }
    }
    // Who has a dial of its own, or room for one, does not wait in the sense of the limit: `pending: 0` still connects.
    const queued = this.#waiting.length - this.#dialing
    if (this.#all.size >= this.target.limits.connections && queued >= this.target.limits.pending) {
      exchange.upstreamRefused({
        kind: 'overloaded',
        verdict: null,
        party: 'gateway',
        summary: `${queued} requests already wait for one of the ${this.#all.size} connections to target "${this.target.name}"`,
        evidence: { connections: this.#all.size, waiting: queued },
      })
      return
    }
    const { connectMs, handshakeMs } = this.target.timeouts
    exchange.waitsUntil = this.deadlines.in(this.trust === null ? connectMs : connectMs + handshakeMs)
    if (this.deadline === Number.POSITIVE_INFINITY) {
      // Here and not at its birth: a pool of a generation that is never committed is not retired either. (I10)
      this.deadlines.add(this)
      this.deadline = exchange.waitsUntil
    }
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
        summary: `none of the ${this.#all.size} connections to target "${this.target.name}" became free in time`,
        evidence: { connections: this.#all.size, waiting: this.#waiting.length },
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

  opened(connection: H1Upstream): void {
    this.#dialing--
    this.observer.opened(connection)
    connection.deadline = this.deadlines.in(this.target.timeouts.keepAliveMs)
    if (this.#retired) connection.destroy()
    else if (connection.usable(Date.now())) this.release(connection)
    else this.#openedTooLate(connection)
  }

  /** Verified, and over already: a failure of the request it was dialed for, or it would be dialed again without end. (I10) */
  #openedTooLate(connection: H1Upstream): void {
    const waiting = this.#waiting.shift()
    connection.destroy()
    waiting?.upstreamRefused({
      kind: 'tls-untrusted',
      verdict: 'expired',
      party: 'backend',
      summary: `${this.target.host}:${this.target.port}: the verified path ended while the connection was opened`,
      evidence: { host: this.target.host, port: this.target.port, address: connection.remoteAddress },
    })
  }

  failed(connection: H1Upstream, fault: Fault): void {
    this.#dialing--
    this.#all.delete(connection)
    this.deadlines.delete(connection)
    this.observer.refused(fault)
    this.#waiting.shift()?.upstreamRefused(fault)
    this.#dialIfNeeded()
  }

  closed(connection: H1Upstream): void {
    if (!this.#all.delete(connection)) return
    this.deadlines.delete(connection)
    if (connection.dialed === null) this.#dialing--
    else this.observer.closed(connection)
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
    if (!this.#retired) this.#dialIfNeeded()
  }

  /**
   * Ends the pool: idle connections and dials at once, busy ones after their exchange (`drain`) or at once (`cut`).
   * Exchanges that wait are sent on, to the pool that took this one's place.
   */
  retire(mode: 'drain' | 'cut'): { idle: number; busy: number } {
    this.#retired = true
    this.deadlines.delete(this)
    const counts = { idle: 0, busy: 0 }
    const waiting = this.#waiting.splice(0)
    for (const connection of [...this.#all]) {
      if (connection.busy) counts.busy++
      else counts.idle++
      connection.retire(mode)
    }
    this.trust?.dropSession()
    for (const exchange of waiting) exchange.redispatch()
    return counts
  }

  #dialIfNeeded(): void {
    while (this.#dialing < this.#waiting.length && this.#all.size < this.target.limits.connections) {
      this.#dialing++
      const cause = this.#waiting[this.#dialing - 1]
      const connection = new H1Upstream(this, this.observer.dialing(cause?.ref() ?? null))
      this.#all.add(connection)
      this.deadlines.add(connection)
    }
  }
}
