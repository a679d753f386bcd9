import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { violations } from './references-history.ts'
import { type ReferencesRun, runReferences } from './references-run.ts'

/** The same at 2,000 requests a second and 100 switches: references.soak.ts. */
describe('stored trust changed over the management API under load, on two workers', () => {
  let run: ReferencesRun

  before(async () => {
    run = await runReferences({ switches: 10, rate: 400, oneIn: 20, holdMs: 150 })
  })

  it('has the new outcome for every request that begins after the answer, and fails none for another reason', () => {
    assert.deepEqual(violations(run.history), [])
  })

  it('was a load worth the name, with every kind of change in it', () => {
    const { requests, answered, rightAfter, byWorker, changes } = run.figures
    assert.ok(requests > 800, `${requests} requests`)
    assert.ok((answered['200'] ?? 0) > 400, 'most were served')
    assert.equal(Object.keys(answered).length, 2, 'some were refused, each for the one reason')
    assert.ok(rightAfter > 100, `${rightAfter} requests right after an answer`)
    assert.equal(Object.keys(byWorker).length, 2, 'both workers served')
    assert.equal(Object.keys(changes).length, 11)
    // Whether sessions were resumed is a matter of how busy the machine is; the soak asks for it.
  })
})
