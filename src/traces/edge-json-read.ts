import type { EdgeAccess, EdgePair, EdgePoint, EdgeResult, EdgeSession, EdgeTransaction } from './edge-model.ts'
import { readEdgeTime } from './edge-time.ts'
import { bounded, dateOf } from './edge-xml-read.ts'
import { importLimits, TraceFileError } from './import-error.ts'

/** An offline file of Apigee X, in either spelling (apigee-edge.md 4.5). Throws TraceFileError with the place. */
export function readSessionJson(text: string): EdgeSession {
  const file = objectOf(parsed(text), 'file')
  const head = objectOf(file['DebugSession'], 'DebugSession')
  const messages = listOf(file['Messages'], 'Messages')
  bounded(messages.length, importLimits.transactions, 'Messages', 'transactions')
  const field = (name: string): string => textOf(head[name], `DebugSession.${name}`)
  return {
    retrieved: dateOf(field('Retrieved'), 'DebugSession.Retrieved'),
    organization: field('Organization'),
    environment: field('Environment'),
    api: field('API'),
    revision: field('Revision'),
    sessionId: field('SessionId'),
    transactions: messages.map((each, at) => messageOf(each, at)),
  }
}

type Fields = Readonly<Record<string, unknown>>

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new TraceFileError('', 'not JSON', error)
  }
}

/** Files of X carry no id of a transaction; its place stands for it. */
function messageOf(value: unknown, at: number): EdgeTransaction {
  const place = `Messages[${at}]`
  const message = objectOf(value, place)
  const { completed } = message
  if (typeof completed !== 'boolean') throw new TraceFileError(`${place}.completed`, 'is neither true nor false')
  const points = listOf(message['point'], `${place}.point`)
  bounded(points.length, importLimits.points, place, 'points')
  return {
    id: message['DebugId'] === undefined ? `${at + 1}` : textOf(message['DebugId'], `${place}.DebugId`),
    completed,
    points: points.map((each, index) => pointOf(each, `${place}.point[${index}]`)),
  }
}

function pointOf(value: unknown, place: string): EdgePoint {
  const point = objectOf(value, place)
  const id = textOf(point['id'], `${place}.id`)
  if (id === '') throw new TraceFileError(`${place}.id`, 'is empty')
  const results = listOf(point['results'] ?? [], `${place}.results`)
  bounded(results.length, importLimits.items, place, 'results')
  return { id, results: results.map((each, at) => resultOf(objectOf(each, `${place}.results[${at}]`), place, at)) }
}

function resultOf(result: Fields, point: string, at: number): EdgeResult {
  const place = `${point}.results[${at}]`
  const kind = either(result, 'ActionResult', 'actionResult')
  switch (kind) {
    case 'DebugInfo': {
      const holder = result['properties'] === undefined ? {} : objectOf(result['properties'], `${place}.properties`)
      const properties = pairsOf(either(holder, 'property', 'properties') ?? [], `${place}.properties`)
      return { kind, at: timeOf(result['timestamp'], place), properties: toFirst(properties) }
    }
    case 'RequestMessage':
      return {
        kind,
        headers: pairsOf(result['headers'] ?? [], `${place}.headers`),
        uri: maybeText(either(result, 'uRI', 'uri'), `${place}.uRI`),
        verb: maybeText(result['verb'], `${place}.verb`),
        content: maybeText(result['content'], `${place}.content`),
      }
    case 'ResponseMessage':
      return {
        kind,
        headers: pairsOf(result['headers'] ?? [], `${place}.headers`),
        reason: maybeText(result['reasonPhrase'], `${place}.reasonPhrase`),
        status: maybeText(result['statusCode'], `${place}.statusCode`),
        content: maybeText(result['content'], `${place}.content`),
      }
    case 'VariableAccess': {
      const accesses = listOf(result['accessList'] ?? [], `${place}.accessList`)
      bounded(accesses.length, importLimits.items, place, 'accesses')
      return { kind, accesses: accesses.map((each, index) => accessOf(each, `${place}.accessList[${index}]`)) }
    }
    default:
      throw new TraceFileError(`${place}.ActionResult`, 'is none that is known')
  }
}

function accessOf(value: unknown, place: string): EdgeAccess {
  const access = objectOf(value, place)
  // X says Get and Set with a capital in some files.
  const found = (['get', 'set', 'remove'] as const).flatMap((kind) => {
    const held = either(access, kind, `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`)
    return held === undefined || held === null ? [] : [[kind, objectOf(held, `${place}.${kind}`)] as const]
  })
  const [first, second] = found
  if (first === undefined || second !== undefined) throw new TraceFileError(place, 'has not one of get, set and remove')
  const [kind, { name, value: held, success }] = first
  return {
    kind,
    name: textOf(name, `${place}.${kind}.name`),
    value: held === undefined || held === null ? null : textOf(held, `${place}.${kind}.value`),
    success: kind === 'set' && success !== false && success !== 'false',
  }
}

function timeOf(value: unknown, place: string): number | null {
  if (value === undefined || value === null) return null
  const at = readEdgeTime(textOf(value, `${place}.timestamp`))
  if (at === null) throw new TraceFileError(`${place}.timestamp`, 'is not dd-MM-yy HH:mm:ss:SSS')
  return at
}

function pairsOf(value: unknown, place: string): readonly EdgePair[] {
  const list = listOf(value, place)
  bounded(list.length, importLimits.items, place, 'items')
  return list.map((each, at): EdgePair => {
    const { name, value: held } = objectOf(each, `${place}[${at}]`)
    return [textOf(name, `${place}[${at}].name`), maybeText(held, `${place}[${at}].value`)]
  })
}

function toFirst(properties: readonly EdgePair[]): readonly EdgePair[] {
  const [from, to, ...rest] = properties
  return from?.[0] === 'From' && to?.[0] === 'To' ? [to, from, ...rest] : properties
}

/** The first of two spellings that is there. */
function either(fields: Fields, one: string, other: string): unknown {
  return Object.hasOwn(fields, one) ? fields[one] : Object.hasOwn(fields, other) ? fields[other] : undefined
}

function objectOf(value: unknown, place: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw new TraceFileError(place, 'is no object')
}

function listOf(value: unknown, place: string): readonly unknown[] {
  if (Array.isArray(value)) return value as readonly unknown[]
  throw new TraceFileError(place, 'is no list')
}

function textOf(value: unknown, place: string): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw new TraceFileError(place, 'is no text')
}

const maybeText = (value: unknown, place: string): string =>
  value === undefined || value === null ? '' : textOf(value, place)
