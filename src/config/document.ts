import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from 'yaml'
import { messageOf } from '../core/errors.ts'

export type Path = readonly (string | number)[]

/** A fault with its place in the data; the loader adds the place in the file. */
export interface Draft {
  readonly path: Path
  readonly message: string
  readonly instead: string
}

interface Position {
  readonly line: number
  readonly column: number
}

/** A file read, not yet judged: plain values, and where each of them stands. */
export interface ConfigDocument {
  readonly raw: unknown
  /** Where the value stands, or its key; of a value that is not there, the nearest parent that is. */
  positionOf(path: Path, of: 'key' | 'value'): Position
}

export type ReadResult =
  | { readonly ok: true; readonly document: ConfigDocument }
  | { readonly ok: false; readonly faults: readonly (Draft & Position)[] }

/** One anchor may be used by every target of a large file; a bomb multiplies far beyond that (I10). */
const maxAliasCount = 10_000
const maxDepth = 100

/**
 * Reads YAML 1.2 (and JSON, its subset). What a reader could take in two ways is refused (I8): duplicate keys, a second
 * document, unknown tags, YAML 1.1's `yes` and `no`.
 */
export function readDocument(text: string): ReadResult {
  const lines = new LineCounter()
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const refuse = (message: string, instead: string, offset = 0): ReadResult => {
    return { ok: false, faults: [{ path: [], message, instead, ...at(offset) }] }
  }
  if (text.trim() === '') return refuse('the file is empty', 'listeners:\n  - { name: http, port: 8080 }')
  if (nestsTooDeeply(text)) return refuse('the file is nested too deeply', 'the few levels of the reference')

  let doc: Document.Parsed
  let raw: unknown
  let faults: (Draft & Position)[]
  try {
    // uniqueKeys compares every pair of keys of a map; the walk below does it in linear time
    doc = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, logLevel: 'error' })
    faults = [...doc.errors, ...doc.warnings].map((error) => ({ ...syntaxFault(error), ...at(error.pos[0]) }))
    if (doc.directives.yaml.explicit === true && doc.directives.yaml.version !== '1.2') {
      return refuse(
        'the file asks for YAML 1.1, which reads yes, no and numbers differently',
        'the file without the %YAML line',
      )
    }
    if (faults.length === 0) faults = structureFaults(doc).map(({ offset, ...draft }) => ({ ...draft, ...at(offset) }))
    if (faults.length > 0) return { ok: false, faults: onePerLine(faults) }
    raw = doc.toJS({ maxAliasCount })
  } catch (error) {
    if (error instanceof RangeError) return refuse('the file is nested too deeply', 'the few levels of the reference')
    return refuse(
      `the file cannot be read: ${messageOf(error)}`,
      'the values themselves where an alias points in a circle or too often',
    )
  }
  const locate = locator(doc)
  return { ok: true, document: { raw, positionOf: (path, of) => at(locate(path, of)) } }
}

/** The parser's time grows with the square of the depth, so it is bounded before parsing (I10). */
function nestsTooDeeply(text: string): boolean {
  let depth = 0
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    depth = bracket === '[' || bracket === '{' ? depth + 1 : Math.max(0, depth - 1)
    if (depth > maxDepth) return true
  }
  return /(?:[-?:] +){100}/.test(text)
}

const syntaxAdvice: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'spaces for indentation',
  MULTIPLE_DOCS: 'one document per file, without a second ---',
  TAG_RESOLVE_FAILED: 'the plain value, without a ! tag',
  BAD_SCALAR_START: 'the value in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'quotes around a value that contains ": ", or a line of its own',
  MISSING_CHAR: 'the closing quote or bracket',
}

function syntaxFault(error: { code: string; message: string }): Draft {
  const message = error.code === 'MULTIPLE_DOCS' ? 'the file holds more than one document' : error.message
  return { path: [], message: `not YAML: ${message}`, instead: syntaxAdvice[error.code] ?? 'YAML 1.2 or JSON' }
}

/** The parser reports one slip several times over: what follows on a line is a consequence of its first fault. */
function onePerLine(faults: readonly (Draft & Position)[]): (Draft & Position)[] {
  const seen = new Set<number>()
  return faults.filter(({ line }) => !seen.has(line) && seen.add(line))
}

/** Faults that YAML allows and this file does not. */
function structureFaults(doc: Document.Parsed): (Draft & { offset: number })[] {
  const faults: (Draft & { offset: number })[] = []
  const visit = (node: unknown, path: Path): void => {
    if (isSeq(node)) node.items.forEach((item, index) => visit(item, [...path, index]))
    if (isAlias(node) && node.resolve(doc) === undefined) {
      faults.push({
        path,
        message: `nothing above is marked &${node.source}`,
        instead: `the value itself, or &${node.source} before the first use`,
        offset: offsetOf(node),
      })
    }
    if (!isMap(node)) return
    const seen = new Set<string>()
    for (const { key, value } of node.items) {
      const offset = offsetOf(key)
      if (!isScalar(key)) {
        faults.push({ path, message: 'a key is a list, mapping or alias', instead: 'plain text as the key', offset })
        continue
      }
      const name = String(key.value)
      if (seen.has(name)) {
        faults.push({ path: [...path, name], message: `"${name}" is written twice`, instead: 'one of the two', offset })
      } else if (name === '__proto__') {
        // zod passes over this key without a word, and no silent drop is allowed (I3)
        faults.push({ path: [...path, name], message: `"${name}" cannot be a key`, instead: 'another name', offset })
      }
      seen.add(name)
      visit(value, [...path, name])
    }
  }
  visit(doc.contents, [])
  return faults
}

/** Finds nodes by path; each map is indexed once, so many faults in a large map stay linear. */
function locator(doc: Document.Parsed): (path: Path, of: 'key' | 'value') => number {
  const indexes = new WeakMap<YAMLMap, Map<string, Pair>>()
  const pairOf = (map: YAMLMap, key: string): Pair | undefined => {
    let index = indexes.get(map)
    if (!index) {
      index = new Map(map.items.map((pair) => [isScalar(pair.key) ? String(pair.key.value) : '', pair]))
      indexes.set(map, index)
    }
    return index.get(key)
  }
  return (path, of) => {
    let node: unknown = doc.contents
    let keyOffset = offsetOf(node)
    for (const [depth, step] of path.entries()) {
      if (isAlias(node)) node = node.resolve(doc)
      const child = isMap(node) ? pairOf(node, String(step)) : isSeq(node) ? node.items[Number(step)] : undefined
      if (child === undefined) return keyOffset
      node = isPair(child) ? child.value : child
      keyOffset = offsetOf(isPair(child) ? child.key : child)
      if (depth === path.length - 1 && of === 'key') return keyOffset
    }
    return isNode(node) && node.range ? offsetOf(node) : keyOffset
  }
}

function offsetOf(node: unknown): number {
  return isNode(node) ? ((node as Node).range?.[0] ?? 0) : 0
}
