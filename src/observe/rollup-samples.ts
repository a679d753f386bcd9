import { hideParameters, isCredentialParameter } from './credentials.ts'
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

/**
 * As it leaves the worker: viewers read it, and alerts send it away. Here and not as it is taken, for most samples are
 * pushed out by newer ones before anybody sees them.
 */
export function shownSample(sample: RequestSample): RequestSample {
  const { request } = sample
  if (!carriesParameters.test(request)) return sample
  const start = request.indexOf(' ') + 1
  const end = Math.max(request.lastIndexOf(' '), start)
  const target = hideParameters(request.slice(start, end), isCredentialParameter)
  return { ...sample, request: `${request.slice(0, start)}${target}${request.slice(end)}` }
}

const carriesParameters = /[?;#@]/
