import assert from 'node:assert/strict'
import type { Case } from './cases.ts'
import { attributeOf, type Found } from './evidence.ts'
import { propertyOf } from './traced.ts'

/** Its backend's answer reaches the client: the connection was verified, and nothing anywhere is called a fault. */
export function checkGood({ scenario, proxy }: Case, { traced, lines, spans, records }: Found): void {
  const { answer, recorded, summary, shown } = traced
  assert.equal(answer.status, scenario === 'not-found' ? 404 : 200)
  const { nativeAccess, nativeEvents, gatewayLogJson, edgeAccess, edgeSystem } = lines
  assert.equal(nativeAccess['proxy'], proxy)
  assert.equal('fault' in nativeAccess || 'verdict' in nativeAccess, false)
  assert.equal('lastError' in gatewayLogJson || 'verdict' in gatewayLogJson, false)
  assert.deepEqual(edgeAccess.slice(16, 20), ['-', '-', '-', '-'])
  assert.deepEqual(edgeSystem, [])
  assert.equal(
    nativeEvents.some(({ type }) => type === 'request-failed'),
    false,
  )

  assert.deepEqual([summary.code, summary.faultCode, recorded.fault], ['', '', null])
  const stories = recorded.steps.flatMap((step) => (step.type === 'connected' ? [step.story] : []))
  assert.deepEqual(
    stories.map(({ tls, failure }) => [tls?.verdict, failure]),
    [['trusted', null]],
  )
  for (const [way, points] of Object.entries(shown)) {
    assert.equal(propertyOf(points, 'postern.tls.verdict'), 'trusted', way)
    assert.equal(propertyOf(points, 'postern.fault.code'), null, way)
    assert.equal(
      points.some(({ id }) => id === 'Error'),
      false,
      way,
    )
  }

  assert.deepEqual(spans, [], 'it was not sampled')
  const access = records.filter((record) => attributeOf(record, 'postern.event') === 'access')
  assert.equal(access.length, 1)
  for (const record of records) {
    for (const name of ['postern.verdict', 'postern.fault.code', 'postern.party']) {
      assert.equal(attributeOf(record, name), undefined, name)
    }
  }
}
