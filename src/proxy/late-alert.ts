import { performance } from 'node:perf_hooks'
import { classifyDialFailure } from '../dial/classify.ts'
import type { Fault } from '../faults/fault.ts'
import type { ServerPlan } from './plan.ts'
import type { Upstream } from './upstream.ts'

/**
 * What a connection that broke before anything came over it was told by TLS: a TLS 1.3 server refuses our certificate, or the
 * lack of one, after the handshake. (tls-on-node section 8)
 *
 * @returns null when it broke otherwise
 */
export function lateAlert(
  error: Error | null,
  server: ServerPlan,
  connection: Pick<Upstream, 'remoteAddress' | 'localAddress' | 'openedAt'>,
): Fault | null {
  if (error === null || server.tls === null || !/SSL alert number/.test(error.message)) return null
  return classifyDialFailure(error, {
    host: server.host,
    port: server.port,
    phase: 'late',
    timedOut: false,
    path: [],
    clientCertificateSent: server.tls.clientCertificate !== null,
    address: connection.remoteAddress,
    localAddress: connection.localAddress,
    connectionAgeMs: performance.now() - connection.openedAt,
  })
}
