import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { judge } from '../../src/judge/judge.ts'
import { createWork, limits } from '../../src/judge/work.ts'
import { checkPolicies } from '../../src/judge/policies.ts'
import { inputOf, readSuite, scoreOf } from '../../tools/judge-cases.ts'
import { deviations } from './deviations.ts'

const folder = new URL('../../../shared/suites/', import.meta.url)
const now = Date.now()
const skipWithout = (file: string): string | false =>
  existsSync(new URL(file, folder)) ? false : 'skipped: no shared/suites beside the repository'

describe('suites that others wrote', () => {
  it('pkits-1-8.json: paths are valid for the policies that the suite names', {
    skip: skipWithout('pkits-1-8.json'),
  }, () => {
    const suite = readSuite(readFileSync(new URL('pkits-1-8.json', folder), 'utf8'), 'pkits')
    let compared = 0
    for (const suiteCase of suite.cases) {
      const expected = suiteCase.options?.['user_constrained_policy_set']
      const input = inputOf(suiteCase, 'rfc5280', now)
      const { path, code } = judge(input)
      if (!Array.isArray(expected) || input.policies === null || code !== 'trusted') continue
      const { policies } = checkPolicies(
        path.slice(0, -1).map(({ certificate }) => certificate),
        input.policies,
        createWork(),
      )
      assert.deepEqual(new Set(policies), new Set(expected), suiteCase.id)
      compared += 1
    }
    assert.ok(compared > 40, `${compared} compared`)
  })

  for (const { file, mode, cases } of deviations) {
    const path = new URL(file, folder)
    const skip = skipWithout(file)
    const score = () => {
      const suite = readSuite(readFileSync(path, 'utf8'), file)
      return scoreOf(suite, mode, (suiteCase) => judge(inputOf(suiteCase, mode, now)))
    }

    it(`${file} in mode ${mode}: every deviation is listed with its reason, and every listed one is there`, {
      skip,
    }, () => {
      const { differ } = score()
      assert.deepEqual(differ.map(({ id }) => id).sort(), Object.keys(cases).sort(), JSON.stringify(differ, null, 2))
    })

    it(`${file} in mode ${mode}: the shares that are owed`, { skip }, () => {
      const { cases: count, agree, causeStated, causeRight, atStated, atRight } = score()
      assert.ok(agree / count >= (mode === 'strict' ? 0.97 : 0.99), `${agree} of ${count} agree`)
      assert.ok(causeRight / causeStated >= 0.95, `${causeRight} of ${causeStated} causes`)
      assert.ok(atRight / atStated >= 0.95, `${atRight} of ${atStated} guilty certificates`)
    })

    it(`${file}: no case is a way to keep the judge busy`, { skip }, () => {
      const suite = readSuite(readFileSync(path, 'utf8'), file)
      for (const suiteCase of suite.cases) {
        for (const each of ['rfc5280', 'strict'] as const) {
          const { work } = judge(inputOf(suiteCase, each, now))
          assert.ok(work.signatures <= limits.signatures && work.candidates <= limits.candidates, suiteCase.id)
        }
      }
    })
  }
})
