import { randomBytes } from 'node:crypto'
import type { RecordedFault, RecordedTransaction, TraceContext } from '../observe/recording.ts'
import type { Attempt } from './attempts.ts'
import type { Span, SpanEvent } from './messages.ts'

import { attemptsOf } from './attempts.ts'
import { failedParts, type Part, partsOf } from './connection-spans.ts'
import { type AttributeValue, attributes, text, unixNano } from './messages.ts'
import { hostPort, httpVersion, urlParts } from './places.ts'
import { redactUrl } from './redact.ts'
import {
  errorType,
  faultAttributes,
  faultEventAttributes,
  methodAttributes,
  methodName,
  serverAttributes,
} from './span-attributes.ts'

type Values = Readonly<Record<string, AttributeValue>>

/**
 * The spans of one request, its own first: what was done for it beneath that one, in the order it began. A request in no
 * distributed trace has none.
 */
export function spansOf(transaction: RecordedTransaction, newId: () => string = randomId): readonly Span[] {
  const { context } = transaction
  if (context === null) return []
  const child = childrenOf(transaction, context, newId)
  const attempts = attemptsOf(transaction)
  const sent = attempts.filter(({ sentAt }) => sentAt !== null)
  return [
    serverSpan(transaction, context),
    ...attempts.flatMap((attempt): readonly Span[] => {
      const resends = sent.indexOf(attempt)
      return [
        ...connectionParts(transaction, attempt).map((part) =>
          child(part.name, 1, part, part.attributes, part.error === '' ? null : part.error, []),
        ),
        ...(resends === -1 ? [] : [clientSpan(transaction, attempt, resends, resends === sent.length - 1, child)]),
      ]
    }),
  ]
}

/** W3C Trace Context section 3.2.2.4: 8 bytes, not all zero. */
function randomId(): string {
  for (;;) {
    const id = randomBytes(8).toString('hex')
    if (!/^0+$/.test(id)) return id
  }
}

function serverSpan(transaction: RecordedTransaction, context: TraceContext): Span {
  const { method, proxy, startedAt, totalMs, fault, status, steps } = transaction
  // The conventions leave 4xx of a server unset: the client is at fault. A fault with another status cut the answer off.
  const failed = status >= 500 || (fault !== null && status < 400)
  const shown = steps.filter((step) => step.type === 'fault')
  const events = shown.map((step) => faultEvent(startedAt + Math.min(step.at, totalMs), step.fault))
  const route = proxy === null ? '' : ` ${proxy.basePath}`
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    ...(context.state === '' ? {} : { traceState: context.state }),
    ...(context.parentId === '' ? {} : { parentSpanId: context.parentId }),
    flags: flagsOf(context) | (context.parentId === '' ? 0 : parentIsRemote),
    name: text(`${methodName(method)}${route}`),
    kind: 2,
    startTimeUnixNano: unixNano(startedAt),
    endTimeUnixNano: unixNano(startedAt + totalMs),
    attributes: attributes({
      ...serverAttributes(transaction),
      ...(failed ? { 'error.type': fault === null ? String(status) : errorType(fault) } : {}),
    }),
    ...eventsOf(events.length > 0 || fault === null ? events : [faultEvent(startedAt + totalMs, fault)]),
    ...(failed ? statusOf(fault?.summary ?? '') : {}),
  }
}

