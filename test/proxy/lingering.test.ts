import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createMetricsBuffer } from '../../src/observe/metrics-writer.ts'
import { buildGeneration, type Generation, retirePools } from '../../src/proxy/generation.ts'
import { WorkerRuntime } from '../../src/proxy/runtime.ts'
import { targetPlan } from '../balance/plans.ts'

const context = { organization: 'acme', environment: 'prod', region: '', hostName: 'h', pid: 1 }

function generationOf(runtime: WorkerRuntime, targets: readonly string[]): Generation {
  const plan = {
    ...{ generation: 1, organization: 'acme', environment: 'prod', region: '' },
    ...{
      listeners: [],
      proxies: [],
      logs: [],
      diagnosis: { live: false, waitMs: 0 },
      monitoring: false,
      tracing: null,
      drains: {},
      trustChanged: false,
    },
    targets: targets.map((name) => targetPlan({ name })),
  }
  const buffer = createMetricsBuffer({ proxies: 0, targets: targets.length })
  return buildGeneration(plan, null, runtime, buffer, context)
}

it('a pool whose requests had longer than the drain time is let go once they have ended', () => {
  const runtime = new WorkerRuntime(1)
  const [old, next] = [generationOf(runtime, ['x']), generationOf(runtime, [])]
  const pool = old.targets.get('x')?.servers[0]?.pool ?? assert.fail()
  runtime.lingering.add(pool)
  retirePools(next, next, runtime)
  assert.equal(runtime.lingering.size, 0)
  runtime.deadlines.close()
  runtime.resolver.close()
})
