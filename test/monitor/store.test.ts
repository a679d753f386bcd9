import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { latencyBucket } from '../../src/observe/latency.ts'
import type { RollupKey } from '../../src/observe/rollup.ts'
import type { Aggregate, AggregateQuery, Dimension, Filter } from '../../src/monitor/query.ts'
import { Store, type StorePlan } from '../../src/monitor/store.ts'
import { type CountedRequest, rollupKey, rollupMessage, rollupRow, untrusted } from './support.ts'
import { seededRandom } from '../support/random.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const start = Date.UTC(2026, 4, 30, 21, 17)

describe('rollups, against every request counted one by one', () => {
  let now = start
  const random = generator(6)
  const store = new Store(planOf(), { warn: (code, message) => assert.fail(`${code} ${message}`), clock: () => now })
  const requests: Timed[] = []
  const keys = [
    rollupKey(),
    rollupKey({ method: 'POST', status: 201, targetStatus: 201 }),
    rollupKey({ status: 404, targetStatus: 404 }),
    rollupKey({ status: 503, targetStatus: 200 }),
    rollupKey(untrusted),
    rollupKey({ ...untrusted, proxyKey: 'p2', proxy: 'invoices', target: 'tax' }),
    rollupKey({ proxyKey: 'p2', proxy: 'invoices', target: 'tax', revision: '9' }),
    rollupKey({ fault: 'client-gone', party: 'client', status: 0, targetStatus: 0, faultSource: 'proxy' }),
  ]

  // Three days with busy and quiet hours, by two workers of which one tells some of its minutes late.
  for (let step = 0; step < 420; step++) {
    now += Math.floor(random() * (step % 7 === 0 ? 90 : 3)) * minute + Math.floor(random() * 20_000)
    for (const worker of [1, 2]) {
      const from = worker === 2 && random() < 0.1 ? now - Math.floor(random() * 4) * minute : now
      const mine = Array.from({ length: Math.floor(random() * 6) }, () => requestOf(pick(random, keys), random))
      const rows = keys.flatMap((key) => {
        const alike = mine.filter((request) => request.key === key)
        return alike.length === 0 ? [] : [rollupRow(alike)]
      })
      store.add(rollupMessage(from, rows, worker))
      requests.push(...mine.map((request) => ({ ...request, at: from })))
    }
    for (let at = 0; at < 4; at++) store.tick()
  }
  const ends = now

  const questions: readonly (readonly [string, Pick<AggregateQuery, 'by' | 'where'>])[] = [
    ['nothing apart', { by: [], where: [] }],
    ['by proxy and status', { by: ['proxy', 'status'], where: [] }],
    ['by class of status', { by: ['statusClass'], where: [{ dimension: 'proxy', values: ['invoices'] }] }],
    [
      'by verdict without what went well',
      { by: ['verdict'], where: [{ dimension: 'fault', values: [''], not: true }] },
    ],
    [
      'by fault, of two statuses of one target',
      {
        by: ['fault', 'faultSource'],
        where: [
          { dimension: 'status', values: ['503', '404'] },
          { dimension: 'target', values: ['stock'] },
        ],
      },
    ],
  ]

  function check(aligned: number): void {
    for (const [, question] of questions) {
      for (const interval of [null, minute, 5 * minute, hour, 90 * minute, 3 * hour, day]) {
        if (interval !== null && interval % aligned !== 0) continue
        for (let round = 0; round < 4; round++) {
          const span = ends - start + hour
          const from = floor(start - hour + random() * span, aligned)
          // An answer has so many rows and no more.
          const longest = Math.min(span, (interval ?? day) * 2_000)
          const to = from + Math.max(floor(random() * longest, aligned), aligned)
          const query = { from, to, interval, ...question }
          assert.deepEqual(sorted(store.aggregate(query).rows), sorted(naive(requests, query)), JSON.stringify(query))
        }
      }
    }
  }

  it('every aggregate is the same, of minutes, hours and days', () => {
    assert.ok(requests.length > 1_500 && ends - start > 2 * day, 'there is something to count')
    check(minute)
    assert.equal(store.aggregate({ from: start, to: ends, interval: null, by: [], where: [] }).resolution, minute)
  })

  it('times that touch share no request and leave none out', () => {
    const middle = start + 1.5 * day + 7 * minute
    const [before, after] = [
      [0, middle],
      [middle, ends + minute],
    ].map(([from, to]) => sum(store.aggregate({ from: from!, to: to!, interval: null, by: [], where: [] }).rows))
    assert.equal(before! + after!, requests.length)
  })

  it('once minutes are gone, by the hour they are the same', () => {
    store.configure({ ...planOf(), minutesMs: 10 * hour })
    for (let at = 0; at < 50; at++) store.tick()
    const { resolution } = store.aggregate({ from: start, to: ends, interval: null, by: [], where: [] })
    assert.equal(resolution, hour)
    check(hour)
    // What is left of minutes is still asked by the minute.
    const recent = { from: ends - 3 * hour, to: ends + minute, interval: minute, by: [], where: [] } as const
    assert.deepEqual(sorted(store.aggregate(recent).rows), sorted(naive(requests, recent)))
    assert.equal(store.aggregate(recent).resolution, minute)
  })

  it('once hours are gone as well, by the day they are the same', () => {
    store.configure({ ...planOf(), minutesMs: 2 * hour, hoursMs: 20 * hour })
    for (let at = 0; at < 50; at++) store.tick()
    assert.equal(store.aggregate({ from: start, to: ends, interval: null, by: [], where: [] }).resolution, day)
    check(day)
  })

  it('once days are gone, so are their requests', () => {
    store.configure({ ...planOf(), minutesMs: hour, hoursMs: hour, daysMs: hour })
    for (let at = 0; at < 50; at++) store.tick()
    const left = sum(store.aggregate({ from: 0, to: ends + day, interval: null, by: [], where: [] }).rows)
    const today = requests.filter(({ at }) => at >= floor(ends - hour, day)).length
    assert.equal(left, today)
  })
})

