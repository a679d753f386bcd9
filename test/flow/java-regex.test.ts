import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { compileJavaRegex } from '../../src/flow/java-regex.ts'
import { parseJavaRegex } from '../../src/flow/java-regex-parse.ts'

describe('the whole text must match', () => {
  const table: readonly (readonly [regex: string, yes: readonly string[], no: readonly string[]])[] = [
    ['', [''], ['a']],
    ['abc', ['abc'], ['ab', 'abcd', 'xabc', 'ABC']],
    ['a|bc', ['a', 'bc'], ['abc', 'b', '']],
    ['a|', ['a', ''], ['aa']],
    ['a*', ['', 'aaa'], ['b', 'aab']],
    ['a+b?', ['a', 'aab'], ['', 'b', 'abb']],
    ['a+?b*?', ['a', 'aabb'], ['', 'b']],
    ['(ab)+', ['ab', 'abab'], ['', 'aba']],
    ['(?:a|b)*c', ['c', 'abac'], ['ab']],
    ['(?<name>a)b', ['ab'], ['b']],
    ['a{2}', ['aa'], ['a', 'aaa']],
    ['a{2,}', ['aa', 'aaaa'], ['a']],
    ['a{0,2}', ['', 'a', 'aa'], ['aaa']],
    ['a{0}b', ['b'], ['ab']],
    ['(a*)*', ['', 'aaa'], ['b']],
    ['(|||||||||)', [''], ['a']],
    ['(a|||||||||)+b', ['b', 'aab'], ['a']],
    ['(a|b*)+c', ['c', 'abbac'], ['abd']],
    ['.', ['a', 'é', '😀'], ['', '\n', '\r', '\u2028', 'ab']],
    ['(?s).', ['\n'], ['']],
    ['[abc]', ['a', 'c'], ['d', '']],
    ['[^abc]', ['d', '\n'], ['a']],
    ['[a-c\\d-]', ['b', '5', '-'], ['d', '_']],
    ['[]a]', [']', 'a'], ['[']],
    ['[a[d-f]]', ['a', 'e'], ['b']],
    ['[a-z&&[^m-p]]', ['a', 'q'], ['m', 'A']],
    ['[a-f&&d-z]', ['d', 'f'], ['a', 'z']],
    ['[\\]\\\\]', [']', '\\'], ['[']],
    ['\\d{3}', ['123'], ['12', '12a', '١٢٣']],
    ['\\D\\W\\S', ['a-b'], ['1-b', 'aab', 'a- ']],
    ['\\w+', ['a_1'], ['a-1', 'é']],
    ['\\h\\v', ['\t\n'], ['\n\t']],
    ['\\p{Upper}\\p{Lower}', ['Ab'], ['ab', 'Éé']],
    ['\\p{Lu}\\p{L}\\pN', ['Éa1'], ['éa1']],
    ['\\P{Alpha}', ['1'], ['a']],
    ['\\p{Punct}', ['!', '_', '~'], ['a', ' ']],
    ['\\t\\x41\\u0042\\x{43}\\0104\\cA', ['\tABCD\u0001'], ['tABCD']],
    ['\\Qa.b*\\E+', ['a.b*', 'a.b*'], ['axb']],
    ['\\Qa.b', ['a.b'], ['axb']],
    ['\\.\\*\\/', ['.*/'], ['a*/']],
    ['}]', ['}]'], ['']],
    ['^abc$', ['abc'], ['abc\n', 'xabc']],
    ['abc$\\n', ['abc\n'], ['abc']],
    ['\\Aabc\\z', ['abc'], ['abc\n']],
    ['a\\Z\\r\\n', ['a\r\n'], ['a']],
    ['(?m)a$\\n^b', ['a\nb'], ['ab']],
    ['a$\\nb', [], ['a\nb']],
    ['\\bfoo\\b.*', ['foo', 'foo bar'], ['foobar']],
    ['a\\Bb', ['ab'], []],
    ['(?i)abc', ['ABC', 'aBc'], ['abd']],
    ['(?i)[a-c]é', ['Bé'], ['BÉ']],
    ['(?iu)é', ['É', 'é'], ['e']],
    ['a(?i)b', ['ab', 'aB'], ['Ab']],
    ['(?i:a)b', ['Ab'], ['aB']],
    ['(?i)a(?-i)b', ['Ab'], ['aB']],
    ['((?i)a)b', ['Ab'], ['aB']],
    ['(?i)[^a]', ['b'], ['A', 'a']],
    ['Mozilla/\\d\\.\\d \\(.*Mobile.*\\).*', ['Mozilla/5.0 (X; Mobile; rv) Gecko'], ['Mozilla/5.0 (X)']],
  ]
  for (const [regex, yes, no] of table) {
    test(regex || '(empty)', () => {
      const matches = compileJavaRegex(regex)
      for (const text of yes) assert.ok(matches(text), `should match ${JSON.stringify(text)}`)
      for (const text of no) assert.ok(!matches(text), `should not match ${JSON.stringify(text)}`)
    })
  }
})

