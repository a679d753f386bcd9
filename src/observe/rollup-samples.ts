import type { AccessRecord } from './events.ts'
import type { RequestSample } from './rollup.ts'

/** Newest requests that a row keeps where they failed; of others it keeps one. */
export const failedSamples = 10

/** One request as monitoring shows it; what a client made long is cut. (I10) */
export function sampleOf(record: AccessRecord): RequestSample {
  const { backend } = record
  return {
    id: record.id,
    at: record.startedAt,
    worker: record.worker,
    request: `${record.method.slice(0, 32)} ${record.target.slice(0, 2_048)} ${record.clientProtocol}`,
    host: record.host.slice(0, 255),
    client: record.clientAddress,
    totalMs: record.totalMs,
    targetMs: backend === null || backend.firstByteMs < 0 ? -1 : backend.totalMs,
    requestBytes: record.requestBytes,
    responseBytes: record.responseBytes,
    backend: backend?.address ?? '',
    snapshot: backend?.snapshot ?? '',
    summary: record.fault?.summary.slice(0, 1_024) ?? '',
    traceId: record.traceId,
  }
}
