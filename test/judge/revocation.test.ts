import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Crl } from '../../src/x509/crl.ts'
import { ask, sayingOf } from './ask.ts'
import {
  authority,
  directory,
  extension,
  list,
  type Made,
  name,
  now,
  oid,
  revocation,
  server,
  uri,
  usage,
  utc,
} from './signed-pki.ts'
import { tlv } from '../x509/der-make.ts'

const flag = (number: number): Buffer => tlv(0x80 | number, '\xff')
const point = (...names: readonly Buffer[]): Buffer => tlv(0xa0, tlv(0xa0, ...names))
const idp = (...fields: readonly Buffer[]): Buffer => extension('2.5.29.28', tlv(0x30, ...fields), true)
const points = (...all: readonly Buffer[]): Buffer => extension('2.5.29.31', tlv(0x30, ...all))
const crlIssuer = (issuer: Buffer): Buffer => tlv(0xa2, directory(issuer))
/** keyCompromise and cACompromise, or all the others. */
const reasons = (tag: number, some: boolean): Buffer =>
  tlv(tag, Buffer.from(some ? [5, 0b0110_0000] : [7, 0b0001_1111, 0b1000_0000]))
const delta = (base: number): Buffer => extension('2.5.29.27', tlv(0x02, Buffer.from([base])), true)
const reason = (number: number): Buffer => extension('2.5.29.21', tlv(0x0a, Buffer.from([number])))

interface Pki {
  readonly root: Made
  readonly issuing: Made
  readonly leaf: Made
}

const pki = (leafExtensions: readonly Buffer[] = [], keyUsage: string = usage.certAndCrlSign): Pki => {
  const root = authority('Root')
  const issuing = authority('Issuing', { issuer: root, keyUsage })
  return { root, issuing, leaf: server(issuing, { extensions: leafExtensions }) }
}

/** The root's list is good; `lists` are the others. `more` are served beside the path. */
const judged = ({ root, issuing, leaf }: Pki, lists: readonly Crl[], more: readonly Made[] = []): string =>
  sayingOf(
    ask({
      time: now,
      served: [leaf.facts, issuing.facts, ...more.map(({ facts }) => facts)],
      anchors: [root.facts],
      crls: [list(root), ...lists],
    }),
  )

const unknown = 'revocation-unknown at 0'

