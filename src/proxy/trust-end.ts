import type { Fault } from '../faults/fault.ts'

/** Longer times a timer of the runtime cannot have. */
const longestTimerMs = 2_000_000_000

/** Ends a connection whose trust has ended and whose exchanges have not: within the drain time they may (I2). */
export class TrustEnd {
  readonly #drainMs: number
  readonly #cut: () => void
  #timer: NodeJS.Timeout | null = null
  #draining = false

  /** @param validUntil when what was verified ends (ms since the epoch); exchanges under way have the drain time more */
  constructor(validUntil: number, drainMs: number, cut: () => void) {
    this.#drainMs = drainMs
    this.#cut = cut
    const left = validUntil - Date.now()
    if (left < longestTimerMs) this.#set(left + drainMs)
  }

  /** The trust was withdrawn: a tunnel or an endless stream has no end of its own, and gets one. */
  drain(): void {
    if (this.#draining) return
    this.#draining = true
    this.clear()
    this.#set(this.#drainMs)
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
