import type { CompareOperator, Condition, FlowVariables, Operand, Predicate, VariableValue } from './condition-types.ts'
import { compileJavaRegex, type WholeMatch } from './java-regex.ts'
import { compileGlob, compilePathPattern } from './patterns.ts'

/**
 * A condition made ready to run, with Edge's semantics: a variable that there is not is null, text is compared with its
 * case, two numbers as numbers. AND and OR stop at the first term that decides.
 */
export function compileCondition(condition: Condition): Predicate {
  switch (condition.op) {
    case 'and': {
      const terms = condition.terms.map(compileCondition)
      return (variables) => terms.every((holds) => holds(variables))
    }
    case 'or': {
      const terms = condition.terms.map(compileCondition)
      return (variables) => terms.some((holds) => holds(variables))
    }
    case 'not': {
      const holds = compileCondition(condition.term)
      return (variables) => !holds(variables)
    }
    case 'compare':
      return compileComparison(condition.left, condition.operator, condition.right)
    case 'truth': {
      const { variable } = condition
      return (variables) => isTrue(variables.get(variable))
    }
    case 'constant': {
      const { value } = condition
      return () => value
    }
    default:
      return condition satisfies never
  }
}

function compileComparison(left: string, operator: CompareOperator, right: Operand): Predicate {
  const value = operandValue(right)
  const test = operatorTest(operator, right)
  return (variables) => test(variables.get(left), value(variables))
}

function operandValue(operand: Operand): (variables: FlowVariables) => VariableValue {
  switch (operand.kind) {
    case 'literal':
    case 'number':
    case 'boolean': {
      const { value } = operand
      return () => value
    }
    case 'null':
      return () => null
    case 'variable': {
      const { name } = operand
      return (variables) => variables.get(name)
    }
    default:
      return operand satisfies never
  }
}

type Test = (left: VariableValue, right: VariableValue) => boolean

/** What null on either side means is Edge's conditions reference, "null operands in conditional statements". */
function operatorTest(operator: CompareOperator, right: Operand): Test {
  switch (operator) {
    case 'equals':
      return equal
    case 'not-equals':
      return (a, b) => !equal(a, b)
    case 'equals-ignore-case':
      return (a, b) => (a === null || b === null ? a === b : foldCase(String(a)) === foldCase(String(b)))
    // A null is less than any number to `<` and `<=`, and, documented like that, `>` holds of a null on the left too.
    case 'greater':
      return (a, b) => (a === null ? b !== null : b !== null && ordered(a, b, (x, y) => x > y))
    case 'greater-or-equal':
      return (a, b) => (b === null ? true : a !== null && ordered(a, b, (x, y) => x >= y))
    case 'less':
      return (a, b) => (a === null ? b !== null : b !== null && ordered(a, b, (x, y) => x < y))
    case 'less-or-equal':
      return (a, b) => (a === null ? true : b !== null && ordered(a, b, (x, y) => x <= y))
    case 'starts-with':
      return (a, b) => a !== null && b !== null && String(a).startsWith(String(b))
    case 'matches':
      return matching(compileGlob(literalOf(right)))
    case 'matches-path':
      return matching(compilePathPattern(literalOf(right)))
    case 'java-regex':
      return matching(compileJavaRegex(literalOf(right)))
    default:
      return operator satisfies never
  }
}

function matching(matches: WholeMatch): Test {
  return (a) => a !== null && matches(String(a))
}

function literalOf(operand: Operand): string {
  return operand.kind === 'literal' ? operand.value : ''
}

/** `x = 404` and `x = "404"` are the same to Edge, whether the variable holds a number or its text. */
function equal(a: VariableValue, b: VariableValue): boolean {
  if (a === null || b === null) return a === b
  if (typeof a === 'number' || typeof b === 'number') {
    const x = numberOf(a)
    const y = numberOf(b)
    if (x !== null && y !== null) return x === y
  }
  return String(a) === String(b)
}

/** Never holds of what is no number. */
function ordered(a: string | number | boolean, b: string | number | boolean, how: (x: number, y: number) => boolean) {
  const x = numberOf(a)
  const y = numberOf(b)
  return x !== null && y !== null && how(x, y)
}

/** Decimal only: `Number()` would take `0x10`, `1e9` and the empty text. */
function numberOf(value: string | number | boolean): number | null {
  if (typeof value === 'number') return value
  // The length comes first: what clients send is not worth a long look.
  return typeof value === 'string' && value.length <= 40 && /^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*$/.test(value)
    ? Number(value)
    : null
}

function isTrue(value: VariableValue): boolean {
  return value === true || (typeof value === 'string' && value.length === 4 && value.toLowerCase() === 'true')
}

/** As Java's equalsIgnoreCase, which asks upper and lower case of each character. */
function foldCase(text: string): string {
  return text.toUpperCase().toLowerCase()
}
