import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RecordedTransaction, RecordingOrder } from '../../src/observe/recording.ts'
import { openTraces, type TraceLimits } from '../../src/traces/registry.ts'
import type { SessionRequest } from '../../src/traces/types.ts'
import { good, request, sampleSession, sampleTime, transaction } from './samples.ts'

/** A registry, its orders, and a clock that is moved by hand. */
function rig(limits: Partial<TraceLimits> = {}) {
  let now = sampleTime
  let due: { at: number; run: () => void } | null = null
  const ordered: (readonly RecordingOrder[])[] = []
  const traces = openTraces({
    order: (orders) => ordered.push(orders),
    now: () => now,
    limits,
    timer: (ms, run) => {
      const set = { at: now + ms, run }
      due = set
      return () => {
        if (due === set) due = null
      }
    },
  })
  return {
    traces,
    ordered,
    start: (request: Partial<SessionRequest> = {}) => traces.start({ ...sampleSession, ...request }),
    /** Timers that are due run, one after the other. */
    pass: (ms: number): void => {
      const end = now + ms
      while (due !== null && due.at <= end) {
        const { at, run } = due
        due = null
        now = Math.max(now, at)
        run()
      }
      now = end
    },
    record: (sessions: readonly string[], rest: Partial<RecordedTransaction> = {}) =>
      traces.recorded([{ ...good, ...rest, sessions }]),
    running: () => ordered.at(-1)?.map(({ session }) => session) ?? [],
  }
}

describe('a debug session', () => {
  test('is ordered of the workers when it begins, with its slots, and no longer when it ends', () => {
    const { traces, ordered, start } = rig()
    const session = start({ headers: [['X-Test', 'a']], maxTransactions: 7 })
    const [order] = ordered[0] ?? []
    assert.ok(order !== undefined)
    assert.deepEqual([...new Int32Array(order.slots)], [0, 7])
    assert.deepEqual(order.headers, [['x-test', 'a']])
    assert.deepEqual([order.session, order.until], [session.id, sampleTime + 600_000])
    assert.equal(traces.delete(session.id), true)
    assert.deepEqual(ordered[1], [])
    assert.equal(traces.delete(session.id), false)
    assert.equal(ordered.length, 2)
  })

  test('ends by itself when its time is over, and its data stays', () => {
    const { traces, pass, start, record, running } = rig()
    const { id } = start({ timeoutSeconds: 60 })
    record([id])
    pass(59_999)
    assert.deepEqual([traces.get(id)?.active, running()], [true, [id]])
    pass(1)
    assert.deepEqual(running(), [])
    const ended = traces.get(id)
    assert.deepEqual([ended?.active, ended?.ended, ended?.transactions.length], [false, 'timeout', 1])
  })

  test('ends when it has as many transactions as it wants, and takes no more', () => {
    const { traces, start, record, running } = rig()
    const { id } = start({ maxTransactions: 2 })
    record([id], { id: 'a' })
    assert.deepEqual(running(), [id])
    record([id], { id: 'b' })
    assert.deepEqual(running(), [])
    record([id], { id: 'c' })
    const ended = traces.get(id)
    assert.equal(ended?.ended, 'full')
    assert.deepEqual(
      ended.transactions.map((each) => each.id),
      ['a', 'b'],
    )
  })

  test('has a request that ended after it, as it began before', () => {
    const { traces, pass, start, record } = rig()
    const { id } = start({ timeoutSeconds: 60 })
    pass(60_001)
    record([id])
    assert.equal(traces.get(id)?.transactions.length, 1)
  })

  test('is kept for a day after its end and then gone; before, it is not', () => {
    const { traces, pass, start } = rig()
    const { id } = start({ timeoutSeconds: 60 })
    pass(60_000 + 24 * 3_600_000 - 1)
    assert.notEqual(traces.get(id), null)
    pass(1)
    assert.equal(traces.get(id), null)
    assert.deepEqual(traces.all(), [])
  })

  test('may not have the name of one that runs; of one that has ended, it takes the place', () => {
    const { traces, pass, start } = rig()
    const first = start({ timeoutSeconds: 60 })
    assert.throws(() => start(), { code: 'trace-exists' })
    start({ revision: '4' })
    pass(60_000)
    const second = start()
    assert.equal(traces.get(first.id), null)
    assert.notEqual(traces.get(second.id), null)
  })

  test('without a name has one made up', () => {
    const { start } = rig()
    assert.notEqual(start({ name: '' }).request.name, start({ name: '' }).request.name)
  })

  test('has a transaction of its own where a request belongs to several', () => {
    const { traces, start, record } = rig()
    const one = start({ name: 'one' })
    const other = start({ name: 'other', maxTransactions: 1 })
    record([one.id, other.id, 'unknown'])
    for (const { id } of [one, other]) assert.deepEqual(traces.get(id)?.transactions[0]?.sessions, [id])
  })

  test('has nothing that is to be hidden; another that shows credentials has them, and is not found by request', () => {
    const { traces, start } = rig()
    const hides = start({ name: 'hides' })
    const shows = start({ name: 'shows', showCredentials: true })
    const secret = transaction(
      [{ at: 0, type: 'request-received', message: request('GET', '/', [['Authorization', 's3cret']]) }],
      { sessions: [hides.id, shows.id] },
    )
    traces.recorded([secret])
    assert.ok(!JSON.stringify(traces.get(hides.id)).includes('s3cret'))
    assert.ok(JSON.stringify(traces.get(shows.id)).includes('s3cret'))
    assert.equal(traces.find(secret.id)?.session.id, hides.id)
    traces.delete(hides.id)
    assert.equal(traces.find(secret.id), null)
  })

  test('is listed for its proxy and revision, and for no other', () => {
    const { traces, start } = rig()
    start()
    start({ name: 'any', revision: null })
    const names = (environment: string, proxy: string, revision: string | null): string[] =>
      traces.list('acme', environment, proxy, revision).map(({ request }) => request.name)
    assert.deepEqual(names('test', 'orders', '3'), ['s1', 'any'])
    assert.deepEqual(names('test', 'orders', '4'), ['any'])
    assert.deepEqual(names('test', 'orders', null), ['s1', 'any'])
    assert.deepEqual(names('prod', 'orders', '3'), [])
    assert.deepEqual(names('test', 'other', '3'), [])
  })
})

