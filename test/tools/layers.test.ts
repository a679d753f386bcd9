import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { brokenLayers, mayImport } from '../../tools/layers.ts'

const root = mkdtempSync(join(tmpdir(), 'postern-layers-'))
after(() => rmSync(root, { recursive: true }))

function problemsOf(file: string, text: string): readonly string[] {
  const path = join(root, file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  const problems = brokenLayers(root)
  rmSync(path)
  return problems
}

describe('import layers', () => {
  test('the tree keeps them', () => {
    assert.deepEqual(brokenLayers(fileURLToPath(new URL('../..', import.meta.url))), [])
  })

  test('every rule has a reason', () => {
    for (const [folder, { why }] of Object.entries(mayImport)) assert.ok(why.length > 10, folder)
  })

  const cases: readonly (readonly [sentence: string, file: string, text: string, problem: RegExp | null])[] = [
    ['the wire may import faults', 'src/wire/a.ts', "import '../faults/fault.ts'", null],
    [
      'the wire may not import configuration',
      'src/wire/a.ts',
      "import { x } from '../config/load.ts'",
      /wire may import/,
    ],
    ['the data plane may not import the control side', 'src/proxy/a.ts', "import '../control/gateway.ts'", /I9/],
    [
      'a plan may be imported where the data plane may not',
      'src/config/a.ts',
      "import type { P } from '../proxy/plan.ts'",
      null,
    ],
    [
      'another file of the data plane may not',
      'src/config/a.ts',
      "import type { P } from '../proxy/pool.ts'",
      /config may import/,
    ],
    ['imports when called count', 'src/wire/a.ts', "await import('../config/load.ts')", /wire may import/],
    ['a folder without a rule is found', 'src/new/a.ts', "import '../core/errors.ts'", /no rule/],
    ['tls.connect is for the dialer', 'src/proxy/a.ts', 'tls.connect({})', /I4/],
    ['the dialer may', 'src/dial/a.ts', 'tls.connect({})', null],
    ['a comment may name it', 'src/proxy/a.ts', '// never tls.connect here', null],
    ['the verify switch is for the dialer', 'src/proxy/a.ts', 'const o = { rejectUnauthorized: false }', /I1/],
    ['the environment is read at the top', 'src/trust/a.ts', "process.env['X']", /environment/],
  ]
  for (const [sentence, file, text, problem] of cases) {
    test(sentence, () => {
      const problems = problemsOf(file, text)
      if (problem === null) assert.deepEqual(problems, [])
      else assert.match(problems.join('\n'), problem)
    })
  }
})
