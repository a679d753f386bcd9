import { parseXml, XmlElement, XmlError, XmlText } from '@rgrove/parse-xml'
import type { EdgeAccess, EdgePair, EdgePoint, EdgeResult, EdgeSession, EdgeTransaction } from './edge-model.ts'
import { readEdgeTime } from './edge-time.ts'
import { importLimits, TraceFileError } from './import-error.ts'

/** An offline file of Edge (apigee-edge.md 4.4). Throws TraceFileError with the place of what is wrong. */
export function readSessionXml(text: string): EdgeSession {
  const root = rootOf(text)
  if (root.name !== 'DebugSession') {
    throw new TraceFileError('', `the root element is ${root.name.slice(0, 64)}, it must be DebugSession`)
  }
  const retrieved = textOf(only(root, 'Retrieved', 'DebugSession'))
  const messages = elementsOf(only(root, 'Messages', 'DebugSession'))
  bounded(messages.length, importLimits.transactions, 'DebugSession/Messages', 'transactions')
  const field = (name: string): string => textOf(only(root, name, 'DebugSession'))
  return {
    retrieved: dateOf(retrieved, 'DebugSession/Retrieved'),
    organization: field('Organization'),
    environment: field('Environment'),
    api: field('API'),
    revision: field('Revision'),
    sessionId: field('SessionId'),
    transactions: messages.map((each, at) => messageOf(each, `DebugSession/Messages/Message[${at + 1}]`)),
  }
}

export function dateOf(text: string, place: string): number {
  const at = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw new TraceFileError(place, 'no ISO time in UTC')
  return at
}

export function bounded(count: number, most: number, place: string, what: string): void {
  if (count > most) throw new TraceFileError(place, `${count} ${what}, at most ${most} are read`)
}

function rootOf(text: string): XmlElement {
  try {
    const { root } = parseXml(withReturns(text))
    if (root !== null) return root
  } catch (error) {
    // The parser calls itself for every level.
    if (error instanceof RangeError) throw new TraceFileError('', 'elements nest too deep', error)
    if (!(error instanceof XmlError)) throw error
    const message = error.message.split('\n', 1)[0] ?? ''
    throw new TraceFileError('', `not well-formed XML: ${message.slice(0, 200)}`, error)
  }
  throw new TraceFileError('', 'not well-formed XML: there is no element')
}

/**
 * The parser takes a carriage return that was written as a reference for a line end, which it is not (section 2.11). Until
 * it has read the file, a noncharacter stands for it.
 */