describe('what cannot run in linear time, or is no expression, is refused by name', () => {
  const table: readonly (readonly [regex: string, message: RegExp])[] = [
    ['(?=a)', /lookahead/],
    ['a(?!b)', /negative lookahead/],
    ['(?<=a)b', /lookbehind/],
    ['(?<!a)b', /negative lookbehind/],
    ['(?>a+)b', /atomic group/],
    ['a*+b', /possessive quantifier \(\*\+\)/],
    ['a{1,2}+', /possessive/],
    ['(a)\\1', /backreference \(\\1\)/],
    ['(?<x>a)\\k<x>', /backreference/],
    ['\\R', /\\R is not supported/],
    ['\\X', /\\X is not supported/],
    ['\\G', /\\G is not supported/],
    ['\\y', /\\y is not supported/],
    ['(?x)a', /flag "x"/],
    ['(?constructor)a', /flag "c"/],
    ['*a', /nothing before it/],
    ['a|*', /nothing before it/],
    ['a**', /nothing before it/],
    ['a{,3}', /malformed/],
    ['a{3,2}', /ends below/],
    ['{', /nothing before it/],
    ['(a', /not closed/],
    ['a)', /not opened/],
    ['[a', /not closed/],
    ['[]', /not closed/],
    ['[z-a]', /not one/],
    ['[a-\\d]', /not one/],
    ['[&&]', /empty/],
    ['a\\', /backslash/],
    ['\\p{Nonsense}', /not known/],
    ['\\u12', /malformed/],
    ['\\x{110000}', /no such character/],
    ['(a{1000}){1000}', /larger than/],
    ['a{9999}', /larger than/],
    ['('.repeat(60) + ')'.repeat(60), /nested more than/],
    ['['.repeat(60) + ']'.repeat(60), /nested more than/],
    ['x'.repeat(2001), /more than 2000 characters/],
  ]
  for (const [regex, message] of table) {
    test(regex.slice(0, 40), () => {
      const parsed = parseJavaRegex(regex)
      assert.ok(!parsed.ok, 'was taken')
      assert.match(parsed.message, message)
      assert.throws(() => compileJavaRegex(regex), { code: 'regex-malformed' })
    })
  }
})

describe('no text makes the work grow faster than its length', () => {
  // The runtime's own engine takes minutes and more for these; the count of steps here is what the length says.
  const table: readonly (readonly [regex: string, attack: (n: number) => string])[] = [
    ['(a+)+b', (n) => 'a'.repeat(n)],
    ['(a*)*b', (n) => 'a'.repeat(n)],
    ['(a|a)*b', (n) => 'a'.repeat(n)],
    ['(a|aa)+$b', (n) => 'a'.repeat(n)],
    ['(.*a){20}', (n) => `${'a'.repeat(15)}${'!'.repeat(n)}`],
    ['([a-zA-Z]+)*!', (n) => 'a'.repeat(n)],
    ['((((a+)+)+)+)+b', (n) => 'a'.repeat(n)],
    ['^(\\w+\\s?)*$!', (n) => 'aaaa '.repeat(n / 5)],
    ['(x+x+)+y', (n) => 'x'.repeat(n)],
    ['([0-9a-z]([-.\\w]*[0-9a-z])*@)+x', (n) => 'a'.repeat(n)],
    ['.*.*.*.*.*.*=.*b', (n) => '='.repeat(n)],
  ]
  for (const [regex, attack] of table) {
    test(regex, () => {
      const matches = compileJavaRegex(regex)
      assert.equal(matches(attack(20_000)), false)
    })
  }
})

test('it agrees with the runtime on random expressions of the common part', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', '\\bb', '1')
  const regex: fc.Arbitrary<string> = fc.letrec<{ any: string }>((tie) => ({
    any: fc.oneof(
      { maxDepth: 3 },
      atom,
      fc.tuple(tie('any'), tie('any')).map(([left, right]) => left + right),
      fc.tuple(tie('any'), tie('any')).map(([left, right]) => `(${left}|${right})`),
      fc
        .tuple(tie('any'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '{1,}'))
        .map(([item, many]) => `(?:${item})${many}`),
    ),
  })).any
  const text = fc.array(fc.constantFrom('a', 'b', '1', ' '), { maxLength: 8 }).map((all) => all.join(''))
  fc.assert(
    fc.property(regex, fc.array(text, { minLength: 4, maxLength: 4 }), (source, texts) => {
      const matches = compileJavaRegex(source)
      const reference = new RegExp(`^(?:${source})$(?!\\n)`)
      for (const value of texts)
        assert.equal(matches(value), reference.test(value), `${source} on ${JSON.stringify(value)}`)
    }),
    { numRuns: 1000 },
  )
})

test('no text makes the parser throw', () => {
  const piece = fc.constantFrom(
    '(',
    ')',
    '[',
    ']',
    '^',
    '&&',
    '-',
    '\\',
    '*',
    '+?',
    '{1,2}',
    '{',
    '?',
    '(?',
    '(?i)',
    '|',
    'a',
    'p{L}',
    'Q',
    'E',
    'u0041',
    '😀',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(piece).map((all) => all.join('')),
      ),
      (value) => {
        const parsed = parseJavaRegex(value)
        if (parsed.ok) compileJavaRegex(value)('aab')
      },
    ),
    { numRuns: 3000 },
  )
})
