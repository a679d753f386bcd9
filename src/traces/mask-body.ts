import { type Document, DOMParser, Node, onWarningStopParsing, XMLSerializer } from '@xmldom/xmldom'
import { jsonpath } from 'json-p3'
import type { RecordedBody } from '../observe/recording.ts'
import { hiddenAs } from './hidden-variables.ts'
import { fieldOf } from './shown-body.ts'
import { selectNodes } from './xpath-library.ts'

/** The paths that hold for one body. */
export interface BodyMasks {
  readonly jsonPaths: readonly string[]
  readonly xPaths: readonly string[]
  readonly namespaces: Readonly<Record<string, string>>
}

/** In the place of a whole body. */
export function hiddenBody(body: RecordedBody): RecordedBody {
  return { text: body.text === '' ? '' : hiddenAs, bytes: body.bytes }
}

/**
 * A body with what the paths lead to hidden. It is written anew from what was parsed, so nothing is shown that the paths have
 * not been asked about. Where that cannot be done (cut off, compressed, not JSON or XML, a path that does not work) the body
 * is hidden whole: half a mask is none.
 */
export function maskBody(
  body: RecordedBody,
  headers: readonly (readonly [string, string])[],
  masks: BodyMasks,
): RecordedBody {
  if (body.text === '' || (masks.jsonPaths.length === 0 && masks.xPaths.length === 0)) return body
  const text = wholeText(body, headers)
  if (text === null) return hiddenBody(body)
  try {
    const form = formOf(text, fieldOf(headers, 'content-type'))
    if (form === 'json') return masks.jsonPaths.length === 0 ? body : written(maskJson(text, masks.jsonPaths), body)
    if (form === 'xml') return masks.xPaths.length === 0 ? body : written(maskXml(text, masks), body)
  } catch {
    // Not well-formed, or too deep for the parser, or the path is none: the reason is the sender's or the configuration's.
  }
  return hiddenBody(body)
}

const written = (text: string, { bytes }: RecordedBody): RecordedBody => ({
  text: Buffer.from(text, 'utf8').toString('latin1'),
  bytes,
})

function wholeText(body: RecordedBody, headers: readonly (readonly [string, string])[]): string | null {
  if (body.text.length < body.bytes) return null
  if (!/^(?:identity)?$/i.test(fieldOf(headers, 'content-encoding').trim())) return null
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(body.text, 'latin1'))
  } catch {
    return null
  }
}

/** By type and by look; null where they differ, or where neither says. */
function formOf(text: string, contentType: string): 'json' | 'xml' | null {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const said = /[/+](?:json|[\w.-]+json)$/.test(type) ? 'json' : /[/+]xml$/.test(type) ? 'xml' : null
  const start = text.trimStart().charAt(0)
  const seen = start === '{' || start === '[' ? 'json' : start === '<' ? 'xml' : null
  return said === null || seen === null || said === seen ? (said ?? seen) : null
}

