import type * as fc from 'fast-check'

/** One input: pieces of bytes, and a number that stands for everything else that is chosen (cuts, limits, method). */
export interface Input {
  readonly parts: readonly Buffer[]
  readonly knob: number
}

/** An input as fixtures and reports hold it: parts in hex. */
export interface StoredInput {
  readonly parts: readonly string[]
  readonly knob: number
}

/** Something to be fuzzed, with the oracle that says what is right. */
export interface Target {
  readonly name: string
  readonly inputs: fc.Arbitrary<Input>
  /** How many of the first parts a finding keeps as they are; absent: none, all are made smaller. */
  readonly keptParts?: number
  /** Opens what the oracle needs, for many checks. */
  start(): Promise<Checker>
}

export interface Checker extends AsyncDisposable {
  /**
   * Fails with an error whose first line names the kind of what is wrong, so that one kind is reported once.
   *
   * @returns how far the input came, for the tally
   */
  check(input: Input): Promise<string> | string
}

/** A difference between two readings; `kind` is short and the same for all inputs that show it. */
export class Disagreement extends Error {
  override readonly name = 'Disagreement'
  readonly kind: string

  constructor(kind: string, detail?: unknown) {
    super(detail === undefined ? kind : `${kind}\n${JSON.stringify(detail, null, 1)}`)
    this.kind = kind
  }
}

/** What errors are told apart by: the kind of a disagreement, or an error's first line without its numbers. */
export function kindOf(error: unknown): string {
  if (error instanceof Disagreement) return error.kind
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return (text.split('\n')[0] as string).replace(/\d+/g, 'N').slice(0, 120)
}

export function stored(input: Input): StoredInput {
  return { parts: input.parts.map((part) => part.toString('hex')), knob: input.knob }
}

export function restored(input: StoredInput): Input {
  return { parts: input.parts.map((part) => Buffer.from(part, 'hex')), knob: input.knob }
}

/** A checker that has nothing to close. */
export function checker(check: Checker['check']): Promise<Checker> {
  return Promise.resolve({ check, [Symbol.asyncDispose]: () => Promise.resolve() })
}
