import type { Condition, FlowVariables, Predicate, Template } from '../flow/condition-types.ts'
import type { VariableRead } from '../observe/recording.ts'
import { recordedExpression } from './recorded-expression.ts'
import type { Recording } from './recording.ts'

interface NamedCondition {
  readonly name: string
  /** null: always; nothing is told of it. */
  readonly condition: Condition | null
  readonly holds: Predicate
}

/** Runs a condition, and records what it said and the variables it read. */
export function recordedCondition(
  recording: Recording,
  { name, condition, holds }: NamedCondition,
  variables: FlowVariables,
): boolean {
  if (condition === null || !recording.whole) return holds(variables)
  const reads: VariableRead[] = []
  const result = holds({
    get(variable) {
      const value = variables.get(variable)
      reads.push({ name: variable, value: value === null ? null : String(value) })
      return value
    },
  })
  recording.condition(name, recordedExpression(condition), result, reads)
  return result
}

/** The values of the variables that a template names. */
export function recordTemplate(recording: Recording, { parts }: Template, variables: FlowVariables): void {
  for (const part of parts) {
    if (typeof part === 'string') continue
    const value = variables.get(part.variable)
    if (value !== null) recording.variable(part.variable, String(value))
  }
}
