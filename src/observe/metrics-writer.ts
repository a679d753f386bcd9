import type { Fault } from '../faults/fault.ts'
import type { VerdictCode } from '../verdict/codes.ts'
import type { MetricsLayout } from './metrics-layout.ts'

import {
  codeClasses,
  faultSlots,
  handshakeBounds,
  handshakeResults,
  handshakeTimeSlots,
  metricsBytes,
  proxyOffset,
  proxyRow,
  targetOffset,
  targetRow,
  verdictSlots,
  workerRow,
} from './metrics-layout.ts'

/** A worker's counters, shared with the main thread, which only reads them. */
export function createMetricsBuffer(layout: MetricsLayout): SharedArrayBuffer {
  return new SharedArrayBuffer(metricsBytes(layout))
}

/**
 * The worker's side. Each buffer has exactly one writer, so plain increments suffice and no Atomics are needed; a scrape
 * may see a request in one counter and not yet in another. Doubles, because 32 bits of requests overflow in a day, and
 * an aligned double is one load or store on every 64-bit machine.
 *
 * An index is the place in the generation's `proxies` or `targets`; -1 is for none.
 */
export class MetricsWriter {
  #values: Float64Array
  #layout: MetricsLayout

  constructor(buffer: SharedArrayBuffer, layout: MetricsLayout) {
    this.#values = new Float64Array(buffer)
    this.#layout = layout
  }

  /** One finished request; `status` 0 where no answer was sent. */
  request(proxy: number, status: number): void {
    const known = status >= 100 && status < codeClasses.length * 100
    this.#add(proxyOffset(proxy, this.#layout) + proxyRow.classes + (known ? Math.trunc(status / 100) : 0), 1)
  }

  fault(target: number, fault: Fault): void {
    this.#add(targetOffset(target, this.#layout) + targetRow.faults + faultSlots[fault.verdict ?? fault.kind], 1)
  }

  /** One TLS handshake with a backend, good or bad; `ms` null where nobody knows how long it took. */
  handshake(target: number, verdict: VerdictCode, resumed: boolean, ms: number | null): void {
    const at = targetOffset(target, this.#layout)
    const result = verdict !== 'trusted' ? 'refused' : resumed ? 'resumed' : 'verified'
    this.#add(at + (result === 'resumed' ? targetRow.resumed : targetRow.handshakes + verdictSlots[verdict]), 1)
    if (ms === null) return
    const times = at + targetRow.handshakeTimes + handshakeResults.indexOf(result) * handshakeTimeSlots
    const seconds = ms / 1000
    let bucket = 0
    while (bucket < handshakeBounds.length && seconds > (handshakeBounds[bucket] as number)) bucket++
    this.#add(times + bucket, 1)
    this.#add(times + handshakeTimeSlots - 1, seconds)
  }

  upstreamOpened(target: number): void {
    this.#add(targetOffset(target, this.#layout) + targetRow.opened, 1)
  }

  /** Checks have found a server unhealthy (1), or found it healthy or forgotten it (-1). */
  serverUnhealthy(target: number, change: 1 | -1): void {
    this.#add(targetOffset(target, this.#layout) + targetRow.unhealthy, change)
  }

  serverEjected(target: number): void {
    this.#add(targetOffset(target, this.#layout) + targetRow.ejections, 1)
  }

  retried(target: number): void {
    this.#add(targetOffset(target, this.#layout) + targetRow.retries, 1)
  }

  breakerOpened(target: number): void {
    this.#add(targetOffset(target, this.#layout) + targetRow.breakerOpened, 1)
  }

  clientOpened(): void {
    this.#add(workerRow.clientsOpened, 1)
    this.#add(workerRow.clientsOpen, 1)
  }

  clientClosed(): void {
    this.#add(workerRow.clientsOpen, -1)
  }

  logDropped(records: number): void {
    this.#add(workerRow.logDropped, records)
  }

  #add(slot: number, amount: number): void {
    this.#values[slot]! += amount
  }
}
