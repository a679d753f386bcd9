/** Edge's condition language (apigee-edge.md 7.4), parsed; plain data, part of a plan. */
export type Condition =
  | { readonly op: 'and' | 'or'; readonly terms: readonly Condition[] }
  | { readonly op: 'not'; readonly term: Condition }
  | {
      readonly op: 'compare'
      /** Flow variable. */
      readonly left: string
      readonly operator: CompareOperator
      readonly right: Operand
    }
  /** A bare variable: holds when its value is true. */
  | { readonly op: 'truth'; readonly variable: string }
  | { readonly op: 'constant'; readonly value: boolean }

export type CompareOperator =
  | 'equals'
  | 'not-equals'
  | 'equals-ignore-case'
  | 'greater'
  | 'greater-or-equal'
  | 'less'
  | 'less-or-equal'
  | 'matches'
  | 'matches-path'
  | 'java-regex'
  | 'starts-with'

export type Operand =
  | { readonly kind: 'literal'; readonly value: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'null' }
  | { readonly kind: 'variable'; readonly name: string }

/** Text with flow variables in it: `{request.header.x}-store`. */
export interface Template {
  readonly parts: readonly (string | { readonly variable: string })[]
}

export type VariableValue = string | number | boolean | null

/** Where conditions and templates look variables up, for one request. A variable that there is not is null. */
export interface FlowVariables {
  get(name: string): VariableValue
}

/** A condition made ready to run; made once for a generation, never on the request path. */
export type Predicate = (variables: FlowVariables) => boolean
