import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { parseCondition } from '../../src/flow/condition-parse.ts'
import { printCondition } from '../../src/flow/condition-print.ts'
import type { Condition, CompareOperator, Operand } from '../../src/flow/condition-types.ts'

function parsed(text: string): Condition {
  const result = parseCondition(text)
  assert.ok(result.ok, `${text}: ${result.ok ? '' : result.message}`)
  return result.condition
}

const verbIs = (operator: CompareOperator, right: Operand): Condition => ({
  op: 'compare',
  left: 'request.verb',
  operator,
  right,
})
const get: Operand = { kind: 'literal', value: 'GET' }

describe('every spelling of an operator means the same', () => {
  const spellings: readonly (readonly [CompareOperator, readonly string[]])[] = [
    ['equals', ['=', '==', 'Equals', 'equals', 'EQUALS', 'Is', 'is']],
    ['not-equals', ['!=', 'NotEquals', 'IsNot', 'isnot', 'is not']],
    ['equals-ignore-case', [':=', 'EqualsCaseInsensitive']],
    ['matches', ['~', 'Matches', 'Like', 'like']],
    ['matches-path', ['~/', 'MatchesPath', 'LikePath']],
    ['java-regex', ['~~', 'JavaRegex']],
    ['starts-with', ['=|', 'StartsWith']],
  ]
  for (const [operator, words] of spellings) {
    for (const word of words) {
      test(`${word} is ${operator}`, () => {
        assert.deepEqual(parsed(`request.verb ${word} "GET"`), verbIs(operator, get))
      })
    }
  }
  const numeric: readonly (readonly [CompareOperator, readonly string[]])[] = [
    ['greater', ['>', 'GreaterThan']],
    ['greater-or-equal', ['>=', 'GreaterThanOrEquals']],
    ['less', ['<', 'LesserThan']],
    ['less-or-equal', ['<=', 'LesserThanOrEquals']],
  ]
  for (const [operator, words] of numeric) {
    for (const word of words) {
      test(`${word} is ${operator}`, () => {
        assert.deepEqual(parsed(`n ${word} 5`), {
          op: 'compare',
          left: 'n',
          operator,
          right: { kind: 'number', value: 5 },
        })
        assert.deepEqual(parsed(`n ${word} other.n`), {
          op: 'compare',
          left: 'n',
          operator,
          right: { kind: 'variable', name: 'other.n' },
        })
      })
    }
  }
})

describe('conditions as bundles write them', () => {
  const v = (variable: string): Condition => ({ op: 'truth', variable })
  const table: readonly (readonly [why: string, text: string, condition: Condition])[] = [
    ['symbols need no spaces', 'request.verb="GET"', verbIs('equals', get)],
    ['single quotes do on the right', "request.verb = 'GET'", verbIs('equals', get)],
    ['a text may hold the other quote', `request.verb = '"'`, verbIs('equals', { kind: 'literal', value: '"' })],
    [
      'a backslash is a character like any other',
      'request.verb ~~ "\\w+"',
      verbIs('java-regex', { kind: 'literal', value: '\\w+' }),
    ],
    ['null', 'request.verb != null', verbIs('not-equals', { kind: 'null' })],
    ['NULL', 'request.verb is NULL', verbIs('equals', { kind: 'null' })],
    ['is not null', 'request.verb is not null', verbIs('not-equals', { kind: 'null' })],
    ['true', 'request.verb = true', verbIs('equals', { kind: 'boolean', value: true })],
    ['a negative number', 'request.verb = -1.5', verbIs('equals', { kind: 'number', value: -1.5 })],
    ['another variable', 'request.verb = a.b-c', verbIs('equals', { kind: 'variable', name: 'a.b-c' })],
    ['a number in quotes has an order', 'request.verb > "400"', verbIs('greater', { kind: 'literal', value: '400' })],
    ['a bare variable', 'valid', v('valid')],
    ['a bare variable in parentheses', '((valid))', v('valid')],
    ['true alone', 'true', { op: 'constant', value: true }],
    ['nothing holds', ' \n ', { op: 'constant', value: true }],
    ['!', '!valid', { op: 'not', term: v('valid') }],
    ['Not', 'Not valid', { op: 'not', term: v('valid') }],
    ['not takes the whole comparison', 'not request.verb = "GET"', { op: 'not', term: verbIs('equals', get) }],
    ['not with parentheses', 'NOT (request.verb = "GET")', { op: 'not', term: verbIs('equals', get) }],
    ['not before the operator', 'request.verb not StartsWith "GET"', { op: 'not', term: verbIs('starts-with', get) }],
    ['AND in three spellings', 'a and b && c AND d', { op: 'and', terms: [v('a'), v('b'), v('c'), v('d')] }],
    ['OR in three spellings', 'a or b||c OR d', { op: 'or', terms: [v('a'), v('b'), v('c'), v('d')] }],
    ['and between parentheses without spaces', '(a)and(b)', { op: 'and', terms: [v('a'), v('b')] }],
    ['AND before OR', 'a or b and c', { op: 'or', terms: [v('a'), { op: 'and', terms: [v('b'), v('c')] }] }],
    ['parentheses win', '(a or b) and c', { op: 'and', terms: [{ op: 'or', terms: [v('a'), v('b')] }, v('c')] }],
    ['a name with an operator in single quotes', "'request.header.help!me'", v('request.header.help!me')],
    ['line ends are spaces', '\n  request.verb\n=\n"GET"\n', verbIs('equals', get)],
    [
      'a variable may be called like an operator',
      'is = null',
      { op: 'compare', left: 'is', operator: 'equals', right: { kind: 'null' } },
    ],
  ]
  for (const [why, text, condition] of table)
    test(`${why}: ${text.trim()}`, () => assert.deepEqual(parsed(text), condition))
})

