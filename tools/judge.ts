// `npm run judge -- FILE.json [--mode runtime|rfc5280|strict]`: how the judge does on stored cases, as one JSON object.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { judge } from '../src/judge/judge.ts'
import type { Mode } from '../src/judge/types.ts'
import { inputOf, readSuite, scoreOf } from './judge-cases.ts'

const modes: readonly Mode[] = ['runtime', 'rfc5280', 'strict']
const { values, positionals } = parseArgs({ options: { mode: { type: 'string' } }, allowPositionals: true })
const mode = modes.find((it) => it === (values.mode ?? 'rfc5280'))
const [file] = positionals

if (mode === undefined || file === undefined || positionals.length > 1) {
  process.stderr.write('usage: npm run --silent judge -- FILE.json [--mode runtime|rfc5280|strict]\n')
  process.exitCode = 2
} else {
  const suite = readSuite(readFileSync(file, 'utf8'), basename(file, '.json'))
  const now = Date.now()
  const score = scoreOf(suite, mode, (suiteCase) => judge(inputOf(suiteCase, mode, now)))
  process.stdout.write(`${JSON.stringify(score, null, 2)}\n`)
}
