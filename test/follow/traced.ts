import type { RecordedTransaction } from '../../src/observe/recording.ts'
import { parseXml, XmlElement, type XmlNode } from '@rgrove/parse-xml'
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, get } from '../scenarios/lab-gateway.ts'
import type { Case } from './cases.ts'
import type { Rig } from './rig.ts'

/** A request that was sent under a debug session, and what the session has of it. */
export interface Traced {
  readonly answer: Answer
  readonly id: string
  /** The session that has it; of Edge's, its path. */
  readonly session: string
  readonly edgeSession: string | null
  readonly summary: {
    readonly code: string
    readonly faultCode: string
    readonly target: string
    readonly status: number
  }
  readonly recorded: RecordedTransaction
  /** What each way to read it says; by name. */
  readonly shown: Readonly<Record<string, readonly Point[]>>
}

export interface Point {
  readonly id: string
  readonly properties: readonly (readonly [name: string, value: string])[]
}

const idHeaders = { native: 'x-request-id', apigee: 'x-apigee-message-id', apim: 'x-request-id' } as const

const place = '/api/organizations/acme/environments/test'

/** Under a session by Edge's API, as its clients have them, or by ours. */
export async function askTraced(rig: Rig, wanted: Case, api: 'edge' | 'native'): Promise<Traced> {
  const session = api === 'edge' ? await startByEdge(rig, wanted) : await startByNative(rig, wanted)
  const answer = await get(rig.gateway.port, `${wanted.path}/orders/7?since=1`)
  const id = answer.headers[idHeaders[wanted.profile]] ?? ''
  assert.notEqual(id, '', `${wanted.proxy} names the request to its client`)
  const { trace, transaction: summary } = await foundIn(rig, id)
  const native = `${place}/traces/${trace.id}`
  const { transaction: recorded, edge } = await readJson<{ transaction: RecordedTransaction; edge: JsonMessage }>(
    rig,
    `${native}/transactions/${id}`,
  )
  const shown: Record<string, readonly Point[]> = { 'native JSON': fromJson(edge) }
  if (session.edge !== null) {
    assert.deepEqual(await readJson(rig, `${session.edge}/data`), [id])
    const path = `${session.edge}/data/${id}`
    shown['Edge JSON'] = fromJson(await readJson<JsonMessage>(rig, path))
    const { text } = await rig.call('GET', path, undefined, 'application/xml')
    shown['Edge XML'] = fromXml(text)
  } else {
    shown['offline XML'] = fromXml((await rig.call('GET', `${native}/export?format=xml`)).text)
    const { Messages } = await readJson<{ Messages: readonly (JsonMessage & { DebugId: string })[] }>(
      rig,
      `${native}/export?format=json`,
    )
    assert.deepEqual(
      Messages.map(({ DebugId }) => DebugId),
      [id],
    )
    shown['offline JSON'] = Messages.flatMap(fromJson)
  }
  return { answer, id, session: trace.id, edgeSession: session.edge, summary, recorded, shown }
}

/** The first value of a property. */
export function propertyOf(points: readonly Point[], wanted: string): string | null {
  for (const { properties } of points) for (const [name, value] of properties) if (name === wanted) return value
  return null
}

interface Started {
  /** Of Edge's API. */
  readonly edge: string | null
}

/** Makes room for others; what it has of requests goes with it. */
export async function endSession(rig: Rig, { edgeSession }: Traced): Promise<void> {
  if (edgeSession !== null) assert.equal((await rig.call('DELETE', edgeSession)).status, 200)
}

async function startByEdge(rig: Rig, { proxy }: Case): Promise<Started> {
  const sessions = `/v1/organizations/acme/environments/test/apis/${proxy}/revisions/1/debugsessions`
  const { status, text } = await rig.call('POST', `${sessions}?session=follow`)
  assert.equal(status, 201, text)
  return { edge: `${sessions}/follow` }
}

async function startByNative(rig: Rig, { proxy }: Case): Promise<Started> {
  // It ends with its one transaction, and makes room.
  const { status, text } = await rig.call('POST', `${place}/traces`, { proxy, maxTransactions: 1 })
  assert.equal(status, 201, text)
  return { edge: null }
}

interface Found {
  readonly trace: { readonly id: string }
  readonly transaction: Traced['summary']
}

async function foundIn(rig: Rig, id: string): Promise<Found> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const { found } = await readJson<{ found: readonly Found[] }>(rig, `/api/traces?requestId=${id}`)
    if (found[0] !== undefined) return found[0]
    await sleep(20)
  }
  throw new Error(`no debug session has ${id}`)
}

async function readJson<T>(rig: Rig, path: string): Promise<T> {
  const { status, text } = await rig.call('GET', path)
  assert.equal(status, 200, `${path}: ${text}`)
  return JSON.parse(text) as T
}

interface JsonMessage {
  readonly point: readonly {
    readonly id: string
    readonly results: readonly {
      readonly properties?: { readonly property: readonly { readonly name: string; readonly value: string }[] }
    }[]
  }[]
}

function fromJson({ point }: JsonMessage): readonly Point[] {
  return point.map(({ id, results }) => ({
    id,
    properties: results.flatMap(
      ({ properties }) => properties?.property.map(({ name, value }) => [name, value] as const) ?? [],
    ),
  }))
}

/** By a parser that knows nothing of Edge. */
export function fromXml(text: string): readonly Point[] {
  return elementsOf(parseXml(text).children, 'Point').map((point) => ({
    id: point.attributes['id'] ?? '',
    properties: elementsOf(point.children, 'Property').map(
      (property) => [property.attributes['name'] ?? '', property.text] as const,
    ),
  }))
}

function elementsOf(nodes: readonly XmlNode[], name: string): readonly XmlElement[] {
  return nodes.flatMap((node) =>
    !(node instanceof XmlElement) ? [] : node.name === name ? [node] : elementsOf(node.children, name),
  )
}
