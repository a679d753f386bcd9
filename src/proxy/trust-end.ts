import type { Fault } from '../faults/fault.ts'

/** Longer times a timer of the runtime cannot have. */
const longestTimerMs = 2_000_000_000

/** Ends a connection whose trust has ended and whose exchanges have not: within the drain time they may (I2). */
export class TrustEnd {
  readonly #drainMs: number
  /** When it ends in any case, on the clock of `performance.now()`. */
  readonly #endsAt: number
  readonly #cut: () => void
  #timer: NodeJS.Timeout | null = null
  /** When it is cut; Infinity: the trust was not withdrawn. */
  #cutAt = Number.POSITIVE_INFINITY

  /** @param validUntil when what was verified ends (ms since the epoch); exchanges under way have the drain time more */
  constructor(validUntil: number, drainMs: number, cut: () => void) {
    this.#drainMs = drainMs
    this.#cut = cut
    const left = validUntil - Date.now()
    this.#endsAt = performance.now() + left + drainMs
    if (left < longestTimerMs) this.#set(left + drainMs)
  }

  /**
   * The trust was withdrawn: a tunnel or an endless stream has no end of its own, and gets one. Asked again it may come
   * earlier, never later.
   *
   * @param ms instead of the drain time
   */
  drain(ms = this.#drainMs): void {
    const now = performance.now()
    const cutAt = Math.min(now + ms, Math.max(now, this.#endsAt))
    if (cutAt >= this.#cutAt) return
    this.#cutAt = cutAt
    this.clear()
    this.#set(cutAt - now)
  }

  /** The connection has ended. */
  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #set(ms: number): void {
    this.#timer = setTimeout(this.#cut, ms).unref()
  }
}

/** Why an exchange ends with such a connection. */
export const trustEnded: Fault = {
  kind: 'connect-reset',
  verdict: null,
  party: 'gateway',
  summary: 'the trust of the target changed, and the time to finish under the old one is over',
  evidence: {},
}
