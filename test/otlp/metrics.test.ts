import type { MetricFamily } from '../../src/observe/exposition.ts'

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { metricName } from '../../src/otlp/metric-names.ts'
import { MetricConverter } from '../../src/otlp/metrics.ts'
import { exposition } from '../../src/observe/exposition.ts'

const began = Date.UTC(2026, 0, 23)
const nano = (ms: number) => `${ms}000000`

const histogram: MetricFamily = {
  name: 'http_server_request_duration_seconds',
  help: 'Time of a request.',
  type: 'histogram',
  samples: [
    ...(['0.1', '1', '+Inf'] as const).map((le, index) => ({
      suffix: '_bucket',
      labels: {
        http_request_method: 'GET',
        http_response_status_code: '200',
        postern_proxy: 'billing',
        error_type: '',
        le,
      },
      value: [3, 5, 6][index] ?? 0,
    })),
    ...(['_sum', '_count'] as const).map((suffix) => ({
      suffix,
      labels: {
        http_request_method: 'GET',
        http_response_status_code: '200',
        postern_proxy: 'billing',
        error_type: '',
      },
      value: suffix === '_sum' ? 4.5 : 6,
    })),
  ],
}

const counter = (value: number): MetricFamily => ({
  name: 'postern_faults_total',
  help: 'Faults.',
  type: 'counter',
  samples: [{ labels: { target: 'billing' }, value }],
})

describe('metrics of Prometheus as those of OpenTelemetry', () => {
  it('a histogram has buckets of their own, bounds, sum and count', () => {
    assert.deepEqual(new MetricConverter(began).convert(began + 1000, [histogram]), [
      {
        name: 'http.server.request.duration',
        description: 'Time of a request.',
        unit: 's',
        histogram: {
          dataPoints: [
            {
              attributes: [
                { key: 'http.request.method', value: { stringValue: 'GET' } },
                { key: 'http.response.status_code', value: { intValue: '200' } },
                { key: 'postern.proxy', value: { stringValue: 'billing' } },
              ],
              startTimeUnixNano: nano(began),
              timeUnixNano: nano(began + 1000),
              count: '6',
              sum: 4.5,
              bucketCounts: ['3', '2', '1'],
              explicitBounds: [0.1, 1],
            },
          ],
          aggregationTemporality: 2,
        },
      },
    ])
  })

  it('a counter is a cumulative sum since the start, and after a reset since the export before', () => {
    const converter = new MetricConverter(began)
    const starts = [5, 5, 9, 2, 3].map((value, index) => {
      const [metric] = converter.convert(began + 1000 * (index + 1), [counter(value)])
      assert.equal(metric?.sum?.isMonotonic, true)
      assert.equal(metric.sum.aggregationTemporality, 2)
      assert.equal(metric.sum.dataPoints[0]?.asDouble, value)
      return metric.sum.dataPoints[0].startTimeUnixNano
    })
    assert.deepEqual(starts, [began, began, began, began + 3000, began + 3000].map(nano))
  })

  it('where a family says when the process began, that is the start', () => {
    const process: MetricFamily = {
      name: 'process_start_time_seconds',
      help: '',
      type: 'gauge',
      samples: [{ labels: {}, value: began / 1000 - 60 }],
    }
    const [metric] = new MetricConverter(began).convert(began + 1000, [counter(1), process])
    assert.equal(metric?.sum?.dataPoints[0]?.startTimeUnixNano, nano(began - 60_000))
  })

  it('a gauge has no start, and may be what is no number', () => {
    const [metric] = new MetricConverter(began).convert(began, [
      {
        name: 'postern_event_loop_lag_seconds',
        help: 'Lag.',
        type: 'gauge',
        samples: [{ labels: {}, value: Number.NaN }],
      },
    ])
    assert.deepEqual(metric?.gauge?.dataPoints, [{ attributes: [], timeUnixNano: nano(began), asDouble: 'NaN' }])
    assert.equal(metric.unit, 's')
  })

  it('a summary stays a summary', () => {
    const [metric] = new MetricConverter(began).convert(began, [
      {
        name: 'x_seconds',
        help: '',
        type: 'summary',
        samples: [
          { labels: { quantile: '0.5' }, value: 1 },
          { suffix: '_sum', labels: {}, value: 7 },
          { suffix: '_count', labels: {}, value: 3 },
        ],
      },
    ])
    assert.equal(metric?.summary?.dataPoints.length, 1)
    assert.equal(metric.summary.dataPoints[0]?.count, '3')
    assert.deepEqual(metric.summary.dataPoints[0].quantileValues, [{ quantile: 0.5, value: 1 }])
  })

  it('a family without samples is left out, as in the text', () => {
    const empty: MetricFamily = { name: 'x_total', help: '', type: 'counter', samples: [] }
    assert.deepEqual(new MetricConverter(began).convert(began, [empty]), [])
    assert.equal(exposition([empty]), '')
  })
})

describe('names of metrics', () => {
  const table: readonly [prometheus: string, type: MetricFamily['type'], name: string, unit: string][] = [
    ['http_server_request_duration_seconds', 'histogram', 'http.server.request.duration', 's'],
    ['http_client_request_duration_seconds', 'histogram', 'http.client.request.duration', 's'],
    ['http_server_active_requests', 'gauge', 'http.server.active_requests', ''],
    ['postern_upstream_tls_handshakes_total', 'counter', 'postern.upstream_tls_handshakes', ''],
    ['postern_proxy_received_bytes_total', 'counter', 'postern.proxy_received', 'By'],
    ['process_resident_memory_bytes', 'gauge', 'process_resident_memory', 'By'],
    ['postern_totally', 'gauge', 'postern.totally', ''],
  ]
  const words: Readonly<Record<string, string>> = {
    s: '_seconds',
    By: '_bytes',
    ms: '_milliseconds',
    '1': '_ratio',
    '': '',
  }
  for (const [prometheus, type, name, unit] of table) {
    it(`${prometheus} is ${name}${unit === '' ? '' : ` in ${unit}`}, and comes back the same`, () => {
      assert.deepEqual(metricName({ name: prometheus, type }), { name, unit })
      const back = `${name.replaceAll('.', '_')}${words[unit] ?? ''}${type === 'counter' ? '_total' : ''}`
      assert.equal(back, prometheus)
    })
  }
})
