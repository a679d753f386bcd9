import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isMap, isScalar, isSeq, parseDocument, type Document } from 'yaml'
import { type ConfigProblem, maxConfigBytes, parseConfig } from '../../src/config/load.ts'
import { printPath, valueAt } from '../../src/config/raw.ts'

const full = readFileSync(join(import.meta.dirname, '..', 'goldens', 'config', 'every-field.in.yaml'), 'utf8')
const now = Date.parse('2026-06-01T12:00:00Z')

type Place = (string | number)[]

test('every single change for the worse is reported with a line of the file, at a place that exists or whose parent does', () => {
  const wrongValues = [null, -1, 'not this', '', [], ['x', {}], { unknown: 1 }]
  let refused = 0
  for (const part of parts(parseDocument(full))) {
    const copy = (): Document.Parsed => part.clone() as Document.Parsed
    for (const place of placesOf(part)) {
      for (const wrong of wrongValues) {
        const doc = copy()
        doc.setIn(place, wrong)
        refused += checkProblems(doc, `${printPath(place)} = ${JSON.stringify(wrong)}`)
      }
      const without = copy()
      without.deleteIn(place)
      refused += checkProblems(without, `without ${printPath(place)}`)
      const extra = copy()
      if (isMap(extra.getIn(place))) {
        extra.setIn([...place, 'surplus'], 1)
        const record = ['trustStores', 'targets', 'proxies'].includes(printPath(place))
        const count = checkProblems(extra, `surplus key in ${printPath(place)}`)
        assert.equal(count, 1, `an unknown key in ${printPath(place)} (${record}) must be refused`)
      }
    }
  }
  assert.ok(refused > 400, `only ${refused} of the changes were refused`)
})

test('a problem names its line: the same fault moves with the text above it', () => {
  const fault = (lines: number): ConfigProblem | undefined => {
    const parsed = parseConfig(`${'# comment\n'.repeat(lines)}listeners: [ { name: http, port: eighty } ]`, 'x.yaml')
    return parsed.ok ? undefined : parsed.problems[0]
  }
  assert.deepEqual([fault(0)?.line, fault(0)?.column], [1, 34])
  assert.deepEqual([fault(41)?.line, fault(41)?.column], [42, 34])
})

test('a file of more than 4 MiB is refused unread, one below it is read', () => {
  const config = 'listeners: [ { name: http, port: 8080 } ]\n'
  const big = parseConfig(`${config}#${'x'.repeat(maxConfigBytes)}`, 'x')
  assert.equal(big.ok, false)
  assert.match(big.ok ? '' : (big.problems[0]?.message ?? ''), /larger than 4 MiB/)
  assert.equal(parseConfig(`${config}#${'x'.repeat(maxConfigBytes - 100)}`, 'x').ok, true)
})

test('hostile nesting is refused before it costs anything', () => {
  for (const text of ['['.repeat(1_000_000), '{a: '.repeat(1000), '- '.repeat(1_000_000), '? '.repeat(500_000)]) {
    const parsed = parseConfig(text, 'x')
    assert.equal(parsed.ok, false)
    assert.match(parsed.ok ? '' : (parsed.problems[0]?.message ?? ''), /nested too deeply/)
  }
})

test('ten thousand proxies load, and ten thousand faults among them are all reported', () => {
  const proxies = Array.from(
    { length: 10_000 },
    (_, index) => `  p${index}: { basePath: /svc${index}, target: t${index % 50} }`,
  )
  const targets = Array.from({ length: 50 }, (_, index) => `  t${index}: { url: "http://t${index}.internal" }`)
  const text = ['listeners: [ { name: http, port: 8080 } ]', 'targets:', ...targets, 'proxies:', ...proxies].join('\n')
  assert.equal(parseConfig(text, 'x').ok, true)
  const broken = parseConfig(text.replaceAll('target: t', 'target: u'), 'x')
  assert.equal(broken.ok ? 0 : broken.problems.length, 10_000)
})

/** @returns 1 when the change was refused */
function checkProblems(doc: Document.Parsed, what: string): 0 | 1 {
  const text = String(doc)
  const parsed = parseConfig(text, 'postern.yaml', { now })
  if (parsed.ok) return 0
  assert.ok(parsed.problems.length > 0, what)
  const raw: unknown = doc.toJS()
  const lines = text.split('\n')
  for (const problem of [...parsed.problems, ...parsed.warnings]) {
    const said = `${what}: ${JSON.stringify(problem)}`
    assert.ok(problem.line >= 1 && problem.line <= lines.length, said)
    assert.ok(problem.column >= 1 && problem.column <= (lines[problem.line - 1] ?? '').length + 1, said)
    assert.ok(problem.message.length > 0 && problem.instead.length > 0, said)
    const path = readPath(problem.path)
    assert.ok(valueAt(raw, path) !== undefined || valueAt(raw, path.slice(0, -1)) !== undefined, said)
  }
  return 1
}

/** The file in two, each of them good: what a change costs grows with the file, and so does the number of changes. */
function parts(doc: Document.Parsed): Document.Parsed[] {
  const listeners = doc.clone() as Document.Parsed
  for (const key of ['targets', 'proxies']) listeners.delete(key)
  const targets = doc.clone() as Document.Parsed
  targets.set('listeners', [{ name: 'http', port: 8080 }])
  for (const part of [listeners, targets]) assert.ok(parseConfig(String(part), 'postern.yaml', { now }).ok)
  return [listeners, targets]
}

/** The way back from a printed path; a test of the printing as much as of the problems. */
function readPath(text: string): Place {
  return [...text.matchAll(/\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([A-Za-z0-9_-]+)/g)].map((match) => {
    if (match[1] !== undefined) return Number(match[1])
    return match[2] !== undefined ? String(JSON.parse(`"${match[2]}"`)) : String(match[3])
  })
}

function placesOf(doc: Document.Parsed): Place[] {
  const places: Place[] = []
  const visit = (node: unknown, path: Place): void => {
    if (path.length > 0) places.push(path)
    if (isSeq(node)) node.items.forEach((item, index) => visit(item, [...path, index]))
    if (isMap(node))
      for (const { key, value } of node.items) if (isScalar(key)) visit(value, [...path, String(key.value)])
  }
  visit(doc.contents, [])
  return places
}
