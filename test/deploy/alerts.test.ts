import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { plainRules } from '../../tools/plain-rules.ts'
import { readQuery } from '../support/promql.ts'

const root = join(import.meta.dirname, '..', '..')
const rulesDirectory = join(root, 'deploy', 'prometheus')
const object = readFileSync(join(rulesDirectory, 'postern-rules.yaml'), 'utf8')
const rules = join(rulesDirectory, 'postern.rules.yaml')

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

const all = (parse(object) as { spec: { groups: { rules: Rule[] }[] } }).spec.groups.flatMap((group) => group.rules)

test('the rule file is what the object of the operator says', () => {
  assert.equal(readFileSync(rules, 'utf8'), plainRules(object), 'run: node tools/plain-rules.ts')
})

test('every alert says what is wrong, how bad it is and what to do', () => {
  assert.ok(all.length > 20)
  for (const { alert, expr, labels, annotations } of all) {
    readQuery(expr)
    assert.match(labels['severity'] ?? '', /^(info|warning|critical)$/, alert)
    assert.ok((annotations['summary'] ?? '').length > 10, alert)
    assert.ok((annotations['description'] ?? '').length > 20, alert)
  }
})

test('every page that an alert names exists', () => {
  const pages = all.flatMap(({ annotations }) => annotations['description']?.match(/docs\/[\w/{}$. -]*?\.md/g) ?? [])
  assert.ok(pages.length > 10)
  for (const page of new Set(pages)) {
    const path = page.replace('{{ $labels.code }}', 'missing-intermediate')
    assert.ok(existsSync(join(root, path)), page)
  }
})

const tests = ['postern-rules.minutes.yaml', 'postern-rules.days.yaml']
const promtool = (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'promtool')))

test('promtool takes the rules, and they alert when they should', { skip: promtool ? false : 'no promtool' }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-rules-'))
  try {
    copyFileSync(rules, join(directory, 'postern.rules.yaml'))
    for (const name of tests) copyFileSync(join(import.meta.dirname, name), join(directory, name))
    for (const command of [
      ['check', 'rules', 'postern.rules.yaml'],
      ['test', 'rules', ...tests],
    ]) {
      const { status, stdout, stderr } = spawnSync('promtool', command, {
        cwd: directory,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      assert.equal(status, 0, `promtool ${command.join(' ')}:\n${stdout}${stderr}`)
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
})
