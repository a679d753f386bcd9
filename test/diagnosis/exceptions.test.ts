import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { startLab } from '../../src/lab/lab.ts'
import type { ScenarioName } from '../../src/lab/scenarios.ts'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'
import type { VerdictCode } from '../../src/verdict/codes.ts'
import { planFor } from '../lab/dial-backend.ts'
import { diagnoseBackend } from './diagnose-backend.ts'

const lab = await startLab({ scenarios: ['ok', 'expired', 'name-mismatch', 'missing-intermediate'] })
after(() => lab.close())

describe('a backend that an exception lets pass', () => {
  for (const [scenario, skip, without] of [
    ['expired', 'chain', ['expired']],
    ['name-mismatch', 'name', ['name-mismatch']],
    ['missing-intermediate', 'chain', ['missing-intermediate']],
    ['ok', 'chain', []],
  ] satisfies [ScenarioName, 'chain' | 'name', VerdictCode[]][]) {
    it(`${scenario} without its ${skip}: is trusted, and every output says by whose word and what would be said otherwise`, async () => {
      const { verdict, findings, disagreement } = await diagnose(scenario, excepting(skip, Date.now() + 60_000))
      assert.equal(disagreement, '')
      assert.equal(verdict.code, 'trusted')
      assert.match(verdict.summary, /^Accepted under an exception \((?:chain|name) not verified, owner platform/)
      assert.deepEqual(verdict.evidence['without'], without)
      assert.ok(findings.some(({ code }) => code === 'verification-skipped'))
      for (const code of without) {
        assert.equal(findings.find((each) => each.code === code)?.severity, 'warning')
      }
    })
  }

  it('is not excepted from what the exception does not name', async () => {
    const { verdict } = await diagnose('expired', excepting('name', Date.now() + 60_000))
    assert.equal(verdict.code, 'expired')
  })

  it('is not excepted once the exception has ended', async () => {
    const { verdict, findings } = await diagnose('expired', excepting('chain', Date.now() - 1))
    assert.equal(verdict.code, 'expired')
    assert.ok(findings.every(({ code }) => code !== 'verification-skipped'))
  })
})

describe('an intermediate in the store', () => {
  for (const [scenario, expected] of [
    ['ok', false],
    ['missing-intermediate', true],
  ] as const) {
    it(expected ? 'is relied on where the backend does not serve it' : 'is not relied on where it does', async () => {
      const { verdict, findings, chain } = await diagnose(scenario, { intermediates: [lab.mends.issuingPem] })
      assert.equal(verdict.code, 'trusted')
      assert.equal(chain.path[1]?.origin, expected ? 'stored' : 'served')
      assert.equal(
        findings.some(({ code }) => code === 'relies-on-stored-intermediate'),
        expected,
      )
    })
  }
})

function diagnose(scenario: ScenarioName, change: Partial<TargetTlsPlan>) {
  const backend = lab.backend(scenario)
  return diagnoseBackend(backend, { ...planFor(backend, lab.trust.bundlePem), ...change })
}

function excepting(skip: 'chain' | 'name', until: number): Partial<TargetTlsPlan> {
  return {
    skipChain: skip === 'chain',
    skipName: skip === 'name',
    exceptions: [{ skip, owner: 'platform', reason: 'a test', until }],
  }
}
