/** RFC 9113 section 6.9.1. */
export const maxWindow = 0x7fff_ffff

/** What we may still send on a stream or connection. Negative after the peer took back what was granted (section 6.9.2). */
export class SendWindow {
  available: number

  constructor(initial: number) {
    this.available = initial
  }

  /** For another stream. */
  reset(initial: number): void {
    this.available = initial
  }

  take(bytes: number): void {
    this.available -= bytes
  }

  /** WINDOW_UPDATE, or a change of SETTINGS_INITIAL_WINDOW_SIZE. @returns false beyond 2^31-1: FLOW_CONTROL_ERROR */
  shift(bytes: number): boolean {
    const available = this.available + bytes
    if (available > maxWindow) return false
    this.available = available
    return true
  }
}

/**
 * What the peer may still send to us. Granted again when it has been passed on, not when it arrives: that is what carries
 * backpressure from one side of the gateway to the other. Small grants are gathered to half of the window.
 */
export class ReceiveWindow {
  /** What the peer may send before the next grant. */
  available: number
  readonly #size: number
  readonly #grown: number
  #full: number
  #consumed = 0

  /** @param grown what it becomes with the first grant, which shows that somebody takes what comes */
  constructor(size: number, grown = size) {
    this.available = size
    this.#size = size
    this.#grown = grown
    this.#full = size
  }

  /** For another stream. */
  reset(): void {
    this.available = this.#size
    this.#full = this.#size
    this.#consumed = 0
  }

  /** @returns false when the peer sent more than it may: FLOW_CONTROL_ERROR */
  received(bytes: number): boolean {
    this.available -= bytes
    return this.available >= 0
  }

  /** Bytes were passed on. @returns the increment to announce with WINDOW_UPDATE now; 0: none yet */
  consumed(bytes: number): number {
    this.#consumed += bytes
    if (2 * this.#consumed < this.#full) return 0
    const increment = this.#consumed + this.#grown - this.#full
    this.#full = this.#grown
    this.#consumed = 0
    this.available += increment
    return increment
  }
}
