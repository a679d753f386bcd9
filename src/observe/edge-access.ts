import type { AccessRecord } from './events.ts'
import type { AccessFormatter, LogContext } from './log-context.ts'

import { apigeeCode, edgeProxyPath, edgeSource } from '../faults/apigee.ts'
import { column } from './line-safe.ts'
import { isoMillis, wholeMillis } from './log-times.ts'

/**
 * The Edge router's columns in their published order, separated by tabs (the original's separator is not published),
 * '-' for empty, escaped as NGINX does. `$hostname-$pid-$connection-$connection_requests` has worker and client port in
 * its last two places. Upstream is the backend: there is no message processor in between.
 */
export function edgeAccess(context: LogContext): AccessFormatter {
  const host = column(context.hostName)
  const processId = `${host}-${context.pid}`
  return (record) => {
    const { backend, fault, proxy } = record
    const path = proxy === null ? '-' : column(edgeProxyPath(proxy.organization, proxy.environment, proxy))
    return `${[
      // NGINX logs the time of writing, which is the end of the request.
      `${isoMillis(record.startedAt + record.totalMs).slice(0, 19)}+00:00`,
      `${record.clientAddress}:${record.clientPort}`,
      host,
      column(backend?.address ?? ''),
      (record.totalMs / 1000).toFixed(3),
      '-',
      '-',
      record.status,
      backend !== null && backend.status > 0 ? backend.status : '-',
      record.requestBytes,
      record.responseBodyBytes,
      column(requestLine(record)),
      column(record.id),
      column(record.userAgent),
      `${processId}-${record.worker}-${record.clientPort}`,
      column(record.forwardedFor),
      fault === null ? '-' : 'true',
      fault === null ? '-' : edgeSource(fault.kind),
      fault === null ? '-' : apigeeCode(fault),
      fault === null ? '-' : 'null/null',
      '-',
      fault === null ? '-' : path,
      '-',
      backend === null ? '-' : wholeMillis(backend.totalMs),
      path,
      proxy === null ? '-' : column(proxy.basePath),
    ].join('\t')}\n`
  }
}

function requestLine(record: AccessRecord): string {
  return record.method === '' ? '' : `${record.method} ${record.target} ${record.clientProtocol}`
}
