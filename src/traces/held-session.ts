import type { RecordedTransaction, RecordingOrder } from '../observe/recording.ts'
import type { EdgeSession } from './edge-model.ts'
import { noMasks } from './mask.ts'
import type { ImportPlace, SessionRequest, TraceSession } from './types.ts'

/** A session as the registry holds it. */
export interface Held {
  readonly id: string
  readonly request: SessionRequest
  readonly startedAt: number
  readonly imported: EdgeSession | null
  readonly transactions: RecordedTransaction[]
  readonly slots: SharedArrayBuffer
  until: number
  ended: TraceSession['ended']
  bytes: number
}

/** What the workers are told of it. */
export function orderOf({ id, request, until, slots }: Held, transactionBytes: number): RecordingOrder {
  return {
    session: id,
    organization: request.organization,
    environment: request.environment,
    proxy: request.proxy,
    revision: request.revision,
    headers: request.headers.map(([name, value]) => [name.toLowerCase(), value] as const),
    query: request.query,
    statuses: request.statuses,
    failuresOnly: request.failuresOnly,
    bodyBytes: request.bodyBytes,
    transactionBytes,
    until,
    slots,
  }
}

/** What is told is not what goes on changing. */
export function shown({ id, request, startedAt, until, ended, transactions, imported, bytes }: Held): TraceSession {
  return {
    id,
    request,
    startedAt,
    until,
    active: ended === '',
    ended,
    transactions: [...transactions],
    imported,
    bytes,
  }
}

export function isSame({ request, imported }: Held, other: SessionRequest): boolean {
  return (
    imported === null &&
    request.name === other.name &&
    request.organization === other.organization &&
    request.environment === other.environment &&
    request.proxy === other.proxy &&
    request.revision === other.revision
  )
}

export function importedRequest(
  imported: EdgeSession,
  { organization, environment, user }: ImportPlace,
): SessionRequest {
  return {
    name: imported.sessionId,
    organization,
    environment,
    proxy: imported.api,
    revision: imported.revision,
    headers: [],
    query: [],
    statuses: [],
    failuresOnly: false,
    timeoutSeconds: 0,
    maxTransactions: imported.transactions.length,
    bodyBytes: 0,
    masks: noMasks,
    showCredentials: false,
    user,
  }
}