describe('a mixture of AND and OR is warned of', () => {
  const table: readonly (readonly [text: string, warnings: number])[] = [
    ['a and b or c', 1],
    ['a or b and c', 1],
    ['(a and b) or c', 0],
    ['a and (b or c)', 0],
    ['a and b and c', 0],
    ['x or (a and b or c)', 1],
  ]
  for (const [text, warnings] of table) {
    test(`${text}: ${warnings}`, () => {
      const result = parseCondition(text)
      assert.ok(result.ok)
      assert.equal(result.warnings.length, warnings)
    })
  }
})

describe('what published bundles have beyond the reference is read, and warned of', () => {
  const is = (left: string, operator: CompareOperator, value: string): Condition => ({
    op: 'compare',
    left,
    operator,
    right: { kind: 'literal', value },
  })
  const always: Condition = { op: 'constant', value: true }
  const never: Condition = { op: 'constant', value: false }
  const table: readonly (readonly [text: string, condition: Condition, warning: RegExp])[] = [
    ['(request.verb = "GET"', verbIs('equals', get), /character 1 is not closed/],
    [
      'a = "x" and (b = "y" and (c = "z")',
      {
        op: 'and',
        terms: [is('a', 'equals', 'x'), { op: 'and', terms: [is('b', 'equals', 'y'), is('c', 'equals', 'z')] }],
      },
      /character 13 is not closed/,
    ],
    ['1=1', always, /always true/],
    ['1 = 2', never, /always false/],
    ['"1" = 1', always, /always true/],
    ['"a" Equals "b"', never, /always false/],
    ['2 > 1', always, /always true/],
    ['x !~ "a*"', { op: 'not', term: is('x', 'matches', 'a*') }, /not in the reference/],
    ['x !~/ "/a"', { op: 'not', term: is('x', 'matches-path', '/a') }, /not in the reference/],
  ]
  for (const [text, condition, warning] of table) {
    test(text, () => {
      const result = parseCondition(text)
      assert.ok(result.ok)
      assert.deepEqual(result.condition, condition)
      assert.equal(result.warnings.length, 1)
      assert.match(result.warnings[0]?.message ?? '', warning)
    })
  }
  for (const [text, condition] of [
    ["x = 'a'", is('x', 'equals', 'a')],
    ['x Not MatchesPath "/a"', { op: 'not', term: is('x', 'matches-path', '/a') }],
    ['!x MatchesPath "/a"', { op: 'not', term: is('x', 'matches-path', '/a') }],
    ['x = NULL', { op: 'compare', left: 'x', operator: 'equals', right: { kind: 'null' } }],
    ['x ~~ "/a/[^\\/]+"', is('x', 'java-regex', '/a/[^\\/]+')],
    ['x MatchesPath ""', is('x', 'matches-path', '')],
  ] as const satisfies readonly (readonly [string, Condition])[]) {
    test(`${text}, without a warning`, () => {
      assert.deepEqual(parseCondition(text), { ok: true, condition, warnings: [] })
    })
  }
})

