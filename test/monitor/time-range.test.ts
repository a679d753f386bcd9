import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  chooseInterval,
  dayMs,
  hourMs,
  intervalOf,
  minuteMs,
  momentOf,
  rangeOf,
  startsOf,
} from '../../src/monitor/time-range.ts'

const now = Date.UTC(2026, 6, 1, 12, 0, 30)

const moments: readonly (readonly [sentence: string, text: string, at: number | null])[] = [
  ['now is now', 'now', now],
  ['-1h is an hour ago', '-1h', now - hourMs],
  ['-2w is two weeks ago', '-2w', now - 14 * dayMs],
  ['an ISO time in UTC', '2026-07-01T10:00:00Z', Date.UTC(2026, 6, 1, 10)],
  ['an ISO time of another zone', '2026-07-01T10:00:00+02:00', Date.UTC(2026, 6, 1, 8)],
  ['a zone without its colon', '2026-07-01T10:00:00+0200', Date.UTC(2026, 6, 1, 8)],
  ['without a zone it is UTC', '2026-07-01T10:00:00', Date.UTC(2026, 6, 1, 10)],
  ['a day is its beginning', '2026-07-01', Date.UTC(2026, 6, 1)],
  ['ten digits are seconds', '1780000000', 1_780_000_000_000],
  ['thirteen digits are milliseconds', '1780000000123', 1_780_000_000_123],
  ['a month of 13 is none', '2026-13-01T00:00:00Z', null],
  ['a word is none', 'yesterday', null],
  ['a duration alone is none', '1h', null],
  ['a thousand years back are none', '-99999999w', null],
  ['nothing is none', '', null],
]

for (const [sentence, text, at] of moments) test(sentence, () => assert.equal(momentOf(text, now), at))

const refused: readonly (readonly [sentence: string, from: string | null, to: string | null])[] = [
  ['a range that ends before it begins is refused', 'now', '-1h'],
  ['an empty one is refused', 'now', 'now'],
  ['a word is refused', 'yesterday', null],
  ['more than ten years are refused', '1980-01-01', 'now'],
]

for (const [sentence, from, to] of refused) {
  test(sentence, () => assert.throws(() => rangeOf(from, to, now), { code: 'monitoring-range' }))
}

test('without from and to it is the last hour, in whole minutes around it', () => {
  const minute = Date.UTC(2026, 6, 1, 12, 0)
  assert.deepEqual(rangeOf(null, null, now), { from: minute - hourMs, to: minute + minuteMs })
})

const intervals: readonly (readonly [sentence: string, ms: number, interval: number])[] = [
  ['an hour is shown by the minute', hourMs, minuteMs],
  ['an hour and a minute by two', hourMs + minuteMs, 2 * minuteMs],
  ['a day by the half hour', dayMs, 30 * minuteMs],
  ['a week by three hours', 7 * dayMs, 3 * hourMs],
  ['a year by the week', 365 * dayMs, 7 * dayMs],
]

for (const [sentence, ms, interval] of intervals) {
  test(sentence, () => assert.equal(chooseInterval({ from: 0, to: ms }), interval))
}

test('an interval that is asked for is a multiple of a minute, and makes no more than 2000', () => {
  const range = { from: 0, to: dayMs }
  assert.equal(intervalOf('5m', range), 5 * minuteMs)
  assert.equal(intervalOf('60', range), minuteMs)
  for (const text of ['30s', 'x', '90']) assert.throws(() => intervalOf(text, range), { code: 'monitoring-interval' })
  assert.equal(intervalOf('1m', { from: 0, to: 2000 * minuteMs }), minuteMs)
  assert.throws(() => intervalOf('1m', { from: 0, to: 2001 * minuteMs }), { code: 'monitoring-interval' })
})

test('hours begin by UTC, so the first may begin before the range', () => {
  assert.deepEqual(startsOf({ from: 90 * minuteMs, to: 181 * minuteMs }, hourMs), [hourMs, 2 * hourMs, 3 * hourMs])
})