function maskJson(text: string, paths: readonly string[]): string {
  const document: { readonly root: unknown } = { root: JSON.parse(text) }
  // As many as there are at most: each but the first stands behind one of these.
  const nodes = (text.match(/[,[{]/g) ?? []).length + 1
  // All are asked about the body as it came; then what they found is hidden, the innermost first.
  const found = inTime(paths, (path) => {
    checkJsonPath(path)
    if (nodes > mostNodes && isCostlyJson(path)) throw new RangeError(`more than ${mostNodes} nodes`)
    return [...jsonpath.query(path, document.root as never)].map(({ location }) => location)
  })
  for (const location of found.toSorted((one, other) => other.length - one.length)) {
    let holder: unknown = document
    const steps = ['root', ...location]
    for (const step of steps.slice(0, -1)) holder = (holder as Record<string | number, unknown>)[step]
    // Not by assignment: a member may be called __proto__.
    Object.defineProperty(holder, steps.at(-1) as string | number, {
      value: hiddenAs,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return JSON.stringify(document.root)
}

function maskXml(text: string, masks: BodyMasks): string {
  // Entities of a document's own are another text than the one that is read.
  if (/<!DOCTYPE/i.test(text)) throw new SyntaxError('a document type')
  const document = new DOMParser({ onError: onWarningStopParsing }).parseFromString(text, 'text/xml')
  // As many as there are at most: each begins with one of these.
  const nodes = (text.match(/[<=]/g) ?? []).length
  const hidden = inTime(masks.xPaths, (path) => {
    // With that many nodes, texts of nodes that are in each other.
    if (Math.min(nodes, mostNodes) * text.length * looksOf(path) > mostText) throw new RangeError('too much text')
    return found(document, path, masks.namespaces, nodes)
  })
  for (const node of hidden) hideNode(node)
  return new XMLSerializer().serializeToString(document)
}

function found(
  document: Document,
  path: string,
  namespaces: Readonly<Record<string, string>>,
  nodes: number,
): readonly Node[] {
  checkXPathCost(path)
  if (nodes > mostNodes && isCostly(path)) throw new RangeError(`more than ${mostNodes} nodes`)
  return selectNodes(document, path, namespaces)
}

function hideNode(node: Node): void {
  switch (node.nodeType) {
    case Node.ELEMENT_NODE:
      node.textContent = hiddenAs
      return
    case Node.ATTRIBUTE_NODE:
      ;(node as Node & { value: string }).value = hiddenAs
      node.nodeValue = hiddenAs
      return
    case Node.TEXT_NODE:
    case Node.CDATA_SECTION_NODE:
    case Node.COMMENT_NODE:
    case Node.PROCESSING_INSTRUCTION_NODE:
      node.nodeValue = hiddenAs
      ;(node as Node & { data: string }).data = hiddenAs
      return
    default:
      // The document: nothing of it is to be seen.
      throw new SyntaxError(`a node of type ${node.nodeType}`)
  }
}

/*
 * I10. Bodies are the caller's and come to the main thread: a path that looks at a whole document for each of its nodes would
 * let him stall it. What is refused here hides the body whole.
 */

/** Of a document, for paths that take more than one look at it. */
const mostNodes = 500
/** Characters of the texts of nodes that one path may look at. */
const mostText = 2e8
/** Ms for all paths of one body; looked at between them. */
const mostTime = 250

function inTime<T>(paths: readonly string[], find: (path: string) => readonly T[]): readonly T[] {
  const start = performance.now()
  return paths.flatMap((path) => {
    if (performance.now() - start > mostTime) throw new RangeError(`longer than ${mostTime} ms`)
    return find(path)
  })
}

/** Throws where it is none, or may take too long: patterns, descents within descents, filters that begin at the root. */
export function checkJsonPath(path: string): void {
  const plain = withoutJsonTexts(path)
  if (/\b(?:match|search)\s*\(/.test(plain)) throw new SyntaxError('functions with patterns are not allowed')
  if (plain.lastIndexOf('$') > 0) throw new SyntaxError('a filter may not begin at the root')
  checkDescents(path, plain.match(/\.\./g)?.length ?? 0)
  const most = /[*?:]|\.\./.test(plain) ? 16 : 1024
  if (selections(plain) > most) throw new SyntaxError(`more than ${most} selections of the same nodes`)
  jsonpath.compile(path)
}

/** `[*,*][*,*]` finds everything four times. */
function selections(plain: string): number {
  let product = 1
  const open: number[] = []
  for (const char of plain) {
    if (char === '[') open.push(1)
    else if (char === ',' && open.length > 0) open.push((open.pop() ?? 0) + 1)
    else if (char === ']') product *= open.pop() ?? 1
  }
  return product
}

/** Takes more than one look at the document, or finds the same nodes more than once. */
function isCostlyJson(path: string): boolean {
  const plain = withoutJsonTexts(path)
  return (plain.match(/\.\./g)?.length ?? 0) > 1 || (plain.includes(',') && /[*?:]|\.\./.test(plain))
}

/** Throws where it may take too long. A step back leads to the same nodes again and again. */
export function checkXPathCost(path: string): void {
  const plain = withoutTexts(path)
  if (/\.\.|\bparent\s*::/.test(plain)) throw new SyntaxError('steps to the parent are not allowed')
  checkDescents(path, plain.match(descent)?.length ?? 0)
}

/** Takes more than one look at the document. */
function isCostly(path: string): boolean {
  const plain = withoutTexts(path)
  return plain.includes('[') || plain.includes('(') || (plain.match(descent)?.length ?? 0) > 1
}

/** How often the text of a node may be made for it: each call and each predicate may, of the whole document below. */
const looksOf = (path: string): number => withoutTexts(path).match(/[[(,]/g)?.length ?? 0

const descent = /\/\/|\b(?:descendant|ancestor|following|preceding)(?:-or-self|-sibling)?\s*::/g

/** XPath knows no escape in a text; JSONPath does. */
const withoutTexts = (path: string): string => path.replace(/"[^"]*"|'[^']*'/g, "''")
const withoutJsonTexts = (path: string): string => path.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, "''")

function checkDescents(path: string, descents: number): void {
  if (path.length > 1024) throw new SyntaxError('longer than 1024 characters')
  if (descents > 2) throw new SyntaxError('more than two descents')
}