function withReturns(file: string): string {
  const text = file.replaceAll(standIn, '\ufffd')
  let read = ''
  // In CDATA a reference is text. Not by one pattern: it would look for the end of each again and again.
  for (let at = 0; at < text.length; ) {
    const start = text.indexOf('<![CDATA[', at)
    const end = start === -1 ? -1 : text.indexOf(']]>', start)
    const markup = text.slice(at, end === -1 ? text.length : start)
    read += markup.replace(/&#(?:0*13|x0*[dD]);/g, standIn)
    if (end === -1) break
    read += text.slice(start, end)
    at = end
  }
  return read
}

const standIn = '\ufdd0'

const plain = (text: string): string => text.replaceAll(standIn, '\r')

function messageOf(message: XmlElement, place: string): EdgeTransaction {
  const data = only(message, 'Data', place)
  const completed = flagOf(textOf(only(data, 'Completed', `${place}/Data`)), `${place}/Data/Completed`)
  const points = elementsOf(data).filter(({ name }) => name === 'Point')
  bounded(points.length, importLimits.points, place, 'points')
  return {
    id: textOf(only(message, 'DebugId', place)),
    completed,
    points: points.map((point, at) => pointOf(point, `${place}/Data/Point[${at + 1}]`)),
  }
}

function pointOf(point: XmlElement, place: string): EdgePoint {
  const id = point.attributes['id'] ?? ''
  if (id === '') throw new TraceFileError(place, 'has no id')
  return {
    id: plain(id),
    results: elementsOf(point).map((each) => resultOf(each, `${place}/${each.name.slice(0, 64)}`)),
  }
}

function resultOf(element: XmlElement, place: string): EdgeResult {
  switch (element.name) {
    case 'DebugInfo': {
      const time = maybe(element, 'Timestamp', place)
      const at = time === null ? null : readEdgeTime(textOf(time))
      if (time !== null && at === null) throw new TraceFileError(`${place}/Timestamp`, 'is not dd-MM-yy HH:mm:ss:SSS')
      const properties = maybe(element, 'Properties', place)
      return { kind: 'DebugInfo', at, properties: properties === null ? [] : pairsOf(properties, 'Property', place) }
    }
    case 'RequestMessage':
      return {
        kind: 'RequestMessage',
        headers: headersOf(element, place),
        uri: maybeText(element, 'URI', place),
        verb: maybeText(element, 'Verb', place),
        content: maybeText(element, 'Content', place),
      }
    case 'ResponseMessage':
      return {
        kind: 'ResponseMessage',
        headers: headersOf(element, place),
        reason: maybeText(element, 'ReasonPhrase', place),
        status: maybeText(element, 'StatusCode', place),
        content: maybeText(element, 'Content', place),
      }
    case 'VariableAccess': {
      const accesses = elementsOf(element)
      bounded(accesses.length, importLimits.items, place, 'accesses')
      return { kind: 'VariableAccess', accesses: accesses.map((each) => accessOf(each, place)) }
    }
    default:
      throw new TraceFileError(place, 'is no part of a point')
  }
}

const accessKinds: Readonly<Record<string, EdgeAccess['kind']>> = { Get: 'get', Set: 'set', Remove: 'remove' }

function accessOf(element: XmlElement, place: string): EdgeAccess {
  const kind = Object.hasOwn(accessKinds, element.name) ? accessKinds[element.name] : undefined
  if (kind === undefined) throw new TraceFileError(`${place}/${element.name.slice(0, 64)}`, 'is not Get, Set or Remove')
  const { name = '', value, success } = element.attributes
  return {
    kind,
    name: plain(name),
    value: value === undefined ? null : plain(value),
    success: kind === 'set' && success !== 'false',
  }
}

function headersOf(element: XmlElement, place: string): readonly EdgePair[] {
  const headers = maybe(element, 'Headers', place)
  return headers === null ? [] : pairsOf(headers, 'Header', place)
}

function pairsOf(element: XmlElement, tag: string, place: string): readonly EdgePair[] {
  const children = elementsOf(element)
  bounded(children.length, importLimits.items, place, 'items')
  return children.map((each): EdgePair => {
    if (each.name !== tag) throw new TraceFileError(`${place}/${element.name}`, `has another child than ${tag}`)
    const name = each.attributes['name']
    if (name === undefined) throw new TraceFileError(`${place}/${element.name}/${tag}`, 'has no name')
    return [plain(name), textOf(each)]
  })
}

function flagOf(text: string, place: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  throw new TraceFileError(place, 'is neither true nor false')
}

function only(parent: XmlElement, name: string, place: string): XmlElement {
  const found = maybe(parent, name, place)
  if (found === null) throw new TraceFileError(place, `has no ${name}`)
  return found
}

function maybe(parent: XmlElement, name: string, place: string): XmlElement | null {
  const found = elementsOf(parent).filter((each) => each.name === name)
  if (found.length > 1) throw new TraceFileError(place, `has more than one ${name}`)
  return found[0] ?? null
}

function maybeText(parent: XmlElement, name: string, place: string): string {
  const found = maybe(parent, name, place)
  return found === null ? '' : textOf(found)
}

const elementsOf = (element: XmlElement): readonly XmlElement[] =>
  element.children.filter((child) => child instanceof XmlElement)

/** As it stands: white space of a body is part of it. */
const textOf = (element: XmlElement): string =>
  plain(
    element.children
      .filter((child) => child instanceof XmlText)
      .map((child) => child.text)
      .join(''),
  )
