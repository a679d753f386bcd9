import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { managedView } from '../../../src/compat/apigee/compile-managed.ts'
import type { RuntimeDeployment } from '../../../src/compat/apigee/runtime-state.ts'
import { base, deployment, type Parts, runtimeState } from './runtime.ts'

const deployed = (delay: number | null, parts: Parts): RuntimeDeployment => ({ ...deployment(parts), delay })

/** Of the change from one list of deployments to the other, and of what is compiled of the second once more. */
function drains(
  before: readonly RuntimeDeployment[],
  now: readonly RuntimeDeployment[],
): Readonly<Record<string, number>> {
  const first = managedView(runtimeState({ deployments: before }))
  first.compile(base())
  const second = managedView(runtimeState({ deployments: now }), { previousView: first })
  const { drains } = second.compile(base())
  assert.deepEqual(second.compile(base()).drains, drains, 'it is pure')
  return drains
}

const one = deployed(60, { revision: '1', version: 1 })
const other = deployed(60, { api: 'other', revision: '1', version: 2, basePath: '/other' })
const two = (delay: number | null): RuntimeDeployment => deployed(delay, { revision: '2', version: 3 })

describe('requests under way on a revision that gives way', () => {
  for (const [sentence, before, now, expected] of [
    [
      'have the delay of the one that takes its place',
      [one, other],
      [two(8), other],
      { 'acme/test/orders/1/default': 8000 },
    ],
    ['have the drain time without one', [one], [two(null)], {}],
    ['have the drain time with 0', [one], [two(0)], {}],
    [
      'have the drain time where nothing takes its place, whatever delay it came with itself',
      [one, other],
      [other],
      {},
    ],
    ['have the drain time where it stays, as when its trust changes', [one], [{ ...one, version: 4, delay: 9 }], {}],
    ['have no delay of another proxy', [one], [other], {}],
    ['have no delay of one that was there before', [one, two(8)], [two(8)], {}],
  ] as const) {
    it(sentence, () => assert.deepEqual(drains(before, now), expected))
  }
})
