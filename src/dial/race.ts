import type { LookupAddress } from 'node:dns'
import type { Socket } from 'node:net'
import { codeOf } from '../core/errors.ts'

/** One address that was tried. */
export interface Attempt<T extends { readonly socket: Socket } = { readonly socket: Socket }> {
  readonly address: LookupAddress
  readonly opened: T
  /** `performance.now()`. */
  readonly startedAt: number
  /** null: it was given up, or is under way. */
  endedAt: number | null
  error: Error | null
  won: boolean
}

export interface RaceOutcome<T extends { readonly socket: Socket }> {
  /** The socket is connected and nothing of ours listens on it; called before whatever else waits for its 'connect'. */
  connected(winner: Attempt<T>): void
  /** No address could be connected to: the attempt that tells most about it. Once, never during construction. */
  failed(why: Attempt<T>): void
}

/** After how long the next address is tried beside one that has not answered (RFC 8305 section 5). */
const attemptDelayMs = 250

/**
 * Connects to the first address that answers. A slow one goes on beside the next (RFC 8305 section 5); the runtime's
 * `autoSelectFamily` gives it up instead, so that a host further away than its timeout is never reached (nodejs/node#54359).
 */
export class Race<T extends { readonly socket: Socket }> {
  readonly attempts: Attempt<T>[] = []
  readonly #addresses: readonly LookupAddress[]
  readonly #open: (address: LookupAddress) => T
  readonly #outcome: RaceOutcome<T>
  #over = false
  #timer: NodeJS.Timeout | null = null

  constructor(addresses: readonly LookupAddress[], open: (address: LookupAddress) => T, outcome: RaceOutcome<T>) {
    this.#addresses = addresses
    this.#open = open
    this.#outcome = outcome
    this.#next()
  }

  /** Ends every attempt; no callback follows. */
  stop(): void {
    this.#end(null)
  }

  #next(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    const address = this.#addresses[this.attempts.length]
    if (address === undefined) return
    const startedAt = performance.now()
    const opened = this.#open(address)
    const { socket } = opened
    const attempt: Attempt<T> = { address, opened, startedAt, endedAt: null, error: null, won: false }
    this.attempts.push(attempt)
    const onError = (error: Error): void => this.#attemptFailed(attempt, error)
    // A loser keeps it: a socket that is being destroyed may still report.
    socket.on('error', onError)
    // First, since a TLS socket begins its handshake on the same event.
    socket.prependOnceListener('connect', () => {
      if (this.#over) return
      socket.off('error', onError)
      attempt.endedAt = performance.now()
      attempt.won = true
      this.#end(attempt)
      this.#outcome.connected(attempt)
    })
    if (this.attempts.length < this.#addresses.length) {
      this.#timer = setTimeout(() => this.#next(), attemptDelayMs)
    }
  }

  #attemptFailed(attempt: Attempt<T>, error: Error): void {
    if (this.#over || attempt.error !== null) return
    attempt.error = error
    attempt.endedAt = performance.now()
    if (this.attempts.length < this.#addresses.length) {
      this.#next()
    } else if (this.attempts.every((each) => each.error !== null)) {
      this.#end(null)
      this.#outcome.failed(mostTelling(this.attempts) ?? attempt)
    }
  }

  #end(winner: Attempt<T> | null): void {
    this.#over = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    for (const attempt of this.attempts) if (attempt !== winner) attempt.opened.socket.destroy()
  }
}

/** That an address is out of reach says least: most often it is of the family that this machine does not have. */
const telling = ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']

function mostTelling<T extends Attempt>(attempts: readonly T[]): T | undefined {
  for (const code of telling) {
    const found = attempts.find(({ error }) => codeOf(error) === code)
    if (found !== undefined) return found
  }
  return undefined
}
