import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { violations } from './history.ts'
import { type Run, rotate } from './run.ts'

/** The same at 2,000 requests a second and for longer: rotation.soak.ts. */
describe('rotation of a CA bundle under load, TLS 1.2 and 1.3, resumption on and off', () => {
  let run: Run

  before(async () => {
    run = await rotate({
      variants: [
        { version: 'TLSv1.2', resumption: false },
        { version: 'TLSv1.2', resumption: true },
        { version: 'TLSv1.3', resumption: false },
        { version: 'TLSv1.3', resumption: true },
      ],
      rate: 400,
      swaps: 40,
      holdMs: 250,
    })
  })

  it('fails no request, forwards none over withdrawn trust, and lets a bad bundle change nothing', () => {
    assert.deepEqual(violations(run.history), [])
  })

  it('was a load worth the name, with every kind of bundle in it', () => {
    const { requests, answered, swaps } = run.figures
    assert.ok(requests > 1000, `${requests} requests`)
    assert.ok((answered['200'] ?? 0) > 500)
    assert.ok((answered['502'] ?? 0) > 100, 'the withdrawn bundle was felt')
    assert.equal(Object.keys(swaps).length, 8)
    const { requests: seen } = run.history
    for (const name of ['TLSv12', 'TLSv13']) {
      const connections = (resumption: string, resumed: boolean): number =>
        new Set(
          seen.flatMap((each) =>
            each.target.startsWith(`${name}-${resumption}`) && each.resumed === resumed && each.connection !== ''
              ? [each.connection]
              : [],
          ),
        ).size
      assert.ok(connections('resumed', true) > 0, `${name}: sessions were resumed`)
      assert.equal(connections('full', true), 0, `${name}: none where resumption is off`)
    }
  })

  it('reports a bad bundle with file and reason', () => {
    const reasons = {
      garbage: /ca\.pem.*no certificate/,
      empty: /ca\.pem.*empty/,
      truncated: /ca\.pem.*END/,
      'private-key': /ca\.pem.*private key/,
    }
    for (const { kind, refusals } of run.history.swaps) {
      const reason = reasons[kind as keyof typeof reasons]
      if (reason === undefined) continue
      assert.match(refusals[0] ?? '', /postern\.yaml:\d+:\d+ {2}trustStores\.corp\.sources\[0\] /)
      assert.match(refusals[0] ?? '', reason, kind)
      assert.doesNotMatch(refusals[0] ?? '', /-----|[A-Za-z0-9+/=]{40}/, 'I7')
    }
  })
})
