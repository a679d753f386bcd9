import {
  anything,
  type CaseFlags,
  type CharSet,
  escapeSets,
  intersection,
  isLineEnd,
  not,
  propertySet,
  range,
  union,
} from './java-regex-sets.ts'

/** A regular expression, taken apart. */
export type RegexNode =
  | { readonly kind: 'set'; readonly has: CharSet }
  | { readonly kind: 'concat' | 'choice'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly item: RegexNode; readonly min: number; readonly max: number }
  | { readonly kind: 'assert'; readonly where: Where }

export type Where =
  | 'start'
  | 'end'
  | 'end-or-last-line-end'
  | 'line-start'
  | 'line-end'
  | 'word-boundary'
  | 'no-word-boundary'

export type ParsedRegex =
  | { readonly ok: true; readonly node: RegexNode }
  | { readonly ok: false; readonly message: string; readonly offset: number }

/** Bound the work for a character of input, which is the size of the compiled expression. (I10) */
const maxLength = 2000
const maxSize = 2000
const maxDepth = 50

/**
 * The part of java.util.regex that a matcher can run in time linear in its input: all but backreferences, lookaround,
 * atomic groups and possessive quantifiers. What is not in it is refused by its name, never taken for something else.
 */
export function parseJavaRegex(text: string): ParsedRegex {
  if (text.length > maxLength) return { ok: false, message: `it has more than ${maxLength} characters`, offset: 0 }
  try {
    const node = new Parser(text).whole()
    if (sizeOf(node) > maxSize) {
      return { ok: false, message: `its repetitions make it larger than ${maxSize} steps`, offset: 0 }
    }
    return { ok: true, node }
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return { ok: false, message: error.message, offset: error.offset }
  }
}

/** Steps of the compiled expression. */
function sizeOf(node: RegexNode): number {
  switch (node.kind) {
    case 'set':
    case 'assert':
      return 1
    case 'concat':
    case 'choice':
      return node.items.reduce((sum, item) => sum + sizeOf(item) + 2, 0)
    case 'repeat': {
      const once = sizeOf(node.item) + 2
      return once * Math.max(1, node.max === Infinity ? node.min : node.max)
    }
    default:
      return node satisfies never
  }
}

class Refused extends Error {
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

interface Flags extends CaseFlags {
  readonly s: boolean
  readonly m: boolean
}

const controls: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, r: 0x0d, f: 0x0c, a: 0x07, e: 0x1b }

const assertions: Readonly<Record<string, Where>> = {
  A: 'start',
  z: 'end',
  Z: 'end-or-last-line-end',
  b: 'word-boundary',
  B: 'no-word-boundary',
}

const refusedGroups: readonly (readonly [begin: string, name: string])[] = [
  ['(?=', 'lookahead (?=...)'],
  ['(?!', 'negative lookahead (?!...)'],
  ['(?<=', 'lookbehind (?<=...)'],
  ['(?<!', 'negative lookbehind (?<!...)'],
  ['(?>', 'an atomic group (?>...)'],
]

const notLinear = 'is not supported: conditions run in time linear in what clients send'

class Parser {
  readonly #text: string
  #at = 0
  #flags: Flags = { i: false, s: false, m: false, u: false }

  constructor(text: string) {
    this.#text = text
  }

