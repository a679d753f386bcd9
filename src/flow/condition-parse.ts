import type { Condition, CompareOperator, Operand } from './condition-types.ts'
import { compileCondition } from './condition-run.ts'
import { reservedWords, readToken, type Token, wordOperators } from './condition-tokens.ts'
import { parseJavaRegex } from './java-regex-parse.ts'

/** Edge's own limit is not known; conditions seen in public are below 1,000 characters. (I10) */
const maxLength = 10_000
const maxDepth = 50

export type ParsedCondition =
  | {
      readonly ok: true
      readonly condition: Condition
      readonly warnings: readonly { readonly message: string; readonly offset: number }[]
    }
  | { readonly ok: false; readonly message: string; readonly offset: number }

/** Edge's condition language (apigee-edge.md 7.4). AND binds closer than OR; a text of white space alone always holds. */
export function parseCondition(text: string): ParsedCondition {
  if (text.length > maxLength) {
    return { ok: false, message: `the condition has more than ${maxLength} characters`, offset: maxLength }
  }
  if (text.trim() === '') return { ok: true, condition: { op: 'constant', value: true }, warnings: [] }
  const reader = new Reader(text)
  try {
    const condition = reader.alternatives(0)
    const rest = reader.next()
    if (rest.kind !== 'end') throw new Malformed(leftOver(rest, text), rest.offset)
    return { ok: true, condition, warnings: reader.warnings }
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    return { ok: false, message: error.message, offset: error.offset }
  }
}

