import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMetricsBuffer, MetricsWriter } from '../../src/observe/metrics-writer.ts'
import { MetricsRegistry } from '../../src/observe/metrics.ts'

const names = { proxies: [], targets: ['x', 'y'] }

function worker(number: number) {
  const layout = { proxies: 0, targets: 2 }
  const buffer = createMetricsBuffer(layout)
  return { writer: new MetricsWriter(buffer, layout), source: { worker: number, buffer, ...names } }
}

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
    const lines = registry.render().split('\n')
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
    const after = registry.render()
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
    assert.match(registry.render(), /unhealthy_servers\{target="x"\} 0\n/)
  })
})
