import type { Party } from '../core/errors.ts'
import { alertName } from '../faults/tls-alerts.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import { type VerdictCode, verdictCodes } from '../verdict/codes.ts'
import type { CapturedHandshake } from '../wire/tls/captured-handshake.ts'
import { alertOf, alertText, type Cause, type FailedProbe } from './handshake-cause.ts'
import { clientCertificate } from './handshake-client.ts'
import { closed, malformed, notTls, silence, untoldAlert } from './handshake-ending.ts'
import { applicationProtocol, ciphers, oldProtocol, serverName, versions } from './handshake-offer.ts'

/** What ended a connection before its chain was judged. */
export interface HandshakeVerdict {
  readonly code: VerdictCode
  readonly party: Party
  /** One sentence with the real names in it. */
  readonly summary: string
  /** What the dialer noted, and what the probe found out. No key material (I7). */
  readonly evidence: Readonly<Record<string, unknown>>
}

/**
 * The exact cause of a handshake that failed before chain and name were judged. Where the bytes and the further connections
 * of the probe tell no more than the dialer knew, its verdict stands.
 */
export function handshakeVerdict(probe: FailedProbe, server: ServerPlan): HandshakeVerdict {
  const { fault, handshake, offered } = probe
  const told = handshake === null ? null : causeOf(probe, handshake, server)
  const alert = alertOf(probe)
  // The probe has its own times beside it.
  const { timings: _timings, ...noted } = fault.evidence
  const evidence = {
    ...noted,
    ...(alert === null ? {} : { alert, alertName: alertName(alert) }),
    ...(handshake === null || handshake.version === '' ? {} : { protocol: handshake.version }),
    ...(offered === null ? {} : { serverName: offered.serverName }),
    ...told?.evidence,
  }
  const code = told?.code ?? fault.verdict ?? 'peer-alert'
  return {
    code,
    party: told?.party ?? (told === null ? fault.party : verdictCodes[code].party),
    summary: told === null ? plainSummary(probe, alert) : sentence(told.why),
    evidence,
  }
}

/** The first that holds: what a server asked for comes before what it may have disliked. */
function causeOf(probe: FailedProbe, handshake: CapturedHandshake, server: ServerPlan): Cause | null {
  if (handshake.plainProtocol !== null) return notTls(handshake.plainProtocol, handshake.firstBytes)
  return (
    clientCertificate(probe, handshake, server) ??
    oldProtocol(handshake) ??
    versions(probe, handshake, server) ??
    ciphers(probe, server) ??
    serverName(probe) ??
    applicationProtocol(probe) ??
    silence(probe, handshake) ??
    untoldAlert(probe, server) ??
    malformed(probe, handshake) ??
    closed(probe, handshake)
  )
}

function plainSummary({ fault }: FailedProbe, alert: number | null): string {
  return alert === null || fault.verdict !== 'peer-alert'
    ? fault.summary
    : `The backend ended the handshake with alert ${alertText(alert)}.`
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`.slice(0, 1024)
}
