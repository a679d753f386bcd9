import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LogBatcher } from '../../src/observe/log-batcher.ts'
import { createLogMemory, LogSegments } from '../../src/observe/log-segments.ts'
import { createMetricsBuffer, MetricsWriter } from '../../src/observe/metrics-writer.ts'
import { exposition } from '../../src/observe/exposition.ts'
import { MetricsRegistry } from '../../src/observe/metrics.ts'
import { statusCause } from '../../src/proxy/balance/failure-cause.ts'
import { balanceObserver } from '../../src/proxy/balance/observe.ts'
import { buildGeneration } from '../../src/proxy/generation.ts'
import { WorkerRuntime } from '../../src/proxy/runtime.ts'
import { targetPlan } from './plans.ts'

const names = { proxies: [], targets: ['x', 'y'] }

function worker(number: number) {
  const layout = { proxies: 0, targets: 2 }
  const buffer = createMetricsBuffer(layout)
  return { writer: new MetricsWriter(buffer, layout), source: { worker: number, buffer, ...names } }
}

/** The runtime of a worker, and what it has logged and counted. */
class Bench implements Disposable {
  readonly runtime = new WorkerRuntime(1)
  readonly #memory = createLogMemory(2)
  readonly #registry = new MetricsRegistry()
  #lines = ''
  #generation = 0
  #batcher: LogBatcher | null = null

  /** A generation with these targets is in force from here on; the index of a target is its place. */
  commit(targets: readonly string[]): void {
    const plan = {
      generation: ++this.#generation,
      organization: 'acme',
      environment: 'prod',
      region: '',
      listeners: [],
      targets: targets.map((name) => targetPlan({ name })),
      proxies: [],
      logs: [{ format: 'native', sink: { kind: 'stdout' } }],
      diagnosis: { live: false, waitMs: 0 },
      monitoring: false,
      tracing: null,
      drains: {},
      trustChanged: false,
    } as const
    const buffer = createMetricsBuffer({ proxies: 0, targets: targets.length })
    this.#registry.attach({ worker: 1, buffer, proxies: [], targets })
    const context = { organization: 'acme', environment: 'prod', region: '', hostName: 'h', pid: 1 }
    const segments = new LogSegments(this.#memory)
    this.#batcher = new LogBatcher({
      sinks: plan.logs.map(({ sink }) => sink),
      segments,
      send: ({ segment, length }) => {
        this.#lines += Buffer.from(this.#memory[segment] as SharedArrayBuffer, 0, length).toString()
        segments.release(segment)
      },
      onDrop: (records) => assert.fail(`${records} records dropped`),
    })
    this.runtime.commit(buildGeneration(plan, null, this.runtime, buffer, context), this.#batcher)
  }

  /** Since it was last asked. */
  events(): readonly unknown[] {
    this.#batcher?.flush()
    const lines = this.#lines.split('\n').slice(0, -1)
    this.#lines = ''
    return lines.map((line) => {
      const { time, worker, ...event } = JSON.parse(line)
      assert.equal(worker, 1)
      assert.ok(Date.parse(time) > 0)
      return event
    })
  }

