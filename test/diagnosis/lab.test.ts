import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Diagnosis } from '../../src/diagnosis/diagnose.ts'
import { type Expectation, scenarios, type Scenario } from '../../src/lab/scenarios.ts'
import { startLab } from '../../src/lab/lab.ts'
import { startPairs } from '../../src/lab/pair-lab.ts'
import { verdictCodes } from '../../src/verdict/codes.ts'
import { planFor } from '../lab/dial-backend.ts'
import { diagnoseBackend } from './diagnose-backend.ts'

const lab = await startLab()
after(() => lab.close())

describe('a diagnosis of each backend of the lab', () => {
  for (const backend of lab.backends) {
    const { expect }: Scenario = scenarios[backend.scenario]
    it(`${backend.scenario}: ${expect.verdict}, ${expect.party}${expect.guilty === null ? '' : `, "${expect.guilty}"`}`, async () => {
      const diagnosis = await diagnoseBackend(backend, planFor(backend, lab.trust.bundlePem), {
        compare: ['rfc5280'],
      })
      assert.equal(diagnosis.disagreement, '')
      const { verdict, findings } = diagnosis
      assert.deepEqual(
        {
          verdict: verdict.code,
          party: verdict.party,
          guilty: expect.guilty === null ? null : guiltyOf(diagnosis, expect),
        },
        { verdict: expect.verdict, party: expect.party, guilty: expect.guilty },
        verdict.summary,
      )
      const codes = new Set(findings.map(({ code }) => code))
      for (const code of expect.findings)
        assert.ok(codes.has(code as never), `finding ${code} is not among ${[...codes].join(', ')}`)
      if (verdict.code !== 'trusted') {
        assert.ok(diagnosis.remedy.length > 0, 'nothing is said of what to do')
        if (verdictCodes[verdict.code].stage !== 'handshake') {
          assert.deepEqual(faultCodes(diagnosis).slice(0, 1), diagnosis.judgement === null ? [] : [verdict.code])
        }
      }
    })
  }

  it('finds nothing to say against a healthy one', async () => {
    const backend = lab.backend('ok')
    const { findings } = await diagnoseBackend(backend, planFor(backend, lab.trust.bundlePem))
    assert.deepEqual(findings, [])
  })
})

const pairLab = await startPairs()
after(() => pairLab[Symbol.asyncDispose]())

describe('a diagnosis of two faults in one backend', () => {
  for (const backend of pairLab.backends) {
    const { name, planted, verdict: expected } = backend.pair
    it(`${name}: ${expected}, and the other one`, async () => {
      const diagnosis = await diagnoseBackend(backend, planFor(backend, pairLab.trust.bundlePem))
      assert.equal(diagnosis.disagreement, '')
      const { verdict } = diagnosis
      const first = planted.find(({ code }) => code === expected) ?? planted[0]
      assert.equal(verdict.code, expected, verdict.summary)
      assert.equal(verdict.party, verdictCodes[expected].party)
      for (const { code, guilty } of planted) {
        const faults = diagnosis.findings.filter((each) => each.severity === 'fault' && each.code === code)
        assert.ok(faults.length > 0, `${code} is not among ${faultCodes(diagnosis).join(', ')}`)
        assert.ok(
          faults.some((each) => namesOf(each).includes(guilty)),
          `${code}: ${JSON.stringify(faults.map(namesOf))} without ${guilty}`,
        )
      }
      const others = planted.map(({ code }) => code).filter((code) => code !== first.code)
      for (const code of others) assert.ok(verdict.hides.includes(code), `${code} is not said to be hidden`)
      // Exactly the planted ones: nothing else is held against it.
      assert.deepEqual([...new Set(faultCodes(diagnosis))].sort(), [...new Set(planted.map(({ code }) => code))].sort())
    })
  }
})

function faultCodes({ findings }: Diagnosis): readonly string[] {
  return findings.filter(({ severity }) => severity === 'fault').map(({ code }) => code)
}

function guiltyOf({ verdict }: Diagnosis, { guilty }: Expectation): string {
  const names = namesOf(verdict)
  return names.find((name) => name === guilty) ?? names.join(' or ')
}

/** The guilty certificate, or the one that is missing. */
function namesOf({ certificate, evidence }: Pick<Diagnosis['verdict'], 'certificate' | 'evidence'>): readonly string[] {
  const missing = evidence['missingSubject']
  const subjects = [certificate?.subject, typeof missing === 'string' ? missing : undefined]
  return subjects.flatMap((subject) => (subject === undefined ? [] : commonName(subject)))
}

function commonName(subject: string): string {
  return /(?:^|, )CN=([^,]*)/.exec(subject)?.[1] ?? subject
}
