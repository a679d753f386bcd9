import type { CompareOperator } from './condition-types.ts'

export type Token = {
  readonly offset: number
  readonly end: number
} & (
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'literal'; readonly text: string; readonly quote: '"' | "'" }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'operator'; readonly operator: CompareOperator; readonly text: string }
  | { readonly kind: 'and' | 'or' | 'not' | 'open' | 'close' | 'end' }
)

/** Words of the language; case does not matter. */
export const wordOperators: ReadonlyMap<string, CompareOperator> = new Map([
  ['equals', 'equals'],
  ['is', 'equals'],
  ['notequals', 'not-equals'],
  ['isnot', 'not-equals'],
  ['equalscaseinsensitive', 'equals-ignore-case'],
  ['greaterthan', 'greater'],
  ['greaterthanorequals', 'greater-or-equal'],
  ['lesserthan', 'less'],
  ['lesserthanorequals', 'less-or-equal'],
  ['matches', 'matches'],
  ['like', 'matches'],
  ['matchespath', 'matches-path'],
  ['likepath', 'matches-path'],
  ['javaregex', 'java-regex'],
  ['startswith', 'starts-with'],
])

/** Words that are no variable unless they stand in single quotes. */
export const reservedWords: ReadonlySet<string> = new Set(['and', 'or', 'not', 'null', 'true', 'false'])

/** What may stand in a variable's name without quotes. */
export const plainName = /^[A-Za-z_][A-Za-z0-9_.\-$@#[\]]*$/

/** Longest first where one begins another. */
const symbols: readonly (readonly [text: string, operator: CompareOperator])[] = [
  [':=', 'equals-ignore-case'],
  ['=|', 'starts-with'],
  ['==', 'equals'],
  ['!=', 'not-equals'],
  ['>=', 'greater-or-equal'],
  ['<=', 'less-or-equal'],
  ['~~', 'java-regex'],
  ['~/', 'matches-path'],
  ['=', 'equals'],
  ['>', 'greater'],
  ['<', 'less'],
  ['~', 'matches'],
]

/** Symbols people write for an operator that is spelt otherwise. */
const misspelt: readonly (readonly [text: string, instead: string])[] = [
  ['/~', '"~/" (path match) or "~" (glob match)'],
  ['=~', '"~~" (regular expression) or "~" (glob match)'],
  ['<>', '"!="'],
  ['===', '"="'],
  ['!==', '"!="'],
]

export type ReadToken =
  | { readonly ok: true; readonly token: Token }
  | { readonly ok: false; readonly message: string; readonly offset: number }

/** The token at or after `start`, white space skipped. */
export function readToken(text: string, start: number): ReadToken {
  let offset = start
  while (offset < text.length && /\s/.test(text.charAt(offset))) offset++
  const good = (token: Token): ReadToken => ({ ok: true, token })
  const bad = (message: string): ReadToken => ({ ok: false, message, offset })
  if (offset >= text.length) return good({ kind: 'end', offset, end: offset })
  const char = text.charAt(offset)
  if (char === '"' || char === "'") {
    const close = text.indexOf(char, offset + 1)
    if (close === -1) return bad(`the text that begins here has no closing ${char}`)
    return good({ kind: 'literal', quote: char, text: text.slice(offset + 1, close), offset, end: close + 1 })
  }
  const two = text.slice(offset, offset + 2)
  for (const [wrong, instead] of misspelt) {
    if (text.startsWith(wrong, offset)) return bad(`${JSON.stringify(wrong)} is no operator; write ${instead}`)
  }
  if (two === '&&') return good({ kind: 'and', offset, end: offset + 2 })
  if (two === '||') return good({ kind: 'or', offset, end: offset + 2 })
  if (char === '&' || char === '|') return bad(`"${char}" is no operator; write "${char}${char}"`)
  if (char === '(') return good({ kind: 'open', offset, end: offset + 1 })
  if (char === ')') return good({ kind: 'close', offset, end: offset + 1 })
  for (const [symbol, operator] of symbols) {
    if (text.startsWith(symbol, offset)) {
      return good({ kind: 'operator', operator, text: symbol, offset, end: offset + symbol.length })
    }
  }
  if (char === '!') return good({ kind: 'not', offset, end: offset + 1 })
  return readWord(text, offset)
}

function readWord(text: string, offset: number): ReadToken {
  const [word = ''] = matchAt(/[A-Za-z0-9_.\-$@#[\]]+/y, text, offset) ?? []
  const end = offset + word.length
  if (/^-?(?:\d{1,15}(?:\.\d{1,15})?|\.\d{1,15})$/.test(word)) {
    return { ok: true, token: { kind: 'number', value: Number(word), offset, end } }
  }
  if (plainName.test(word)) {
    const lower = word.toLowerCase()
    if (lower === 'and' || lower === 'or' || lower === 'not') {
      return { ok: true, token: { kind: lower, offset, end } }
    }
    return { ok: true, token: { kind: 'word', text: word, offset, end } }
  }
  if (word === '') {
    return { ok: false, message: `${JSON.stringify(text.charAt(offset))} cannot stand here`, offset }
  }
  return {
    ok: false,
    message: `${JSON.stringify(word)} is neither a variable nor a number; text stands in double quotes`,
    offset,
  }
}

function matchAt(sticky: RegExp, text: string, offset: number): RegExpExecArray | null {
  sticky.lastIndex = offset
  return sticky.exec(text)
}
