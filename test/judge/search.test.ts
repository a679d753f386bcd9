import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, it } from 'node:test'
import type { Judgement } from '../../src/judge/types.ts'
import { limits } from '../../src/judge/work.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import { ask, type Question, sayingOf, weaknessesOf } from './ask.ts'
import { authority, extension, type Made, now, oid, server, utc } from './signed-pki.ts'
import { tlv } from '../x509/der-make.ts'
import type { Signer } from '../x509/signed-make.ts'

/** CPU time of a judgement, as a multiple of what the signatures it may verify cost: the rest must not outweigh them much. */
function measured(question: Question): { readonly judgement: Judgement; readonly effort: number } {
  const before = process.cpuUsage()
  const judgement = ask({ time: now, ...question })
  const { user, system } = process.cpuUsage(before)
  return { judgement, effort: (user + system) / allSignatures }
}

const signedOnce = authority('Measure').facts
const allSignatures = costOf(() => {
  for (let count = 0; count < limits.signatures; count += 1) verifySignature(signedOnce.publicKey, signedOnce)
})

function costOf(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

// Seen: below 3. An unbounded search would take millions of times as long.
const bearable = 40

describe('the search for a path', () => {
  it('finds the path through a served list in any order, with duplicates and strangers in it', () => {
    const root = authority('Root')
    const upper = authority('Upper', { issuer: root })
    const lower = authority('Lower', { issuer: upper })
    const leaf = server(lower)
    const stranger = authority('Stranger')
    const served = [leaf, root, stranger, upper, lower, upper].map(({ facts }) => facts)
    const judgement = ask({ time: now, served, anchors: [root.facts] })
    assert.equal(sayingOf(judgement), 'trusted')
    assert.equal(judgement.path.length, 4)
    assert.deepEqual(weaknessesOf(judgement).toSorted(), [
      'chain-order',
      'extra-certificates',
      'long-validity',
      'root-served',
      'root-served',
    ])
  })

  it('takes the cross-sign where the old root is gone, and says that there is a choice where it is not', () => {
    const old = authority('Old Root')
    const fresh = authority('New Root')
    const cross = authority('New Root', { issuer: old, signer: fresh.signer })
    const issuing = authority('Issuing', { issuer: fresh })
    const leaf = server(issuing)
    const served = [leaf, issuing, cross].map(({ facts }) => facts)
    assert.equal(sayingOf(ask({ time: now, served, anchors: [old.facts] })), 'trusted')
    assert.equal(sayingOf(ask({ time: now, served, anchors: [fresh.facts] })), 'trusted')
    assert.ok(weaknessesOf(ask({ time: now, served, anchors: [old.facts, fresh.facts] })).includes('cross-signed'))
    assert.ok(!weaknessesOf(ask({ time: now, served, anchors: [fresh.facts] })).includes('cross-signed'))
  })

  it('goes around an expired cross-sign that is served first', () => {
    const root = authority('Root')
    const gone = authority('Gone')
    const issuing = authority('Issuing', { issuer: root })
    const expired = authority('Issuing', { issuer: gone, signer: issuing.signer, notAfter: utc('290101000000Z') })
    const leaf = server(issuing)
    const served = [leaf, expired, issuing].map(({ facts }) => facts)
    assert.equal(sayingOf(ask({ time: now, served, anchors: [root.facts, gone.facts] })), 'trusted')
    const only = ask({ time: now, served: served.slice(0, 2), anchors: [root.facts, gone.facts] })
    assert.equal(sayingOf(only), 'expired at 1')
  })

  it('takes a leaf with the name and the key of its own CA, and no other state of the leaf for that CA', () => {
    const root = authority('Root')
    const issuing = authority('backend.test', { issuer: root })
    const leaf = server(issuing, { signer: issuing.signer, subject: issuing.subject })
    const served = [leaf, issuing, leaf].map(({ facts }) => facts)
    assert.equal(sayingOf(ask({ time: now, served, anchors: [root.facts] })), 'trusted')
    assert.equal(
      sayingOf(ask({ time: now, served: [leaf.facts], anchors: [issuing.facts], partialChain: true })),
      'trusted',
    )
    const alone = server(issuing, { issuer: null, subject: issuing.subject })
    const renewed = server(alone, { signer: alone.signer, subject: alone.subject })
    const older = ask({ time: now, served: [renewed.facts], anchors: [alone.facts] })
    assert.equal(sayingOf(older), 'self-signed-leaf at 0')
  })

  it('explains a faulty leaf by the soundest path, however many worse ones there are', () => {
    const root = authority('Root')
    const issuing = authority('Issuing', { issuer: root })
    const worse = Array.from({ length: 30 }, () =>
      authority('Issuing', { issuer: root, signer: issuing.signer, basic: { ca: false } }),
    )
    const leaf = server(issuing, { notAfter: utc('290101000000Z') })
    const served = [leaf, ...worse, issuing].map(({ facts }) => facts)
    assert.equal(sayingOf(ask({ time: now, served, anchors: [root.facts] })), 'expired at 0')
  })

  it('gets to the end of CAs that vouch for each other', () => {
    const one = authority('One')
    const two = authority('Two')
    const oneByTwo = authority('One', { issuer: two, signer: one.signer })
    const twoByOne = authority('Two', { issuer: one, signer: two.signer })
    const leaf = server(one)
    const root = authority('Root')
    const judgement = ask({
      time: now,
      served: [leaf, oneByTwo, twoByOne].map(({ facts }) => facts),
      anchors: [root.facts],
    })
    assert.equal(sayingOf(judgement), 'unknown-issuer at 2')
    assert.match(String(judgement.findings[0]?.evidence['because']), /circle/)
    const known = ask({ time: now, served: [leaf, oneByTwo, twoByOne].map(({ facts }) => facts), anchors: [two.facts] })
    assert.equal(sayingOf(known), 'trusted')
  })

  it('says no in time to CAs that all vouch for all, under an anchor that one of them cannot use', () => {
    const root = authority('Root')
    const { leaf, crowd } = clique(14, root, { extensions: [extension('2.5.29.36', tlv(0x30, tlv(0x80, '\0')), true)] })
    const { judgement, effort } = measured({
      served: [leaf, ...crowd].map(({ facts }) => facts),
      anchors: [root.facts],
    })
    assert.equal(judgement.code, 'too-complex')
    assert.ok(effort < bearable, `${effort} times the signatures`)
    assert.ok(judgement.work.signatures <= 256)
  })

  it('says yes in time to CAs that all vouch for all where there is a way', () => {
    const root = authority('Root')
    const { leaf, crowd } = clique(14, root, {})
    const { judgement, effort } = measured({
      served: [leaf, ...crowd].map(({ facts }) => facts),
      anchors: [root.facts],
    })
    assert.equal(judgement.code, 'trusted')
    assert.ok(effort < bearable, `${effort} times the signatures`)
  })

  it('says no in time to a crowd of one name without key identifiers', () => {
    const anchor = authority('CA', { keyIds: false })
    const crowd = Array.from({ length: 400 }, () => authority('CA', { keyIds: false }))
    const leaf = server(authority('CA', { keyIds: false }), { keyIds: false })
    const { judgement, effort } = measured({
      served: [leaf, ...crowd].map(({ facts }) => facts),
      anchors: [anchor.facts],
    })
    assert.equal(judgement.code, 'too-complex')
    assert.ok(effort < bearable, `${effort} times the signatures`)
  })

  it('spends no more on slow keys than on fast ones', () => {
    const slow = () => ({ keyIds: false, signer: onP521() })
    const anchor = authority('CA', slow())
    const crowd = Array.from({ length: 80 }, () => authority('CA', slow()))
    const leaf = server(authority('CA', slow()), { keyIds: false })
    const question = { served: [leaf, ...crowd].map(({ facts }) => facts), anchors: [anchor.facts] }
    const { judgement, effort } = measured(question)
    assert.equal(judgement.code, 'too-complex')
    assert.ok(judgement.work.signatures < 40, `${judgement.work.signatures} signatures`)
    assert.ok(effort < bearable, `${effort} times the signatures`)
  })

  it('does not follow a chain without end', () => {
    const root = authority('Root')
    let top = root
    const served: Made[] = []
    for (let depth = 0; depth < 140; depth += 1) {
      top = authority(`Sub ${depth}`, { issuer: top })
      served.unshift(top)
    }
    const leaf = server(top)
    const { judgement, effort } = measured({
      served: [leaf, ...served].map(({ facts }) => facts),
      anchors: [root.facts],
    })
    assert.equal(judgement.code, 'depth-exceeded')
    assert.ok(effort < bearable, `${effort} times the signatures`)
  })
})

/** CAs of which each certifies all others; the last is certified by the root, with `last` as it is. */
function clique(count: number, root: Made, last: Parameters<typeof authority>[1]) {
  const cas = Array.from({ length: count }, (_, index) => authority(`CA ${index}`))
  const crowd = cas.flatMap((issuer) =>
    cas.filter((it) => it !== issuer).map((it) => authority('', { subject: it.subject, signer: it.signer, issuer })),
  )
  const end = cas.at(-1) as Made
  crowd.push(authority('', { ...last, subject: end.subject, signer: end.signer, issuer: root }))
  return { leaf: server(cas[0] as Made), crowd }
}

function onP521(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-521' })
  return {
    key: privateKey,
    spki: publicKey.export({ type: 'spki', format: 'der' }),
    algorithm: tlv(0x30, oid('1.2.840.10045.4.3.2')),
    sign: (tbs) => sign('sha256', tbs, privateKey),
  }
}
