import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { createIntermediate, createLeaf, createRoot, createSelfSigned, type Identity } from '../../src/pki/make.ts'
import { judge } from '../../src/judge/judge.ts'
import type { Judgement } from '../../src/judge/types.ts'
import { ask, factsOf, inputFor, type Question, sayingOf, weaknessesOf } from './ask.ts'

const host = 'backend.test'

describe('a path that does not reach an anchor', () => {
  let root: Identity
  let policy: Identity
  let issuing: Identity
  let leaf: Identity
  let plain: Identity
  let other: Identity
  before(async () => {
    root = await createRoot({ commonName: 'Acme Root CA', organization: 'Acme' })
    policy = await createIntermediate(root, { commonName: 'Acme Policy CA', organization: 'Acme' })
    issuing = await createIntermediate(policy, { commonName: 'Acme Issuing CA', organization: 'Acme' })
    leaf = await createLeaf(issuing, { names: [host] })
    // A PKI whose names say nothing.
    const nameless = await createRoot({ commonName: 'Zebra' })
    plain = await createLeaf(nameless, { names: [host] })
    other = await createRoot({ commonName: 'Other Root', organization: 'Other' })
  })

  const because = (question: Question): string => {
    const { findings } = ask(question)
    return String(findings[0]?.evidence['because'])
  }

  it('is trusted where nothing is missing, with what the store alone supplies named', () => {
    assert.equal(sayingOf(ask({ served: [leaf, issuing, policy], anchors: [root], names: [host] })), 'trusted')
    const stored = ask({ served: [leaf, policy], intermediates: [issuing], anchors: [root], names: [host] })
    assert.equal(sayingOf(stored), 'trusted')
    assert.ok(weaknessesOf(stored).includes('relies-on-stored-intermediate'))
    assert.deepEqual(
      stored.path.map(({ origin }) => origin),
      ['served', 'stored', 'served', 'anchor'],
    )
  })

  it('misses the root where the whole chain is served', () => {
    const judgement = ask({ served: [leaf, issuing, policy], anchors: [other] })
    assert.equal(sayingOf(judgement), 'missing-root at 2')
    assert.equal(judgement.findings[0]?.evidence['missingSubject'], 'Acme Root CA')
    assert.equal(judgement.findings[0]?.certificate?.subject, 'CN=Acme Policy CA, O=Acme')
  })

  it('misses the root where it is served and not stored, and has the root itself as evidence', () => {
    const judgement = ask({ served: [leaf, issuing, policy, root], anchors: [other] })
    assert.equal(sayingOf(judgement), 'missing-root at 3')
    assert.deepEqual(fingerprintIn(judgement, 'missing'), factsOf(root).sha256)
    assert.ok(weaknessesOf(judgement).includes('root-served'))
  })

  it('misses the intermediate where the leaf stands alone or the chain has a hole', () => {
    assert.equal(sayingOf(ask({ served: [leaf], anchors: [root] })), 'missing-intermediate at 0')
    assert.equal(sayingOf(ask({ served: [leaf, policy], anchors: [root] })), 'missing-intermediate at 0')
    assert.equal(sayingOf(ask({ served: [leaf, issuing], anchors: [root] })), 'missing-intermediate at 1')
    assert.match(because({ served: [leaf, issuing], anchors: [root] }), /Acme Policy CA/)
  })

  it('takes an issuer of the same organisation as an anchor for one that stands between', async () => {
    const quiet = await createIntermediate(root, { commonName: 'Services', organization: 'Acme' })
    const own = await createLeaf(quiet, { names: [host] })
    const judgement = ask({ served: [own], anchors: [root] })
    assert.equal(sayingOf(judgement), 'missing-intermediate at 0')
    assert.match(String(judgement.findings[0]?.evidence['because']), /same organisation/)
    assert.equal(sayingOf(ask({ served: [own], anchors: [other] })), 'unknown-issuer at 0')
  })

  it('takes for its own CA under another name the one that has the key', async () => {
    const renamed = await createIntermediate(policy, {
      commonName: 'Acme Issuing CA 2',
      organization: 'Acme',
      key: issuing.keys,
    })
    const judgement = ask({ served: [leaf, renamed, policy], anchors: [root] })
    assert.equal(sayingOf(judgement), 'missing-intermediate at 0')
    assert.match(String(judgement.findings[0]?.evidence['because']), /under another name/)
  })

  it('tells what it is from what was seen elsewhere, and never believes it', () => {
    const anchors = [other]
    const seen = (some: Identity, anchor: boolean) => [
      { certificate: factsOf(some), where: 'served by billing', anchor },
    ]
    assert.equal(sayingOf(ask({ served: [plain], anchors })), 'unknown-issuer at 0')
    const zebra = plain.issuers[0] as Buffer
    const known = ask({
      served: [plain],
      anchors,
      known: [{ certificate: factsOf(zebra), where: 'store corp', anchor: true }],
    })
    assert.equal(sayingOf(known), 'missing-root at 0')
    assert.equal(known.findings[0]?.evidence['knownAs'], 'store corp')
    assert.equal(sayingOf(ask({ served: [leaf], anchors, known: seen(issuing, false) })), 'missing-intermediate at 0')
    const fetched = ask({ served: [leaf], anchors: [root], fetched: [issuing, policy] })
    assert.equal(sayingOf(fetched), 'missing-intermediate at 0')
    assert.deepEqual(
      fetched.path.map(({ origin }) => origin),
      ['served', 'fetched', 'fetched', 'anchor'],
    )
    assert.equal(sayingOf(ask({ served: [plain], anchors, fetched: [zebra] })), 'missing-root at 0')
  })

  it('names the anchor that has the name and another key: a CA that was rolled over', async () => {
    const old = await createRoot({ commonName: 'Acme Root CA', organization: 'Acme' })
    const judgement = ask({ served: [leaf, issuing, policy], anchors: [old] })
    assert.equal(sayingOf(judgement), 'missing-root at 2')
    assert.equal(fingerprintIn(judgement, 'sameNameOtherKey'), factsOf(old).sha256)
    assert.equal(judgement.findings[0]?.evidence['sameNameOtherKeyIn'], 'anchor')
    const wrong = await createIntermediate(policy, { commonName: 'Acme Issuing CA', organization: 'Acme' })
    const served = ask({ served: [leaf, wrong, policy], anchors: [root] })
    assert.equal(sayingOf(served), 'missing-intermediate at 0')
    assert.equal(served.findings[0]?.evidence['sameNameOtherKeyIn'], 'served')
  })

  it('is a self-signed leaf where the leaf vouches for itself, until it is an anchor', async () => {
    const alone = await createSelfSigned({ names: [host] })
    assert.equal(sayingOf(ask({ served: [alone], anchors: [root] })), 'self-signed-leaf at 0')
    assert.equal(sayingOf(ask({ served: [alone], anchors: [alone], names: [host] })), 'trusted')
  })

  it('says so where nobody is trusted at all, and what would be missing then', () => {
    const { code, findings } = ask({ served: [leaf, issuing, policy], anchors: [] })
    assert.equal(code, 'empty-trust-store')
    assert.deepEqual(
      findings.filter(({ severity }) => severity === 'fault').map((it) => it.code),
      ['empty-trust-store', 'missing-root'],
    )
  })

  it('takes an intermediate in the store for an anchor only where a part of the chain may be one', () => {
    assert.equal(ask({ served: [leaf], anchors: [issuing] }).code, 'missing-intermediate')
    assert.equal(sayingOf(ask({ served: [leaf], anchors: [issuing], partialChain: true })), 'trusted')
    assert.equal(sayingOf(ask({ served: [leaf], anchors: [leaf], partialChain: true })), 'trusted')
    assert.notEqual(ask({ served: [leaf], anchors: [leaf] }).code, 'trusted')
  })

  it('blames the served certificate that cannot be read where the path ends', () => {
    const { served, ...rest } = inputFor({ served: [leaf, issuing, policy], anchors: [root] })
    const unreadable = { der: Buffer.from('30'), certificate: null, malformed: { offset: 0, reason: 'cut off' } }
    const [first, , third] = served
    assert.ok(first !== undefined && third !== undefined)
    const hole = judge({ ...rest, served: [first, unreadable, third] })
    assert.equal(hole.code, 'malformed-certificate')
    assert.equal(hole.findings[0]?.evidence['missingSubject'], 'Acme Issuing CA')
    const extra = judge({ ...rest, served: [...served, unreadable] })
    assert.equal(extra.code, 'trusted')
    assert.ok(weaknessesOf(extra).includes('malformed-certificate'))
  })

  it('is a bad signature where the key identifiers agree, and the further faults come after it', () => {
    const bytes = Buffer.from(leaf.certificate)
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1
    const judgement = ask({ served: [bytes, issuing, policy], anchors: [root], names: ['else.test'] })
    assert.equal(sayingOf(judgement), 'bad-signature at 0')
    assert.ok(judgement.findings.some(({ code }) => code === 'name-mismatch'))
  })
})

/** SHA-256 of a certificate that stands in the evidence of the verdict. */
function fingerprintIn({ findings }: Judgement, key: string): unknown {
  const value = findings[0]?.evidence[key]
  return typeof value === 'object' && value !== null && 'sha256' in value ? value.sha256 : null
}
