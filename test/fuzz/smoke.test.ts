import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { targets } from './targets.ts'

/** Always the same inputs; `npm run fuzz` is for new ones. */
const seed = 20
const runs = 120

describe('fuzzing, a little', () => {
  for (const target of targets) {
    it(`${target.name}: ${runs} inputs`, async () => {
      await using checker = await target.start()
      const details = await fc.check(
        fc.asyncProperty(target.inputs, async (input) => void (await checker.check(input))),
        { seed, numRuns: runs, endOnFailure: true },
      )
      assert.equal(details.failed, false, fc.defaultReportMessage(details) ?? '')
    })
  }
})
