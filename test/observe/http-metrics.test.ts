import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { exposition } from '../../src/observe/exposition.ts'
import { durationBounds } from '../../src/observe/histogram.ts'
import { HttpMetrics } from '../../src/observe/http-metrics.ts'
import { latencyBounds, latencyBucket, latencyBuckets } from '../../src/observe/latency.ts'
import type { RollupKey, RollupMessage, RollupRow } from '../../src/observe/rollup.ts'

const plan = {
  listeners: [
    { name: 'plain', tls: null },
    { name: 'secure', tls: {} },
  ],
  targets: [
    { name: 'billing', scheme: 'https', authority: 'billing.corp' },
    { name: 'six', scheme: 'http', authority: '[2001:db8::1]:8080' },
  ],
  proxies: [{ key: 'acme/billing' }, { key: 'acme/other' }],
} as const

function row(key: Partial<RollupKey>, totals: readonly number[], targets: readonly number[] = []): RollupRow {
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
  const buckets = (values: readonly number[]): Uint32Array => {
    const counts = new Uint32Array(latencyBuckets)
    for (const ms of values) counts[latencyBucket(ms)]! += 1
    return counts
  }
  return {
    key: {
      proxyKey: 'acme/billing',
      organization: 'acme',
      environment: 'prod',
      proxy: 'billing',
      revision: '1',
      basePath: '/billing',
      listener: 'plain',
      method: 'GET',
      target: 'billing',
      status: 200,
      targetStatus: 200,
      fault: '',
      verdict: '',
      party: '',
      faultCode: '',
      faultSource: '',
      ...key,
    },
    counts: {
      requests: totals.length,
      totalMs: sum(totals),
      maxMs: Math.max(...totals),
      targetRequests: targets.length,
      targetMs: sum(targets),
      targetMaxMs: Math.max(0, ...targets),
      requestBytes: 100 * totals.length,
      responseBytes: 1000 * totals.length,
      total: buckets(totals),
      target: buckets(targets),
    },
    samples: [],
  }
}

function message(rows: readonly RollupRow[], rest: Partial<RollupMessage> = {}): RollupMessage {
  return { worker: 0, from: 0, rows, crowded: 0, connections: [], lag: { p50: 1, p99: 2, max: 3 }, ...rest }
}

function following(options = {}): HttpMetrics {
  const metrics = new HttpMetrics(options)
  metrics.follow(plan)
  return metrics
}

const linesOf = (metrics: HttpMetrics): readonly string[] => exposition(metrics.families()).split('\n')

describe('durations of requests', () => {
  test("every bound that OpenTelemetry advises is one of the rollups'", () => {
    for (const bound of durationBounds) assert.ok(latencyBounds.includes(bound * 1000), String(bound))
  })

  test('fall into the buckets that they would fall into one by one, over many messages', () => {
    const metrics = following()
    const values = [...latencyBounds, ...latencyBounds.map((ms) => ms + 0.01), 120_000]
    for (const ms of values) metrics.add(message([row({}, [ms])]))
    const lines = linesOf(metrics)
    const labels =
      'http_request_method="GET",url_scheme="http",http_route="/billing",http_response_status_code="200",postern_proxy="acme/billing"'
    for (const bound of durationBounds) {
      const count = values.filter((ms) => ms <= bound * 1000).length
      const line = `http_server_request_duration_seconds_bucket{${labels},le="${bound}"} ${count}`
      assert.ok(lines.includes(line), line)
    }
    assert.ok(lines.includes(`http_server_request_duration_seconds_bucket{${labels},le="+Inf"} ${values.length}`))
    assert.ok(lines.includes(`http_server_request_duration_seconds_count{${labels}} ${values.length}`))
    const sum = lines.find((line) => line.startsWith(`http_server_request_duration_seconds_sum{${labels}} `))
    const seconds = values.reduce((total, ms) => total + ms / 1000, 0)
    assert.ok(Math.abs(Number(sum?.split(' ').at(-1)) - seconds) < 1e-6)
  })

  const cases: readonly (readonly [string, Partial<RollupKey>, string])[] = [
    ['a verdict is the error', { status: 502, fault: 'tls-untrusted', verdict: 'expired' }, 'error_type="expired"'],
    ['without one the kind of fault is', { status: 504, fault: 'response-timeout' }, 'error_type="response-timeout"'],
    ['a status from 500 on is an error of its own', { status: 503 }, 'error_type="503"'],
    ['nor is it where the gateway refused the client', { status: 413, fault: 'body-too-large' }, ''],
    ['an answer that was cut off is an error', { status: 200, fault: 'client-gone' }, 'error_type="client-gone"'],
    ["what the client did wrong is not the server's error", { status: 404 }, ''],
    ['what no proxy takes has no route', { proxyKey: '', basePath: '', status: 404 }, 'postern_proxy="(none)"'],
    ['what was not answered has no status', { status: 0, fault: 'client-gone' }, 'error_type="client-gone"'],
    ['what could not be read has no method', { method: '' }, 'http_request_method="_OTHER"'],
    ['a listener with TLS is https', { listener: 'secure' }, 'url_scheme="https"'],
  ]
  for (const [name, key, label] of cases) {
    test(name, () => {
      const metrics = following()
      metrics.add(message([row(key, [1])]))
      const line = linesOf(metrics).find((each) => each.startsWith('http_server_request_duration_seconds_count')) ?? ''
      assert.ok(line.includes(label), line)
      assert.equal(line.includes('error_type'), label.startsWith('error_type'), line)
      assert.equal(line.includes('http_route'), key.basePath !== '', line)
      assert.equal(line.includes('http_response_status_code'), key.status !== 0, line)
    })
  }

  test("of the backend are by target, with the origin of its URL and the backend's own status", () => {
    const metrics = following()
    metrics.add(message([row({}, [10, 20], [5, 6]), row({ target: 'six', targetStatus: 404 }, [10], [7])]))
    metrics.add(message([row({ fault: 'tls-untrusted', verdict: 'expired', status: 502, targetStatus: 0 }, [4])]))
    const counts = linesOf(metrics).filter((line) => line.startsWith('http_client_request_duration_seconds_count'))
    assert.deepEqual(counts, [
      'http_client_request_duration_seconds_count{http_request_method="GET",url_scheme="https",server_address="billing.corp",server_port="443",http_response_status_code="200",postern_target="billing"} 2',
      'http_client_request_duration_seconds_count{http_request_method="GET",url_scheme="http",server_address="2001:db8::1",server_port="8080",http_response_status_code="404",error_type="404",postern_target="six"} 1',
    ])
  })
})

