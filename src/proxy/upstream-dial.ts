import { type Dialed, type DialHandle, dial } from '../dial/dial.ts'
import type { RequestRef } from '../observe/events.ts'
import { H1Upstream } from './h1-upstream.ts'
import { H2Upstream } from './h2-upstream.ts'
import type { Pool } from './pool.ts'
import { readBuffer } from './read-buffer.ts'
import type { UpstreamConnection } from './upstream.ts'

/** One dial of a pool, on behalf of the requests that wait; what comes of it depends on what ALPN chose. */
export class UpstreamDial {
  readonly #handle: DialHandle
  #connection: UpstreamConnection | null = null
  /** Ends the wait for the exact cause of the failure. */
  #forget: () => void = () => {}

  constructor(pool: Pool, cause: RequestRef | null) {
    this.#handle = dial({
      server: pool.server,
      trust: pool.trust,
      resolver: pool.resolver,
      onread: { buffer: readBuffer, callback: (length) => this.#connection?.read(length) ?? false },
      observer: pool.observer.dialing(cause),
      opened: (dialed) => this.#open(pool, dialed),
      failed: (fault) => {
        this.#forget = pool.consult(fault, (exact) => pool.dialFailed(this, exact))
      },
    })
  }

  /** Gives up, and tells nobody. */
  abandon(): void {
    this.#handle.abandon()
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
      pool.dialFailed(this, {
        kind: 'tls-failed',
        verdict: null,
        party: 'backend',
        summary: `${dialed.address} did not choose h2 by ALPN, and the target offers nothing else`,
        evidence: { address: dialed.address, alpn: dialed.alpn },
      })
      return
    }
    const connection = new H1Upstream(pool, dialed)
    this.#connection = connection
    pool.opened(this, connection)
  }
}
