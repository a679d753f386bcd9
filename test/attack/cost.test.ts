import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ChunkedDecoder } from '../../src/wire/h1/chunked.ts'
import { connectionOptions, upgradeProtocols } from '../../src/wire/h1/values.ts'

/* I10: what one message may cost a worker, which serves all its connections on one thread. */

/** The best of a few runs, so that a busy machine does not count. */
function bestMs(work: () => unknown): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < 3; run++) {
    const start = performance.now()
    work()
    best = Math.min(best, performance.now() - start)
  }
  return best
}

for (const [what, read] of [
  ['Connection', connectionOptions],
  ['Upgrade', upgradeProtocols],
] as const) {
  it(`white space inside a ${what} value costs no more than its length`, () => {
    // As long as a header section may be by default. Quadratic, this took 260 ms.
    const value = `a${' '.repeat(25_000)}b`
    assert.equal(read(value), null)
    assert.ok(bestMs(() => read(value)) < 25)
  })
}

it('a connection keeps no list of the chunks that once went through it', () => {
  const decoder = new ChunkedDecoder()
  decoder.reset(true)
  const bytes = Buffer.from('1;\r\na\r\n'.repeat(9000), 'latin1')
  assert.equal(decoder.decode(bytes, 0, bytes.length), bytes.length)
  decoder.reset(true)
  // 18,000 numbers are 144 KiB for as long as the connection is open, idle or not.
  assert.ok(decoder.ranges.length <= 256, `${decoder.ranges.length} numbers are kept`)
})
