import { isDeepStrictEqual } from 'node:util'
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  stringify,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import { readDocument } from '../config/document.ts'
import { PosternError } from '../core/errors.ts'
import type { EditStep } from './config-path.ts'

/** One value to be written, or taken away. */
export type Edit =
  | { readonly path: readonly EditStep[]; readonly value: unknown }
  | { readonly path: readonly EditStep[]; readonly unset: true }

/**
 * The text with one value changed and every other byte as it was: comments, order, quotes. Checked by reading the result,
 * which must hold the change and nothing else; where that cannot be had it throws `edit-refused` with what to do by hand.
 */
export function editConfig(text: string, edit: Edit): string {
  const doc = parseDocument(text, { uniqueKeys: false })
  const path = placed(doc, edit.path)
  // a copy of its own for every alias: a change through one of them is then seen as the wrong change it would be
  const expected = plain(rawOf(text))
  apply(expected, path, edit)
  for (const candidate of candidates(text, doc, path, edit)) {
    const read = readDocument(candidate)
    if (read.ok && isDeepStrictEqual(plain(read.document.raw), expected)) return candidate
  }
  throw refusal('the value cannot be changed without touching others; edit the file by hand')
}

function rawOf(text: string): unknown {
  const read = readDocument(text)
  if (!read.ok) throw refusal('the file cannot be read')
  return read.document.raw
}

/** Only the data counts: no prototypes, no sharing. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null))
}

type Steps = readonly (string | number)[]

/** `[+]` becomes the next index. What stands on the way must be there, or be a mapping to make. */
function placed(doc: Document, path: readonly EditStep[]): Steps {
  return path.map((step, index) => {
    if (step !== '+') return step
    const list = doc.getIn(path.slice(0, index) as Steps)
    return isSeq(list) ? list.items.length : 0
  })
}

function apply(root: unknown, path: Steps, edit: Edit): void {
  let at = root
  for (const [depth, step] of path.slice(0, -1).entries()) {
    if (Array.isArray(at) && !(Number(step) < at.length)) throw refusal(`[${step}] is not a place in the list`)
    const inside = at as Record<string | number, unknown>
    inside[step] ??= typeof path[depth + 1] === 'number' ? [] : {}
    at = inside[step]
    if (typeof at !== 'object' || at === null) throw refusal(`${String(step)} has no values below it`)
  }
  const last = path.at(-1) ?? ''
  if (Array.isArray(at)) {
    if (typeof last !== 'number' || last > at.length) throw refusal(`${String(last)} is not a place in the list`)
    if ('unset' in edit) at.splice(last, 1)
    else at[last] = plain(edit.value)
    return
  }
  if (typeof last === 'number') throw refusal(`[${last}] is a place in a list, and there is none`)
  const map = at as Record<string, unknown>
  if ('unset' in edit) delete map[last]
  else map[last] = plain(edit.value)
}

/** The change to the text alone first; then the whole document written anew, which keeps comments and not every blank. */
function* candidates(text: string, doc: Document, path: Steps, edit: Edit): Generator<string> {
  const spliced = 'unset' in edit ? without(text, doc, path) : withValue(text, doc, path, edit.value)
  if (spliced !== null) yield spliced
  if ('unset' in edit) doc.deleteIn(path)
  else doc.setIn(path, doc.createNode(edit.value, { flow: true }))
  const rewritten = textOf(doc)
  if (rewritten !== null) yield rewritten
}

/** null: an alias points to what the change took away. */
function textOf(doc: Document): string | null {
  try {
    return doc.toString({ lineWidth: 0 })
  } catch {
    // the library has no code for it, and whatever it says, there is no text to write
    return null
  }
}

function withValue(text: string, doc: Document, path: Steps, value: unknown): string | null {
  const json = text.trimStart().startsWith('{')
  const { parent, depth } = deepest(doc, path)
  const step = path[depth]
  if (parent === null || step === undefined) return null
  const rest = path.slice(depth + 1)
  const nested = rest.reduceRight<unknown>(
    (inner, name) => (typeof name === 'number' ? [inner] : { [name]: inner }),
    value,
  )
  const item = itemOf(parent, step)
  if (item !== null) return replaced(text, item, inline(nested, json))
  return isMap(parent)
    ? addedToMap(text, parent, `${inlineKey(String(step), json)}: ${inline(nested, json)}`)
    : addedToList(text, parent, inline(nested, json))
}

type Collection = YAMLMap | YAMLSeq

/** The innermost collection on the path that is there. An alias on the way belongs to others as well. */
function deepest(doc: Document, path: Steps): { parent: Collection | null; depth: number } {
  let parent: Collection | null = isMap(doc.contents) ? doc.contents : null
  for (let depth = 0; parent !== null && depth < path.length; depth += 1) {
    const node: unknown = nodeOf(itemOf(parent, path[depth] ?? ''))
    if (isAlias(node))
      throw refusal(
        `the value at ${String(path[depth])} is an alias (*${node.source}), shared with others; edit the file by hand`,
      )
    if (depth === path.length - 1 || (!isMap(node) && !isSeq(node))) return { parent, depth }
    parent = node
  }
  return { parent: null, depth: 0 }
}

