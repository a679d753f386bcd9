import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type KeptFrom, resolutionFrom, stretches } from '../../src/monitor/levels.ts'
import { seededRandom } from '../support/random.ts'

const hour = 60
const day = 1440
/** Some midnight. */
const zero = 20_000 * day
const all: KeptFrom = { minute: 0, hour: 0, day: 0 }

interface Row {
  readonly says: string
  readonly from: number
  readonly to: number
  readonly interval: number | null
  readonly kept?: Partial<KeptFrom>
  readonly expected: readonly string[]
}

const rows: readonly Row[] = [
  {
    says: 'a time without intervals is read by whole days, then whole hours, then minutes',
    from: 22 * hour + 30,
    to: 3 * day + 2 * hour + 15,
    interval: null,
    expected: ['minute 1350-1380', 'hour 1380-1440', 'day 1440-4320', 'hour 4320-4440', 'minute 4440-4455'],
  },
  {
    says: 'intervals of some hours are read by the hour',
    from: 30,
    to: 2 * day,
    interval: 6 * hour,
    expected: ['minute 30-60', 'hour 60-2880'],
  },
  {
    says: 'intervals that split hours are read by the minute',
    from: 0,
    to: day,
    interval: 90,
    expected: ['minute 0-1440'],
  },
  {
    says: 'where minutes are gone hours stand in for them, up to the first hour that minutes have whole',
    from: 5,
    to: 200,
    interval: 5,
    kept: { minute: 100 },
    expected: ['hour 5-120', 'minute 120-200'],
  },
  {
    says: 'minutes that are still there are read as far as they go',
    from: 101,
    to: 200,
    interval: 5,
    kept: { minute: 100 },
    expected: ['minute 101-200'],
  },
  {
    says: 'where hours are gone as well, days stand in for them',
    from: 0,
    to: 2 * day,
    interval: hour,
    kept: { minute: day + 150, hour: 90 },
    expected: ['day 0-1440', 'hour 1440-2880'],
  },
  {
    says: 'what no level has any more is not read',
    from: 0,
    to: 3 * day,
    interval: null,
    kept: { minute: 2 * day, hour: day, day },
    expected: ['day 1440-4320'],
  },
  { says: 'a time that ends before it begins has nothing', from: 10, to: 5, interval: null, expected: [] },
]

describe('where a time is read', () => {
  for (const { says, from, to, interval, kept, expected } of rows) {
    it(says, () => {
      const since = Object.fromEntries(Object.entries(kept ?? {}).map(([level, at]) => [level, at + zero]))
      const found = stretches(from + zero, to + zero, interval, { ...all, ...since })
      assert.deepEqual(
        found.map((one) => `${one.level} ${one.from - zero}-${one.to - zero}`),
        expected,
      )
    })
  }

  it('of any time is all of it, and none of it twice', () => {
    const random = seededRandom(4)
    for (let round = 0; round < 5_000; round++) {
      const day = zero + random.below(3_000)
      const hour = day + random.below(4_000)
      const kept = random.chance(0.2) ? all : { day: 0, hour: day, minute: hour }
      const from = zero + random.below(8_000)
      const to = from + random.below(5_000)
      const interval = random.pick([null, 1, 7, 60, 90, 180, 1_440])
      let at = from
      for (const one of stretches(from, to, interval, kept)) {
        assert.equal(one.from, at, 'each begins where the one before has ended')
        assert.ok(one.to > one.from)
        if (one.level !== 'day') assert.ok(one.from >= kept[one.level], 'where it is whole')
        at = one.to
      }
      assert.equal(at, to)
    }
  })

  it('has the finest that is left where it begins', () => {
    const kept = { minute: 300, hour: 200, day: 100 }
    assert.deepEqual(
      [350, 300, 299, 200, 199, 0].map((from) => resolutionFrom(from, kept)),
      [1, 1, 60, 60, 1440, 1440],
    )
  })
})
