import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { judge } from '../../src/judge/judge.ts'
import { inputOf, readSuite, scoreOf, type SuiteCase } from '../../tools/judge-cases.ts'
import { pem } from '../x509/der-make.ts'
import { authority, type Made, now, server } from './signed-pki.ts'

const root = authority('Root')
const leaf = server(root)
const text = ({ facts }: Made): string => pem('CERTIFICATE', facts.der)
const good: SuiteCase = {
  id: 'good',
  expect: 'accept',
  leaf: text(leaf),
  trusted: [text(root)],
  purpose: 'server',
  time: new Date(now).toISOString(),
}
const said = (suiteCase: SuiteCase): string => judge(inputOf(suiteCase, 'rfc5280', now)).code

describe('stored cases', () => {
  it('are judged whatever is missing or broken in them', () => {
    const broken = pem('CERTIFICATE', Buffer.from('not a certificate'))
    assert.equal(said(good), 'trusted')
    assert.equal(said({ ...good, intermediates: [broken, text(root)] }), 'trusted')
    assert.equal(said({ ...good, trusted: [broken, text(root)] }), 'trusted')
    assert.equal(said({ ...good, leaf: broken }), 'malformed-certificate')
    assert.equal(said({ ...good, trusted: [broken] }), 'empty-trust-store')
    assert.equal(said({ ...good, crls: ['nonsense'] }), 'revocation-unknown')
    assert.equal(said({ ...good, crls: [] }), 'trusted')
    assert.equal(
      said({ ...good, options: { nobody_knows: [1, { a: 2 }], aux: 'x' }, purpose: 'else', time: 'never' }),
      'trusted',
    )
    const nulls = { crls: null, name: null, policies: null, options: null, time: null, maxDepth: null }
    assert.equal(said({ ...good, ...nulls } as unknown as SuiteCase), 'trusted')
    assert.equal(said({ id: 'bare', expect: 'reject' }), 'malformed-certificate')
  })

  it('follow the options of OpenSSL as far as the standard has them', () => {
    const aux = (trust: readonly string[], reject: readonly string[]) => ({
      aux: [{ list: 'trusted', index: 0, trust, reject }],
    })
    assert.equal(said({ ...good, options: aux([], ['serverAuth']) }), 'distrusted')
    assert.equal(said({ ...good, options: aux([], ['clientAuth']) }), 'trusted')
    assert.equal(said({ ...good, options: aux(['serverAuth'], []) }), 'trusted')
    assert.notEqual(said({ ...good, options: aux(['clientAuth'], []) }), 'trusted')
    assert.equal(said({ ...good, options: { auth_level: 4 } }), 'weak-key')
    assert.equal(said({ ...good, policies: { requireExplicit: true } }), 'policy-violation')
  })

  it('are scored for the outcome, the cause and the guilty certificate apart', () => {
    const wrong = { ...good, name: { kind: 'dns', value: 'else.test' }, expect: 'reject' as const }
    const cases = [
      good,
      { ...good, id: 'should be refused', expect: 'reject' as const, cause: ['expired'], at: 0 },
      { ...wrong, id: 'right', cause: ['name-mismatch'], at: 0 },
      { ...wrong, id: 'wrong cause', cause: ['expired'], at: 0 },
      { ...wrong, id: 'wrong place', cause: ['name-mismatch'], at: 1 },
      { ...wrong, id: 'should be accepted', expect: 'accept' as const },
    ]
    const { differ, ...score } = scoreOf({ suite: 's', cases }, 'rfc5280', (it) => judge(inputOf(it, 'rfc5280', now)))
    assert.deepEqual(score, {
      suite: 's',
      mode: 'rfc5280',
      cases: 6,
      agree: 4,
      wronglyAccepted: 1,
      wronglyRefused: 1,
      causeStated: 4,
      causeRight: 2,
      atStated: 4,
      atRight: 2,
    })
    assert.deepEqual(
      differ.map(({ id }) => id),
      ['should be refused', 'wrong cause', 'wrong place', 'should be accepted'],
    )
    assert.deepEqual(differ[1], {
      id: 'wrong cause',
      expected: 'reject expired at 0',
      said: 'reject name-mismatch at 0',
    })
  })

  it('come from documents with a list of cases only', () => {
    assert.throws(() => readSuite('{}', 'x'), /no list "cases"/)
    assert.equal(readSuite('{"cases": []}', 'x').suite, 'x')
  })
})
