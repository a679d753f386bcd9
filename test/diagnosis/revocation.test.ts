import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { judgedOtherwise } from '../../src/diagnosis/judged-otherwise.ts'
import { trustMaterial } from '../../src/diagnosis/trust-material.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import { Resolver } from '../../src/dial/resolver.ts'
import { startLab } from '../../src/lab/lab.ts'
import type { RevocationPlan } from '../../src/proxy/plan.ts'
import { bareContext } from '../../src/verdict/remedy-context.ts'
import { serverPlan } from '../dial/dial-once.ts'
import { planFor } from '../lab/dial-backend.ts'
import { diagnoseBackend } from './diagnose-backend.ts'

const lab = await startLab({
  scenarios: ['ocsp-good', 'ocsp-revoked', 'crl-good', 'revoked', 'crl-missing', 'missing-root', 'staple-missing'],
})
after(() => lab.close())

type Name = Parameters<typeof lab.backend>[0]
const planOf = (name: Name) => planFor(lab.backend(name), lab.trust.bundlePem)
const lists = planOf('crl-good').revocation
const told = async (name: Name, revocation: RevocationPlan) =>
  diagnoseBackend(lab.backend(name), { ...planOf(name), revocation })

describe('what a diagnosis says of revocation', () => {
  it('a staple that says revoked is a warning that names the mode, where the target does not look', async () => {
    for (const [revocation, words] of [
      [{ mode: 'off' }, /this target does not check that \(`revocation: off`\), other clients do/],
      [lists, /goes by revocation lists and does not check that \(`revocation: crl`\), other clients do/],
    ] as const) {
      const { verdict, findings, disagreement } = await told('ocsp-revoked', revocation)
      assert.deepEqual([verdict.code, disagreement], ['trusted', ''])
      const warning = findings.find(({ code }) => code === 'revoked')
      assert.equal(warning?.severity, 'warning')
      assert.match(warning?.summary ?? '', words)
    }
  })

  it('and is the verdict where it looks, once', async () => {
    const { verdict, findings, disagreement } = await told('ocsp-revoked', { mode: 'staple-required' })
    assert.deepEqual([verdict.code, verdict.party, verdict.at, disagreement], ['revoked', 'backend', 0, ''])
    assert.equal(findings.filter(({ code }) => code === 'revoked').length, 1)
    assert.equal((await told('ocsp-good', { mode: 'staple-required' })).verdict.code, 'trusted')
  })

  it('a fault of the chain hides one of the lists, and not the other way round', async () => {
    const { verdict, disagreement } = await told('missing-root', lists)
    assert.deepEqual([verdict.code, disagreement], ['missing-root', ''])
    assert.deepEqual(verdict.hides, ['revocation-unknown'])
  })

  it('a chain exception lets revocation pass too, and says so', async () => {
    const exceptions = [{ skip: 'chain', owner: 'tests', reason: 'test', until: null }] as const
    for (const name of ['revoked', 'staple-missing'] as const) {
      const plan = { ...planOf(name), skipChain: true, exceptions }
      const { verdict, disagreement } = await diagnoseBackend(lab.backend(name), plan)
      assert.deepEqual([verdict.code, disagreement], ['trusted', ''], name)
      assert.match(verdict.summary, /without it: revo(?:ked|cation-unknown): /)
    }
  })

  it('the standard comes to the same by the same lists', async () => {
    const resolver = new Resolver()
    after(() => resolver.close())
    for (const [name, code] of [
      ['crl-good', 'trusted'],
      ['revoked', 'revoked'],
      ['crl-missing', 'revocation-unknown'],
    ] as const) {
      const tls = planOf(name)
      const { host, port } = lab.backend(name)
      const seen = await diagnoseBackend({ host, port }, tls)
      const request = {
        server: serverPlan({ host, port, tls }),
        trust: new TargetTrust(tls),
        material: trustMaterial(tls),
        resolver,
        known: [],
        fetchIssuers: null,
        settle: false,
        compare: [],
        context: bareContext(host, port, Date.now()),
      }
      assert.equal(seen.verdict.code, code)
      const { verdict } = judgedOtherwise(seen, request, 'rfc5280', Date.now())
      assert.deepEqual([verdict.code, verdict.party], [code, seen.verdict.party], verdict.summary)
    }
  })
})
