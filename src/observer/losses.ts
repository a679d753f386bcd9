import type { Losses } from './protocol.ts'

/** Losses as they are counted. */
export class LossCount {
  rollupRequests = 0
  spans = 0
  metricExports = 0
  readonly #logRecords = new Map<string, number>()

  get sum(): Losses {
    const { rollupRequests, spans, metricExports } = this
    return { rollupRequests, spans, metricExports, logRecords: Object.fromEntries(this.#logRecords) }
  }

  log(sink: string, records: number): void {
    this.#logRecords.set(sink, (this.#logRecords.get(sink) ?? 0) + records)
  }

  add(losses: Losses): void {
    this.rollupRequests += losses.rollupRequests
    this.spans += losses.spans
    this.metricExports += losses.metricExports
    for (const [sink, records] of Object.entries(losses.logRecords)) this.log(sink, records)
  }
}

export function addLosses(a: Losses, b: Losses): Losses {
  const count = new LossCount()
  count.add(a)
  count.add(b)
  return count.sum
}
