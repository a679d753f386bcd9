import type { MetricsSource } from '../../src/observe/metrics.ts'

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { exposition } from '../../src/observe/exposition.ts'
import { createMetricsBuffer, MetricsWriter } from '../../src/observe/metrics-writer.ts'
import { MetricsRegistry } from '../../src/observe/metrics.ts'
import { everyFault, fault } from '../faults/fault-cases.ts'

/** A worker's writer and the source the main thread reads. */
function worker(number: number, proxies: readonly string[], targets: readonly string[]) {
  const layout = { proxies: proxies.length, targets: targets.length }
  const buffer = createMetricsBuffer(layout)
  const source: MetricsSource = { worker: number, buffer, proxies, targets }
  return { writer: new MetricsWriter(buffer, layout), source }
}

/** Reads the text format as a scraper does: every line is a comment or a sample, and no series comes twice. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>()
  const types = new Set<string>()
  assert.ok(text.endsWith('\n'))
  for (const line of text.trimEnd().split('\n')) {
    const type = /^# TYPE ([a-z_]+) (counter|gauge|histogram|summary)$/.exec(line)
    if (type?.[1] !== undefined) {
      assert.ok(!types.has(type[1]), `second ${line}`)
      types.add(type[1])
    } else if (!/^# HELP [a-z_]+ \S/.test(line)) {
      const sample = /^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+\})? (\S+)$/.exec(line)
      assert.ok(sample?.[1] !== undefined, `not a sample: ${line}`)
      const family = sample[1].replace(/_(bucket|sum|count)$/, '')
      assert.ok(types.has(sample[1]) || types.has(family), `no TYPE before ${line}`)
      const series = sample[1] + (sample[2] ?? '')
      assert.ok(!samples.has(series), `twice: ${series}`)
      samples.set(series, Number(sample[3]))
    }
  }
  return samples
}

describe('counters of workers', () => {
  test('are summed over workers by name, whatever their order in the configuration', () => {
    const registry = new MetricsRegistry()
    const one = worker(1, ['a', 'b'], ['x'])
    const two = worker(2, ['b', 'a'], ['x'])
    registry.attach(one.source)
    registry.attach(two.source)
    one.writer.request(0, 200, 3)
    two.writer.request(1, 204, 30)
    two.writer.request(0, 502, 7)
    one.writer.request(-1, 404, 0.2)
    one.writer.request(-1, 0, 1)
    const samples = parse(registry.render())
    assert.equal(samples.get('postern_requests_total{proxy="a",code_class="2xx"}'), 2)
    assert.equal(samples.get('postern_requests_total{proxy="b",code_class="5xx"}'), 1)
    assert.equal(samples.get('postern_requests_total{proxy="b",code_class="2xx"}'), 0)
    assert.equal(samples.get('postern_requests_total{proxy="(none)",code_class="4xx"}'), 1)
    assert.equal(samples.get('postern_requests_total{proxy="(none)",code_class="none"}'), 1)
  })

  test('durations fall into cumulative buckets, bounds included', () => {
    const registry = new MetricsRegistry()
    const { writer, source } = worker(1, ['a'], [])
    registry.attach(source)
    for (const ms of [0.5, 1, 1.5, 5, 40_000]) writer.request(0, 200, ms)
    const samples = parse(registry.render())
    const bucket = (le: string) => samples.get(`postern_request_duration_seconds_bucket{proxy="a",le="${le}"}`)
    assert.deepEqual(
      [bucket('0.001'), bucket('0.0025'), bucket('0.005'), bucket('30'), bucket('+Inf')],
      [2, 3, 4, 4, 5],
    )
    assert.equal(samples.get('postern_request_duration_seconds_count{proxy="a"}'), 5)
    assert.ok(Math.abs((samples.get('postern_request_duration_seconds_sum{proxy="a"}') ?? 0) - 40.008) < 1e-9)
  })

  test('handshakes by result and verdict', () => {
    const registry = new MetricsRegistry()
    const { writer, source } = worker(1, [], ['x', 'y'])
    registry.attach(source)
    writer.handshake(0, 'trusted', false, 12)
    writer.handshake(0, 'trusted', true, 3)
    writer.handshake(0, 'missing-root', false, 5)
    const samples = parse(registry.render())
    const handshakes = [...samples].filter(([series]) => series.startsWith('postern_upstream_tls_handshakes_total'))
    assert.deepEqual(Object.fromEntries(handshakes), {
      'postern_upstream_tls_handshakes_total{target="x",result="verified",code="trusted"}': 1,
      'postern_upstream_tls_handshakes_total{target="x",result="resumed",code="trusted"}': 1,
      'postern_upstream_tls_handshakes_total{target="x",result="refused",code="missing-root"}': 1,
      'postern_upstream_tls_handshakes_total{target="y",result="verified",code="trusted"}': 0,
      'postern_upstream_tls_handshakes_total{target="y",result="resumed",code="trusted"}': 0,
    })
    assert.equal(samples.get('postern_upstream_tls_handshake_seconds_count{target="x"}'), 3)
    assert.equal(samples.get('postern_upstream_tls_handshake_seconds_sum{target="x"}'), 0.02)
  })

  test('every kind of fault has a slot of its own', () => {
    const registry = new MetricsRegistry()
    const { writer, source } = worker(1, [], ['x'])
    registry.attach(source)
    for (const one of everyFault) writer.fault(0, one)
    writer.fault(-1, fault('no-route'))
    const samples = parse(registry.render())
    for (const { verdict, kind } of everyFault) {
      assert.equal(samples.get(`postern_faults_total{target="x",code="${verdict ?? kind}"}`), 1, kind)
    }
    assert.equal(samples.get('postern_faults_total{target="(none)",code="no-route"}'), 1)
  })

  test('connections and lost log records', () => {
    const registry = new MetricsRegistry()
    const { writer, source } = worker(1, [], ['x'])
    registry.attach(source)
    for (let i = 0; i < 3; i++) writer.clientOpened()
    writer.clientClosed()
    writer.upstreamOpened(0)
    writer.upstreamOpened(0)
    writer.upstreamClosed(0)
    writer.logDropped(7)
    const samples = parse(registry.render())
    assert.equal(samples.get('postern_client_connections'), 2)
    assert.equal(samples.get('postern_client_connections_opened_total'), 3)
    assert.equal(samples.get('postern_upstream_connections{target="x"}'), 1)
    assert.equal(samples.get('postern_upstream_connections_opened_total{target="x"}'), 2)
    assert.equal(samples.get('postern_log_records_dropped_total'), 7)
  })

  test('rows do not touch their neighbours', () => {
    const names = ['a', 'b', 'c']
    const { writer, source } = worker(1, names, names)
    const registry = new MetricsRegistry()
    registry.attach(source)
    for (let i = -1; i < names.length; i++) {
      writer.request(i, 599, 1e6)
      writer.upstreamOpened(i)
    }
    const samples = parse(registry.render())
    for (const name of [...names, '(none)']) {
      assert.equal(samples.get(`postern_requests_total{proxy="${name}",code_class="5xx"}`), 1)
      assert.equal(samples.get(`postern_request_duration_seconds_count{proxy="${name}"}`), 1)
    }
    for (const name of names) assert.equal(samples.get(`postern_upstream_connections{target="${name}"}`), 1)
  })
})

describe('over a change of configuration', () => {
  test('counters go on, and a connection opened before and closed after is counted right', () => {
    const registry = new MetricsRegistry()
    const before = worker(1, ['a', 'gone'], ['x'])
    registry.attach(before.source)
    before.writer.request(0, 200, 1)
    before.writer.request(1, 200, 1)
    before.writer.clientOpened()
    const next = worker(1, ['new', 'a'], ['y', 'x'])
    registry.attach(next.source)
    next.writer.request(1, 200, 1)
    next.writer.clientOpened()
    next.writer.clientClosed()
    next.writer.clientClosed()
    registry.retire(before.source)
    registry.retire(before.source)
    const text = registry.render()
    const samples = parse(text)
    assert.equal(samples.get('postern_requests_total{proxy="a",code_class="2xx"}'), 2)
    assert.equal(samples.get('postern_client_connections'), 0)
    assert.doesNotMatch(text, /gone/, 'label sets are bounded by the configuration (I10)')
  })

  test('a worker that dies keeps its counters and loses its connections', () => {
    const registry = new MetricsRegistry()
    const [one, two] = [worker(1, ['a'], ['x']), worker(2, ['a'], ['x'])]
    for (const { writer, source } of [one, two]) {
      registry.attach(source)
      writer.request(0, 200, 1)
      writer.clientOpened()
      writer.upstreamOpened(0)
    }
    registry.workerDied(1)
    registry.attach(worker(1, ['a'], ['x']).source)
    const samples = parse(registry.render())
    assert.equal(samples.get('postern_requests_total{proxy="a",code_class="2xx"}'), 2)
    assert.equal(samples.get('postern_client_connections'), 1)
    assert.equal(samples.get('postern_client_connections_opened_total'), 2)
    assert.equal(samples.get('postern_upstream_connections{target="x"}'), 1)
  })
})

describe('the text format', () => {
  test('escapes label values and help, and adds families of the main thread', () => {
    const text = new MetricsRegistry().render([
      {
        name: 'postern_generation',
        help: 'a\nb\\',
        type: 'gauge',
        samples: [{ labels: { name: 'quote " back \\ line \n' }, value: 3 }],
      },
    ])
    assert.ok(text.includes('# HELP postern_generation a\\nb\\\\\n'))
    assert.ok(text.includes('postern_generation{name="quote \\" back \\\\ line \\n"} 3\n'))
    parse(text)
  })

  test('leaves out a family without samples', () => {
    assert.equal(exposition([{ name: 'x', help: 'y', type: 'gauge', samples: [] }]), '')
  })
})
