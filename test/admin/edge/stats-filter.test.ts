import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holds, parseFilter } from '../../../src/admin/edge/stats-filter.ts'
import { seededRandom } from '../../support/random.ts'
import { bucketsOf, timeRangeOf, timeUnitOf } from '../../../src/admin/edge/stats-time.ts'

const values: Readonly<Record<string, string>> = {
  apiproxy: "o'brien-orders",
  response_status_code: '503',
  target_response_code: '(not set)',
}

const cases: readonly (readonly [filter: string, isSo: boolean])[] = [
  ["(apiproxy eq 'o''brien-orders')", true],
  ["(apiproxy eq 'orders')", false],
  ["(apiproxy ne 'orders')", true],
  ['response_status_code eq 503', true],
  ["response_status_code in '500','503'", true],
  ['(response_status_code in (500, 502))', false],
  ['response_status_code notin 500,502', true],
  ['response_status_code not in 503', false],
  ['response_status_code gt 99', true],
  ['response_status_code lt 1000', true],
  ['response_status_code ge 504', false],
  ['response_status_code le 503', true],
  // What is not set is neither more nor less than a number.
  ['target_response_code ge 0', false],
  ['target_response_code lt 0', false],
  ["target_response_code eq '(not set)'", true],
  ["apiproxy like '%orders'", true],
  ["apiproxy like 'orders%'", false],
  ["apiproxy like 'o%-%s'", true],
  ["apiproxy notlike '%orders'", false],
  ["apiproxy not like 'x%'", true],
  ["apiproxy like '%o%o%'", true],
  ["apiproxy like '%o%o%o%'", false],
  // and binds tighter than or
  ['response_status_code eq 503 or response_status_code eq 1 and response_status_code eq 2', true],
  ['(response_status_code eq 503 or response_status_code eq 1) and response_status_code eq 2', false],
  ['((((response_status_code EQ 503))))', true],
]

for (const [filter, isSo] of cases) {
  test(`${filter} ${isSo ? 'holds' : 'does not hold'}`, () => {
    assert.equal(
      holds(parseFilter(filter), (name) => values[name] ?? ''),
      isSo,
    )
  })
}

const refused: readonly (readonly [filter: string, at: number])[] = [
  ['', 1],
  ['apiproxy', 9],
  ["apiproxy is 'x'", 10],
  ['apiproxy eq orders', 13],
  ["(apiproxy eq 'x'", 17],
  ["apiproxy eq 'x')", 16],
  ["apiproxy eq 'x' apiproxy eq 'y'", 17],
  ["apiproxy eq 'x' and", 20],
  ["apiproxy eq 'x','y'", 16],
  ['apiproxy in ()', 14],
]

for (const [filter, at] of refused) {
  test(`${JSON.stringify(filter)} is refused at ${at}`, () => {
    assert.throws(() => parseFilter(filter), { code: 'stats-filter', evidence: { at } })
  })
}

test('whatever is asked is answered or refused, and the longest text is read in one pass', () => {
  const random = seededRandom(5)
  const words = ['(', ')', ',', ' and ', ' or ', ' not ', ' eq ', ' in ', ' like ', "'", "'a'", 'apiproxy', '503', '%']
  let read = 0
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: random.below(12) }, () => random.pick(words)).join('')
    try {
      holds(parseFilter(text), (name) => values[name] ?? '')
      read++
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, 'stats-filter', text)
    }
  }
  assert.ok(read > 20, `${read} could be read`)
  const long = `apiproxy like '${'%a'.repeat(2000)}'`
  assert.equal(
    holds(parseFilter(long), () => 'a'.repeat(100_000)),
    true,
  )
})

test('what is too long, too deep, or does not end is refused', () => {
  const code = { code: 'stats-filter' }
  assert.throws(() => parseFilter(`${'('.repeat(33)}a eq 1${')'.repeat(33)}`), code)
  assert.doesNotThrow(() => parseFilter(`${'('.repeat(32)}a eq 1${')'.repeat(32)}`))
  assert.throws(() => parseFilter('a'.repeat(4097)), code)
  assert.throws(() => parseFilter("a eq 'x"), { ...code, message: /does not end, from 6/ })
})

const ranges: readonly (readonly [text: string | null, from: number | null])[] = [
  ['07/01/2026 10:00~07/01/2026 11:00', Date.UTC(2026, 6, 1, 10)],
  ['7/1/2026 9:00~07/01/2026 11:00', Date.UTC(2026, 6, 1, 9)],
  ['07/01/2026+10:00~07/01/2026+11:00', Date.UTC(2026, 6, 1, 10)],
  ['02/30/2026 10:00~07/01/2026 11:00', null],
  ['07/01/2026 25:00~07/02/2026 11:00', null],
  ['07/01/2026 11:00~07/01/2026 11:00', null],
  ['07/01/2026 10:00', null],
  ['2026-07-01~2026-07-02', null],
  [null, null],
]

for (const [text, from] of ranges) {
  test(`${text} is ${from === null ? 'no time range' : 'a time range'}`, () => {
    if (from === null) assert.throws(() => timeRangeOf(text), { code: 'stats-time-range' })
    else assert.equal(timeRangeOf(text).from, from)
  })
}

const day = (month: number, of: number, hour = 0): number => Date.UTC(2026, month - 1, of, hour)

const starts: readonly (readonly [
  unit: string,
  offset: number,
  from: number,
  to: number,
  starts: readonly number[],
])[] = [
  ['hour', 0, day(7, 1, 1) + 60_000, day(7, 1, 3), [day(7, 1, 1), day(7, 1, 2)]],
  ['day', 0, day(7, 1, 1), day(7, 2, 1), [day(7, 1), day(7, 2)]],
  // Two hours ahead of UTC, a day begins at 22:00.
  ['day', 120, day(7, 1, 1), day(7, 2, 1), [day(6, 30, 22), day(7, 1, 22)]],
  // 2026-06-29 was a Monday.
  ['week', 0, day(7, 1), day(7, 8), [day(6, 29), day(7, 6)]],
  ['month', 0, day(6, 15), day(8, 1), [day(6, 1), day(7, 1)]],
  ['quarter', 0, day(6, 15), day(7, 2), [day(4, 1), day(7, 1)]],
  ['year', 0, day(6, 15), day(7, 2), [day(1, 1)]],
  ['decade', 0, day(6, 15), day(7, 2), [Date.UTC(2020, 0, 1)]],
]

for (const [unit, offset, from, to, expected] of starts) {
  test(`by the ${unit}, ${offset} minutes ahead of UTC`, () => {
    const buckets = bucketsOf({ from, to }, timeUnitOf(unit) ?? 'minute', offset)
    assert.deepEqual(buckets.kind === 'even' ? buckets.starts : buckets.each.map(({ at }) => at), expected)
  })
}

test('a second is finer than the rollups, and too many buckets are refused', () => {
  assert.throws(() => timeUnitOf('second'), { code: 'stats-time-unit', message: /finer than the minute/ })
  assert.throws(() => timeUnitOf('fortnight'), { code: 'stats-time-unit' })
  assert.throws(() => bucketsOf({ from: 0, to: day(1, 1) }, 'minute', 0), { code: 'stats-time-unit' })
  assert.throws(() => bucketsOf({ from: 0, to: day(1, 1) }, 'day', 60), { code: 'stats-time-unit' })
})