describe('series are bounded (I10)', () => {
  const countsOf = (metrics: HttpMetrics): readonly string[] =>
    linesOf(metrics).filter(
      (line) => /^http_server_request_duration_seconds_count|overflow/.test(line) && line[0] !== '#',
    )

  test('beyond the limit requests are counted as _OTHER, and that they were; known series go on', () => {
    const metrics = following({ maxSeries: 3 })
    for (let status = 200; status < 210; status++) metrics.add(message([row({ status }, [1, 2])]))
    metrics.add(message([row({ status: 200 }, [1])]))
    const counts = countsOf(metrics)
    assert.equal(counts.length, 5)
    assert.match(counts[0] ?? '', /code="200".* 3$/)
    assert.equal(
      counts[3],
      'http_server_request_duration_seconds_count{http_request_method="_OTHER",postern_proxy="_OTHER"} 14',
    )
    assert.equal(counts[4], 'postern_http_series_overflow_requests_total 14')
  })

  test('a proxy and a target that leave the configuration leave their series, and make room', () => {
    const metrics = following({ maxSeries: 1 })
    metrics.add(message([row({}, [1], [1])]))
    metrics.follow({ ...plan, proxies: [{ key: 'acme/other' }], targets: [] })
    assert.doesNotMatch(linesOf(metrics).join('\n'), /acme\/billing|postern_target="billing"/)
    metrics.add(message([row({ proxyKey: 'acme/other', target: '' }, [1])]))
    assert.equal(countsOf(metrics).at(-1), 'postern_http_series_overflow_requests_total 0')
    assert.ok(linesOf(metrics).includes('postern_request_bytes_total{proxy="acme/other"} 100'))
  })

  test('what stays in the configuration keeps its counts', () => {
    const metrics = following()
    metrics.add(message([row({}, [1])]))
    metrics.follow({ ...plan, proxies: [{ key: 'acme/billing' }] })
    metrics.add(message([row({}, [1])]))
    assert.match(countsOf(metrics)[0] ?? '', / 2$/)
    assert.ok(linesOf(metrics).includes('postern_response_bytes_total{proxy="acme/billing"} 2000'))
  })
})

describe('gauges of workers', () => {
  const open = (target: string, snapshot: string, count: number) => ({ target, snapshot, open: count })

  test('connections are summed over workers by snapshot, the newest word counts, and a dead worker has none', () => {
    const metrics = following()
    const connections = (): readonly string[] =>
      linesOf(metrics).filter((line) => line.startsWith('postern_upstream_connections{'))
    metrics.add(message([], { worker: 0, connections: [open('billing', 'a', 9)] }))
    metrics.add(message([], { worker: 0, connections: [open('billing', 'a', 2), open('billing', 'b', 1)] }))
    metrics.add(message([], { worker: 1, connections: [open('billing', 'b', 4)] }))
    assert.deepEqual(connections(), [
      'postern_upstream_connections{target="billing",snapshot="a"} 2',
      'postern_upstream_connections{target="billing",snapshot="b"} 5',
    ])
    metrics.workerGone(0)
    assert.deepEqual(connections(), ['postern_upstream_connections{target="billing",snapshot="b"} 4'])
  })

  test('lag is of the newest message, and of no worker that has said nothing for a minute', () => {
    let now = 0
    const metrics = following({ clock: () => now })
    const lags = (): readonly string[] =>
      linesOf(metrics).filter((line) => line.startsWith('postern_worker_event_loop_lag_seconds{'))
    metrics.add(message([], { worker: 3, lag: { p50: 1, p99: 20, max: 300 } }))
    assert.deepEqual(lags(), [
      'postern_worker_event_loop_lag_seconds{worker="3",statistic="p50"} 0.001',
      'postern_worker_event_loop_lag_seconds{worker="3",statistic="p99"} 0.02',
      'postern_worker_event_loop_lag_seconds{worker="3",statistic="max"} 0.3',
    ])
    now = 60_000
    assert.equal(lags().length, 3)
    now++
    assert.equal(lags().length, 0)
  })

  test('requests that workers had to count together are told', () => {
    const metrics = following()
    metrics.add(message([], { crowded: 5 }))
    metrics.add(message([], { worker: 1, crowded: 2 }))
    assert.ok(linesOf(metrics).includes('postern_rollup_crowded_requests_total 7'))
  })
})
