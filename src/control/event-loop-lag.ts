import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { RollupMessage } from '../observe/rollup.ts'

const resolutionMs = 10

/** Event-loop delay of this thread, over windows of time, so that whoever asks often and whoever asks seldom see the same. */
export class EventLoopLag {
  readonly #histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  readonly #timer: NodeJS.Timeout
  #last: RollupMessage['lag'] | null = null

  constructor(windowMs = 15_000) {
    this.#histogram.enable()
    this.#timer = setInterval(() => {
      this.#last = this.#now()
      this.#histogram.reset()
    }, windowMs)
    this.#timer.unref()
  }

  /** ms. Of the last whole window; before there is one, since the start. */
  read(): RollupMessage['lag'] {
    return this.#last ?? this.#now()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#histogram.disable()
  }

  #now(): RollupMessage['lag'] {
    // What it records is the time between two ticks, and they are meant to be apart.
    const lag = (ns: number): number => (this.#histogram.count === 0 ? 0 : Math.max(0, ns / 1e6 - resolutionMs))
    const { max } = this.#histogram
    return { p50: lag(this.#histogram.percentile(50)), p99: lag(this.#histogram.percentile(99)), max: lag(max) }
  }
}
