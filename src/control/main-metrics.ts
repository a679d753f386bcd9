import { version } from '../core/version.ts'
import type { MetricFamily, MetricSample } from '../observe/exposition.ts'
import type { GenerationPlan } from '../proxy/plan.ts'
import { exceptionsOf } from './generation-facts.ts'

export interface MainState {
  readonly generation: number
  readonly refusals: number
  /** What the files say now is what runs. */
  readonly upToDate: boolean
  readonly workers: number
  readonly plan: GenerationPlan
  readonly losses: LossCounts
  /** Entries that wait, by what they are. */
  readonly queues: Readonly<Record<string, number>>
}

/** Of what could not be kept or delivered; counted since the start. */
export interface LossCounts {
  /** By sink. */
  readonly logRecords: Readonly<Record<string, number>>
  /** Requests whose rollups were not kept. */
  readonly rollupRequests: number
  readonly spans: number
  readonly metricExports: number
  /** Transactions of debug sessions. */
  readonly transactions: number
  /** Alerts that no receiver took. */
  readonly alerts: number
}

export const noLosses: LossCounts = {
  logRecords: {},
  rollupRequests: 0,
  spans: 0,
  metricExports: 0,
  transactions: 0,
  alerts: 0,
}

/** What only the main thread knows. */
export function mainMetrics(state: MainState): readonly MetricFamily[] {
  const { plan, losses } = state
  const exceptions = plan.targets.flatMap((target) =>
    exceptionsOf(target).map((exception) => ({ target: target.name, ...exception })),
  )
  return [
    {
      name: 'postern_build_info',
      help: 'Always 1: what runs.',
      type: 'gauge',
      labels: ['version', 'node', 'openssl'],
      samples: single(1, { version, node: process.versions.node, openssl: process.versions.openssl }),
    },
    {
      name: 'postern_workers',
      help: 'Worker threads that run.',
      type: 'gauge',
      samples: single(state.workers),
    },
    {
      name: 'postern_generation',
      help: 'Number of the configuration in force.',
      type: 'gauge',
      samples: single(state.generation),
    },
    {
      name: 'postern_generations_refused_total',
      help: 'Configurations that were not taken up.',
      type: 'counter',
      samples: single(state.refusals),
    },
    {
      name: 'postern_config_up_to_date',
      help: '1: what the files say is what runs; 0: they were refused, and what ran before goes on.',
      type: 'gauge',
      samples: single(state.upToDate ? 1 : 0),
    },
    {
      name: 'postern_upstream_servers',
      help: 'Servers of a target.',
      type: 'gauge',
      labels: ['target'],
      samples: plan.targets.map(({ name: target, servers }) => ({ labels: { target }, value: servers.length })),
    },
    {
      name: 'postern_upstream_tls_exceptions',
      help: 'Checks that are switched off for a target.',
      type: 'gauge',
      labels: ['target', 'skip'],
      samples: bySkip(exceptions.map((exception) => ({ ...exception, value: 1 }))),
    },
    {
      name: 'postern_upstream_tls_exception_until_timestamp_seconds',
      help: 'When a check that is switched off for a target is on again; the last of several. None where that is left open.',
      type: 'gauge',
      labels: ['target', 'skip'],
      samples: bySkip(
        exceptions.flatMap(({ until, ...rest }) => (until === null ? [] : [{ ...rest, value: until / 1000 }])),
      ),
    },
    {
      name: 'postern_log_records_lost_total',
      help: 'Log records that a sink did not take.',
      type: 'counter',
      labels: ['sink'],
      samples: Object.entries(losses.logRecords).map(([sink, value]) => ({ labels: { sink }, value })),
    },
    {
      name: 'postern_observability_lost_total',
      help: 'What was observed and could not be kept or delivered: rollups (requests), spans, metrics (exports), transactions (of debug sessions), alerts.',
      type: 'counter',
      labels: ['signal'],
      samples: Object.entries({
        rollups: losses.rollupRequests,
        spans: losses.spans,
        metrics: losses.metricExports,
        transactions: losses.transactions,
        alerts: losses.alerts,
      }).map(([signal, value]) => ({ labels: { signal }, value })),
    },
    {
      name: 'postern_queue_entries',
      help: 'What waits for the thread of monitoring: rollups and logs (batches), spans (transactions), questions.',
      type: 'gauge',
      labels: ['queue'],
      samples: Object.entries(state.queues).map(([queue, value]) => ({ labels: { queue }, value })),
    },
  ]
}

/** The servers of a target may differ: the last end is the one that counts. */
function bySkip(
  exceptions: readonly { readonly target: string; readonly skip: string; readonly value: number }[],
): readonly MetricSample[] {
  const found = new Map<
    string,
    { readonly labels: { readonly target: string; readonly skip: string }; value: number }
  >()
  for (const { target, skip, value } of exceptions) {
    const id = JSON.stringify([target, skip])
    const known = found.get(id)
    if (known === undefined) found.set(id, { labels: { target, skip }, value })
    else known.value = Math.max(known.value, value)
  }
  return [...found.values()]
}

function single(value: number, labels: Readonly<Record<string, string>> = {}): readonly MetricSample[] {
  return [{ labels, value }]
}
