import { messageOf } from '../core/errors.ts'
import type { MetricFamily } from '../observe/exposition.ts'
import type { RecordedTransaction } from '../observe/recording.ts'
import { openOtlp, type OtlpExporter } from '../otlp/exporter.ts'
import { LossCount } from './losses.ts'
import type { Outlet } from './outlet.ts'
import type { OutletPlan } from './plan.ts'
import type { Losses, ObserverPlan } from './protocol.ts'
import { openSyslog } from './syslog.ts'

interface Open<T> {
  /** What it was made of: another text, another one is opened. */
  readonly made: string
  readonly it: T
}

interface Hooks {
  readonly warn: (code: string, message: string) => void
  readonly now: () => number
}

/** What has left the plan has so long to send what it has. */
const leaveMs = 5_000

/** Everything that sends away: one OTLP exporter, and an outlet for each log sink. What a new plan leaves as it is goes on. */
export class Telemetry {
  readonly #hooks: Hooks
  #otlp: Open<OtlpExporter> | null = null
  readonly #outlets = new Map<string, Open<Outlet>>()
  /** Gone from the plan, not from the world yet: each counts until it is closed. */
  readonly #leaving = new Map<Promise<void>, (to: LossCount) => void>()
  readonly #lost = new LossCount()

  constructor(warn: Hooks['warn']) {
    this.#hooks = { warn, now: Date.now }
  }

  get losses(): Losses {
    const count = new LossCount()
    count.add(this.#lost.sum)
    for (const lost of this.#leaving.values()) lost(count)
    if (this.#otlp !== null) exporterLosses(this.#otlp.it)(count)
    for (const [sink, { it }] of this.#outlets) outletLosses(sink, it)(count)
    return count.sum
  }

  configure({ otlp, outlets, resource }: ObserverPlan): void {
    const made = JSON.stringify([otlp, resource])
    const wanted = new Map(
      outlets.map(({ key, plan }) => [key, JSON.stringify([plan, plan.kind === 'otlp' ? made : resource])]),
    )
    for (const [sink, open] of this.#outlets) {
      if (wanted.get(sink) === open.made) continue
      this.#outlets.delete(sink)
      this.#leave(open.it, outletLosses(sink, open.it))
    }
    if (this.#otlp !== null && (otlp === null || this.#otlp.made !== made)) {
      this.#leave(this.#otlp.it, exporterLosses(this.#otlp.it))
      this.#otlp = null
    }
    if (otlp !== null && this.#otlp === null) {
      const it = this.#opened('OTLP', () => openOtlp(otlp, resource, this.#hooks))
      if (it !== null) this.#otlp = { made, it }
    }
    for (const { key, plan } of outlets) {
      if (this.#outlets.has(key)) continue
      const it = this.#opened(key, () => this.#open(plan, resource))
      if (it !== null) this.#outlets.set(key, { made: wanted.get(key) as string, it })
    }
  }

  spans(transactions: readonly RecordedTransaction[]): void {
    if (this.#otlp === null) this.#lost.spans += transactions.length
    else this.#otlp.it.spans(transactions)
  }

  metrics(at: number, families: readonly MetricFamily[]): void {
    if (this.#otlp === null) this.#lost.metricExports++
    else this.#otlp.it.metrics(at, families)
  }

  log(sink: string, lines: Uint8Array, records: number): void {
    const open = this.#outlets.get(sink)
    if (open === undefined) this.#lost.log(sink, records)
    else open.it.write(lines, records)
  }

  async close(timeoutMs: number): Promise<void> {
    const open = [...this.#outlets.values(), ...(this.#otlp === null ? [] : [this.#otlp])]
    const ended = await Promise.allSettled([...this.#leaving.keys(), ...open.map(({ it }) => it.close(timeoutMs))])
    for (const result of ended) if (result.status === 'rejected') this.#closingFailed(result.reason)
  }

  #open(plan: OutletPlan, resource: ObserverPlan['resource']): Outlet | null {
    return plan.kind === 'syslog' ? openSyslog(plan, resource, this.#hooks) : (this.#otlp?.it.outlet() ?? null)
  }

  /** One that cannot be opened leaves the others as they are; what is meant for it is counted as lost. */
  #opened<T>(what: string, open: () => T): T | null {
    try {
      return open()
    } catch (error) {
      this.#hooks.warn('telemetry-not-sent', `${what} cannot be used: ${messageOf(error)}`)
      return null
    }
  }

  #leave(it: { close(timeoutMs: number): Promise<void> }, lost: (to: LossCount) => void): void {
    const closed = it
      .close(leaveMs)
      .catch((error: unknown) => this.#closingFailed(error))
      .then(() => {
        lost(this.#lost)
        this.#leaving.delete(closed)
      })
    this.#leaving.set(closed, lost)
  }

  #closingFailed(error: unknown): void {
    this.#hooks.warn('telemetry-not-closed', `telemetry could not be closed: ${messageOf(error)}`)
  }
}

function exporterLosses(exporter: OtlpExporter): (to: LossCount) => void {
  return (to) => {
    to.spans += exporter.dropped.spans
    to.metricExports += exporter.dropped.metricExports
  }
}

function outletLosses(sink: string, outlet: Outlet): (to: LossCount) => void {
  return (to) => {
    if (outlet.dropped > 0) to.log(sink, outlet.dropped)
  }
}