  whole(): RegexNode {
    const node = this.#choice(0)
    if (this.#at < this.#text.length) throw new Refused('")" closes a group that was not opened', this.#at)
    return node
  }

  #choice(depth: number): RegexNode {
    const outer = this.#flags
    const items = [this.#sequence(depth)]
    while (this.#take('|')) items.push(this.#sequence(depth))
    this.#flags = outer
    const [only] = items
    return items.length === 1 && only !== undefined ? only : { kind: 'choice', items }
  }

  #sequence(depth: number): RegexNode {
    const items: RegexNode[] = []
    while (this.#at < this.#text.length && this.#peek() !== '|' && this.#peek() !== ')') {
      const atom = this.#atom(depth)
      if (atom !== null) items.push(this.#quantified(atom))
    }
    return { kind: 'concat', items }
  }

  /** null: flags for what follows, nothing to match. */
  #atom(depth: number): RegexNode | null {
    const offset = this.#at
    const char = this.#char()
    switch (char) {
      case '(':
        return this.#group(depth, offset)
      case '[':
        return { kind: 'set', has: this.#class(depth, offset) }
      case '.':
        return { kind: 'set', has: this.#flags.s ? anything : not(isLineEnd) }
      case '^':
        return { kind: 'assert', where: this.#flags.m ? 'line-start' : 'start' }
      case '$':
        return { kind: 'assert', where: this.#flags.m ? 'line-end' : 'end-or-last-line-end' }
      case '*':
      case '+':
      case '?':
        throw new Refused(`"${char}" has nothing before it to repeat`, offset)
      case '{':
        throw new Refused('"{" has nothing before it to repeat; the character itself is written \\{', offset)
      case '\\':
        return this.#escaped(offset)
      default:
        return this.#literal(char)
    }
  }

  #literal(char: string): RegexNode {
    const cp = char.codePointAt(0) ?? 0
    return { kind: 'set', has: range(cp, cp, this.#flags) }
  }

  #quantified(atom: RegexNode): RegexNode {
    const offset = this.#at
    const [min, max] = this.#quantifier() ?? []
    if (min === undefined || max === undefined) return atom
    if (this.#peek() === '+')
      throw new Refused(`a possessive quantifier (${this.#text.slice(offset, this.#at + 1)}) ${notLinear}`, offset)
    // Reluctant or greedy makes no difference to whether the whole text matches.
    this.#take('?')
    return { kind: 'repeat', item: atom, min, max }
  }

  #quantifier(): readonly [min: number, max: number] | null {
    if (this.#take('*')) return [0, Infinity]
    if (this.#take('+')) return [1, Infinity]
    if (this.#take('?')) return [0, 1]
    if (this.#peek() !== '{') return null
    const offset = this.#at
    const match = this.#sticky(/\{(\d{1,4})(,(\d{1,4})?)?\}/y)
    if (match === null) throw new Refused('the repetition is malformed; it is {2}, {2,} or {2,5}', offset)
    const min = Number(match[1])
    const max = match[2] === undefined ? min : match[3] === undefined ? Infinity : Number(match[3])
    if (max < min) throw new Refused('the repetition ends below where it begins', offset)
    return [min, max]
  }

  #group(depth: number, offset: number): RegexNode | null {
    if (depth >= maxDepth) throw new Refused(`groups are nested more than ${maxDepth} levels deep`, offset)
    for (const [begin, name] of refusedGroups) {
      if (this.#text.startsWith(begin, offset)) throw new Refused(`${name} ${notLinear}`, offset)
    }
    const outer = this.#flags
    if (this.#peek() === '?' && this.#sticky(/\?<[A-Za-z][A-Za-z0-9]*>/y) === null) {
      const match = this.#sticky(/\?([A-Za-z]*)(?:-([A-Za-z]+))?([:)])/y)
      if (match === null) throw new Refused('this kind of group is not known', offset)
      this.#setFlags(match[1] ?? '', match[2] ?? '', offset)
      if (match[3] === ')') return null
    }
    const node = this.#choice(depth + 1)
    if (!this.#take(')')) throw new Refused('the group that begins here is not closed', offset)
    this.#flags = outer
    return node
  }

  #setFlags(on: string, off: string, offset: number): void {
    const flags: Record<string, boolean> = { ...this.#flags }
    for (const [letters, value] of [[on, true] as const, [off, false] as const]) {
      for (const letter of letters) {
        if (!(letter in flags)) throw new Refused(`the flag "${letter}" is not supported; i, s, m and u are`, offset)
        flags[letter] = value
      }
    }
    this.#flags = { i: flags['i'] === true, s: flags['s'] === true, m: flags['m'] === true, u: flags['u'] === true }
  }

  /** After a backslash, outside a class. */
  #escaped(offset: number): RegexNode {
    const letter = this.#peek()
    const where = Object.hasOwn(assertions, letter) ? assertions[letter] : undefined
    if (where !== undefined) {
      this.#at++
      return { kind: 'assert', where }
    }
    if (letter === 'Q') {
      const close = this.#text.indexOf('\\E', this.#at)
      const quoted = this.#text.slice(this.#at + 1, close === -1 ? undefined : close)
      this.#at = close === -1 ? this.#text.length : close + 2
      return { kind: 'concat', items: Array.from(quoted, (char) => this.#literal(char)) }
    }
    const found = this.#escape(offset)
    return { kind: 'set', has: typeof found === 'number' ? range(found, found, this.#flags) : found }
  }

  /** After a backslash: a code point or a set. */
  #escape(offset: number): number | CharSet {
    const char = this.#char()
    if (char === '') throw new Refused('it ends in a backslash', offset)
    const control = Object.hasOwn(controls, char) ? controls[char] : undefined
    if (control !== undefined) return control
    const set = escapeSets.get(char.toLowerCase())
    if (set !== undefined) return char === char.toLowerCase() ? set : not(set)
    if (char === 'p' || char === 'P') {
      const match = this.#sticky(/\{([A-Za-z_]{1,30})\}|([A-Z])/y)
      const named = match === null ? null : propertySet(match[1] ?? match[2] ?? '')
      if (named === null) throw new Refused(`the class \\${char}${match?.[0] ?? ''} is not known`, offset)
      return char === 'p' ? named : not(named)
    }
    if (char === 'u' || char === 'x' || char === '0' || char === 'c') return this.#codePoint(char, offset)
    if (/[1-9k]/.test(char)) throw new Refused(`a backreference (\\${char}) ${notLinear}`, offset)
    if (/[A-Za-z]/.test(char)) throw new Refused(`the escape \\${char} is not supported`, offset)
    return char.codePointAt(0) ?? 0
  }

  #codePoint(char: 'u' | 'x' | '0' | 'c', offset: number): number {
    const shape = {
      u: /([0-9A-Fa-f]{4})/y,
      x: /([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\}/y,
      0: /([0-3]?[0-7]{1,2})/y,
      c: /([@-_])/y,
    }[char]
    const match = this.#sticky(shape)
    const digits = match?.[1] ?? match?.[2]
    if (digits === undefined) throw new Refused(`the escape \\${char} is malformed`, offset)
    const point = char === 'c' ? (digits.codePointAt(0) ?? 0) ^ 64 : parseInt(digits, char === '0' ? 8 : 16)
    if (point > 0x10ffff) throw new Refused('there is no such character', offset)
    return point
  }

  /** After `[`. Java's classes may hold others, and `&&` makes an intersection of what stands on both sides. */
  #class(depth: number, offset: number): CharSet {
    if (depth >= maxDepth) throw new Refused(`classes are nested more than ${maxDepth} levels deep`, offset)
    const negated = this.#take('^')
    const sides: CharSet[][] = [[]]
    for (let first = true; ; first = false) {
      if (this.#at >= this.#text.length) throw new Refused('the class that begins here is not closed', offset)
      if (!first && this.#take(']')) break
      if (this.#text.startsWith('&&', this.#at)) {
        this.#at += 2
        sides.push([])
        continue
      }
      sides.at(-1)?.push(this.#member(depth))
    }
    const filled = sides.filter((side) => side.length > 0).map(union)
    if (filled.length === 0) throw new Refused('the class that begins here is empty', offset)
    const [only] = filled
    const set = filled.length === 1 && only !== undefined ? only : intersection(filled)
    return negated ? not(set) : set
  }

  #member(depth: number): CharSet {
    const offset = this.#at
    if (this.#take('[')) return this.#class(depth + 1, offset)
    const from = this.#classChar()
    if (typeof from === 'function') return from
    const dash = this.#peek() === '-' && !['', ']', '['].includes(this.#text.charAt(this.#at + 1))
    if (!dash) return range(from, from, this.#flags)
    this.#at++
    const to = this.#classChar()
    if (typeof to === 'function' || to < from) throw new Refused('the range in the class is not one', offset)
    return range(from, to, this.#flags)
  }

  #classChar(): number | CharSet {
    const offset = this.#at
    const char = this.#char()
    if (char !== '\\') return char.codePointAt(0) ?? 0
    if (this.#peek() === 'Q') throw new Refused('\\Q inside a class is not supported', offset)
    return this.#escape(offset)
  }

  #peek(): string {
    return this.#text.charAt(this.#at)
  }

  #char(): string {
    const cp = this.#text.codePointAt(this.#at)
    if (cp === undefined) return ''
    const char = String.fromCodePoint(cp)
    this.#at += char.length
    return char
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false
    this.#at++
    return true
  }

  #sticky(regex: RegExp): RegExpExecArray | null {
    regex.lastIndex = this.#at
    const match = regex.exec(this.#text)
    if (match !== null) this.#at = regex.lastIndex
    return match
  }
}
