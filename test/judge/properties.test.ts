import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { judge } from '../../src/judge/judge.ts'
import { checkFlippedBit, checkRemoval, goodInput } from './fuzz-judge.ts'

describe('what holds for every chain', () => {
  for (const mode of ['runtime', 'rfc5280', 'strict'] as const) {
    const input = goodInput(mode)

    it(`${mode}: the unchanged chain is trusted, so that the rest proves something`, () => {
      assert.equal(judge(input).code, 'trusted')
    })

    it(`${mode}: a changed bit is never trusted`, () => {
      fc.assert(
        fc.property(fc.nat(), (at) => {
          checkFlippedBit(input, at)
        }),
        { numRuns: 300 },
      )
    })

    it(`${mode}: taking an anchor away never makes a refused chain trusted`, () => {
      checkRemoval(input)
      fc.assert(
        fc.property(fc.subarray([0, 1, 2]), fc.subarray([0, 1]), (served, anchors) => {
          checkRemoval({
            ...input,
            served: input.served.filter((_, index) => served.includes(index)),
            anchors: input.anchors.filter((_, index) => anchors.includes(index)),
          })
        }),
        { numRuns: 40 },
      )
    })

    it(`${mode}: what was fetched is never believed`, () => {
      const [leaf, ...others] = input.served
      const fetched = others.flatMap(({ certificate }) => certificate ?? [])
      const judgement = judge({ ...input, served: leaf === undefined ? [] : [leaf], fetched })
      assert.equal(judgement.code, 'missing-intermediate')
    })

    it(`${mode}: the same question has the same answer`, () => {
      const question = { ...input, names: ['else.test'] }
      assert.deepEqual(judge(question).findings, judge(question).findings)
    })
  }
})
