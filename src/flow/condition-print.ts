import { plainName, reservedWords } from './condition-tokens.ts'
import type { CompareOperator, Condition, Operand } from './condition-types.ts'

const spelling: Readonly<Record<CompareOperator, string>> = {
  equals: '=',
  'not-equals': '!=',
  'equals-ignore-case': ':=',
  greater: '>',
  'greater-or-equal': '>=',
  less: '<',
  'less-or-equal': '<=',
  matches: 'Matches',
  'matches-path': 'MatchesPath',
  'java-regex': 'JavaRegex',
  'starts-with': 'StartsWith',
}

/** A condition in the language it came from, every AND and OR in its own parentheses. */
export function printCondition(condition: Condition): string {
  switch (condition.op) {
    case 'and':
    case 'or':
      return condition.terms.map(inner).join(condition.op === 'and' ? ' AND ' : ' OR ')
    case 'not':
      return `not ${inner(condition.term)}`
    case 'compare':
      return `${nameText(condition.left)} ${spelling[condition.operator]} ${operandText(condition.right)}`
    case 'truth':
      return nameText(condition.variable)
    case 'constant':
      return String(condition.value)
    default:
      return condition satisfies never
  }
}

function inner(condition: Condition): string {
  const text = printCondition(condition)
  return condition.op === 'and' || condition.op === 'or' || condition.op === 'not' ? `(${text})` : text
}

function nameText(name: string): string {
  return plainName.test(name) && !reservedWords.has(name.toLowerCase()) ? name : `'${name}'`
}

function operandText(operand: Operand): string {
  switch (operand.kind) {
    case 'literal':
      return operand.value.includes('"') ? `'${operand.value}'` : `"${operand.value}"`
    case 'number':
    case 'boolean':
      return String(operand.value)
    case 'null':
      return 'null'
    case 'variable':
      return operand.name
    default:
      return operand satisfies never
  }
}
