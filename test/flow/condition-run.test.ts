import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { parseCondition } from '../../src/flow/condition-parse.ts'
import { compileCondition } from '../../src/flow/condition-run.ts'
import type { VariableValue } from '../../src/flow/condition-types.ts'
import { compileGlob, compilePathPattern } from '../../src/flow/patterns.ts'

const values: Readonly<Record<string, VariableValue>> = {
  'request.verb': 'GET',
  'proxy.pathsuffix': '/animals/cat',
  'response.status.code': 404,
  'request.queryparam.n': '7',
  'request.queryparam.code.values.count': 2,
  'request.header.help!me': 'yes',
  name: 'Mr. X',
  yes: true,
  no: false,
  yesText: 'True',
  empty: '',
}

function holds(text: string): boolean {
  const parsed = parseCondition(text)
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.message)
  return compileCondition(parsed.condition)({ get: (name) => values[name] ?? null })
}

describe('conditions hold as on Edge', () => {
  const table: readonly (readonly [text: string, expected: boolean])[] = [
    ['request.verb = "GET"', true],
    ['request.verb = "get"', false],
    ['request.verb != "get"', true],
    ['request.verb := "get"', true],
    ['request.verb := "post"', false],
    ['missing = null', true],
    ['missing != null', false],
    ['request.verb = null', false],
    ['missing = "x"', false],
    ['missing != "x"', true],
    ['missing = ""', false],
    ['empty = ""', true],
    ['empty = null', false],
    ['missing := "x"', false],
    ['missing =| ""', false],
    ['missing ~ "*"', false],
    ['missing ~/ "**"', false],
    ['missing ~~ ".*"', false],
    ['missing', false],
    ['!missing', true],
    ['yes', true],
    ['no', false],
    ['yesText', true],
    ['name', false],
    ['yes = true', true],
    ['yes = "true"', true],
    ['no = true', false],
    ['response.status.code = 404', true],
    ['response.status.code = "404"', true],
    ['response.status.code = 404.0', true],
    ['response.status.code != 200', true],
    ['response.status.code > 400', true],
    ['response.status.code > "400"', true],
    ['response.status.code >= 404', true],
    ['response.status.code < 404', false],
    ['response.status.code <= 404', true],
    ['request.queryparam.n < 10', true],
    ['request.queryparam.n = 7', true],
    ['request.queryparam.n = 07', true],
    ['request.queryparam.n = "07"', false],
    ['name > 5', false],
    ['name < 5', false],
    ['request.queryparam.code.values.count GreaterThan 1', true],
    ['request.verb StartsWith "GE"', true],
    ['request.verb not StartsWith "GE"', false],
    ['request.verb StartsWith "E"', false],
    ['request.verb ~~ "GET|POST"', true],
    ['request.verb ~~ "GE"', false],
    ['"GET" = "GET" or yes'.slice(17), true],
    ['yes or missing = "x" and no', true],
    ['(yes or missing = "x") and no', false],
    [`'request.header.help!me' = "yes"`, true],
    ['request.verb = request.verb', true],
    ['missing = other.missing', true],
    ['true', true],
    ['not true', false],
    ['', true],
  ]
  for (const [text, expected] of table)
    test(`${text || '(nothing)'} is ${expected}`, () => assert.equal(holds(text), expected))
})

describe('null operands are as the conditions reference has them', () => {
  const table: readonly (readonly [operator: string, left: boolean, right: boolean, both: boolean])[] = [
    ['=', false, false, true],
    [':=', false, false, true],
    ['!=', true, true, false],
    ['=|', false, false, false],
    ['>', true, false, false],
    ['>=', false, true, true],
    ['<', true, false, false],
    ['<=', true, false, true],
  ]
  for (const [operator, left, right, both] of table) {
    test(operator, () => {
      assert.equal(holds(`missing ${operator} response.status.code`), left, 'left')
      assert.equal(holds(`response.status.code ${operator} missing`), right, 'right')
      assert.equal(holds(`missing ${operator} other.missing`), both, 'both')
    })
  }
})

describe('Matches is a glob over the whole text', () => {
  const table: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
    ['/cat', ['/cat'], ['/cats', 'x/cat', '/Cat', '']],
    ['/*at', ['/cat', '/at', '/a/b/at'], ['cat', '/cats']],
    ['/cat*', ['/cat', '/cat/paws', '/cat\n'], ['/ca', '']],
    ['*', ['', 'a\nb'], []],
    ['a*b*c', ['abc', 'axxbyyc', 'abbbc'], ['ab', 'acb', 'abcd']],
    ['/c%*at', ['/c*at'], ['/cat', '/cxat']],
    ['100%%', ['100%'], ['100%%', '100']],
    ['100%', ['100%'], ['100']],
    ['a.c', ['a.c'], ['abc']],
    ['[a]', ['[a]'], ['a']],
  ]
  for (const [pattern, yes, no] of table) {
    test(pattern, () => {
      for (const text of yes) assert.ok(compileGlob(pattern)(text), `should match ${text}`)
      for (const text of no) assert.ok(!compileGlob(pattern)(text), `should not match ${text}`)
    })
  }
})

describe('MatchesPath knows segments', () => {
  const table: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
    ['/animals', ['/animals'], ['/animals/', '/animals/cat', '/animal']],
    ['/animals/*', ['/animals/cat', '/animals/a.b'], ['/animals', '/animals/', '/animals/cat/wild']],
    ['/animals/**', ['/animals/cat', '/animals/cat/wild', '/animals/'], ['/animals', '/plants/cat']],
    ['/*/wild/**', ['/cat/wild/one', '/x/wild/b/c'], ['/wild/one', '/a/b/wild/c']],
    ['/pets/{id}', ['/pets/1', '/pets/{id}'], ['/pets/', '/pets/1/2']],
    ['/pets/%{id%}', ['/pets/{id}'], ['/pets/1']],
    ['/pets/%*', ['/pets/*'], ['/pets/1']],
    ['/a*z', ['/az', '/a-z'], ['/a/z']],
    ['**/blr', ['/blr', '/in/blr'], ['/blr/x']],
    ['/{open', ['/{open'], ['/x']],
    ['/', ['/'], ['', '/x']],
  ]
  for (const [pattern, yes, no] of table) {
    test(pattern, () => {
      for (const text of yes) assert.ok(compilePathPattern(pattern)(text), `should match ${text}`)
      for (const text of no) assert.ok(!compilePathPattern(pattern)(text), `should not match ${text}`)
    })
  }
})

test('a glob agrees with a simple matcher on random texts', () => {
  const piece = fc.array(fc.constantFrom('a', 'b', '*', '/'), { maxLength: 8 }).map((all) => all.join(''))
  const simple = (pattern: string, text: string): boolean => {
    if (pattern === '') return text === ''
    if (pattern.startsWith('*'))
      return simple(pattern.slice(1), text) || (text !== '' && simple(pattern, text.slice(1)))
    return text !== '' && pattern[0] === text[0] && simple(pattern.slice(1), text.slice(1))
  }
  fc.assert(
    fc.property(piece, piece, (pattern, text) => assert.equal(compileGlob(pattern)(text), simple(pattern, text))),
    { numRuns: 2000 },
  )
})
