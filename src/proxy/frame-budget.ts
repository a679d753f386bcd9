import type { Deadlines } from './deadlines.ts'

/**
 * How many frames that cost the sender nothing a peer may send: a stock that fills up with time. (I10)
 */
export class FrameBudget {
  readonly #deadlines: Deadlines
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #filledAt: number

  constructor(deadlines: Deadlines, burst: number, perSecond: number) {
    this.#deadlines = deadlines
    this.#burst = burst
    this.#perSecond = perSecond
    this.#left = burst
    this.#filledAt = deadlines.now
  }

  /** @returns false when the peer has used up what it may send */
  take(): boolean {
    if (this.#left >= 1) {
      this.#left--
      return true
    }
    const { now } = this.#deadlines
    this.#left = Math.min(this.#burst, (this.#perSecond * (now - this.#filledAt)) / 1000)
    this.#filledAt = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }

  /** Something useful came along with it: what a peer gets in return for work is not a flood. */
  give(frames: number): void {
    this.#left = Math.min(this.#burst, this.#left + frames)
  }
}
