import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseFilter } from '../../src/admin/edge/stats-filter.ts'
import { runStats, type StatQuestion } from '../../src/admin/edge/stats-run.ts'
import { dimensionsOf, metricsOf } from '../../src/admin/edge/stats-terms.ts'
import type { Monitor } from '../../src/monitor/query.ts'
import { Store } from '../../src/monitor/store.ts'
import { rollupKey, rollupRow } from '../monitor/support.ts'

/* Questions that are made to be expensive, over as many kinds of requests as an attacker can make (I10). */

const day = 86_400_000
const from = Date.UTC(2026, 0, 1)
const range = { from, to: from + 390 * day }
const store = new Store(
  { file: null, minutesMs: 900 * day, hoursMs: 900 * day, daysMs: 900 * day, maxBytes: 1e9 },
  { warn: () => {}, clock: () => range.to },
)
const one = { totalMs: 3, targetMs: 2, requestBytes: 10, responseBytes: 20 }
const methods = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH']
const rows = Array.from({ length: 4500 }, (_, at) =>
  rollupRow([
    {
      ...one,
      key: rollupKey({ status: 100 + (at % 900), targetStatus: 200, method: methods[Math.floor(at / 900)] ?? '' }),
    },
  ]),
)
store.add({ worker: 1, from, rows, crowded: 0, connections: [], lag: { p50: 0, p99: 0, max: 0 } })
store.tick()

const monitor: Monitor = {
  aggregate: async (query) => store.aggregate(query),
  samples: async (query) => store.samples(query),
  find: async (id) => store.find(id),
  health: async () => store.health(),
}

const metrics = metricsOf('sum(message_count),sum(is_error),avg(total_response_time),max(total_response_time)')
const question = (change: Partial<StatQuestion>): StatQuestion => ({
  organization: 'acme',
  environment: 'test',
  dimensions: dimensionsOf('response_status_code,request_verb'),
  metrics: [...metrics, ...metrics, ...metrics, ...metrics],
  range,
  unit: null,
  offset: 0,
  filter: null,
  sortBy: null,
  ascending: false,
  offsetRows: 0,
  limit: 10,
  timesAscending: true,
  ...change,
})

describe('A statistic over thousands of kinds of requests', () => {
  it('is refused where each of them would have a number for each of hundreds of days', async () => {
    await assert.rejects(runStats(monitor, question({ unit: 'day', offset: 30 })), { code: 'stats-too-large' })
  })

  it('is answered where it asks for less: no times, or one kind', async () => {
    assert.equal((await runStats(monitor, question({}))).groups.length, 10)
    const filter = parseFilter("(request_verb eq 'GET') and (response_status_code eq 200)")
    const { groups, times } = await runStats(monitor, question({ unit: 'day', offset: 30, filter }))
    assert.deepEqual([groups.length, (times?.length ?? 0) >= 390], [1, true])
  })
})

describe('A filter', () => {
  const table: readonly (readonly [what: string, text: string])[] = [
    ['too deep', `${'('.repeat(40)}a eq 1${')'.repeat(40)}`],
    ['too long', `a eq '${'x'.repeat(5000)}'`],
    ['without an end', "a eq '''''''"],
    ['of many values', `a in ${Array.from({ length: 300 }, (_, at) => at).join()}`],
    ['that stops', '(a eq 1) and'],
  ]
  for (const [what, text] of table) {
    it(`${what} is refused with its place`, () => assert.throws(() => parseFilter(text), { code: 'stats-filter' }))
  }
})
