import { type Dialed, type DialHandle, dial } from '../dial/dial.ts'
import { endTap } from '../dial/story-of.ts'
import { Tap } from '../dial/tap.ts'
import type { Fault } from '../faults/fault.ts'
import type { RequestRef } from '../observe/events.ts'
import { H1Upstream } from './h1-upstream.ts'
import { H2Upstream } from './h2-upstream.ts'
import type { Pool } from './pool.ts'
import { readBuffer } from './read-buffer.ts'
import type { UpstreamConnection } from './upstream.ts'

/** One dial of a pool, on behalf of the requests that wait; what comes of it depends on what ALPN chose. */
export class UpstreamDial {
  readonly #handle: DialHandle
  readonly #tap: Tap | null
  #connection: UpstreamConnection | null = null
  /** Ends the wait for the exact cause of the failure. */
  #forget: () => void = () => {}

  /** @param captures its handshake is read, for the debug session that records `cause` */
  constructor(pool: Pool, cause: RequestRef | null, captures: boolean) {
    // Plain HTTP has no handshake to read.
    this.#tap = captures && pool.trust !== null ? new Tap() : null
    this.#handle = dial({
      server: pool.server,
      trust: pool.trust,
      resolver: pool.resolver,
      onread: { buffer: readBuffer, callback: (length) => this.#connection?.read(length) ?? false },
      observer: pool.observer.dialing(cause),
      ...(this.#tap === null ? {} : { tap: this.#tap }),
      opened: (dialed) => {
        endTap(dialed.opening)
        this.#open(pool, dialed)
      },
      failed: (fault, opening) => {
        endTap(opening)
        this.#forget = pool.consult(fault, (exact) => pool.dialFailed(this, exact, opening))
      },
    })
  }

  get captures(): boolean {
    return this.#tap !== null
  }

  /** Gives up, and tells nobody. */
  abandon(): void {
    this.#handle.abandon()
    this.#tap?.end()
    this.#forget()
  }

  #open(pool: Pool, dialed: Dialed): void {
    if (dialed.alpn === 'h2' || pool.server.h2c) {
      const session = new H2Upstream(pool, dialed)
      this.#connection = session
      pool.openedSession(this, session)
      return
    }
    if (!pool.takesHttp1) {
      dialed.socket.on('error', () => {}) // it is being destroyed
      dialed.socket.destroy()
      const fault: Fault = {
        kind: 'tls-failed',
        verdict: null,
        party: 'backend',
        summary: `${dialed.address} did not choose h2 by ALPN, and the target offers nothing else`,
        evidence: { address: dialed.address, alpn: dialed.alpn, timings: dialed.opening.timings() },
      }
      pool.dialFailed(this, fault, dialed.opening)
      return
    }
    const connection = new H1Upstream(pool, dialed)
    this.#connection = connection
    pool.opened(this, connection)
  }
}
