import { apigeeCode } from '../faults/apigee.ts'
import type { StoredSample } from '../monitor/query.ts'
import type { RecordedTransaction } from '../observe/recording.ts'
import type { FoundRequest } from './types.ts'

/* One request, from whichever place knows it. Nothing is masked here that was not before. */

export function requestFromSample({ key, sample }: StoredSample): FoundRequest {
  return {
    id: sample.id,
    at: new Date(sample.at).toISOString(),
    method: sample.request.split(' ')[0] ?? '',
    request: sample.request,
    host: sample.host,
    client: sample.client,
    listener: key.listener,
    proxy: key.proxy,
    revision: key.revision,
    target: key.target,
    status: key.status,
    targetStatus: key.targetStatus,
    fault: key.fault,
    verdict: key.verdict,
    party: key.party,
    faultCode: key.faultCode,
    faultSource: key.faultSource,
    summary: sample.summary,
    totalMs: sample.totalMs,
    backend: sample.backend,
    snapshot: sample.snapshot,
    traceId: sample.traceId,
    from: 'monitoring',
  }
}

export function requestFromTransaction(transaction: RecordedTransaction): FoundRequest {
  const { id, startedAt, method, uri, host, client, listener, proxy, status, backend, fault, context } = transaction
  return {
    id,
    at: new Date(startedAt).toISOString(),
    method,
    request: `${method} ${uri} ${client.protocol}`,
    host,
    client: client.address,
    listener,
    proxy: proxy?.name ?? '',
    revision: proxy?.revision ?? '',
    target: backend?.target ?? '',
    status,
    targetStatus: backend?.status ?? 0,
    fault: fault?.kind ?? '',
    verdict: fault?.verdict ?? '',
    party: fault?.party ?? '',
    faultCode: fault === null ? '' : apigeeCode(fault),
    faultSource: '',
    summary: fault?.summary ?? '',
    totalMs: transaction.totalMs,
    backend: backend?.address ?? '',
    snapshot: backend?.snapshot ?? '',
    traceId: context?.traceId ?? '',
    from: 'debug session',
  }
}

/** Of the access line of a native log. */
export function requestFromRecord(record: Readonly<Record<string, unknown>>, id: string): FoundRequest {
  const fault = objectOf(record['fault'])
  const backend = objectOf(record['backend'])
  return {
    id,
    at: textOf(record['time']),
    method: textOf(record['method']),
    request: `${textOf(record['method'])} ${textOf(record['path'])} ${textOf(record['protocol'])}`,
    host: textOf(record['host']),
    client: textOf(record['client']),
    listener: textOf(record['listener']),
    proxy: textOf(record['proxy']),
    revision: '',
    target: textOf(record['target']),
    status: numberOf(record['status']),
    targetStatus: numberOf(backend['status']),
    fault: textOf(fault['kind']),
    verdict: textOf(record['verdict']),
    party: textOf(fault['party']),
    faultCode: '',
    faultSource: '',
    summary: textOf(fault['summary']),
    totalMs: numberOf(record['totalMs']),
    backend: textOf(backend['address']),
    snapshot: textOf(backend['snapshot']),
    traceId: textOf(record['traceId']),
    from: 'log',
  }
}

export function recordOf(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? { ...value } : null
  } catch (error) {
    // A line of another format, or one that was cut off.
    if (error instanceof SyntaxError) return null
    throw error
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0)
const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? { ...value } : {}
