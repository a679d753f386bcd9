import { ApiError } from '../api.ts'

/*
 * Filters of Edge's statistics: `(apiproxy eq 'orders') and (response_status_code in 500,503)`. `and` binds tighter than
 * `or`. One pass over the text.
 */

export type StatFilter = { readonly kind: 'and' | 'or'; readonly of: readonly StatFilter[] } | Comparison

interface Comparison {
  readonly kind: 'compare'
  readonly name: string
  readonly operator: Operator
  readonly values: readonly string[]
}

const operators = ['eq', 'ne', 'gt', 'ge', 'lt', 'le', 'in', 'notin', 'like', 'notlike'] as const
type Operator = (typeof operators)[number]

/** I10. */
const maxLength = 4096
const maxDepth = 32
const maxValues = 200

/** Throws 400 `stats-filter` with the place. */
export function parseFilter(text: string): StatFilter {
  if (text.length > maxLength) throw new ApiError(400, 'stats-filter', `the filter is longer than ${maxLength}`)
  const reader = new Reader(tokensOf(text))
  const filter = either(reader, 0)
  if (reader.next.kind !== 'end') throw wrong(reader.next, 'and, or, or the end')
  return filter
}

/** @param valueOf of a name, as Edge shows it */
export function holds(filter: StatFilter, valueOf: (name: string) => string): boolean {
  if (filter.kind !== 'compare') {
    const each = (one: StatFilter): boolean => holds(one, valueOf)
    return filter.kind === 'and' ? filter.of.every(each) : filter.of.some(each)
  }
  const value = valueOf(filter.name)
  const [first = ''] = filter.values
  switch (filter.operator) {
    case 'eq':
      return value === first
    case 'ne':
      return value !== first
    case 'in':
      return filter.values.includes(value)
    case 'notin':
      return !filter.values.includes(value)
    case 'like':
      return isLike(value, first)
    case 'notlike':
      return !isLike(value, first)
    case 'gt':
      return order(value, first) > 0
    case 'ge':
      return order(value, first) >= 0
    case 'lt':
      return order(value, first) < 0
    default:
      return order(value, first) <= 0
  }
}

export function namesIn(filter: StatFilter): readonly string[] {
  return filter.kind === 'compare' ? [filter.name] : [...new Set(filter.of.flatMap(namesIn))]
}

/** What must hold whatever else does: comparisons that are joined by `and` alone. */
export function requiredOf(filter: StatFilter): readonly Comparison[] {
  if (filter.kind === 'compare') return [filter]
  return filter.kind === 'and' ? filter.of.flatMap(requiredOf) : []
}

/** SQL's `%`: any text. Linear but for a pattern of many. */
function isLike(value: string, pattern: string): boolean {
  const [first = '', ...rest] = pattern.split('%')
  const last = rest.pop()
  if (last === undefined) return value === first
  if (!value.startsWith(first) || !value.endsWith(last) || value.length < first.length + last.length) return false
  let at = first.length
  const end = value.length - last.length
  for (const part of rest) {
    const found = value.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}

/** Numbers by their value, else as text. What is not set is in no order. */
function order(value: string, other: string): number {
  const one = Number(value)
  const two = Number(other)
  if (value !== '' && other !== '' && !Number.isNaN(one) && !Number.isNaN(two)) return one - two
  if (!Number.isNaN(two)) return Number.NaN
  return value < other ? -1 : value > other ? 1 : 0
}

type Token = { readonly at: number; readonly text: string; readonly kind: 'word' | 'value' | 'sign' | 'end' }

class Reader {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  get next(): Token {
    return this.#tokens[this.#at] as Token
  }

  take(): Token {
    const token = this.next
    if (token.kind !== 'end') this.#at++
    return token
  }

  takeIf(kind: Token['kind'], text: string): boolean {
    const { next } = this
    if (next.kind !== kind || next.text.toLowerCase() !== text) return false
    this.#at++
    return true
  }
}

function either(reader: Reader, depth: number): StatFilter {
  return joined(reader, 'or', () => both(reader, depth))
}

function both(reader: Reader, depth: number): StatFilter {
  return joined(reader, 'and', () => one(reader, depth))
}

function joined(reader: Reader, kind: 'and' | 'or', part: () => StatFilter): StatFilter {
  const first = part()
  const of = [first]
  while (reader.takeIf('word', kind)) of.push(part())
  return of.length === 1 ? first : { kind, of }
}

function one(reader: Reader, depth: number): StatFilter {
  const { next } = reader
  if (reader.takeIf('sign', '(')) {
    if (depth === maxDepth)
      throw new ApiError(400, 'stats-filter', `the filter is deeper than ${maxDepth}, at ${next.at}`)
    const inside = either(reader, depth + 1)
    if (!reader.takeIf('sign', ')')) throw wrong(reader.next, ')')
    return inside
  }
  if (next.kind !== 'word') throw wrong(next, 'the name of a dimension, or (')
  const name = reader.take().text
  const operator = operatorOf(reader)
  return { kind: 'compare', name, operator, values: valuesOf(reader, operator) }
}

function operatorOf(reader: Reader): Operator {
  const token = reader.take()
  let word = token.kind === 'word' ? token.text.toLowerCase() : ''
  if (word === 'not') word += reader.take().text.toLowerCase()
  const found = operators.find((each) => each === word)
  if (found === undefined) throw wrong(token, `one of ${operators.join(', ')}`)
  return found
}

function valuesOf(reader: Reader, operator: Operator): readonly string[] {
  const many = operator === 'in' || operator === 'notin'
  const inside = many && reader.takeIf('sign', '(')
  const values: string[] = []
  for (;;) {
    const token = reader.take()
    if (token.kind !== 'value') throw wrong(token, "a value: 'text' or a number")
    values.push(token.text)
    if (values.length > maxValues) throw wrong(token, `at most ${maxValues} values`)
    if (!many || !reader.takeIf('sign', ',')) break
  }
  if (inside && !reader.takeIf('sign', ')')) throw wrong(reader.next, ')')
  return values
}

function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    const char = text[at] as string
    if (/\s/.test(char)) at++
    else if (char === '(' || char === ')' || char === ',') tokens.push({ at: at++, text: char, kind: 'sign' })
    else if (char === "'" || char === '"') {
      const [value, end] = quoted(text, at)
      tokens.push({ at, text: value, kind: 'value' })
      at = end
    } else {
      const start = at
      while (at < text.length && /[^\s(),'"]/.test(text[at] as string)) at++
      const word = text.slice(start, at)
      tokens.push({ at: start, text: word, kind: /^-?\d+(?:\.\d+)?$/.test(word) ? 'value' : 'word' })
    }
  }
  tokens.push({ at: text.length, text: '', kind: 'end' })
  return tokens
}

/** A quote in the text is written twice. */
function quoted(text: string, start: number): readonly [value: string, end: number] {
  const quote = text[start] as string
  let value = ''
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] !== quote) value += text[at] as string
    else if (text[at + 1] === quote) value += text[at++] as string
    else return [value, at + 1]
  }
  throw new ApiError(400, 'stats-filter', `the filter has a text that does not end, from ${start + 1}`)
}

function wrong({ at, text, kind }: Token, expected: string): ApiError {
  const found = kind === 'end' ? 'the end' : JSON.stringify(text)
  return new ApiError(400, 'stats-filter', `the filter has ${found} at ${at + 1}, where ${expected} is expected`, {
    at: at + 1,
  })
}
