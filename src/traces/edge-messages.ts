import type { RecordedBody, RecordedMessage, RecordedStep, RecordedTransaction } from '../observe/recording.ts'
import { apigeeCode, edgeProxyPath, edgeSource } from '../faults/apigee.ts'
import type { EdgePair, EdgePoint, EdgeResult } from './edge-model.ts'
import { shownBody } from './shown-body.ts'

type Request = Extract<EdgeResult, { kind: 'RequestMessage' }>
type Response = Extract<EdgeResult, { kind: 'ResponseMessage' }>

/**
 * The request as it came, or as it was sent. Viewers read method and URI of it, so it is there even where no head could be
 * recorded. @param content where it is told elsewhere already, ''
 */
export function requestResult(
  transaction: RecordedTransaction,
  content?: string,
  sent: RecordedMessage | null = null,
): Request {
  const received = stepOf(transaction, 'request-received')?.message ?? null
  const message = sent ?? received
  return {
    kind: 'RequestMessage',
    headers: message?.headers ?? [],
    uri: message?.uri ?? transaction.uri,
    verb: message?.verb ?? transaction.method,
    content: content ?? shownBody(stepOf(transaction, 'request-body')?.body ?? null, message?.headers ?? []),
  }
}

/** A response head without its body. */
export function messageResult(message: RecordedMessage | null, status: number): Response {
  return {
    kind: 'ResponseMessage',
    headers: message?.headers ?? [],
    reason: message?.reason ?? '',
    status: String(message?.status ?? status),
    content: '',
  }
}

/** With its body: as it came from the backend, or as the client got it. */
export function finalMessage(transaction: RecordedTransaction, which: 'received' | 'sent'): Response {
  const received = stepOf(transaction, 'response-received')?.message ?? null
  const sent = stepOf(transaction, 'response-sent')?.message ?? null
  const own = which === 'sent' && faultBeforeHead(transaction)
  const message = which === 'received' ? received : (sent ?? (own ? null : received))
  const body = own ? bodyAfterFault(transaction.steps) : (stepOf(transaction, 'response-body')?.body ?? null)
  const result = messageResult(message, which === 'sent' ? transaction.status : (transaction.backend?.status ?? 0))
  return { ...result, content: shownBody(body, message?.headers ?? []) }
}

/** What Edge's view calls AX: the fault's headers, that its router takes away before the client (apigee-edge.md 3.4). */
export function analyticsPoint(transaction: RecordedTransaction, message: Response, at: number): EdgePoint {
  const properties: EdgePair[] = [
    ['type', 'AnalyticsPublisher'],
    ['result', 'true'],
    ['action', 'CONTINUE'],
    ['enforcement', 'response'],
    ['internal', 'true'],
  ]
  const told = new Set(analyticsHeaders(transaction).map(([name]) => name.toLowerCase()))
  const headers = [
    ...message.headers.filter(([name]) => !told.has(name.toLowerCase())),
    ...analyticsHeaders(transaction),
  ]
  return {
    id: 'Execution',
    results: [
      { kind: 'DebugInfo', at, properties },
      { ...message, headers, content: '' },
    ],
  }
}

function analyticsHeaders({ id, proxy, fault, backend }: RecordedTransaction): readonly EdgePair[] {
  const path = proxy === null ? null : edgeProxyPath(proxy.organization, proxy.environment, proxy)
  return [
    ['X-Apigee-Message-ID', id],
    ...pairs(proxy, (each) => [
      ['X-Apigee-organization', each.organization],
      ['X-Apigee-proxy', path ?? ''],
      ['X-Apigee-proxy-basepath', each.basePath],
    ]),
    ['X-Apigee-fault-flag', String(fault !== null)],
    ...pairs(fault, (each) => [
      ['X-Apigee-fault-source', edgeSource(each.kind)],
      ['X-Apigee-fault-code', apigeeCode(each)],
      ['X-Apigee-fault-policy', 'null/null'],
      ['X-Apigee-fault-revision', path ?? ''],
    ]),
    ...pairs(backend, (each) => [['X-Apigee-target-latency', String(Math.round(each.totalMs))]]),
  ]
}

const pairs = <T>(value: T | null, of: (value: T) => readonly EdgePair[]): readonly EdgePair[] =>
  value === null ? [] : of(value)

/** The client got an answer of the gateway's own. */
function faultBeforeHead({ steps }: RecordedTransaction): boolean {
  const fault = steps.findIndex(({ type }) => type === 'fault')
  const sent = steps.findIndex(({ type }) => type === 'response-sent')
  return fault !== -1 && (sent === -1 || fault < sent)
}

function bodyAfterFault(steps: readonly RecordedStep[]): RecordedBody | null {
  const fault = steps.findIndex(({ type }) => type === 'fault')
  return steps.slice(fault).find((step) => step.type === 'response-body')?.body ?? null
}

/** The last of its kind: earlier ones are of tries that came to nothing. */
function stepOf<T extends RecordedStep['type']>(
  { steps }: RecordedTransaction,
  type: T,
): Extract<RecordedStep, { type: T }> | undefined {
  return steps.findLast((step): step is Extract<RecordedStep, { type: T }> => step.type === type)
}
