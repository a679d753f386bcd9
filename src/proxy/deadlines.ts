import { performance } from 'node:perf_hooks'
/** Something with a moment by which it must have moved on. `Infinity`: no hurry. */
export interface Timed {
  /** In the time of `Deadlines.now`. */
  deadline: number
  /** Called once per missed deadline; sets a new one or ends the thing. */
  onDeadline(): void
}

const tickMs = 100

/**
 * One timer for all deadlines of a worker. Setting a deadline is one store, so a request that goes well never touches the
 * runtime's timers; the price is a resolution of 100 ms and one pass over the open connections per tick.
 */
export class Deadlines {
  /** Milliseconds, advances once per tick. */
  now = performance.now()
  readonly #timed = new Set<Timed>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  add(timed: Timed): void {
    this.#timed.add(timed)
  }

  delete(timed: Timed): void {
    this.#timed.delete(timed)
  }

  /** A deadline `ms` from now; never early, at most two ticks late. */
  in(ms: number): number {
    return this.now + ms + tickMs
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const now = performance.now()
    this.now = now
    for (const timed of this.#timed) {
      if (timed.deadline <= now) {
        timed.deadline = Number.POSITIVE_INFINITY
        timed.onDeadline()
      }
    }
  }
}
