import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { VariableValue } from '../../src/flow/condition-types.ts'
import { expandTemplate, isTemplate, parseTemplate } from '../../src/flow/template.ts'

const values: Readonly<Record<string, VariableValue>> = { a: 'x', n: 5, t: true, empty: '', 'request.header.h': '{a}' }
const expand = (text: string): string | null =>
  expandTemplate(parseTemplate(text), { get: (name) => values[name] ?? null })

describe('variables in braces are replaced', () => {
  const table: readonly (readonly [text: string, expected: string | null])[] = [
    ['', ''],
    ['store', 'store'],
    ['{a}', 'x'],
    ['{ a }-store', 'x-store'],
    ['https://{a}.example:{n}/{t}', 'https://x.example:5/true'],
    ['{a}{a}', 'xx'],
    ['[{empty}]', '[]'],
    ['{missing}', null],
    ['{a}-{missing}', null],
    ['{request.header.h}', '{a}'],
    ['{}', '{}'],
    ['{a', '{a'],
    ['a}', 'a}'],
    ['{{a}', '{x'],
    ['{{a}}', '{x}'],
  ]
  for (const [text, expected] of table)
    test(`${text || '(empty)'} is ${expected}`, () => assert.equal(expand(text), expected))
})

test('only what has a variable is a template', () => {
  assert.ok(isTemplate('a{b}'))
  assert.ok(!isTemplate('ref://store'))
  assert.ok(!isTemplate('{'))
})

test('text without braces is left as it is', () => {
  fc.assert(
    fc.property(
      fc.string().filter((text) => !/[{}]/.test(text)),
      (text) => assert.equal(expand(text), text),
    ),
  )
})