class Malformed extends Error {
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

class Reader {
  readonly warnings: { message: string; offset: number }[] = []
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  peek(): Token {
    const read = readToken(this.#text, this.#at)
    if (!read.ok) throw new Malformed(read.message, read.offset)
    return read.token
  }

  next(): Token {
    const token = this.peek()
    this.#at = token.end
    return token
  }

  alternatives(depth: number): Condition {
    const { offset } = this.peek()
    const first = this.#conjunction(depth)
    const all = [first]
    while (this.peek().kind === 'or') {
      this.next()
      all.push(this.#conjunction(depth))
    }
    if (all.length > 1 && all.some(({ bare }) => bare)) {
      this.warnings.push({
        message: 'AND and OR stand side by side without parentheses; AND is taken first. Write parentheses to say so',
        offset,
      })
    }
    return all.length === 1 ? first.condition : { op: 'or', terms: all.map(({ condition }) => condition) }
  }

  #conjunction(depth: number): { condition: Condition; bare: boolean } {
    const terms = [this.#factor(depth)]
    while (this.peek().kind === 'and') {
      this.next()
      terms.push(this.#factor(depth))
    }
    const [only] = terms
    return terms.length === 1 && only !== undefined
      ? { condition: only, bare: false }
      : { condition: { op: 'and', terms }, bare: true }
  }

  #factor(depth: number): Condition {
    const token = this.next()
    if (depth > maxDepth) throw new Malformed(`the condition is nested more than ${maxDepth} levels deep`, token.offset)
    switch (token.kind) {
      case 'not':
        return { op: 'not', term: this.#factor(depth + 1) }
      case 'open': {
        const inner = this.alternatives(depth + 1)
        const close = this.next()
        if (close.kind === 'close') return inner
        if (close.kind !== 'end') throw new Malformed(leftOver(close, this.#text), close.offset)
        // Edge deploys such conditions, and published bundles have them, in routes too.
        const message = `the parenthesis at character ${token.offset + 1} is not closed; it is taken to be at the end`
        this.warnings.push({ message, offset: token.offset })
        return inner
      }
      case 'word':
        return this.#comparison(token.text, token.text)
      case 'literal':
        if (token.quote === "'") return this.#comparison(token.text, null)
        return this.#constants(
          token.text,
          token.offset,
          'text stands on the left; a variable goes there, the text to the right',
        )
      case 'number':
        return this.#constants(
          token.value,
          token.offset,
          'a number stands on the left; a variable goes there, the number to the right',
        )
      case 'end':
        throw new Malformed('the condition ends where a variable is expected', token.offset)
      case 'and':
      case 'or':
      case 'close':
      case 'operator':
        throw new Malformed(`${shown(token, this.#text)} stands where a variable is expected`, token.offset)
      default:
        return token satisfies never
    }
  }

  /** `word`: as written, null for a name in quotes, which no reserved word can be. */
  #comparison(left: string, word: string | null): Condition {
    const start = this.#at
    const token = this.peek()
    if (token.kind === 'not') {
      // `x not StartsWith "y"`; never the beginning of a term: an AND or OR would stand before it.
      this.next()
      if (this.#text.charAt(token.offset) === '!') {
        const message = '"!" before an operator, as in !~, is not in the reference of conditions; "not" is meant'
        this.warnings.push({ message, offset: token.offset })
      }
      const operator = this.#operator(this.next())
      return { op: 'not', term: this.#compare(left, word, operator, start) }
    }
    if (token.kind !== 'operator' && token.kind !== 'word') return this.#truth(left, word)
    this.next()
    const operator = this.#operator(token)
    if (token.kind === 'word' && token.text.toLowerCase() === 'is' && this.peek().kind === 'not') {
      this.next()
      return this.#compare(left, word, 'not-equals', start)
    }
    return this.#compare(left, word, operator, start)
  }

  /** `1=1`, as catch-all flows have it: what holds of two constants is known now. */
  #constants(left: string | number | boolean, offset: number, otherwise: string): Condition {
    const token = this.peek()
    if (token.kind !== 'operator' && token.kind !== 'word') throw new Malformed(otherwise, offset)
    this.next()
    const operator = token.kind === 'operator' ? token.operator : wordOperators.get(token.text.toLowerCase())
    const value = this.next()
    if (operator === undefined || (value.kind !== 'literal' && value.kind !== 'number' && value.kind !== 'word')) {
      throw new Malformed(otherwise, offset)
    }
    const right = operandOf(value, this.#text)
    if (right.kind === 'variable' || right.kind === 'null' || misfit(operator, right) !== null) {
      throw new Malformed(otherwise, offset)
    }
    const holds = compileCondition({ op: 'compare', left: '', operator, right })({ get: () => left })
    this.warnings.push({ message: `this compares two constants, which is always ${holds}`, offset })
    return { op: 'constant', value: holds }
  }

  #truth(variable: string, word: string | null): Condition {
    const reserved = word?.toLowerCase() ?? ''
    if (reserved === 'true' || reserved === 'false') return { op: 'constant', value: reserved === 'true' }
    if (reserved === 'null') throw new Malformed('null alone is no condition', this.#at - 4)
    return { op: 'truth', variable }
  }

  #operator(token: Token): CompareOperator {
    if (token.kind === 'operator') return token.operator
    const operator = token.kind === 'word' ? wordOperators.get(token.text.toLowerCase()) : undefined
    if (operator !== undefined) return operator
    throw new Malformed(
      `${shown(token, this.#text)} is no operator; one such as =, !=, Matches, MatchesPath, JavaRegex or StartsWith goes here`,
      token.offset,
    )
  }

  #compare(left: string, word: string | null, operator: CompareOperator, leftEnd: number): Condition {
    if (left === '') throw new Malformed('the name of the variable is empty', leftEnd - 2)
    if (word !== null && reservedWords.has(word.toLowerCase())) {
      throw new Malformed(
        `${word} stands on the left; a variable goes there, ${word} to the right`,
        leftEnd - word.length,
      )
    }
    const token = this.next()
    const right = operandOf(token, this.#text)
    const problem = misfit(operator, right)
    if (problem !== null) throw new Malformed(problem, token.offset)
    return { op: 'compare', left, operator, right }
  }
}

function operandOf(token: Token, text: string): Operand {
  if (token.kind === 'literal') return { kind: 'literal', value: token.text }
  if (token.kind === 'number') return { kind: 'number', value: token.value }
  if (token.kind === 'word') {
    const word = token.text.toLowerCase()
    if (word === 'null') return { kind: 'null' }
    if (word === 'true' || word === 'false') return { kind: 'boolean', value: word === 'true' }
    return { kind: 'variable', name: token.text }
  }
  throw new Malformed(
    token.kind === 'end'
      ? 'the condition ends where a value is expected'
      : `${shown(token, text)} stands where a value is expected`,
    token.offset,
  )
}

/** What an operator cannot be given, or null. */
function misfit(operator: CompareOperator, right: Operand): string | null {
  switch (operator) {
    case 'equals':
    case 'not-equals':
      return null
    case 'greater':
    case 'greater-or-equal':
    case 'less':
    case 'less-or-equal':
      if (right.kind === 'number' || right.kind === 'variable') return null
      // Real bundles write `> "400"`; other text has no order that Edge documents.
      if (right.kind === 'literal' && /^\s*-?\d+(?:\.\d+)?\s*$/.test(right.value)) return null
      return 'this operator compares numbers: a number or a variable goes to its right'
    case 'equals-ignore-case':
    case 'starts-with':
      if (right.kind === 'literal' || right.kind === 'variable') return null
      return 'this operator compares text: text in double quotes goes to its right'
    case 'matches':
    case 'matches-path':
      return right.kind === 'literal' ? null : 'this operator takes a pattern in double quotes to its right'
    case 'java-regex': {
      if (right.kind !== 'literal') return 'this operator takes a regular expression in double quotes to its right'
      const parsed = parseJavaRegex(right.value)
      return parsed.ok
        ? null
        : `the regular expression cannot be used, at its character ${parsed.offset + 1}: ${parsed.message}`
    }
    default:
      return operator satisfies never
  }
}

function leftOver(token: Token, text: string): string {
  if (token.kind === 'close') return 'the parenthesis that closes here was not opened'
  return `${shown(token, text)} stands where AND, OR or the end is expected`
}

function shown(token: Token, text: string): string {
  return token.kind === 'end' ? 'the end' : JSON.stringify(text.slice(token.offset, token.end).slice(0, 40))
}
