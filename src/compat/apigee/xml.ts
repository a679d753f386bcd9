import { parseXml, XmlElement as ParsedElement, XmlError, XmlText } from '@rgrove/parse-xml'

/** An element with what it holds; comments, processing instructions and the difference of CDATA and text are gone. */
export interface XmlElement {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly elements: readonly XmlElement[]
  /** Its own text without that of its elements, not trimmed. */
  readonly text: string
  /** Of its first character, from 1. */
  readonly line: number
  readonly column: number
}

export type XmlFault = 'xml-malformed' | 'xml-doctype' | 'xml-too-deep' | 'xml-too-large' | 'xml-encoding'

export type ReadXml =
  | { readonly ok: true; readonly root: XmlElement }
  | {
      readonly ok: false
      readonly code: XmlFault
      readonly message: string
      readonly line: number
      readonly column: number
    }

/** I10: the parser calls itself for every level. */
const xmlLimits = { bytes: 1024 * 1024, depth: 100 }

/**
 * A document of a bundle. UTF-8 only, and no document type: entities of its own are the way to bombs and to other
 * people's files, and nothing that Edge reads needs them.
 */
export function readXml(bytes: Uint8Array): ReadXml {
  if (bytes.length > xmlLimits.bytes) {
    return refused('xml-too-large', `the document has ${bytes.length} bytes; at most ${xmlLimits.bytes} are read`)
  }
  const decoded = decode(bytes)
  if (typeof decoded !== 'string') return decoded
  // Line ends are one character to XML (section 2.11), and so to the lines that are counted here.
  const text = decoded.replace(/\r\n?/g, '\n')
  const lines = lineStarts(text)
  const hazard = findHazard(text)
  if (hazard !== null) return refused(hazard.code, hazard.message, placeOf(lines, hazard.offset))
  try {
    const root = parseXml(text, { includeOffsets: true }).root
    if (root === null) return refused('xml-malformed', 'the document has no element')
    return { ok: true, root: element(root, lines) }
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
    const message = error.message.split('\n', 1)[0]?.replace(/ \(line \d+, column \d+\)$/, '') ?? ''
    return refused('xml-malformed', `not well-formed XML: ${message}`, error)
  }
}

function decode(bytes: Uint8Array): string | (ReadXml & { readonly ok: false }) {
  const [first, second] = bytes
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return refused('xml-encoding', 'the document is in UTF-16; save it as UTF-8')
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    const { line, column, value } = firstBad(bytes)
    const message = `the document is not in UTF-8: it has the byte 0x${value.toString(16)} where none can be; save it as UTF-8`
    return refused('xml-encoding', message, { line, column })
  }
  const declared = /^<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([^"']{0,40})["']/.exec(text)?.[1] ?? 'UTF-8'
  // The same text in any of these, as long as there is ASCII alone.
  // oxlint-disable-next-line no-control-regex
  const sameText = /^(?:us-ascii|iso-8859-\d+|windows-125\d)$/i.test(declared) && /^[\u0000-\u007f]*$/.test(text)
  if (/^utf-?8$/i.test(declared) || sameText) return text
  return refused('xml-encoding', `the document says it is in ${declared}; save it as UTF-8, and say so`)
}

/** Where the longest good beginning ends. */
function firstBad(bytes: Uint8Array): { line: number; column: number; value: number } {
  const good = new TextDecoder('utf-8').decode(bytes)
  const at = Buffer.byteLength(good.slice(0, Math.max(0, good.indexOf('\ufffd'))), 'utf8')
  const before = Buffer.from(bytes.subarray(0, at)).toString('latin1').split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, value: bytes[at] ?? 0 }
}

/** What must not reach the parser. Reads tags as it does, so that what it takes is never nested deeper than counted here. */
function findHazard(text: string): { code: XmlFault; message: string; offset: number } | null {
  let depth = 0
  let at = text.indexOf('<')
  while (at !== -1) {
    const skipped = skip(text, at)
    if (skipped === 'doctype') {
      const message = 'the document has a document type (<!DOCTYPE ...>), which may define entities; leave it out'
      return { code: 'xml-doctype', message, offset: at }
    }
    // Something does not end: the parser says what.
    if (skipped === -1) return null
    if (/[A-Za-z_:\u0080-\uffff]/.test(text.charAt(at + 1)) && text.charAt(skipped - 2) !== '/') depth++
    if (text.charAt(at + 1) === '/') depth--
    if (depth > xmlLimits.depth) {
      const message = `elements are nested more than ${xmlLimits.depth} levels deep`
      return { code: 'xml-too-deep', message, offset: at }
    }
    at = text.indexOf('<', skipped)
  }
  return null
}

/** After what begins at `at`; -1 where it does not end. */
function skip(text: string, at: number): number | 'doctype' {
  const after = (end: string, from: number): number => {
    const found = text.indexOf(end, from)
    return found === -1 ? -1 : found + end.length
  }
  if (text.startsWith('<!--', at)) return after('-->', at + 4)
  if (text.startsWith('<![CDATA[', at)) return after(']]>', at + 9)
  if (text.startsWith('<?', at)) return after('?>', at + 2)
  if (text.startsWith('<!', at)) return 'doctype'
  for (let index = at + 1; index < text.length; index++) {
    const char = text.charAt(index)
    if (char === '>') return index + 1
    if (char !== '"' && char !== "'") continue
    index = text.indexOf(char, index + 1)
    if (index === -1) return -1
  }
  return -1
}

function element(parsed: ParsedElement, lines: readonly number[]): XmlElement {
  let text = ''
  const elements: XmlElement[] = []
  for (const child of parsed.children) {
    if (child instanceof XmlText) text += child.text
    else if (child instanceof ParsedElement) elements.push(element(child, lines))
  }
  const attributes = new Map(Object.entries(parsed.attributes))
  return { name: parsed.name, attributes, elements, text, ...placeOf(lines, parsed.start) }
}

function lineStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

function placeOf(starts: readonly number[], offset: number): { line: number; column: number } {
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((starts[middle] ?? 0) <= offset) low = middle
    else high = middle - 1
  }
  return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 }
}

function refused(
  code: XmlFault,
  message: string,
  { line, column }: { readonly line: number; readonly column: number } = { line: 1, column: 1 },
): ReadXml & { readonly ok: false } {
  return { ok: false, code, message, line, column }
}
