import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { transactionText } from '../../src/traces/text.ts'
import { assertGolden } from '../observe/golden.ts'
import { good, samples } from './samples.ts'

describe('goldens: what a person reads of each way a transaction can go', () => {
  for (const [name, sample] of Object.entries(samples)) {
    test(name, () => assertGolden(`traces/${name}.txt`, transactionText(sample)))
  }
})

test('what a peer has sent cannot move the cursor or begin a line', () => {
  const hostile = `/x\u001b[2J\r\n  forged      line\u2028\u0085`
  const [first, ...rest] = good.steps
  assert.ok(first?.type === 'request-received')
  const message = { ...first.message, uri: hostile, headers: [['a\u0007', hostile]] as const }
  const text = transactionText({ ...good, uri: hostile, steps: [{ ...first, message }, ...rest] })
  // oxlint-disable-next-line no-control-regex
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/)
  assert.equal(
    text.split('\n').length,
    transactionText({
      ...good,
      steps: [{ ...first, message: { ...message, uri: '/', headers: [['a', 'b']] } }, ...rest],
    }).split('\n').length,
  )
})
