import type { Mode } from '../judge/types.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import type { Diagnosis } from './diagnose.ts'
import type { Probe } from './types.ts'

/** One server to check, under the words of whoever named it. */
export interface CheckedServer {
  /** As it was written: an argument, or a line of a list. */
  readonly entry: string
  readonly server: ServerPlan
  /** null: it is no target of the configuration. */
  readonly target: string | null
}

/** How a report came about. Milliseconds since the epoch. */
export interface JudgedBy {
  readonly mode: Mode
  /** The moment it was judged as of; null: when it was seen. */
  readonly time: number | null
  readonly at: number
}

export type ReportJson = ReturnType<typeof reportJson>

/** The contract of `tls check --json`, of a line of `--out` and of the API: the report, and what it is about. */
export function reportJson({ entry, server, target }: CheckedServer, seen: Diagnosis, { mode, time, at }: JudgedBy) {
  const { verdict, findings, chain, remedy, disagreement } = seen
  const { name, host, port, tls } = server
  return {
    verdict,
    findings,
    chain,
    remedy,
    endpoint: {
      entry,
      target,
      server: name,
      host,
      port,
      serverName: tls?.serverName ?? null,
      verifyNames: tls?.verifyNames,
    },
    snapshot: tls?.snapshotId,
    mode,
    at: new Date(at).toISOString(),
    asOf: time === null ? null : new Date(time).toISOString(),
    probe: probeJson(seen.probe),
    ...(disagreement === '' ? {} : { disagreement }),
  }
}

/** Field by field: what a handshake showed holds bytes that belong to nobody's report. (I7) */
function probeJson({ address, timings, fault, handshake, facts, connections }: Probe) {
  return {
    address,
    timings,
    fault: fault === null ? null : { kind: fault.kind, verdict: fault.verdict, summary: fault.summary },
    handshake:
      handshake === null
        ? null
        : {
            version: handshake.version,
            cipher: handshake.cipher,
            helloRetry: handshake.helloRetry,
            alpn: handshake.alpn,
            stapled: handshake.ocsp !== null,
            clientCertificate: handshake.certificateRequest !== null,
            alerts: handshake.alerts,
            plainProtocol: handshake.plainProtocol,
            unread: handshake.unread,
          },
    facts,
    connections,
  }
}
