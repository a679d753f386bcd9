import { compileNode, type WholeMatch } from './java-regex.ts'
import type { RegexNode } from './java-regex-parse.ts'
import { anything, type CharSet, not } from './java-regex-sets.ts'

/*
 * Edge's two kinds of pattern (its conditions reference, "pattern matching"). `%` takes the meaning from the character
 * after it. Both become the expressions of java-regex.ts, and so run in time linear in what clients send. (I10)
 */

/** `Matches`: `*` is any text, over the whole string. */
export function compileGlob(pattern: string): WholeMatch {
  const items: RegexNode[] = []
  for (const { char, literal } of characters(pattern)) {
    items.push(char === '*' && !literal ? many(anything, 0) : one(char))
  }
  return compileNode({ kind: 'concat', items })
}

/** `MatchesPath`: `*` and `{name}` are one segment that is not empty, inside a segment `*` is any part of it; `**` is any rest. */
export function compilePathPattern(pattern: string): WholeMatch {
  const items: RegexNode[] = []
  const all = characters(pattern)
  for (let at = 0; at < all.length; at++) {
    const { char, literal } = all[at] ?? { char: '', literal: true }
    const bare = (index: number, ...wanted: readonly string[]): boolean =>
      all[index]?.literal === false && wanted.includes(all[index].char)
    if (literal) items.push(one(char))
    else if (char === '*' && bare(at + 1, '*')) {
      while (bare(at + 1, '*')) at++
      items.push(many(anything, 0))
    } else if (char === '*') {
      const whole = (at === 0 || bare(at - 1, '/')) && (at + 1 === all.length || bare(at + 1, '/'))
      items.push(many(inSegment, whole ? 1 : 0))
    } else if (char === '{') {
      const close = all.findIndex((_, index) => index > at && bare(index, '}'))
      if (close === -1) items.push(one(char))
      else {
        items.push(many(inSegment, 1))
        at = close
      }
    } else items.push(one(char))
  }
  return compileNode({ kind: 'concat', items })
}

const slash = 0x2f
const inSegment = not((cp) => cp === slash)

function characters(pattern: string): readonly { readonly char: string; readonly literal: boolean }[] {
  const all: { char: string; literal: boolean }[] = []
  let escaped = false
  for (const char of pattern) {
    if (char === '%' && !escaped) {
      escaped = true
      continue
    }
    all.push({ char, literal: escaped })
    escaped = false
  }
  // At the end there is nothing to escape.
  if (escaped) all.push({ char: '%', literal: true })
  return all
}

function one(char: string): RegexNode {
  const cp = char.codePointAt(0)
  return { kind: 'set', has: (point) => point === cp }
}

function many(has: CharSet, min: number): RegexNode {
  return { kind: 'repeat', item: { kind: 'set', has }, min, max: Infinity }
}
