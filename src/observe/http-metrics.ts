import type { GenerationPlan } from '../proxy/plan.ts'
import type { MetricFamily, MetricSample } from './exposition.ts'
import { durationBounds, histogramSamples } from './histogram.ts'
import { latencyBounds } from './latency.ts'
import type { RollupCounts, RollupKey, RollupMessage } from './rollup.ts'

/** What of a plan the series go by. */
export type FollowedPlan = {
  readonly listeners: readonly { readonly name: string; readonly tls: object | null }[]
  readonly targets: readonly Pick<GenerationPlan['targets'][number], 'name' | 'scheme' | 'authority'>[]
  readonly proxies: readonly Pick<GenerationPlan['proxies'][number], 'key'>[]
}

/** Of the lag of a worker that says nothing: it has nothing to do, and what it last said is no longer so. */
const staleMs = 60_000

/**
 * Cumulative metrics of what workers tell in their rollups, by OpenTelemetry's conventions for HTTP metrics. What leaves the
 * configuration leaves its series, and there are never more than `maxSeries` of a histogram: what is beyond is counted as
 * `_OTHER`. (I10)
 */
export class HttpMetrics {
  readonly #server: HistogramSeries
  readonly #client: HistogramSeries
  readonly #bytes = new Map<string, { received: number; sent: number }>()
  readonly #workers = new Map<number, Gauges>()
  readonly #maxSeries: number
  readonly #clock: () => number
  #schemes: ReadonlyMap<string, string> = new Map()
  #addresses: ReadonlyMap<string, Labels> = new Map()
  #proxies: ReadonlySet<string> = new Set()
  #overflow = 0
  #crowded = 0

  constructor({ maxSeries = 500, clock = () => performance.now() }: HttpMetricsOptions = {}) {
    this.#maxSeries = maxSeries
    this.#clock = clock
    this.#server = new HistogramSeries(maxSeries, { http_request_method: '_OTHER', postern_proxy: '_OTHER' })
    this.#client = new HistogramSeries(maxSeries, { http_request_method: '_OTHER', postern_target: '_OTHER' })
  }

  add(message: RollupMessage): void {
    const { connections, lag } = message
    this.#workers.set(message.worker, { connections, lag, at: this.#clock() })
    this.#crowded += message.crowded
    for (const { key, counts } of message.rows) {
      if (!this.#server.add(this.#serverLabels(key), counts.total, counts.requests, counts.totalMs)) {
        this.#overflow += counts.requests
      }
      if (key.target !== '' && counts.targetRequests > 0) {
        this.#client.add(this.#clientLabels(key), counts.target, counts.targetRequests, counts.targetMs)
      }
      this.#addBytes(key.proxyKey === '' ? noName : key.proxyKey, counts)
    }
  }

  /** Its connections are gone, and its lag is nobody's. Call it before a replacement with the same number says anything. */
  workerGone(worker: number): void {
    this.#workers.delete(worker)
  }