describe('revocation', () => {
  it('is not asked about where there is no set of lists', () => {
    const { root, issuing, leaf } = pki()
    assert.equal(sayingOf(ask({ time: now, served: [leaf.facts, issuing.facts], anchors: [root.facts] })), 'trusted')
  })

  it('is asked about for every certificate below the anchor', () => {
    const a = pki()
    assert.equal(judged(a, [list(a.issuing)]), 'trusted')
    assert.equal(judged(a, []), unknown)
    assert.equal(judged(a, [list(a.issuing, { revoked: [a.leaf] })]), 'revoked at 0')
    const { root, issuing, leaf } = a
    const served = [leaf.facts, issuing.facts]
    const both = ask({
      time: now,
      served,
      anchors: [root.facts],
      crls: [list(root, { revoked: [issuing] }), list(issuing)],
    })
    assert.equal(sayingOf(both), 'revoked at 1')
    assert.equal(
      sayingOf(ask({ time: now, served, anchors: [root.facts], crls: [list(issuing)] })),
      'revocation-unknown at 1',
    )
  })

  it('is asked about for the leaf only where that is enough', () => {
    const { root, issuing, leaf } = pki()
    const question = {
      time: now,
      served: [leaf.facts, issuing.facts],
      anchors: [root.facts],
      revocationOf: 'leaf' as const,
    }
    assert.equal(sayingOf(ask({ ...question, crls: [list(issuing)] })), 'trusted')
    assert.equal(sayingOf(ask({ ...question, crls: [list(issuing, { revoked: [leaf] })] })), 'revoked at 0')
    assert.equal(sayingOf(ask({ ...question, crls: [list(root)] })), unknown)
  })

  it('takes a list at its time only', () => {
    const a = pki()
    assert.equal(judged(a, [list(a.issuing, { nextUpdate: utc('291231000000Z') })]), unknown)
    assert.equal(judged(a, [list(a.issuing, { thisUpdate: utc('300102000000Z') })]), unknown)
    assert.equal(judged(a, [list(a.issuing, { nextUpdate: utc('300101000000Z') })]), 'trusted')
    assert.equal(judged(a, [list(a.issuing, { nextUpdate: utc('291231000000Z') }), list(a.issuing)]), 'trusted')
  })

  it('takes a list only from who may sign it', () => {
    const forged = pki()
    assert.equal(judged(forged, [list(authority('Issuing'))]), unknown)
    const silent = pki([], usage.certSign)
    assert.equal(judged(silent, [list(silent.issuing)]), unknown)
  })

  it('takes a list that is signed with another key of the CA, if that has a path of its own', () => {
    const a = pki()
    const signer = authority('Issuing', { issuer: a.root, basic: null, keyUsage: usage.crlSign })
    assert.equal(judged(a, [list(signer)], [signer]), 'trusted')
    assert.equal(judged(a, [list(signer)]), unknown)
    const stranger = authority('Issuing', { basic: null, keyUsage: usage.crlSign })
    assert.equal(judged(a, [list(stranger)], [stranger]), unknown)
    const { root, issuing, leaf } = a
    const served = [leaf, issuing, signer].map(({ facts }) => facts)
    const revoked = ask({
      time: now,
      served,
      anchors: [root.facts],
      crls: [list(root, { revoked: [signer] }), list(signer)],
    })
    assert.equal(sayingOf(revoked), unknown)
  })

  it('does not use a list with a critical extension that it does not know', () => {
    const a = pki()
    assert.equal(judged(a, [list(a.issuing, { extensions: [extension('1.2.3', tlv(0x05), true)] })]), unknown)
    assert.equal(judged(a, [list(a.issuing, { extensions: [extension('1.2.3', tlv(0x05))] })]), 'trusted')
    const entry = revocation(Buffer.from([9]), extension('1.2.3', tlv(0x05), true))
    assert.equal(judged(a, [list(a.issuing, { entries: [entry] })]), unknown)
  })

  it('keeps to what a list says it is about', () => {
    const a = pki()
    assert.equal(judged(a, [list(a.issuing, { extensions: [idp(flag(1))] })]), 'trusted')
    assert.equal(judged(a, [list(a.issuing, { extensions: [idp(flag(2))] })]), unknown)
    assert.equal(judged(a, [list(a.issuing, { extensions: [idp(flag(5))] })]), unknown)
    const { root, issuing, leaf } = a
    const served = [leaf.facts, issuing.facts]
    const forUsers = list(root, { extensions: [idp(flag(1))] })
    const forCas = list(root, { extensions: [idp(flag(2))] })
    const answer = (crl: Crl) => sayingOf(ask({ time: now, served, anchors: [root.facts], crls: [crl, list(issuing)] }))
    assert.equal(answer(forUsers), 'revocation-unknown at 1')
    assert.equal(answer(forCas), 'trusted')
  })

  it('matches distribution points', () => {
    const here = point(uri('http://a.test/crl'))
    const a = pki([points(tlv(0x30, here))])
    assert.equal(judged(a, [list(a.issuing, { extensions: [idp(here)] })]), 'trusted')
    assert.equal(judged(a, [list(a.issuing)]), 'trusted')
    assert.equal(judged(a, [list(a.issuing, { extensions: [idp(point(uri('http://b.test/crl')))] })]), unknown)
    const without = pki()
    assert.equal(judged(without, [list(without.issuing, { extensions: [idp(here)] })]), unknown)
    const relative = tlv(0xa0, tlv(0xa1, tlv(0x30, oid('2.5.4.3'), tlv(0x0c, 'one'))))
    const full = point(directory(name('Issuing', 'one')))
    const b = pki([points(tlv(0x30, relative))])
    assert.equal(judged(b, [list(b.issuing, { extensions: [idp(full)] })]), 'trusted')
    assert.equal(judged(b, [list(b.issuing, { extensions: [idp(point(directory(name('Issuing', 'two'))))] })]), unknown)
  })

  it('wants an answer for all reasons', () => {
    const a = pki()
    const some = list(a.issuing, { extensions: [idp(reasons(0x83, true))] })
    const others = list(a.issuing, { extensions: [idp(reasons(0x83, false))] })
    assert.equal(judged(a, [some]), unknown)
    assert.equal(judged(a, [some, others]), 'trusted')
    const revoked = list(a.issuing, { revoked: [a.leaf], extensions: [idp(reasons(0x83, false))] })
    assert.equal(judged(a, [some, revoked]), 'revoked at 0')
  })

  it('takes an indirect list only from the issuer that the certificate names', () => {
    const root = authority('Root')
    const issuing = authority('Issuing', { issuer: root })
    const lister = authority('Lister', { issuer: root, basic: null, keyUsage: usage.crlSign })
    const leaf = server(issuing, { extensions: [points(tlv(0x30, crlIssuer(lister.subject)))] })
    const a = { root, issuing, leaf }
    const indirect = idp(flag(4))
    const of = extension('2.5.29.29', tlv(0x30, directory(issuing.subject)), true)
    assert.equal(judged(a, [list(lister, { extensions: [indirect] })], [lister]), 'trusted')
    assert.equal(judged(a, [list(lister)], [lister]), unknown)
    const entries = [revocation(leaf.facts.serialBytes, of)]
    assert.equal(judged(a, [list(lister, { entries, extensions: [indirect] })], [lister]), 'revoked at 0')
    const own = [revocation(leaf.facts.serialBytes)]
    assert.equal(judged(a, [list(lister, { entries: own, extensions: [indirect] })], [lister]), 'trusted')
    const silent = { ...a, leaf: server(issuing) }
    assert.equal(judged(silent, [list(lister, { extensions: [indirect] })], [lister]), unknown)
  })

  it('believes a named issuer of lists about itself, unless it says that it was revoked', () => {
    const root = authority('Root')
    const issuing = authority('Issuing', { issuer: root })
    const named = points(tlv(0x30, crlIssuer(name('Lister'))))
    const lister = authority('Lister', { issuer: issuing, basic: null, keyUsage: usage.crlSign, extensions: [named] })
    const a = { root, issuing, leaf: server(issuing, { extensions: [named] }) }
    const of = extension('2.5.29.29', tlv(0x30, directory(issuing.subject)), true)
    const says = (more: readonly Buffer[], serial: Uint8Array): string =>
      judged(a, [list(lister, { entries: [revocation(serial, of)], extensions: [idp(flag(4), ...more)] })], [lister])
    assert.equal(says([], Buffer.from([99])), 'trusted')
    assert.equal(says([], a.leaf.facts.serialBytes), 'revoked at 0')
    assert.equal(says([], lister.facts.serialBytes), unknown)
    const plain = authority('Lister', { issuer: issuing, basic: null, keyUsage: usage.crlSign })
    assert.equal(judged(a, [list(plain, { extensions: [idp(flag(4))] })], [plain]), unknown)
  })

  it('adds a delta to the list it belongs to', () => {
    const a = pki()
    const base = list(a.issuing, { number: 5 })
    const held = list(a.issuing, { number: 5, entries: [revocation(a.leaf.facts.serialBytes, reason(6))] })
    const revokes = list(a.issuing, { number: 6, revoked: [a.leaf], extensions: [delta(5)] })
    const lifts = list(a.issuing, {
      number: 6,
      entries: [revocation(a.leaf.facts.serialBytes, reason(8))],
      extensions: [delta(5)],
    })
    assert.equal(judged(a, [revokes]), unknown)
    assert.equal(judged(a, [base, revokes]), 'revoked at 0')
    assert.equal(judged(a, [held]), 'revoked at 0')
    assert.equal(judged(a, [held, lifts]), 'trusted')
    const later = list(a.issuing, { number: 9, revoked: [a.leaf], extensions: [delta(8)] })
    assert.equal(judged(a, [base, later]), 'trusted')
    const elsewhere = list(a.issuing, { number: 6, revoked: [a.leaf], extensions: [delta(5), idp(flag(1))] })
    assert.equal(judged(a, [base, elsewhere]), 'trusted')
  })

  it('wants the duties of list issuers in the strict mode only', () => {
    const a = pki()
    const strict = (crl: Crl): string => {
      const served = [a.leaf.facts, a.issuing.facts]
      return ask({
        mode: 'strict',
        purpose: 'any',
        time: now,
        served,
        anchors: [a.root.facts],
        crls: [list(a.root), crl],
      }).code
    }
    assert.equal(strict(list(a.issuing)), 'trusted')
    assert.equal(strict(list(a.issuing, { number: null })), 'revocation-unknown')
    assert.equal(judged(a, [list(a.issuing, { number: null })]), 'trusted')
    const mild = extension('2.5.29.28', tlv(0x30, flag(1)))
    assert.equal(strict(list(a.issuing, { extensions: [idp(flag(1))] })), 'trusted')
    assert.equal(strict(list(a.issuing, { extensions: [mild] })), 'revocation-unknown')
    assert.equal(judged(a, [list(a.issuing, { extensions: [mild] })]), 'trusted')
  })

  const here = point(uri('http://a.test/crl'))
  const webRows: readonly (readonly [string, Parameters<typeof list>[1], string])[] = [
    ['one that keeps them all', { extensions: [idp(here)] }, 'trusted'],
    ['one for the certificates of others', { extensions: [idp(here, flag(4))] }, 'revocation-unknown'],
    [
      'one with a point that has a host name beside its address',
      { extensions: [idp(point(uri('http://a.test/crl'), tlv(0x82, 'a.test')))] },
      'revocation-unknown',
    ],
    [
      'one that lists a certificate twice',
      { entries: [revocation(Buffer.from([9])), revocation(Buffer.from([9]))] },
      'revocation-unknown',
    ],
    ['one that lists two', { entries: [revocation(Buffer.from([9])), revocation(Buffer.from([8]))] }, 'trusted'],
  ]
  for (const [sentence, parts, says] of webRows) {
    it(`${says === 'trusted' ? 'takes' : 'does not take'}, by the rules of the web, ${sentence}`, () => {
      const a = pki([points(tlv(0x30, here))])
      const served = [a.leaf.facts, a.issuing.facts]
      const crls = [list(a.root), list(a.issuing, parts)]
      const question = { time: now, served, anchors: [a.root.facts], crls }
      assert.equal(ask({ ...question, mode: 'strict' }).code, says)
      assert.equal(ask({ ...question, mode: 'strict', purpose: 'any' }).code, 'trusted')
      assert.equal(ask(question).code, 'trusted')
    })
  }
})
