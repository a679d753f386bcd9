import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatProblem, parseConfig } from '../../src/config/load.ts'

/*
 * One pair of files per case: what somebody wrote, and all that is said about it. `UPDATE_GOLDENS=1` writes the second;
 * its difference is what a review looks at.
 */

const directory = join(import.meta.dirname, '..', 'goldens', 'config')
const now = Date.parse('2026-06-01T12:00:00Z')
const suffix = '.in.yaml'

for (const file of readdirSync(directory).filter((name) => name.endsWith(suffix))) {
  const name = file.slice(0, -suffix.length)
  test(`config ${name}: everything said about it is as reviewed`, () => {
    const actual = judge(readFileSync(join(directory, file), 'utf8'))
    const golden = join(directory, `${name}.out.txt`)
    if (process.env['UPDATE_GOLDENS'] === '1') writeFileSync(golden, actual)
    assert.equal(actual, readFileSync(golden, 'utf8'))
  })
}

test('every golden has its input', () => {
  const names = readdirSync(directory)
  const inputs = new Set(names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length)))
  const outputs = names.filter((name) => name.endsWith('.out.txt')).map((name) => name.slice(0, -'.out.txt'.length))
  assert.deepEqual(
    outputs.filter((name) => !inputs.has(name)),
    [],
  )
  assert.equal(outputs.length, inputs.size)
})

function judge(text: string): string {
  const parsed = parseConfig(text, 'postern.yaml', { now })
  const warnings = parsed.warnings.map((warning) => `warning: ${formatProblem(warning)}`)
  const verdict = parsed.ok
    ? ['good', JSON.stringify(parsed.config, null, 2)]
    : parsed.problems.map((problem) => formatProblem(problem))
  return `${[...verdict, ...warnings].join('\n')}\n`
}
