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
  // All are asked about the body as it came; then what they found is hidden, the innermost first.
  const found = paths.flatMap((path) => {
    checkJsonPath(path)
    return [...jsonpath.query(path, document.root as never)].map(({ location }) => location)
  })
  for (const location of found.sort((one, other) => other.length - one.length)) {
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
  for (const node of masks.xPaths.flatMap((path) => found(document, path, masks.namespaces))) hideNode(node)
  return new XMLSerializer().serializeToString(document)
}

function found(document: Document, path: string, namespaces: Readonly<Record<string, string>>): readonly Node[] {
  checkCost(path)
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

/** Throws where it is none, or one that may take longer than the main thread has (I10): patterns, and descents within descents. */
export function checkJsonPath(path: string): void {
  checkCost(path)
  if (/\b(?:match|search)\s*\(/.test(path)) throw new SyntaxError('functions with patterns are not allowed')
  jsonpath.compile(path)
}

/** I10: each of these looks at the whole document for each of what the one before it has found. */
export function checkCost(path: string): void {
  if (path.length > 1024) throw new SyntaxError('longer than 1024 characters')
  const descents = path.match(/\/\/|\.\.|\b(?:descendant|ancestor|following|preceding)(?:-or-self|-sibling)?\s*::/g)
  if ((descents?.length ?? 0) > 2) throw new SyntaxError('more than two descents')
}
