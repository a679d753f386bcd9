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
    one.writer.request(0, 200)
    two.writer.request(1, 204)
    two.writer.request(0, 502)
    one.writer.request(-1, 404)
    one.writer.request(-1, 0)
    const samples = parse(exposition(registry.families()))
    assert.equal(samples.get('postern_requests_total{proxy="a",code_class="2xx"}'), 2)
    assert.equal(samples.get('postern_requests_total{proxy="b",code_class="5xx"}'), 1)
    assert.equal(samples.get('postern_requests_total{proxy="b",code_class="2xx"}'), 0)
    assert.equal(samples.get('postern_requests_total{proxy="(none)",code_class="4xx"}'), 1)
    assert.equal(samples.get('postern_requests_total{proxy="(none)",code_class="none"}'), 1)
  })

  test('handshakes by result and verdict', () => {
    const registry = new MetricsRegistry()
    const { writer, source } = worker(1, [], ['x', 'y'])
    registry.attach(source)
    writer.handshake(0, 'trusted', false, 12)
    writer.handshake(0, 'trusted', true, 3)
    writer.handshake(0, 'missing-root', false, 5)
    writer.handshake(0, 'expired', false, null)
    const samples = parse(exposition(registry.families()))
    const handshakes = [...samples].filter(([series]) => series.startsWith('postern_upstream_tls_handshakes_total'))
    assert.deepEqual(Object.fromEntries(handshakes), {
      'postern_upstream_tls_handshakes_total{target="x",result="verified",code="trusted"}': 1,
      'postern_upstream_tls_handshakes_total{target="x",result="resumed",code="trusted"}': 1,
      'postern_upstream_tls_handshakes_total{target="x",result="refused",code="missing-root"}': 1,
      'postern_upstream_tls_handshakes_total{target="x",result="refused",code="expired"}': 1,
      'postern_upstream_tls_handshakes_total{target="y",result="verified",code="trusted"}': 0,
      'postern_upstream_tls_handshakes_total{target="y",result="resumed",code="trusted"}': 0,
    })
  })

  test('handshake times fall into cumulative buckets by result, bounds included; what nobody measured into none', () => {
    const registry = new MetricsRegistry()
    const { writer, source } = worker(1, [], ['x', 'y'])
    registry.attach(source)
    for (const ms of [0.5, 1, 1.5, 5, 40_000]) writer.handshake(0, 'trusted', false, ms)
    writer.handshake(0, 'trusted', true, 7)
    writer.handshake(0, 'missing-root', false, 9)
    writer.handshake(0, 'expired', false, 11)
    writer.handshake(0, 'expired', false, null)
    writer.handshake(1, 'expired', false, null)
    const samples = parse(exposition(registry.families()))
    const time = (result: string, suffix: string, le = '') =>
      samples.get(
        `postern_upstream_tls_handshake_duration_seconds_${suffix}{target="x",result="${result}"${le && `,le="${le}"`}}`,
      )
    const buckets = ['0.001', '0.0025', '0.005', '10', '+Inf'].map((le) => time('verified', 'bucket', le))
    assert.deepEqual(buckets, [2, 3, 4, 4, 5])
    assert.equal(time('verified', 'count'), 5)
    assert.ok(Math.abs((time('verified', 'sum') ?? 0) - 40.008) < 1e-9)
    assert.deepEqual([time('resumed', 'count'), time('resumed', 'sum')], [1, 0.007])
    assert.equal(time('refused', 'count'), 2)
    assert.ok(Math.abs((time('refused', 'sum') ?? 0) - 0.02) < 1e-9)
    assert.ok(![...samples.keys()].some((series) => /handshake_duration.*target="y"/.test(series)))
  })

  test('every kind of fault has a slot of its own', () => {
    const registry = new MetricsRegistry()
    const { writer, source } = worker(1, [], ['x'])
    registry.attach(source)
    for (const one of everyFault) writer.fault(0, one)
    writer.fault(-1, fault('no-route'))
    const samples = parse(exposition(registry.families()))
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
    writer.logDropped(7)
    const samples = parse(exposition(registry.families()))
    assert.equal(samples.get('postern_client_connections'), 2)
    assert.equal(samples.get('postern_client_connections_opened_total'), 3)
    assert.equal(samples.get('postern_upstream_connections_opened_total{target="x"}'), 2)
    assert.equal(samples.get('postern_log_records_dropped_total'), 7)
  })

  test('rows do not touch their neighbours', () => {
    const names = ['a', 'b', 'c']
    const { writer, source } = worker(1, names, names)
    const registry = new MetricsRegistry()
    registry.attach(source)
    for (let i = -1; i < names.length; i++) {
      writer.request(i, 599)
      writer.upstreamOpened(i)
      writer.handshake(i, 'trusted', true, 1e9)
      writer.fault(i, fault('overloaded'))
    }
    const samples = parse(exposition(registry.families()))
    for (const name of [...names, '(none)']) {
      assert.equal(samples.get(`postern_requests_total{proxy="${name}",code_class="5xx"}`), 1)
    }
    for (const name of names) {
      assert.equal(samples.get(`postern_upstream_connections_opened_total{target="${name}"}`), 1)
      assert.equal(
        samples.get(`postern_upstream_tls_handshakes_total{target="${name}",result="resumed",code="trusted"}`),
        1,
      )
      assert.equal(samples.get(`postern_faults_total{target="${name}",code="overloaded"}`), 1)
    }
  })
})

describe('over a change of configuration', () => {
  test('counters go on, and a connection opened before and closed after is counted right', () => {
    const registry = new MetricsRegistry()
    const before = worker(1, ['a', 'gone'], ['x'])
    registry.attach(before.source)
    before.writer.request(0, 200)
    before.writer.request(1, 200)
    before.writer.clientOpened()
    const next = worker(1, ['new', 'a'], ['y', 'x'])
    registry.attach(next.source)
    next.writer.request(1, 200)
    next.writer.clientOpened()
    next.writer.clientClosed()
    next.writer.clientClosed()
    registry.retire(before.source)
    registry.retire(before.source)
    const text = exposition(registry.families())
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
      writer.request(0, 200)
      writer.clientOpened()
      writer.upstreamOpened(0)
    }
    registry.workerDied(1)
    registry.attach(worker(1, ['a'], ['x']).source)
    const samples = parse(exposition(registry.families()))
    assert.equal(samples.get('postern_requests_total{proxy="a",code_class="2xx"}'), 2)
    assert.equal(samples.get('postern_client_connections'), 1)
    assert.equal(samples.get('postern_client_connections_opened_total'), 2)
    assert.equal(samples.get('postern_upstream_connections_opened_total{target="x"}'), 2)
  })
})
