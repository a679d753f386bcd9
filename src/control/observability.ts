import { hostname } from 'node:os'
import { compileTelemetry } from '../config/compile-telemetry.ts'
import type { ResolvedOk } from '../config/resolve.ts'
import { messageOf, PosternError } from '../core/errors.ts'
import { version } from '../core/version.ts'
import type { Monitor } from '../monitor/query.ts'
import type { MetricFamily } from '../observe/exposition.ts'
import { HttpMetrics } from '../observe/http-metrics.ts'
import type { LogBatch } from '../observe/log-batcher.ts'
import type { RecordedBatch, RecordingOrder } from '../observe/recording.ts'
import type { RollupMessage } from '../observe/rollup.ts'
import { withoutMessages } from '../observe/without-messages.ts'
import { type ObserverHandle, openObserver } from '../observer/handle.ts'
import type { ObserverPlan } from '../observer/protocol.ts'
import type { GenerationPlan } from '../proxy/plan.ts'
import { openTraces, type TraceRegistry } from '../traces/registry.ts'
import { type LossCounts, noLosses } from './main-metrics.ts'

export interface ObservabilityHooks {
  /** Debug sessions that run, for every worker. */
  order(orders: readonly RecordingOrder[]): void
  warn(code: string, message: string): void
  /** Somebody can ask for the rollups; without, metrics alone are made of them. */
  hasManagement(): boolean
  /** All metrics as they are now. */
  families(): readonly MetricFamily[]
}

/**
 * What is made of everything the workers tell: debug sessions, cumulative metrics, and the thread that keeps the rollups and
 * sends telemetry away.
 */
export class Observability {
  readonly traces: TraceRegistry
  readonly http = new HttpMetrics()
  /** Alerts that no receiver took; who sends them counts them. */
  alertsLost: () => number = () => 0
  readonly #hooks: ObservabilityHooks
  /** null: rollups are kept in memory. */
  readonly #file: string | null
  /** Debug sessions that run. */
  #orders: readonly RecordingOrder[] = []
  #observer: ObserverHandle | null = null
  #plan: ObserverPlan | null = null
  #metricsTimer: NodeJS.Timeout | null = null
  #lost = 0
  #closed = false

  constructor(file: string | null, hooks: ObservabilityHooks) {
    this.#file = file
    this.#hooks = hooks
    this.traces = openTraces({
      order: (orders) => {
        this.#orders = orders
        hooks.order(orders)
      },
    })
  }

  /** For a worker that has just begun. */
  get orders(): readonly RecordingOrder[] {
    return this.#orders
  }

  /** Rejects with `monitoring-unavailable` where nothing is counted, as there is no management listener. */
  readonly monitor: Monitor = {
    aggregate: async (query) => this.#asked().ask({ kind: 'aggregate', query }),
    samples: async (query) => this.#asked().ask({ kind: 'samples', query }),
    find: async (id) => this.#asked().ask({ kind: 'find', id }),
    health: async () => this.#asked().ask({ kind: 'health' }),
  }

  get losses(): LossCounts {
    return {
      ...noLosses,
      ...this.#observer?.losses(),
      transactions: this.#lost + this.traces.lost,
      alerts: this.alertsLost(),
    }
  }

  /** What waits for the observer's thread. */
  get queues(): Readonly<Record<string, number>> {
    return this.#observer?.queues() ?? {}
  }

  /** A generation is in force. */
  follow(resolved: ResolvedOk, plan: GenerationPlan): void {
    this.http.follow(plan)
    const next = this.#planOf(resolved, plan)
    if (JSON.stringify(next) === JSON.stringify(this.#plan)) return
    this.#plan = next
    if (next.monitoring !== null || next.otlp !== null || next.outlets.length > 0) {
      this.#observer ??= openObserver({ warn: (code, message) => this.#hooks.warn(code, message) })
    }
    this.#observer?.configure(next)
    this.#exportMetrics(next.otlp?.metrics?.intervalMs ?? null)
  }

  rollup(message: RollupMessage): void {
    this.http.add(message)
    this.#observer?.rollup(message)
  }

  recorded({ transactions, spans, lost }: RecordedBatch): void {
    this.#lost += lost
    if (transactions.length > 0) this.traces.recorded(transactions)
    if (this.#plan?.otlp?.traces !== true) return
    if (spans !== null) this.#observer?.spans(spans)
    const traced = transactions.filter(({ context }) => context !== null)
    if (traced.length === 0) return
    const bare = traced.map((each) => ({ ...each, steps: withoutMessages(each.steps) }))
    this.#observer?.spans({ text: JSON.stringify(bare), transactions: bare.length })
  }

  outlet({ sink, bytes, records }: LogBatch, done: () => void): void {
    if (this.#observer === null) done()
    else this.#observer.log(sink, bytes, records, done)
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#metricsTimer !== null) {
      clearInterval(this.#metricsTimer)
      // What was counted since the last export would never be told.
      this.#exportNow()
    }
    this.traces.close()
    await this.#observer?.close(timeoutMs)
  }

  #asked(): ObserverHandle {
    if (this.#observer !== null && this.#plan?.monitoring !== null) return this.#observer
    throw new PosternError('monitoring-unavailable', 'nothing is counted without a management listener')
  }

  #planOf(resolved: ResolvedOk, plan: GenerationPlan): ObserverPlan {
    const { monitoring, ...telemetry } = compileTelemetry(resolved.input)
    return {
      ...telemetry,
      monitoring: plan.monitoring && this.#hooks.hasManagement() ? { file: this.#file, ...monitoring } : null,
      resource: {
        organization: plan.organization,
        environment: plan.environment,
        region: plan.region,
        hostName: hostname(),
        version,
        instance,
      },
    }
  }

  #exportMetrics(intervalMs: number | null): void {
    if (this.#metricsTimer !== null) clearInterval(this.#metricsTimer)
    this.#metricsTimer = null
    if (intervalMs === null) return
    this.#metricsTimer = setInterval(() => this.#exportNow(), intervalMs)
    this.#metricsTimer.unref()
  }

  #exportNow(): void {
    try {
      this.#observer?.metrics(Date.now(), this.#hooks.families())
    } catch (error) {
      this.#hooks.warn('metrics-not-exported', messageOf(error))
    }
  }
}

/** Of this process, for receivers that tell instances apart. */
const instance = crypto.randomUUID()
