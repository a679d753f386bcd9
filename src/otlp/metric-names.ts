import type { MetricFamily } from '../observe/exposition.ts'

/*
 * Names of Prometheus back to those of OpenTelemetry (its specification "Prometheus and OpenMetrics Compatibility"): a
 * receiver that makes Prometheus names of them again gets the same.
 */

/** Attributes of the conventions that metrics have here; their underscores cannot tell which of them were dots. */
const attributeNames: ReadonlyMap<string, string> = new Map(
  [
    'http.request.method',
    'http.response.status_code',
    'http.route',
    'url.scheme',
    'server.address',
    'server.port',
    'error.type',
    'network.protocol.name',
    'network.protocol.version',
    'network.transport',
    'network.io.direction',
    'tls.protocol.name',
    'tls.protocol.version',
    'tls.cipher',
    'tls.resumed',
    'tls.established',
  ].map((name) => [name.replaceAll('.', '_'), name]),
)

const integers: ReadonlySet<string> = new Set(['http.response.status_code', 'server.port'])

/** Metrics of the conventions; ours are `postern.` and the rest as it is. */
const metricNames: ReadonlyMap<string, string> = new Map(
  [
    'http.server.request.duration',
    'http.server.active_requests',
    'http.server.request.body.size',
    'http.server.response.body.size',
    'http.client.request.duration',
    'http.client.active_requests',
    'http.client.open_connections',
    'http.client.request.body.size',
    'http.client.response.body.size',
  ].map((name) => [name.replaceAll('.', '_'), name]),
)

/** UCUM, as the conventions have it. */
const units: readonly (readonly [suffix: string, unit: string])[] = [
  ['_milliseconds', 'ms'],
  ['_seconds', 's'],
  ['_bytes', 'By'],
  ['_ratio', '1'],
]

/** `http.server.request.duration` and `s` of `http_server_request_duration_seconds`. */
export function metricName({ name, type }: Pick<MetricFamily, 'name' | 'type'>): {
  readonly name: string
  readonly unit: string
} {
  const counted = type === 'counter' ? name.replace(/_total$/, '') : name
  const [suffix, unit] = units.find(([end]) => counted.endsWith(end)) ?? ['', '']
  const base = counted.slice(0, counted.length - suffix.length)
  return { name: metricNames.get(base) ?? ours(base), unit }
}

export function attributeName(label: string): string {
  return attributeNames.get(label) ?? ours(label)
}

/** The conventions make a number of it. */
export function isInteger(attribute: string): boolean {
  return integers.has(attribute)
}

function ours(name: string): string {
  return name.startsWith('postern_') ? `postern.${name.slice('postern_'.length)}` : name
}
