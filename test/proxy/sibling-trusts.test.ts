import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { createLeaf, createRoot, type Identity } from '../../src/pki/make.ts'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'
import { SiblingTrusts } from '../../src/proxy/sibling-trusts.ts'
import { tlsPlan } from '../dial/dial-once.ts'

describe('trust of the servers of one generation', () => {
  let root: Identity
  let plan: TargetTlsPlan

  before(async () => {
    root = await createRoot({ commonName: 'Root' })
    plan = { ...tlsPlan(root.certificatePem, 'a.test'), resumption: true }
  })

  it('shares a context, and no session, where only names differ', () => {
    const trusts = new SiblingTrusts()
    const [one, other] = [trusts.of(plan), trusts.of({ ...plan, verifyNames: ['b.test'], serverName: 'b.test' })]
    assert.notEqual(one, other)
    assert.equal(one.context, other.context)
    one.keepSession(Buffer.from('session'), Number.POSITIVE_INFINITY)
    assert.notEqual(one.session(0), null)
    assert.equal(other.session(0), null)
    assert.deepEqual(other.plan.verifyNames, ['b.test'])
  })

  it('shares none where anything differs that the context holds', async () => {
    const { certificatePem: chain, keyPem: key } = await createLeaf(root, { names: ['client.test'] })
    const others: Readonly<Record<string, Partial<TargetTlsPlan>>> = {
      'another list of anchors': { anchors: [...plan.anchors] },
      'another list of intermediates': { intermediates: [...plan.intermediates] },
      'a path may end below a root': { partialChain: !plan.partialChain },
      'a client certificate': { clientCertificate: { chain, key } },
      'another version': { maxVersion: 'TLSv1.2' },
      ciphers: { ciphers: 'ECDHE+AESGCM' },
      'revocation lists': { revocation: { mode: 'crl', crls: [] } },
    }
    for (const [what, change] of Object.entries(others)) {
      const trusts = new SiblingTrusts()
      const first = trusts.of(plan)
      assert.notEqual(trusts.of({ ...plan, ...change }).context, first.context, what)
      assert.equal(trusts.of(plan).context, first.context, `${what}: and the first goes on being shared`)
    }
  })

  it('belongs to one generation: the next has contexts of its own', () => {
    assert.notEqual(new SiblingTrusts().of(plan).context, new SiblingTrusts().of(plan).context)
  })
})