describe('groups of an answer', () => {
  const store = new Store(planOf(), { warn: () => {}, clock: () => start })
  const counts = [5, 1, 9, 3]
  const rows = counts.flatMap((count, at) => {
    const key = rollupKey({ target: `t${at}` })
    return count === 0 ? [] : [rollupRow(Array.from({ length: count }, () => requestOf(key, () => 0.5)))]
  })
  store.add(rollupMessage(start, rows))

  it('are those with the most requests, and the answer says that others were left out', () => {
    const answer = store.aggregate({ ...all(), by: ['target'], limit: 2 })
    assert.deepEqual(
      answer.rows.map(({ values }) => values[0]),
      ['t2', 't0'],
    )
    assert.equal(answer.truncated, true)
    store.close()
  })

  it('are all there where they fit', () => {
    const whole = new Store(planOf(), { warn: () => {}, clock: () => start })
    whole.add(rollupMessage(start, rows))
    const answer = whole.aggregate({ ...all(), by: ['target'], limit: 4 })
    assert.equal(answer.rows.length, 4)
    assert.equal(answer.truncated, false)
  })

  const refused: readonly (readonly [string, Partial<AggregateQuery>])[] = [
    ['a time without length', { from: 5, to: 5 }],
    ['an interval of half a minute', { interval: 30_000 }],
    ['an interval that is no whole minutes', { interval: 90_000 }],
    ['an interval of nothing', { interval: 0 }],
    ['more intervals than can be answered', { from: 0, to: start, interval: minute }],
  ]
  for (const [what, change] of refused) {
    it(`${what} is refused`, () => {
      assert.throws(() => store.aggregate({ ...all(), ...change }), { code: 'monitoring-query' })
    })
  }
})

interface Timed extends CountedRequest {
  readonly at: number
}

function all(): AggregateQuery {
  return { from: start - day, to: start + day, interval: null, by: [], where: [] }
}

