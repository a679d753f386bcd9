import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { recordedFault } from '../../src/proxy/recorded-fault.ts'

/* The evidence of a fault as it can be posted, kept and written. */

function plain(evidence: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const fault = recordedFault({ kind: 'tls-failed', verdict: null, party: 'backend', summary: 's', evidence })
  // As it crosses to another thread, and as it is written.
  assert.deepEqual(structuredClone(fault), fault)
  assert.deepEqual(JSON.parse(JSON.stringify(fault)), fault)
  return fault.evidence
}

describe('evidence', () => {
  it('that is plain stays as it is', () => {
    const evidence = { address: '192.0.2.1:443', ms: 1.5, resumed: false, alert: null, names: ['a', { b: 'c' }] }
    assert.deepEqual(plain(evidence), evidence)
  })

  it('that is not becomes so', () => {
    assert.deepEqual(
      plain({
        error: new Error('no route to host'),
        at: new Date(0),
        never: new Date(Number.NaN),
        bytes: Buffer.from('beef', 'hex'),
        serial: 12345678901234567890n,
        until: Number.POSITIVE_INFINITY,
        call: () => 1,
        nothing: undefined,
        list: [undefined, 1],
      }),
      {
        error: 'no route to host',
        at: '1970-01-01T00:00:00.000Z',
        never: '',
        bytes: 'beef',
        serial: '12345678901234567890',
        until: 'Infinity',
        list: [null, 1],
      },
    )
  })

  it('that is long, wide, deep or without an end is cut', () => {
    const endless: Record<string, unknown> = {}
    endless['self'] = endless
    const cut = plain({ endless, text: 'x'.repeat(100_000), list: Array.from({ length: 1000 }, (_, n) => n) })
    assert.ok(JSON.stringify(cut).length < 20_000)
    assert.equal((cut['list'] as unknown[]).length, 64)
  })

  it('of too many names loses the last', () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`n${n}`, n]))
    assert.equal(Object.keys(plain(many)).length, 64)
  })
})
