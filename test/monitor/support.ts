import { latencyBucket, latencyBuckets } from '../../src/observe/latency.ts'
import type { RequestSample, RollupKey, RollupMessage, RollupRow } from '../../src/observe/rollup.ts'

/** One finished request, in what monitoring counts of it. */
export interface CountedRequest {
  readonly key: RollupKey
  readonly totalMs: number
  /** -1: the backend did not answer. */
  readonly targetMs: number
  readonly requestBytes: number
  readonly responseBytes: number
}

export function rollupKey(change: Partial<RollupKey> = {}): RollupKey {
  return {
    proxyKey: 'acme/test/orders',
    organization: 'acme',
    environment: 'test',
    proxy: 'orders',
    revision: '3',
    basePath: '/orders',
    listener: 'http',
    method: 'GET',
    target: 'stock',
    status: 200,
    targetStatus: 200,
    fault: '',
    verdict: '',
    party: '',
    faultCode: '',
    faultSource: '',
    ...change,
  }
}

export const untrusted: Partial<RollupKey> = {
  status: 503,
  targetStatus: 0,
  fault: 'tls-untrusted',
  verdict: 'missing-root',
  party: 'gateway',
  faultCode: 'messaging.adaptors.http.flow.SslHandshakeFailed',
  faultSource: 'target',
}

export function requestSample(change: Partial<RequestSample> = {}): RequestSample {
  return {
    id: 'gw-1',
    at: 0,
    worker: 1,
    request: 'GET /orders HTTP/1.1',
    host: 'api.test',
    client: '127.0.0.1',
    totalMs: 1,
    targetMs: 1,
    requestBytes: 100,
    responseBytes: 200,
    backend: '127.0.0.1:8443',
    snapshot: '',
    summary: '',
    traceId: '',
    ...change,
  }
}

/** A row of requests with the same key. */
export function rollupRow(requests: readonly CountedRequest[], samples: readonly RequestSample[] = []): RollupRow {
  const total = new Uint32Array(latencyBuckets)
  const target = new Uint32Array(latencyBuckets)
  const answered = requests.filter(({ targetMs }) => targetMs >= 0)
  for (const { totalMs } of requests) total[latencyBucket(totalMs)]!++
  for (const { targetMs } of answered) target[latencyBucket(targetMs)]!++
  const sum = (list: readonly CountedRequest[], value: (one: CountedRequest) => number): number =>
    list.reduce((all, one) => all + value(one), 0)
  return {
    key: (requests[0] as CountedRequest).key,
    counts: {
      requests: requests.length,
      totalMs: sum(requests, ({ totalMs }) => totalMs),
      maxMs: Math.max(...requests.map(({ totalMs }) => totalMs)),
      targetRequests: answered.length,
      targetMs: sum(answered, ({ targetMs }) => targetMs),
      targetMaxMs: Math.max(0, ...answered.map(({ targetMs }) => targetMs)),
      requestBytes: sum(requests, ({ requestBytes }) => requestBytes),
      responseBytes: sum(requests, ({ responseBytes }) => responseBytes),
      total,
      target,
    },
    samples,
  }
}

export function rollupMessage(from: number, rows: readonly RollupRow[], worker = 1): RollupMessage {
  return { worker, from, rows, crowded: 0, connections: [], lag: { p50: 0, p99: 0, max: 0 } }
}

/** So many requests of a key that are all alike. */
export function alike(requests: number, change: Partial<RollupKey> = {}, totalMs = 2): RollupRow {
  const key = rollupKey(change)
  const row = rollupRow([{ key, totalMs, targetMs: 1, requestBytes: 100, responseBytes: 200 }])
  const { counts } = row
  const total = counts.total.map((count) => count * requests)
  const target = counts.target.map((count) => count * requests)
  return {
    ...row,
    counts: {
      ...counts,
      requests,
      totalMs: totalMs * requests,
      targetRequests: requests,
      targetMs: requests,
      requestBytes: 100 * requests,
      responseBytes: 200 * requests,
      total,
      target,
    },
  }
}
