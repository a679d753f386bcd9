import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Aggregate, AggregateQuery, Filter } from '../../src/monitor/query.ts'
import { Store } from '../../src/monitor/store.ts'
import { seededRandom } from '../support/random.ts'
import { type Finished, finished, memoryMonitor } from './memory-monitor.ts'
import { rollupMessage, rollupRow, untrusted } from './support.ts'

/* What the tests of the surfaces count with is held against the store, so that they mean the same. */

const minute = 60_000
const start = Date.UTC(2026, 6, 1, 10, 0)

test('the store and the list of the tests answer the same', async () => {
  const random = seededRandom(11)
  const keys: readonly NonNullable<Finished['key']>[] = [
    {},
    { status: 404, targetStatus: 404 },
    {
      status: 500,
      targetStatus: 0,
      fault: 'route-failed',
      faultSource: 'proxy',
      faultCode: 'messaging.runtime.RouteFailed',
    },
    { status: 0, targetStatus: 0, fault: 'client-gone', party: 'client' },
    { ...untrusted, proxy: 'billing', target: 'bank' },
    { proxy: '', target: '', status: 404, targetStatus: 0, fault: 'no-route', organization: 'other' },
  ]
  const requests: Finished[] = Array.from({ length: 300 }, (_, at) => ({
    id: `id-${at}`,
    at: start + random.below(50) * minute + random.below(50_000),
    key: random.pick(keys),
    totalMs: random.below(2000),
    targetMs: random.chance(0.8) ? random.below(900) : -1,
    requestBytes: random.below(1000),
    responseBytes: random.below(10_000),
  }))
  const plan = { file: null, minutesMs: 48 * 60 * minute, hoursMs: 1e12, daysMs: 1e12, maxBytes: 1e9 }
  const store = new Store(plan, { warn: (code) => assert.fail(code), clock: () => start + 60 * minute })
  for (const request of requests) {
    const { key, sample } = finished(request)
    store.add(rollupMessage(sample.at, [rollupRow([{ key, ...sample }], [sample])]))
  }
  for (let at = 0; at < 100; at++) store.tick()
  const memory = memoryMonitor(requests)
  const where: readonly (readonly Filter[])[] = [
    [],
    [{ dimension: 'organization', values: ['acme'] }],
    [{ dimension: 'statusClass', values: ['5xx', 'none'] }],
    [{ dimension: 'verdict', values: ['', 'trusted'], not: true }],
    [{ dimension: 'faultCode', values: ['messaging.runtime.RouteFailed', 'x'] }],
  ]
  const by: readonly AggregateQuery['by'][] = [
    [],
    ['proxy'],
    ['faultCode', 'target'],
    ['statusClass', 'verdict'],
    ['status'],
  ]
  let rows = 0
  for (const filters of where) {
    for (const dimensions of by) {
      for (const interval of [null, minute, 10 * minute]) {
        const query = { from: start + 5 * minute, to: start + 40 * minute, interval, by: dimensions, where: filters }
        const expected = sorted((await memory.aggregate(query)).rows)
        assert.deepEqual(sorted(store.aggregate(query).rows), expected, JSON.stringify(query))
        rows += expected.length
      }
    }
  }
  assert.ok(rows > 500, `${rows} rows`)
  const failed = { from: start, to: start + 60 * minute, where: [{ dimension: 'status' as const, values: ['404'] }] }
  const [newest] = await memory.samples(failed)
  assert.equal(store.samples(failed)[0]?.sample.id, newest?.sample.id)
  assert.deepEqual(store.find(newest?.sample.id ?? ''), newest)
  assert.equal(store.find('nobody'), null)
  store.close()
})

function sorted(rows: readonly Aggregate[]): readonly Aggregate[] {
  const place = ({ at, values }: Aggregate): string => JSON.stringify([at, values])
  return [...rows].sort((one, other) => (place(one) < place(other) ? -1 : 1))
}