  counted(name: string, target: string): string {
    return (
      exposition(this.#registry.families()).split(`postern_upstream_${name}{target="${target}"} `)[1]?.split('\n')[0] ??
      ''
    )
  }

  [Symbol.dispose](): void {
    this.runtime.deadlines.close()
    this.runtime.resolver.close()
  }
}

describe('what happens to servers', () => {
  const nobody = { verdict: null, party: null, summary: '' }

  test('is told with its cause, or that there is none, and counted', () => {
    using bench = new Bench()
    bench.commit(['x', 'y'])
    const observer = balanceObserver(bench.runtime, 'y')
    const cause = { kind: 'tls-untrusted', verdict: 'missing-root', party: 'gateway', summary: 'a:443' } as const
    const said = { verdict: 'missing-root', party: 'gateway', summary: 'a:443' }
    const status = { verdict: null, party: 'backend', summary: 'status 503' }

    observer.serverHealth('s', { healthy: false, failure: cause })
    assert.equal(bench.counted('unhealthy_servers', 'y'), '1')
    observer.serverHealth('s', { healthy: true, failure: null })
    const health = { type: 'server-health', target: 'y', server: 's' }
    assert.deepEqual(bench.events(), [
      { ...health, healthy: false, ...said },
      { ...health, healthy: true, ...nobody },
    ])
    assert.equal(bench.counted('unhealthy_servers', 'y'), '0')

    for (const each of [cause, statusCause(503), null]) observer.serverEjected('s', 5, 1000, each)
    const ejected = { type: 'server-ejected', target: 'y', server: 's', failures: 5, ms: 1000 }
    assert.deepEqual(bench.events(), [
      { ...ejected, ...said },
      { ...ejected, ...status },
      { ...ejected, ...nobody },
    ])
    assert.equal(bench.counted('ejections_total', 'y'), '3')

    observer.breaker('open', 20, 10, cause)
    observer.breaker('half-open', 0, 0, null)
    observer.breaker('closed', 0, 0, null)
    const breaker = { type: 'breaker', target: 'y', requests: 0, failed: 0 }
    assert.deepEqual(bench.events(), [
      { ...breaker, state: 'open', requests: 20, failed: 10, ...said },
      { ...breaker, state: 'half-open', ...nobody },
      { ...breaker, state: 'closed', ...nobody },
    ])
    assert.equal(bench.counted('breaker_opened_total', 'y'), '1')

    observer.retried()
    assert.deepEqual(bench.events(), [])
    assert.equal(bench.counted('retries_total', 'y'), '1')
    assert.equal(bench.counted('ejections_total', 'x'), '0')
  })

  test('goes to the generation in force then, wherever its target is in it, and nowhere when it is gone', () => {
    using bench = new Bench()
    bench.commit(['x', 'y'])
    const observer = balanceObserver(bench.runtime, 'x')
    observer.retried()
    bench.commit(['y', 'x'])
    observer.retried()
    assert.equal(bench.counted('retries_total', 'x'), '2')
    assert.equal(bench.counted('retries_total', 'y'), '0')
    bench.commit(['y'])
    observer.retried()
    observer.serverEjected('s', 5, 1000, null)
    assert.equal(bench.counted('retries_total', 'y'), '0')
    assert.equal(bench.counted('ejections_total', 'y'), '0')
  })
})

describe('counts of what happens to servers', () => {
  test('by target; servers that workers find unhealthy are gone with the worker', () => {
    const registry = new MetricsRegistry()
    const [one, two] = [worker(1), worker(2)]
    for (const { source } of [one, two]) registry.attach(source)
    one.writer.serverUnhealthy(1, 1)
    two.writer.serverUnhealthy(1, 1)
    two.writer.serverUnhealthy(1, 1)
    two.writer.serverUnhealthy(1, -1)
    one.writer.serverEjected(0)
    one.writer.retried(0)
    two.writer.retried(0)
    two.writer.breakerOpened(1)
    const lines = exposition(registry.families()).split('\n')
    for (const line of [
      'postern_upstream_unhealthy_servers{target="x"} 0',
      'postern_upstream_unhealthy_servers{target="y"} 2',
      'postern_upstream_ejections_total{target="x"} 1',
      'postern_upstream_retries_total{target="x"} 2',
      'postern_upstream_breaker_opened_total{target="y"} 1',
    ]) {
      assert.ok(lines.includes(line), line)
    }
    registry.workerDied(2)
    const after = exposition(registry.families())
    assert.match(after, /unhealthy_servers\{target="y"\} 1\n/)
    assert.match(after, /retries_total\{target="x"\} 2\n/)
  })

  test('a server found unhealthy in one generation and healthy in the next leaves nothing', () => {
    const registry = new MetricsRegistry()
    const [one, two] = [worker(1), worker(1)]
    registry.attach(one.source)
    one.writer.serverUnhealthy(0, 1)
    registry.attach(two.source)
    registry.retire(one.source)
    two.writer.serverUnhealthy(0, -1)
    assert.match(exposition(registry.families()), /unhealthy_servers\{target="x"\} 0\n/)
  })
})
