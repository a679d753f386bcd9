import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { Lane, type LaneLimits, type Outcome, type RetryLimits } from '../../src/otlp/lane.ts'

const limits: LaneLimits = {
  queuedRecords: 100,
  queuedBytes: 50_000,
  batchRecords: 10,
  batchBytes: 5000,
  delayMs: 60_000,
  overflow: 'newest',
}

const quick: RetryLimits = { backoffMs: [1, 2], tries: 3, maxAgeMs: 10_000 }

/** A lane whose requests are answered by the test. */
function open(over: Partial<LaneLimits> = {}, retry: RetryLimits = quick) {
  const requests: { readonly pieces: readonly Buffer[]; readonly answer: (outcome: Outcome) => void }[] = []
  const lane = new Lane({
    limits: { ...limits, ...over },
    retry,
    prepare: (pieces) =>
      Promise.resolve(
        (signal) =>
          new Promise<Outcome>((resolve) => {
            signal.addEventListener('abort', () => resolve({ kind: 'refused' }))
            requests.push({ pieces, answer: resolve })
          }),
      ),
  })
  return { lane, requests }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 5))
const piece = (records: number, bytes = 100) => ({ bytes: Buffer.alloc(bytes), records })

describe('a lane', () => {
  it('holds no more records and bytes than it may, under way or waiting, and counts the rest', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ records: fc.integer({ min: 1, max: 30 }), bytes: fc.integer({ min: 1, max: 9000 }) }), {
          maxLength: 60,
        }),
        fc.constantFrom('newest' as const, 'oldest' as const),
        async (pieces, overflow) => {
          const { lane } = open({ overflow })
          const owner = { dropped: 0 }
          let given = 0
          for (const { records, bytes } of pieces) {
            lane.add({ ...piece(records, bytes), owner })
            given += records
            assert.ok(lane.held.records <= limits.queuedRecords && lane.held.bytes <= limits.queuedBytes)
            assert.equal(lane.held.records + owner.dropped, given)
          }
          await lane.close(0)
          assert.equal(owner.dropped, given)
          assert.deepEqual(lane.held, { records: 0, bytes: 0 })
        },
      ),
      { numRuns: 50 },
    )
  })

  it('a piece that alone is more than it may hold is dropped, and no other goes for it', async () => {
    const { lane } = open()
    const owner = { dropped: 0 }
    lane.add({ ...piece(1), owner })
    lane.add({ ...piece(7, 60_000), owner })
    assert.equal(owner.dropped, 7)
    assert.equal(lane.held.records, 1)
    await lane.close(0)
  })

  it('a request has no more than it may, unless one piece alone is more', async () => {
    const { lane, requests } = open()
    const owner = { dropped: 0 }
    for (const records of [4, 4, 4, 25]) lane.add({ ...piece(records), owner })
    await turn()
    requests[0]?.answer({ kind: 'taken', rejected: 0 })
    const flushed = lane.flush(1000)
    await turn()
    requests[1]?.answer({ kind: 'taken', rejected: 0 })
    await turn()
    requests[2]?.answer({ kind: 'taken', rejected: 0 })
    await flushed
    assert.deepEqual(
      requests.map(({ pieces }) => pieces.length),
      [2, 1, 1],
    )
    assert.equal(owner.dropped, 0)
  })

  it('what is refused in part is counted where it came from', async () => {
    const { lane, requests } = open()
    const [one, other] = [{ dropped: 0 }, { dropped: 0 }]
    lane.add({ ...piece(4), owner: one })
    lane.add({ ...piece(6), owner: other })
    await turn()
    requests[0]?.answer({ kind: 'taken', rejected: 5 })
    await turn()
    assert.deepEqual([one.dropped, other.dropped], [4, 1])
    await lane.close(0)
  })

  it('a flush that takes too long leaves what there is; the end does not', async () => {
    const { lane } = open()
    const owner = { dropped: 0 }
    lane.add({ ...piece(4), owner })
    await lane.flush(10)
    assert.equal(owner.dropped, 0)
    assert.equal(lane.held.records, 4)
    await lane.close(10)
    assert.equal(owner.dropped, 4)
    lane.add({ ...piece(1), owner })
    assert.equal(owner.dropped, 5)
  })

  it('what is left of an owner who goes is lost to him, and to nobody else', async () => {
    const { lane, requests } = open()
    const [one, other] = [{ dropped: 0 }, { dropped: 0 }]
    lane.add({ ...piece(6), owner: one })
    lane.add({ ...piece(4), owner: other })
    lane.add({ ...piece(2), owner: one })
    lane.add({ ...piece(1), owner: other })
    await lane.flush(10)
    lane.forget(one)
    assert.deepEqual([one.dropped, other.dropped], [8, 0])
    assert.equal(lane.held.records, 11, 'what is under way, and what is left of the other')
    requests[0]?.answer({ kind: 'refused' })
    await lane.close(10)
    assert.deepEqual([one.dropped, other.dropped], [8, 5])
  })

  it('a flush beside the end tells of what the end has lost', async () => {
    const { lane } = open()
    const owner = { dropped: 0 }
    lane.add({ ...piece(10), owner })
    const flushed = lane.flush(20)
    const closed = lane.close(40)
    await flushed
    assert.equal(owner.dropped, 10)
    await closed
  })

  it('what waits to be tried again has one more try at the end', async () => {
    const { lane, requests } = open({}, { backoffMs: [60_000, 60_000], tries: 9, maxAgeMs: 1e9 })
    const owner = { dropped: 0 }
    lane.add({ ...piece(10), owner })
    await turn()
    requests[0]?.answer({ kind: 'later', afterMs: 0 })
    await turn()
    assert.equal(requests.length, 1)
    const closed = lane.close(5000)
    await turn()
    assert.equal(requests.length, 2)
    requests[1]?.answer({ kind: 'taken', rejected: 0 })
    await closed
    assert.equal(owner.dropped, 0)
  })

  it('of a lane where the newest counts, the oldest goes, but not what is under way', async () => {
    const { lane, requests } = open({ overflow: 'oldest', queuedRecords: 2, batchRecords: 1 })
    const owner = { dropped: 0 }
    for (const bytes of [1, 2, 3, 4]) {
      lane.add({ ...piece(1, bytes), owner })
      await turn()
    }
    assert.equal(owner.dropped, 2)
    requests[0]?.answer({ kind: 'taken', rejected: 0 })
    await turn()
    assert.deepEqual(
      requests.map(({ pieces }) => pieces[0]?.length),
      [1, 4],
    )
    await lane.close(0)
  })
})
