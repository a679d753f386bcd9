import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Fixture, fixtures } from './fixtures.ts'
import { type Checker, restored } from './target.ts'
import { targets } from './targets.ts'

const byTarget = Map.groupBy(fixtures(), ([, fixture]) => fixture.target)

describe('what fuzzing has found stays right', () => {
  it('every fixture is of a target', () => {
    const names = new Set(targets.map(({ name }) => name))
    for (const name of byTarget.keys()) assert.ok(names.has(name), name)
  })

  for (const target of targets) {
    for (const [file, fixture] of byTarget.get(target.name) ?? []) {
      it(`${file}: ${fixture.found}`, async () => {
        await using checker: Checker = await target.start()
        await checker.check(restored((fixture satisfies Fixture).input))
      })
    }
  }
})