  /** This configuration is in force: series of proxies and targets that it does not have are forgotten. */
  follow({ listeners, targets, proxies }: FollowedPlan): void {
    this.#schemes = new Map(listeners.map(({ name, tls }) => [name, tls === null ? 'http' : 'https']))
    this.#addresses = new Map(targets.map((target) => [target.name, addressOf(target)]))
    this.#proxies = new Set([noName, '_OTHER', ...proxies.map(({ key }) => key)])
    this.#server.keep(({ postern_proxy: proxy = '' }) => this.#proxies.has(proxy))
    this.#client.keep(({ postern_target: name = '' }) => name === '_OTHER' || this.#addresses.has(name))
    for (const proxy of this.#bytes.keys()) if (!this.#proxies.has(proxy)) this.#bytes.delete(proxy)
  }

  families(): readonly MetricFamily[] {
    return [
      {
        name: 'http_server_request_duration_seconds',
        help: "Time from the start of a request to the end of its answer. error_type, where the status is from 500 on or the answer was cut off: the verdict, else the kind of fault, else the status. OpenTelemetry's http.server.request.duration.",
        type: 'histogram',
        labels: [
          'http_request_method',
          'url_scheme',
          'http_route',
          'http_response_status_code',
          'error_type',
          'postern_proxy',
        ],
        samples: this.#server.samples(),
      },
      {
        name: 'http_client_request_duration_seconds',
        help: "Time that requests took in backends that began to answer, by target. error_type: the verdict, else the kind of fault, else a status from 400 on. OpenTelemetry's http.client.request.duration.",
        type: 'histogram',
        labels: [
          'http_request_method',
          'url_scheme',
          'server_address',
          'server_port',
          'http_response_status_code',
          'error_type',
          'postern_target',
        ],
        samples: this.#client.samples(),
      },
      {
        name: 'postern_request_bytes_total',
        help: 'Bytes of requests as received, heads and bodies.',
        type: 'counter',
        labels: ['proxy'],
        samples: [...this.#bytes].map(([proxy, { received }]) => ({ labels: { proxy }, value: received })),
      },
      {
        name: 'postern_response_bytes_total',
        help: 'Bytes of responses as sent, heads and bodies.',
        type: 'counter',
        labels: ['proxy'],
        samples: [...this.#bytes].map(([proxy, { sent }]) => ({ labels: { proxy }, value: sent })),
      },
      {
        name: 'postern_upstream_connections',
        help: 'Open connections to backends, by the trust snapshot they were verified under ("" without TLS); a second old.',
        type: 'gauge',
        labels: ['target', 'snapshot'],
        samples: this.#connections(),
      },
      {
        name: 'postern_worker_event_loop_lag_seconds',
        help: 'Event-loop delay of a worker over about a second: p50, p99, max. None of a worker that has nothing to do.',
        type: 'gauge',
        labels: ['worker', 'statistic'],
        samples: this.#lag(),
      },
      {
        name: 'postern_rollup_crowded_requests_total',
        help: 'Requests that a worker counted under fewer words than their own, because there were too many kinds of them.',
        type: 'counter',
        samples: [{ labels: {}, value: this.#crowded }],
      },
      {
        name: 'postern_http_series_overflow_requests_total',
        help: 'Requests whose duration is counted under _OTHER, because there are too many series.',
        type: 'counter',
        samples: [{ labels: {}, value: this.#overflow }],
      },
    ]
  }

  #serverLabels(key: RollupKey): Labels {
    // As of spans: 4xx are the client's errors, also where we judged; postern_faults_total counts those as well.
    const failed = key.status >= 500 || (key.fault !== '' && key.status < 400)
    const error = failed ? errorType(key, key.status, 500) : ''
    const scheme = this.#schemes.get(key.listener)
    return {
      http_request_method: key.method === '' ? '_OTHER' : key.method,
      ...(scheme === undefined ? {} : { url_scheme: scheme }),
      ...(key.basePath === '' ? {} : { http_route: key.basePath }),
      ...(key.status === 0 ? {} : { http_response_status_code: String(key.status) }),
      ...(error === '' ? {} : { error_type: error }),
      postern_proxy: key.proxyKey === '' ? noName : key.proxyKey,
    }
  }

  #clientLabels(key: RollupKey): Labels {
    const error = errorType(key, key.targetStatus, 400)
    return {
      http_request_method: key.method === '' ? '_OTHER' : key.method,
      ...this.#addresses.get(key.target),
      ...(key.targetStatus === 0 ? {} : { http_response_status_code: String(key.targetStatus) }),
      ...(error === '' ? {} : { error_type: error }),
      postern_target: key.target,
    }
  }

  #addBytes(proxy: string, { requestBytes, responseBytes }: RollupCounts): void {
    let sums = this.#bytes.get(proxy)
    if (sums === undefined) {
      // Requests that end after their proxy has left; the next configuration forgets them.
      const name = this.#bytes.size < this.#maxSeries || this.#proxies.has(proxy) ? proxy : '_OTHER'
      sums = this.#bytes.get(name) ?? { received: 0, sent: 0 }
      this.#bytes.set(name, sums)
    }
    sums.received += requestBytes
    sums.sent += responseBytes
  }

  #connections(): readonly MetricSample[] {
    const sums = new Map<string, { readonly labels: Labels; value: number }>()
    for (const { connections } of this.#workers.values()) {
      for (const { target, snapshot, open } of connections) {
        const id = `${target}\n${snapshot}`
        const known = sums.get(id)
        if (known === undefined) sums.set(id, { labels: { target, snapshot }, value: open })
        else known.value += open
      }
    }
    return [...sums.values()]
  }

  #lag(): readonly MetricSample[] {
    const now = this.#clock()
    return [...this.#workers].flatMap(([worker, { lag, at }]) =>
      now - at > staleMs ? [] : lagSamples(lag, { worker: String(worker) }),
    )
  }
}

export interface HttpMetricsOptions {
  /** Of one histogram, `_OTHER` apart. */
  readonly maxSeries?: number
  readonly clock?: () => number
}

/** @param lag ms */
export function lagSamples(lag: RollupMessage['lag'], labels: Labels = {}): readonly MetricSample[] {
  return [
    { labels: { ...labels, statistic: 'p50' }, value: lag.p50 / 1000 },
    { labels: { ...labels, statistic: 'p99' }, value: lag.p99 / 1000 },
    { labels: { ...labels, statistic: 'max' }, value: lag.max / 1000 },
  ]
}

type Gauges = Pick<RollupMessage, 'connections' | 'lag'> & { readonly at: number }

type Labels = Readonly<Record<string, string>>

/** As the counters have it of what belongs to no proxy. */
const noName = '(none)'

/** Place among `durationBounds` of each place among `latencyBounds`. */
const coarse = latencyBounds.map((ms) => durationBounds.filter((bound) => bound * 1000 < ms).length)

class HistogramSeries {
  readonly #series = new Map<string, { readonly labels: Labels; readonly values: Float64Array }>()
  readonly #max: number
  readonly #other: Labels

  constructor(max: number, other: Labels) {
    this.#max = max
    this.#other = other
  }

  /** @returns false: it was counted as `_OTHER` */
  add(labels: Labels, counts: ArrayLike<number>, requests: number, ms: number): boolean {
    let id = JSON.stringify(labels)
    const full = !this.#series.has(id) && this.#series.size >= this.#max
    if (full) id = ''
    let series = this.#series.get(id)
    if (series === undefined) {
      series = { labels: full ? this.#other : labels, values: new Float64Array(durationBounds.length + 2) }
      this.#series.set(id, series)
    }
    const { values } = series
    let bucketed = 0
    for (let at = 0; at < coarse.length; at++) {
      const count = counts[at] ?? 0
      values[coarse[at] as number]! += count
      bucketed += count
    }
    values[durationBounds.length]! += requests - bucketed
    values[durationBounds.length + 1]! += ms / 1000
    return !full
  }

  keep(wanted: (labels: Labels) => boolean): void {
    for (const [id, { labels }] of this.#series) if (!wanted(labels)) this.#series.delete(id)
  }

  samples(): readonly MetricSample[] {
    return [...this.#series.values()].flatMap(({ labels, values }) =>
      histogramSamples(labels, durationBounds, values, values[durationBounds.length + 1] as number),
    )
  }
}

/** OpenTelemetry's `error.type`; '' where there is no error. */
function errorType({ verdict, fault }: RollupKey, status: number, errorsFrom: number): string {
  return verdict || fault || (status >= errorsFrom ? String(status) : '')
}

/** The origin of the target's URL, whichever server takes the request. */
function addressOf({ scheme, authority }: FollowedPlan['targets'][number]): Labels {
  const [, host = '', port = ''] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(authority) ?? []
  const address = host.replace(/^\[|\]$/g, '')
  return {
    url_scheme: scheme,
    ...(address === '' ? {} : { server_address: address }),
    server_port: port === '' ? (scheme === 'https' ? '443' : '80') : port,
  }
}