function planOf(): StorePlan {
  return { file: null, minutesMs: 10 * day, hoursMs: 90 * day, daysMs: 400 * day, maxBytes: 1e9 }
}

/** Times are eighths of a millisecond: exact as doubles and as microseconds. */
function requestOf(key: RollupKey, random: () => number): CountedRequest {
  const targetMs = key.targetStatus === 0 ? -1 : Math.floor(random() ** 4 * 60_000) / 8
  return {
    key,
    targetMs,
    totalMs: Math.max(targetMs, 0) + Math.floor(random() * 80) / 8,
    requestBytes: Math.floor(random() * 5_000),
    responseBytes: Math.floor(random() * 5e6),
  }
}

function naive(requests: readonly Timed[], query: AggregateQuery): readonly Aggregate[] {
  const groups = Map.groupBy(
    requests.filter(({ at, key }) => {
      const counted = floor(at, minute)
      return counted >= query.from && counted < query.to && query.where.every((filter) => holds(key, filter))
    }),
    ({ at, key }) => {
      const bin = query.interval === null ? query.from : floor(at, query.interval)
      return JSON.stringify([bin, query.by.map((dimension) => value(key, dimension))])
    },
  )
  return [...groups].map(([name, group]): Aggregate => {
    const [at, values] = JSON.parse(name) as [number, string[]]
    const answered = group.filter(({ targetMs }) => targetMs >= 0)
    const count = (which: (key: RollupKey) => boolean): number => group.filter(({ key }) => which(key)).length
    const add = (list: readonly Timed[], of: (one: Timed) => number): number =>
      list.reduce((sum, one) => sum + of(one), 0)
    return {
      at,
      values,
      requests: group.length,
      faults: count(({ fault }) => fault !== ''),
      errors: count(({ status }) => status >= 400 || status === 0),
      targetErrors: count(({ fault, faultSource, status, targetStatus }) =>
        fault === '' ? status >= 400 && targetStatus >= 400 : faultSource === 'target',
      ),
      totalMs: add(group, ({ totalMs }) => totalMs),
      maxMs: Math.max(...group.map(({ totalMs }) => totalMs)),
      targetRequests: answered.length,
      targetMs: add(answered, ({ targetMs }) => targetMs),
      targetMaxMs: Math.max(0, ...answered.map(({ targetMs }) => targetMs)),
      requestBytes: add(group, ({ requestBytes }) => requestBytes),
      responseBytes: add(group, ({ responseBytes }) => responseBytes),
      total: buckets(group.map(({ totalMs }) => totalMs)),
      target: buckets(answered.map(({ targetMs }) => targetMs)),
    }
  })
}

function buckets(times: readonly number[]): readonly number[] {
  const counts = Array.from({ length: 33 }, () => 0)
  for (const ms of times) counts[latencyBucket(ms)]!++
  return counts
}

function holds(key: RollupKey, { dimension, values, not = false }: Filter): boolean {
  return values.includes(value(key, dimension)) !== not
}

function value(key: RollupKey, dimension: Dimension): string {
  if (dimension === 'targetName') return key.target
  if (dimension !== 'statusClass') return String(key[dimension])
  return key.status === 0 ? 'none' : `${String(key.status)[0]}xx`
}

function sorted(rows: readonly Aggregate[]): readonly Aggregate[] {
  const name = ({ at, values }: Aggregate): string => `${at} ${values.join(' ')}`
  return [...rows].sort((a, b) => (name(a) < name(b) ? -1 : 1))
}

function sum(rows: readonly Aggregate[]): number {
  return rows.reduce((total, { requests }) => total + requests, 0)
}

function floor(value: number, unit: number): number {
  return Math.floor(value / unit) * unit
}

function pick<T>(random: () => number, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)] as T
}

/** From 0 to 1, the same every time. */
function generator(seed: number): () => number {
  const random = seededRandom(seed)
  return () => random.below(2 ** 32) / 2 ** 32
}