describe('what is not a condition is refused, where it goes wrong', () => {
  const table: readonly (readonly [text: string, offset: number, message: RegExp])[] = [
    ['request.verb /~ "GET"', 13, /write "~\/" \(path match\) or "~"/],
    ['request.verb/~"GET"', 12, /write "~\/"/],
    ['request.verb =', 14, /ends where a value/],
    ['= "GET"', 0, /where a variable is expected/],
    ['"GET" = request.verb', 0, /text stands on the left/],
    ['5 = n', 0, /number stands on the left/],
    ['null = n', 0, /null stands on the left/],
    ['null', 0, /null alone/],
    ['(', 1, /where a variable is expected/],
    ['(a or', 5, /where a variable is expected/],
    ['(a or )', 6, /where a variable is expected/],
    ['1', 0, /number stands on the left/],
    ['1 = null', 0, /number stands on the left/],
    ['1 and a', 0, /number stands on the left/],
    ['1 ~ 1', 0, /number stands on the left/],
    ['"a"', 0, /text stands on the left/],
    ['{a} and b', 0, /cannot stand here/],
    ['a ! b', 4, /is no operator/],
    ['a !== "b"', 2, /write "!="/],
    ['a)', 1, /was not opened/],
    ['a b c', 2, /"b" is no operator/],
    ['a LessThan 5', 2, /"LessThan" is no operator/],
    ['a = "b', 4, /no closing "/],
    ['a = b c', 6, /where AND, OR or the end/],
    ['a & b', 2, /write "&&"/],
    ['a | b', 2, /write "\|\|"/],
    ['a and', 5, /ends where a variable/],
    ['a and and b', 6, /where a variable is expected/],
    ['a =~ "x"', 2, /write "~~"/],
    ['a > "x"', 4, /compares numbers/],
    ['a > null', 4, /compares numbers/],
    ['a Matches b', 10, /a pattern in double quotes/],
    ['a := 5', 5, /compares text/],
    ['a ~~ "(?=x)"', 5, /lookahead/],
    ['a = 5xx', 4, /text stands in double quotes/],
    ['a = %', 4, /cannot stand here/],
    ["'' = 5", 0, /empty/],
    [`${'('.repeat(60)}a${')'.repeat(60)}`, 51, /nested more than/],
    [`${'!'.repeat(60)}a`, 51, /nested more than/],
    [`a = "${'x'.repeat(10_000)}"`, 10_000, /more than 10000/],
  ]
  for (const [text, offset, message] of table) {
    test(text.slice(0, 40), () => {
      const result = parseCondition(text)
      assert.ok(!result.ok, 'was taken')
      assert.match(result.message, message)
      assert.equal(result.offset, offset)
    })
  }
})

const name = fc
  .stringMatching(/^[a-z][a-z0-9._-]{0,8}$/)
  .filter((word) => !['and', 'or', 'not', 'null', 'true', 'false'].includes(word))
const text = fc.string({ maxLength: 12 }).filter((value) => !value.includes('"') || !value.includes("'"))
const literal = text.map((value): Operand => ({ kind: 'literal', value }))
const variable = name.map((value): Operand => ({ kind: 'variable', name: value }))
const number = fc.integer({ min: -9999, max: 9999 }).map((value): Operand => ({ kind: 'number', value }))
const compare = (operators: readonly CompareOperator[], ...right: fc.Arbitrary<Operand>[]) =>
  fc.record({
    op: fc.constant('compare' as const),
    left: fc.oneof(
      name,
      text.filter((value) => value !== '' && !value.includes("'")),
    ),
    operator: fc.constantFrom(...operators),
    right: fc.oneof(...right),
  })
const leaf: fc.Arbitrary<Condition> = fc.oneof(
  compare(
    ['equals', 'not-equals'],
    literal,
    variable,
    number,
    fc.constant({ kind: 'null' }),
    fc.boolean().map((value) => ({ kind: 'boolean' as const, value })),
  ),
  compare(['equals-ignore-case', 'starts-with'], literal, variable),
  compare(['matches', 'matches-path'], literal),
  compare(['greater', 'greater-or-equal', 'less', 'less-or-equal'], number, variable),
  name.map((value): Condition => ({ op: 'truth', variable: value })),
  fc.boolean().map((value): Condition => ({ op: 'constant', value })),
)
const condition: fc.Arbitrary<Condition> = fc.letrec<{ any: Condition }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.record({
      op: fc.constantFrom('and' as const, 'or' as const),
      terms: fc.array(tie('any'), { minLength: 2, maxLength: 4 }),
    }),
    tie('any').map((term): Condition => ({ op: 'not', term })),
  ),
})).any

test('what is printed reads as the same condition, without a warning', () => {
  fc.assert(
    fc.property(condition, (value) => {
      // Records of fast-check have no prototype.
      const plain = structuredClone(value)
      assert.deepEqual(parseCondition(printCondition(value)), { ok: true, condition: plain, warnings: [] })
    }),
    { numRuns: 500 },
  )
})

test('no text makes the parser throw', () => {
  const piece = fc.constantFrom(
    '(',
    ')',
    '!',
    'not ',
    'and ',
    '||',
    '=',
    '~~',
    '"',
    "'",
    'a',
    '5',
    ' ',
    '/~',
    'null',
    '\u0000',
    '{',
    '"[" ',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(piece).map((pieces) => pieces.join('')),
      ),
      (value) => {
        const result = parseCondition(value)
        if (!result.ok)
          assert.ok(result.offset >= 0 && result.offset <= value.length, `${result.offset}: ${result.message}`)
      },
    ),
    { numRuns: 2000 },
  )
})