function clientSpan(
  transaction: RecordedTransaction,
  attempt: Attempt,
  resends: number,
  last: boolean,
  child: ReturnType<typeof childrenOf>,
): Span {
  const { method, startedAt, backend, context } = transaction
  const { connection, fault, response } = attempt
  const status = response?.status || (last ? (backend?.status ?? 0) : 0)
  const failed = fault !== null || status >= 400
  const from = startedAt + (connection?.at ?? attempt.sentAt ?? attempt.startedAt)
  const peer = hostPort(connection?.story.address ?? (last ? (backend?.address ?? '') : ''))
  const values: Values = {
    ...methodAttributes(method),
    ...urlAttributes(transaction, attempt, last),
    'http.response.status_code': status === 0 ? null : status,
    'http.request.resend_count': resends === 0 ? null : resends,
    'network.peer.address': peer.host,
    'network.peer.port': peer.port,
    'network.protocol.version': httpVersion(response?.protocol ?? (last ? (backend?.protocol ?? '') : '')),
    'postern.target': attempt.target,
    'postern.server': attempt.server,
    'postern.connection.reused': connection?.reused,
    'postern.connection.uses': connection?.uses,
    'postern.trust.snapshot': connection?.story.tls?.snapshot,
    ...(fault === null ? {} : faultAttributes(fault)),
    ...(failed ? { 'error.type': fault === null ? String(status) : errorType(fault) } : {}),
  }
  const events = [
    ...(attempt.tunnelAt === null
      ? []
      : [{ timeUnixNano: unixNano(startedAt + attempt.tunnelAt), name: 'tunnel', attributes: [] }]),
    ...(fault === null ? [] : [faultEvent(startedAt + attempt.endedAt, fault)]),
  ]
  const to = startedAt + attempt.endedAt
  const id = last ? (context?.upstreamSpanId ?? '') : ''
  return child(methodName(method), 3, { from, to }, values, failed ? (fault?.summary ?? '') : null, events, id)
}

/** Of the try whose response counts, the URL is known; of the others, the server. */
function urlAttributes({ backend }: RecordedTransaction, { server }: Attempt, last: boolean): Values {
  if (backend === null) return { 'server.address': hostPort(server).host, 'server.port': hostPort(server).port }
  const url = urlParts(backend.url)
  const named = hostPort(server)
  const authority = last || named.port === null ? url.authority : server
  const { host, port } = hostPort(authority)
  return {
    'server.address': host,
    'server.port': port ?? (url.scheme === 'https' ? 443 : 80),
    'url.full':
      url.scheme === ''
        ? ''
        : redactUrl(`${url.scheme}://${authority}${url.path}${url.query === '' ? '' : `?${url.query}`}`),
  }
}

function connectionParts({ startedAt }: RecordedTransaction, attempt: Attempt): readonly Part[] {
  const { connection, failedDial } = attempt
  if (failedDial !== null) {
    const { story, fault, at } = failedDial
    return failedParts(story, fault, startedAt + attempt.startedAt, startedAt + at)
  }
  return connection === null || connection.reused ? [] : partsOf(connection.story)
}

/** Makes spans beneath the request's own: within its time, though a connection may have been begun before it. */
function childrenOf({ startedAt, totalMs }: RecordedTransaction, context: TraceContext, newId: () => string) {
  const end = startedAt + totalMs
  return (
    name: string,
    kind: 1 | 3,
    time: { readonly from: number; readonly to: number },
    values: Values,
    /** null: it went well; '' where the attributes say why it did not. */
    error: string | null,
    events: readonly SpanEvent[],
    id = '',
  ): Span => {
    const from = Math.min(Math.max(time.from, startedAt), end)
    return {
      traceId: context.traceId,
      spanId: id === '' ? newId() : id,
      ...(context.state === '' ? {} : { traceState: context.state }),
      parentSpanId: context.spanId,
      flags: flagsOf(context),
      name,
      kind,
      startTimeUnixNano: unixNano(from),
      endTimeUnixNano: unixNano(Math.min(Math.max(time.to, from), end)),
      attributes: attributes(values),
      ...eventsOf(events),
      ...(error === null ? {} : statusOf(error)),
    }
  }
}

/** SpanFlags of `trace.proto`: the flags of the trace, and that it is known whether the parent is remote. */
const parentIsKnown = 0x100
const parentIsRemote = 0x200

function flagsOf({ sampled }: TraceContext): number {
  return (sampled ? 1 : 0) | parentIsKnown
}

function faultEvent(at: number, fault: RecordedFault): SpanEvent {
  return { timeUnixNano: unixNano(at), name: 'fault', attributes: attributes(faultEventAttributes(fault)) }
}

function eventsOf(events: readonly SpanEvent[]): Pick<Span, 'events'> {
  return events.length === 0 ? {} : { events }
}

function statusOf(message: string): Pick<Span, 'status'> {
  return { status: message === '' ? { code: 2 } : { message: text(message), code: 2 } }
}
