import { GatewayMetrics } from '../../src/control/gateway-metrics.ts'
import { noLosses } from '../../src/control/main-metrics.ts'
import type { MetricFamily } from '../../src/observe/exposition.ts'
import { HttpMetrics } from '../../src/observe/http-metrics.ts'
import type { GenerationPlan } from '../../src/proxy/plan.ts'
import { generated } from './tables.ts'

/** Every metric of a gateway: name, type, labels and what it says. */
export function metricsPage(): string {
  const families = [...allFamilies()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const parts = [
    '# Metrics',
    '',
    generated('src/observe and src/control'),
    '',
    'What `/metrics` of the management listener answers, in the Prometheus text format, or OpenMetrics 1.0 where `Accept` asks for it.',
    'The same is sent by OTLP where `otlp.metrics` says so. A histogram has `_bucket` (with the label `le`), `_sum` and `_count`.',
    '',
    '- Labels have values of the configuration or of closed sets: `code` and `error_type` are a [verdict](verdict-codes.md) where a',
    '  backend was judged, else a kind of [fault](faults.md), else a status. `(none)`: no proxy or no target. What leaves the',
    '  configuration leaves its series.',
    '- `http_*` follow the [conventions of OpenTelemetry](https://opentelemetry.io/docs/specs/semconv/http/http-metrics/) with `_` for `.`;',
    '  `http_route` is the base path. There are at most 500 series of each; what is beyond has `_OTHER`.',
    '- `http_*`, bytes and connections come from the workers once a second; everything else is as of this moment.',
    '- Alerts, a dashboard and a scrape job: `deploy/`.',
    '',
    '| metric | type | labels | |',
    '|---|---|---|---|',
    ...families.map(
      ({ name, type, labels = [], help }) =>
        `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${cell(help)} |`,
    ),
  ]
  return `${parts.join('\n')}\n`
}

function allFamilies(): readonly MetricFamily[] {
  const metrics = new GatewayMetrics()
  try {
    const state = {
      generation: 1,
      refusals: 0,
      upToDate: true,
      workers: 0,
      plan: emptyPlan,
      losses: noLosses,
      queues: {},
      stores: new Map(),
      crlStores: new Map(),
      origins: new Map(),
      management: null,
      leaves: [],
    }
    return metrics.families(state, new HttpMetrics().families())
  } finally {
    metrics.close()
  }
}

const emptyPlan: GenerationPlan = {
  generation: 1,
  organization: '',
  environment: '',
  region: '',
  listeners: [],
  targets: [],
  proxies: [],
  logs: [],
  diagnosis: { live: false, waitMs: 0 },
  monitoring: false,
  tracing: null,
  drains: {},
  trustChanged: false,
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
