import type { ConnectionStory } from '../dial/story.ts'
import type { RecordedFault } from '../observe/recording.ts'
import type { AttributeValue } from './messages.ts'

import { verdictCodes } from '../verdict/codes.ts'
import { hostPort } from './places.ts'
import { errorType, tlsAttributes } from './span-attributes.ts'

/** A part of the way to a connection; times are ms since the epoch. */
export interface Part {
  readonly name: 'dns' | 'connect' | 'tls handshake'
  readonly from: number
  readonly to: number
  readonly attributes: Readonly<Record<string, AttributeValue>>
  /** '' where it went well. */
  readonly error: string
}

/** The parts of a connection that was opened. */
export function partsOf(story: ConnectionStory): readonly Part[] {
  return parts(story, story.startedAt + (story.connectMs ?? 0) + (story.tls?.ms ?? 0))
}

/** The parts of a dial that failed at `failedAt`; told by its story, else by the times among the evidence, else as one part. */
export function failedParts(
  story: ConnectionStory | null,
  fault: RecordedFault,
  began: number,
  failedAt: number,
): readonly Part[] {
  const error = fault.summary
  const failed = failureAttributes(fault)
  if (story !== null) {
    const list = parts(story, failedAt)
    return list.map((part, index) =>
      index < list.length - 1 ? part : { ...part, attributes: { ...part.attributes, ...failed }, error },
    )
  }
  const times = timingsOf(fault.evidence['timings'])
  const known = placeAttributes(fault)
  if (times === null) {
    const name = stageName(fault)
    return [{ name, from: began, to: failedAt, attributes: { ...known, ...failed }, error }]
  }
  const { startedAt, dnsMs, connectMs, handshakeMs } = times
  const ends = [
    { name: 'dns' as const, from: startedAt, ms: dnsMs },
    { name: 'connect' as const, from: startedAt + (dnsMs ?? 0), ms: connectMs && connectMs - (dnsMs ?? 0) },
    { name: 'tls handshake' as const, from: startedAt + (connectMs ?? 0), ms: handshakeMs },
  ].filter(({ ms }) => ms !== null)
  return ends.map(({ name, from, ms }, index): Part => {
    const last = index === ends.length - 1
    // Nobody knows here which server was asked for the name.
    const place = name === 'dns' ? { 'server.address': known['server.address'] } : known
    const attributes = { ...place, ...(last ? failed : {}) }
    return { name, from, to: from + Math.max(0, ms ?? 0), attributes, error: last ? error : '' }
  })
}

function parts(story: ConnectionStory, end: number): readonly Part[] {
  const { startedAt, dns, tls } = story
  const list: Part[] = []
  const common = { 'postern.target': story.target, 'postern.server': story.server }
  const named = startedAt + (dns?.ms ?? 0)
  if (dns !== null && !dns.cached) {
    const attributes = { 'server.address': dns.host, 'dns.question.name': dns.host, 'dns.answers': dns.addresses }
    list.push({ name: 'dns', from: startedAt, to: named, attributes: { ...common, ...attributes }, error: '' })
  }
  // Names that have no address are the end of it: nothing was tried.
  if (story.connectMs === null && story.attempts.length === 0 && list.length > 0) return list
  const connected = story.connectMs === null ? end : startedAt + story.connectMs
  list.push({
    name: 'connect',
    from: named,
    to: connected,
    attributes: { ...common, ...connectAttributes(story) },
    error: '',
  })
  if (tls === null) return list
  const to = tls.ms === null ? end : connected + tls.ms
  list.push({ name: 'tls handshake', from: connected, to, attributes: { ...common, ...tlsAttributes(tls) }, error: '' })
  return list
}

function connectAttributes(story: ConnectionStory): Readonly<Record<string, AttributeValue>> {
  const { host, port } = hostPort(story.address)
  const local = hostPort(story.localAddress)
  return {
    'network.peer.address': host,
    'network.peer.port': port,
    'network.local.address': local.host,
    'network.local.port': local.port,
    'network.transport': 'tcp',
    'postern.egress': story.via,
    'postern.dns.cached': story.dns?.cached,
    'postern.connect.failed_addresses': story.attempts
      .filter(({ error }) => error !== '')
      .map(({ address, error }) => `${address}: ${error}`),
  }
}

/** Of whoever could not be reached, as far as the evidence of a fault says it. */
function placeAttributes({ evidence }: RecordedFault): Readonly<Record<string, AttributeValue>> {
  const { host, port, address } = evidence
  const peer = typeof address === 'string' && address !== '' ? hostPort(address) : null
  return {
    'server.address': typeof host === 'string' ? host : null,
    'server.port': typeof port === 'number' ? port : null,
    'network.peer.address': peer?.host,
    'network.peer.port': peer?.port,
  }
}

function failureAttributes(fault: RecordedFault): Readonly<Record<string, AttributeValue>> {
  const { verdict, party, kind } = fault
  return {
    'error.type': errorType(fault),
    'postern.verdict': verdict,
    'postern.party': party,
    'postern.fault.kind': kind,
    ...(stageName(fault) === 'tls handshake' ? { 'tls.established': false } : {}),
  }
}

function stageName({ verdict }: RecordedFault): Part['name'] {
  const stage = verdict === null ? 'connect' : verdictCodes[verdict].stage
  return stage === 'dns' || stage === 'connect' ? stage : 'tls handshake'
}

/** `OpeningTimings` of the dialer; it is evidence, so nothing is taken for granted. */
function timingsOf(value: unknown): {
  readonly startedAt: number
  readonly dnsMs: number | null
  readonly connectMs: number | null
  readonly handshakeMs: number | null
} | null {
  if (typeof value !== 'object' || value === null) return null
  const number = (name: string): number | null => {
    const field: unknown = Reflect.get(value, name)
    return typeof field === 'number' && Number.isFinite(field) ? field : null
  }
  const startedAt = number('startedAt')
  if (startedAt === null) return null
  const times = {
    startedAt,
    dnsMs: number('dnsMs'),
    connectMs: number('connectMs'),
    handshakeMs: number('handshakeMs'),
  }
  return times.dnsMs === null && times.connectMs === null && times.handshakeMs === null ? null : times
}
