import type { ConfigProblem } from '../config/load.ts'
import type { PosternEvent } from '../observe/events.ts'
import type { MetricFamily, MetricSample } from '../observe/exposition.ts'
import { lagSamples } from '../observe/http-metrics.ts'
import { MetricsRegistry } from '../observe/metrics.ts'
import { CertificateMetrics, type CertificateState } from './certificate-metrics.ts'
import { EventLoopLag } from './event-loop-lag.ts'
import { mainMetrics, type MainState } from './main-metrics.ts'
import { processMetrics } from './process-metrics.ts'

export type GatewayState = MainState & CertificateState

/** I10: names of stores that something was counted of and no configuration has yet. */
const maxUnknownStores = 100

/** All metrics of a gateway, but what its rollups tell. */
export class GatewayMetrics {
  readonly workers = new MetricsRegistry()
  readonly #certificates = new CertificateMetrics()
  readonly #lag = new EventLoopLag()
  readonly #changes = new Map<string, number>()
  readonly #failures = new Map<string, number>()
  /** Stores for which the configuration was refused last. */
  #refused: ReadonlySet<string> = new Set()
  #committed = 0
  #workersDied = 0

  /** Every event of the main thread. */
  event(event: PosternEvent): void {
    if (event.type === 'trust-changed') count(this.#changes, event.store)
    else if (event.type === 'generation-committed') this.#committed++
    else if (event.type === 'worker-died') this.#workersDied++
  }

  /** A configuration was refused for these. */
  refused(problems: readonly ConfigProblem[]): void {
    const stores = problems.flatMap(({ path }) => storeOf(path) ?? [])
    this.#refused = new Set(stores)
    for (const store of this.#refused) count(this.#failures, store)
  }

  /** @param rollups what they tell, see HttpMetrics */
  families(state: GatewayState, rollups: readonly MetricFamily[]): readonly MetricFamily[] {
    const certificates = this.#certificates.families(state)
    const stored = certificates.find(({ name }) => name === 'postern_trust_anchors_expired')
    const stores = [...state.stores.keys(), ...(stored?.samples ?? []).map(({ labels }) => labels['store'] ?? '')]
    return [
      ...rollups,
      ...this.workers.families(),
      ...mainMetrics(state),
      {
        name: 'postern_generations_committed_total',
        help: 'Changes of the configuration that were taken up.',
        type: 'counter',
        samples: [{ labels: {}, value: this.#committed }],
      },
      {
        name: 'postern_workers_died_total',
        help: 'Worker threads that ended and were replaced.',
        type: 'counter',
        samples: [{ labels: {}, value: this.#workersDied }],
      },
      {
        name: 'postern_main_event_loop_lag_seconds',
        help: 'Event-loop delay of the main thread over 15 seconds: p50, p99, max.',
        type: 'gauge',
        labels: ['statistic'],
        samples: lagSamples(this.#lag.read()),
      },
      {
        name: 'postern_trust_store_changes_total',
        help: 'Times that what a store trusts has changed.',
        type: 'counter',
        labels: ['store'],
        samples: byStore(this.#changes, stores),
      },
      {
        name: 'postern_trust_store_reload_failures_total',
        help: 'Times that a store could not be read again; what it held before goes on.',
        type: 'counter',
        labels: ['store'],
        samples: byStore(this.#failures, [...state.stores.keys()]),
      },
      {
        name: 'postern_trust_store_up_to_date',
        help: '1: what the files of a store say is what is trusted; 0: they could not be read again, and what it held before goes on.',
        type: 'gauge',
        labels: ['store'],
        samples: [...state.stores.keys()].map((store) => ({
          labels: { store },
          value: state.upToDate || !this.#refused.has(store) ? 1 : 0,
        })),
      },
      ...certificates,
      ...processMetrics(),
    ]
  }

  close(): void {
    this.#lag.close()
  }
}

function count(counts: Map<string, number>, store: string): void {
  counts.set(store, (counts.get(store) ?? 0) + 1)
}

/** Of every store there is, from 0 on, so that the first change is an increase. What is no more is forgotten. */
function byStore(counts: Map<string, number>, stores: readonly string[]): readonly MetricSample[] {
  const known = new Set(stores)
  if (counts.size > known.size + maxUnknownStores) {
    for (const store of counts.keys()) if (!known.has(store)) counts.delete(store)
  }
  return [...known].map((store) => ({ labels: { store }, value: counts.get(store) ?? 0 }))
}

/** Of a path as `printPath` writes it. */
function storeOf(path: string): string | null {
  const [, plain, quoted] = /^trustStores(?:\.([A-Za-z0-9_-]+)|\[("(?:[^"\\]|\\.)*")\])/.exec(path) ?? []
  return plain ?? (quoted === undefined ? null : (JSON.parse(quoted) as string))
}