describe('sessions are bounded (I10)', () => {
  test('in how many run, of one organization and in all', () => {
    const { traces, start } = rig({ atOnce: 3, atOnceOfOrganization: 2 })
    const first = start({ name: '1' })
    start({ name: '2' })
    assert.throws(() => start({ name: '3' }), { code: 'trace-limit' })
    start({ name: '3', organization: 'other' })
    assert.throws(() => start({ name: '4', organization: 'third' }), { code: 'trace-limit' })
    traces.delete(first.id)
    start({ name: '4', organization: 'third' })
  })

  test('in how many are kept: the one that ended first goes', () => {
    const { traces, pass, start } = rig({ kept: 2 })
    const late = start({ name: 'late', timeoutSeconds: 100 })
    const early = start({ name: 'early', timeoutSeconds: 50 })
    pass(100_000)
    const third = start({ name: 'third' })
    assert.deepEqual(
      traces.all().map(({ id }) => id),
      [late.id, third.id],
    )
    assert.equal(traces.get(early.id), null)
  })

  test('in bytes: sessions that have ended go first, then the one that runs ends', () => {
    const bytes = JSON.stringify({ ...good, sessions: ['x'.repeat(36)] }).length
    const { traces, pass, start, record, running } = rig({ bytes: bytes * 2.5 })
    const old = start({ name: 'old', timeoutSeconds: 1 })
    record([old.id])
    pass(1000)
    const { id } = start()
    record([id])
    assert.notEqual(traces.get(old.id), null)
    record([id])
    assert.equal(traces.get(old.id), null)
    assert.deepEqual(running(), [id])
    record([id])
    assert.deepEqual([traces.get(id)?.ended, traces.get(id)?.transactions.length], ['full', 2])
    assert.deepEqual(running(), [])
    traces.delete(id)
    const next = start()
    record([next.id])
    assert.equal(traces.get(next.id)?.transactions.length, 1)
  })

  test('and so are imported ones', () => {
    const { traces } = rig({ bytes: 100 })
    const file = {
      retrieved: 0,
      organization: 'o',
      environment: 'e',
      api: 'a',
      revision: '1',
      sessionId: 's',
      transactions: [],
    }
    const place = { organization: 'acme', environment: 'test', user: 'anna', bytes: 60 }
    const first = traces.importSession(file, place)
    assert.deepEqual([first.ended, first.request.organization, first.request.proxy], ['imported', 'acme', 'a'])
    traces.importSession(file, place)
    assert.equal(traces.get(first.id), null)
    assert.throws(() => traces.importSession(file, { ...place, bytes: 101 }), { code: 'trace-limit' })
  })
})

test('after the end of the gateway nobody is ordered anything', () => {
  const { traces, ordered, pass, start } = rig()
  start()
  traces.close()
  pass(3_600_000)
  assert.equal(ordered.length, 1)
})
