import type { EdgePoint } from './edge-model.ts'
import { edgeTransaction } from './edge-points.ts'
import type { EdgeSession, EdgeTransaction } from './edge-model.ts'
import { apigeeCode } from '../faults/apigee.ts'
import { faultCode } from '../faults/rendering.ts'
import type { RecordedTransaction } from '../observe/recording.ts'
import type { TraceSession } from './types.ts'

/** One line about a transaction. */
export interface TransactionSummary {
  readonly id: string
  /** Ms since the epoch; null: a file did not say. */
  readonly at: number | null
  readonly ms: number | null
  readonly method: string
  readonly uri: string
  /** 0: none was sent. */
  readonly status: number
  /** Verdict or kind of the fault; '' where there was none. */
  readonly code: string
  /** Edge's. */
  readonly faultCode: string
  readonly target: string
}

export function summariesOf(session: TraceSession): readonly TransactionSummary[] {
  return session.imported === null
    ? session.transactions.map(ofRecorded)
    : session.imported.transactions.map((each) => ofPoints(each))
}

/** Every transaction as Edge shows it. */
export function edgeTransactionsOf(session: TraceSession): readonly EdgeTransaction[] {
  return (
    session.imported?.transactions ??
    session.transactions.map((each) => edgeTransaction(each, session.request.masks.variables))
  )
}

/** For an offline file. @param at ms since the epoch */
export function edgeSessionOf(session: TraceSession, at: number): EdgeSession {
  if (session.imported !== null) return session.imported
  const { organization, environment, proxy, revision, name } = session.request
  return {
    retrieved: at,
    organization,
    environment,
    api: proxy,
    revision: revision ?? session.transactions[0]?.proxy?.revision ?? '',
    sessionId: name,
    transactions: edgeTransactionsOf(session),
  }
}

function ofRecorded(transaction: RecordedTransaction): TransactionSummary {
  const { id, startedAt, totalMs, method, uri, status, fault, backend } = transaction
  return {
    id,
    at: startedAt,
    ms: totalMs,
    method,
    uri,
    status,
    code: fault === null ? '' : faultCode(fault),
    faultCode: fault === null ? '' : apigeeCode(fault),
    target: backend?.target ?? '',
  }
}

function ofPoints({ id, points }: EdgeTransaction): TransactionSummary {
  const results = points.flatMap((point) => point.results)
  const request = results.find((each) => each.kind === 'RequestMessage')
  const response = results.findLast((each) => each.kind === 'ResponseMessage')
  const times = results.flatMap((each) => (each.kind === 'DebugInfo' && each.at !== null ? [each.at] : []))
  const [first] = times
  return {
    id,
    at: first ?? null,
    ms: first === undefined ? null : Math.max(0, (times.at(-1) ?? first) - first),
    method: request?.verb ?? '',
    uri: request?.uri ?? '',
    status: Number.parseInt(response?.status ?? '', 10) || 0,
    code: propertyOf(points, 'postern.fault.code'),
    faultCode: response?.headers.find(([name]) => /^x-apigee[-.]fault-code$/i.test(name))?.[1] ?? '',
    target: propertyOf(points, 'target.name'),
  }
}

function propertyOf(points: readonly EdgePoint[], wanted: string): string {
  for (const { results } of points) {
    for (const result of results) {
      const found = result.kind === 'DebugInfo' ? result.properties.find(([name]) => name === wanted) : undefined
      if (found !== undefined) return found[1]
    }
  }
  return ''
}
