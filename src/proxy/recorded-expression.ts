import type { CompareOperator, Condition, Operand } from '../flow/condition-types.ts'

/** A condition as Edge's trace writes it (apigee-edge.md 8): operators in words, comparisons in parentheses. */
export function recordedExpression(condition: Condition): string {
  switch (condition.op) {
    case 'and':
    case 'or':
      return `(${condition.terms.map(recordedExpression).join(` ${condition.op} `)})`
    case 'not':
      return `not ${recordedExpression(condition.term)}`
    case 'compare': {
      const { left, operator, right } = condition
      const word = words[operator]
      return patterns.has(operator)
        ? `${left} ${word} ${right.kind === 'literal' ? right.value : operandText(right)}`
        : `(${left} ${word} ${operandText(right)})`
    }
    case 'truth':
      return condition.variable
    case 'constant':
      return String(condition.value)
    default:
      return condition satisfies never
  }
}

const words: Readonly<Record<CompareOperator, string>> = {
  equals: 'equals',
  'not-equals': 'notequals',
  'equals-ignore-case': 'equalscaseinsensitive',
  greater: 'greaterthan',
  'greater-or-equal': 'greaterthanorequals',
  less: 'lesserthan',
  'less-or-equal': 'lesserthanorequals',
  matches: 'matches',
  'matches-path': 'matches',
  'java-regex': 'javaregex',
  'starts-with': 'startswith',
}

const patterns: ReadonlySet<CompareOperator> = new Set(['matches', 'matches-path', 'java-regex', 'starts-with'])

function operandText(operand: Operand): string {
  switch (operand.kind) {
    case 'literal':
      return `"${operand.value}"`
    case 'variable':
      return operand.name
    case 'null':
      return 'null'
    default:
      return String(operand.value)
  }
}