function itemOf(parent: Collection, step: string | number): Pair | Node | null {
  if (isMap(parent)) return parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(step)) ?? null
  const item: unknown = typeof step === 'number' ? parent.items[step] : undefined
  return isNode(item) ? item : null
}

function nodeOf(item: Pair | Node | null): unknown {
  return item === null || isNode(item) ? item : item.value
}

function replaced(text: string, item: Pair | Node, value: string): string | null {
  const node = nodeOf(item)
  if (isNode(item)) return item.range == null ? null : splice(text, item.range[0], item.range[1], value)
  const keyEnd = rangeOf(item.key)?.[1]
  if (keyEnd === undefined) return null
  const colon = text.indexOf(':', keyEnd)
  const range = rangeOf(node)
  if (colon === -1) return null
  if (range === null || (isScalar(node) && node.value === null && node.source === ''))
    return splice(text, colon + 1, colon + 1, ` ${value}`)
  // a scalar or a flow collection is exchanged where it stands
  if (isScalar(node) && node.type !== 'BLOCK_LITERAL' && node.type !== 'BLOCK_FOLDED')
    return splice(text, range[0], range[1], value)
  if ((isMap(node) || isSeq(node)) && node.flow === true) return splice(text, range[0], range[1], value)
  const end = contentEnd(text, range[1])
  return splice(text, colon + 1, end, ` ${value}`)
}

function addedToMap(text: string, map: YAMLMap, line: string): string | null {
  const last = map.items.at(-1)
  const range = map.range
  if (range == null) return null
  if (map.flow === true) {
    if (last === undefined) return splice(text, range[0], range[1], `{ ${line} }`)
    const end = rangeOf(last.value)?.[1] ?? rangeOf(last.key)?.[1]
    return end === undefined ? null : splice(text, end, end, `, ${line}`)
  }
  const first = rangeOf(map.items[0]?.key)
  if (first === null) return null
  return lineAfter(text, range[1], `${' '.repeat(columnOf(text, first[0]))}${line}`)
}

function addedToList(text: string, list: YAMLSeq, value: string): string | null {
  const range = list.range
  const last: unknown = list.items.at(-1)
  if (range == null) return null
  if (list.flow === true) {
    if (last === undefined) return splice(text, range[0], range[1], `[${value}]`)
    const end = rangeOf(last)?.[1]
    return end === undefined ? null : splice(text, end, end, `, ${value}`)
  }
  return lineAfter(text, range[1], `${' '.repeat(columnOf(text, range[0]))}- ${value}`)
}

function without(text: string, doc: Document, path: Steps): string | null {
  const { parent, depth } = deepest(doc, path)
  const step = path[depth]
  if (parent === null || step === undefined || depth !== path.length - 1) return text
  const item = itemOf(parent, step)
  if (item === null) return text
  if (parent.items.length === 1) return null
  const start = rangeOf(isNode(item) ? item : item.key)?.[0]
  const end = rangeOf(nodeOf(item))?.[1]
  if (start === undefined || end === undefined) return null
  if (parent.flow === true) return withoutInFlow(text, parent, item, start, end)
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const stop = text.indexOf('\n', contentEnd(text, end))
  return splice(text, lineStart, stop === -1 ? text.length : stop + 1, '')
}

function withoutInFlow(text: string, parent: Collection, item: Pair | Node, start: number, end: number): string | null {
  const items: readonly unknown[] = parent.items
  const index = items.indexOf(item)
  const next = edges(items[index + 1])
  if (next !== null) return splice(text, start, next.start, '')
  const before = edges(items[index - 1])
  return before === null ? null : splice(text, before.end, end, '')
}

function edges(item: unknown): { start: number; end: number } | null {
  const pair = typeof item === 'object' && item !== null && 'key' in item ? (item as Pair) : null
  const start = rangeOf(pair?.key ?? item)?.[0]
  const end = rangeOf(pair?.value ?? item)?.[1]
  return start === undefined || end === undefined ? null : { start, end }
}

function rangeOf(node: unknown): readonly [number, number] | null {
  return isNode(node) && node.range != null ? [node.range[0], node.range[1]] : null
}

/** Where the last character of a value stands: the range of a block ends at the begin of a later line. */
function contentEnd(text: string, end: number): number {
  return text.slice(0, end).trimEnd().length
}

/** Behind the line on which a block ends, so that a comment at the end of that line stays with it. */
function lineAfter(text: string, end: number, line: string): string {
  const stop = text.indexOf('\n', contentEnd(text, end))
  return stop === -1 ? `${text}\n${line}\n` : splice(text, stop + 1, stop + 1, `${line}\n`)
}

function columnOf(text: string, offset: number): number {
  return offset - (text.lastIndexOf('\n', offset - 1) + 1)
}

function splice(text: string, start: number, end: number, into: string): string {
  return text.slice(0, start) + into + text.slice(end)
}

/** On one line, so that it fits wherever a value was. */
function inline(value: unknown, json: boolean): string {
  if (json) return JSON.stringify(value)
  if (typeof value === 'string' && /[\n\r]/.test(value)) return JSON.stringify(value)
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trimEnd().replaceAll(/\n\s*/g, ' ')
}

function inlineKey(name: string, json: boolean): string {
  return json ? JSON.stringify(name) : inline(name, false)
}

function refusal(message: string): PosternError {
  return new PosternError('edit-refused', message)
}
