import type { MetricFamily } from '../observe/exposition.ts'
import type { GenerationPlan } from '../proxy/plan.ts'
import type { TrustStore } from '../trust/store.ts'
import { exceptionsOf } from './generation-facts.ts'

export interface MainState {
  readonly generation: number
  readonly refusals: number
  readonly logDropped: number
  readonly plan: GenerationPlan
  readonly stores: ReadonlyMap<string, TrustStore>
}

/** What only the main thread knows. */
export function mainMetrics(state: MainState): readonly MetricFamily[] {
  return [
    {
      name: 'postern_generation',
      help: 'Number of the configuration in force.',
      type: 'gauge',
      samples: [{ labels: {}, value: state.generation }],
    },
    {
      name: 'postern_generations_refused_total',
      help: 'Configurations that were not taken up.',
      type: 'counter',
      samples: [{ labels: {}, value: state.refusals }],
    },
    {
      name: 'postern_log_records_lost_total',
      help: 'Log records that a sink did not take.',
      type: 'counter',
      samples: [{ labels: {}, value: state.logDropped }],
    },
    {
      name: 'postern_trust_anchor_not_after_timestamp_seconds',
      help: 'First end of validity among the anchors of a store.',
      type: 'gauge',
      samples: [...state.stores].flatMap(([store, { anchors }]) =>
        anchors.length === 0
          ? []
          : [
              {
                labels: { store },
                value: anchors.reduce((end, { notAfter }) => Math.min(end, notAfter), Number.MAX_VALUE) / 1000,
              },
            ],
      ),
    },
    {
      name: 'postern_upstream_tls_exceptions',
      help: 'Checks that are switched off for a target.',
      type: 'gauge',
      samples: state.plan.targets.flatMap((target) =>
        [...new Set(exceptionsOf(target).map(({ skip }) => skip))].map((skip) => ({
          labels: { target: target.name, skip },
          value: 1,
        })),
      ),
    },
  ]
}
