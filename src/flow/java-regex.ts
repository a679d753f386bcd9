import { PosternError } from '../core/errors.ts'
import { parseJavaRegex, type RegexNode, type Where } from './java-regex-parse.ts'
import { type CharSet, isLineEnd, isWord } from './java-regex-sets.ts'

/** Whether a whole text matches, in time linear in its length. */
export type WholeMatch = (text: string) => boolean

/** For an expression that `parseJavaRegex` has accepted; throws on any other. */
export function compileJavaRegex(text: string): WholeMatch {
  const parsed = parseJavaRegex(text)
  if (!parsed.ok) throw new PosternError('regex-malformed', `${parsed.message} (at character ${parsed.offset + 1})`)
  return compileNode(parsed.node)
}

type Step =
  | { readonly op: 'char'; readonly has: CharSet; readonly next: number }
  | { readonly op: 'split'; readonly to: readonly number[] }
  | { readonly op: 'assert'; readonly where: Where; readonly next: number }
  | { readonly op: 'match' }

/**
 * Thompson's simulation: all the places in the expression that the text may have led to are walked side by side, each at
 * most once for a character, so that no text makes it try anything twice. (I10)
 */
export function compileNode(node: RegexNode): WholeMatch {
  const steps: Step[] = [{ op: 'match' }]
  const start = emit(node, 0, steps)
  const seen = new Uint32Array(steps.length)
  const stack = new Int32Array(steps.length)
  let depth = 0
  let here: number[] = []
  let ahead: number[] = []
  let round = 0

  /** At most once in a round, which also bounds the stack: of `(|||)` every branch is the same step. */
  const push = (index: number): void => {
    if (seen[index] === round) return
    seen[index] = round
    stack[depth++] = index
  }

  /** Puts what can be reached without a character into the list; true when the end of the expression can. */
  const reach = (from: number, list: number[], points: ArrayLike<number>, at: number): boolean => {
    let matched = false
    push(from)
    while (depth > 0) {
      const index = stack[--depth] as number
      const step = steps[index] as Step
      if (step.op === 'char') list.push(index)
      else if (step.op === 'match') matched = true
      else if (step.op === 'split') step.to.forEach(push)
      else if (holds(step.where, points, at)) push(step.next)
    }
    return matched
  }

  const nextRound = (): void => {
    round++
    if (round < 0xffff_ffff) return
    seen.fill(0)
    round = 1
  }

  return (text) => {
    const points = codePoints(text)
    here.length = 0
    nextRound()
    let matched = reach(start, here, points, 0)
    for (let at = 0; at < points.length; at++) {
      if (here.length === 0) return false
      const point = points[at] as number
      ahead.length = 0
      matched = false
      nextRound()
      for (const index of here) {
        const step = steps[index] as Step & { readonly op: 'char' }
        if (step.has(point) && reach(step.next, ahead, points, at + 1)) matched = true
      }
      const swap = here
      here = ahead
      ahead = swap
    }
    return matched
  }
}

/** Appends the steps of a node, from the end to the beginning; gives the first. */
function emit(node: RegexNode, next: number, steps: Step[]): number {
  const add = (step: Step): number => steps.push(step) - 1
  switch (node.kind) {
    case 'set':
      return add({ op: 'char', has: node.has, next })
    case 'assert':
      return add({ op: 'assert', where: node.where, next })
    case 'concat':
      return node.items.reduceRight((after, item) => emit(item, after, steps), next)
    case 'choice':
      return add({ op: 'split', to: node.items.map((item) => emit(item, next, steps)) })
    case 'repeat': {
      let entry = next
      let { min } = node
      if (node.max === Infinity) {
        const to = [next]
        const loop = add({ op: 'split', to })
        const again = emit(node.item, loop, steps)
        to.push(again)
        // `x+` needs no second copy of x, or nested ones would double with every level.
        entry = min === 0 ? loop : again
        min = Math.max(0, min - 1)
      } else {
        for (let extra = min; extra < node.max; extra++) {
          entry = add({ op: 'split', to: [next, emit(node.item, entry, steps)] })
        }
      }
      for (let times = 0; times < min; times++) entry = emit(node.item, entry, steps)
      return entry
    }
    default:
      return node satisfies never
  }
}

function holds(where: Where, points: ArrayLike<number>, at: number): boolean {
  const { length } = points
  switch (where) {
    case 'start':
      return at === 0
    case 'end':
      return at === length
    case 'end-or-last-line-end':
      return at === length || isLastLineEnd(points, at)
    case 'line-start':
      return at === 0 || (at < length && isLineEnd(points[at - 1] ?? -1) && !splitsCrLf(points, at))
    case 'line-end':
      return at === length || (isLineEnd(points[at] ?? -1) && !splitsCrLf(points, at))
    case 'word-boundary':
      return isWord(points[at - 1] ?? -1) !== isWord(points[at] ?? -1)
    case 'no-word-boundary':
      return isWord(points[at - 1] ?? -1) === isWord(points[at] ?? -1)
    default:
      return where satisfies never
  }
}

function isLastLineEnd(points: ArrayLike<number>, at: number): boolean {
  const rest = points.length - at
  if (rest === 2) return points[at] === 0x0d && points[at + 1] === 0x0a
  return rest === 1 && isLineEnd(points[at] ?? -1) && !splitsCrLf(points, at)
}

/** CR LF is one line end. */
function splitsCrLf(points: ArrayLike<number>, at: number): boolean {
  return points[at - 1] === 0x0d && points[at] === 0x0a
}

function codePoints(text: string): number[] {
  const points: number[] = []
  for (const char of text) points.push(char.codePointAt(0) ?? 0)
  return points
}
