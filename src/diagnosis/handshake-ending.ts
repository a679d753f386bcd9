import { alertVerdict } from '../dial/classify.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import type { CapturedHandshake } from '../wire/tls/captured-handshake.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { DerError } from '../x509/der.ts'
import { alertOf, alertText, type Cause, type FailedProbe, isOurs, listed, printable } from './handshake-cause.ts'

export function notTls(protocol: string, bytes: Buffer): Cause {
  const firstBytes = printable(bytes)
  const what = protocol === 'unknown' ? 'something that is not TLS' : `${protocolNames[protocol] ?? protocol}, not TLS`
  return { code: 'not-tls', why: `the port answers in ${what}: "${firstBytes}"`, evidence: { protocol, firstBytes } }
}

const protocolNames: Readonly<Record<string, string>> = {
  http: 'plain HTTP',
  http2: 'HTTP/2 without TLS',
  ssh: 'SSH',
  smtp: 'SMTP',
  ftp: 'FTP',
  pop3: 'POP3',
  imap: 'IMAP',
  mysql: "MySQL's protocol",
  postgresql: "PostgreSQL's protocol",
  redis: "Redis' protocol",
  sslv2: 'SSL 2.0',
  telnet: 'Telnet',
}

/** How far a silent server came, and what it does answer. */
export function silence({ fault, facts }: FailedProbe, handshake: CapturedHandshake): Cause | null {
  const { firstBytes, helloRetry, version } = handshake
  if (fault.verdict !== 'handshake-timeout') return null
  if (firstBytes.length === 0) {
    const old = facts.versions === null ? '' : `, but it answers a hello without TLS 1.3 (${listed(facts.versions)})`
    return {
      code: 'handshake-timeout',
      why: `the backend accepted the connection and sent nothing in answer to the ClientHello${old}`,
      evidence: facts.versions === null ? {} : { accepted: facts.versions },
    }
  }
  if (helloRetry && version !== '') {
    return {
      code: 'handshake-timeout',
      why: 'the backend asked for another key share and then said nothing; something on the way may drop the larger second ClientHello',
      evidence: { helloRetry: true },
    }
  }
  const bytes = printable(firstBytes)
  const came = version === '' ? `began to answer ("${bytes}")` : `${cameTo(handshake)} (${version})`
  return {
    code: 'handshake-timeout',
    why: `the backend ${came} and did not go on`,
    evidence: version === '' ? { firstBytes: bytes } : {},
  }
}

/** How far a server's part of the handshake came. */
function cameTo({ version, served, finished }: CapturedHandshake): string {
  if (finished) return 'did its part of the handshake'
  if (served.length > 0) return 'sent its certificate'
  return version === '' ? 'got the ClientHello' : 'sent its ServerHello'
}

/** An alert that the runtime keeps to itself: one it does not know, or a warning that the connection ended with. */
export function untoldAlert(probe: FailedProbe, server: ServerPlan): Cause | null {
  const alert = alertOf(probe)
  if (alert === null || probe.fault.verdict !== 'handshake-closed') return null
  return {
    code: alertVerdict(alert, server.tls?.clientCertificate != null),
    why: `the backend ended the handshake with alert ${alertText(alert)}`,
    evidence: {},
  }
}

/** The TLS library here could not read a certificate, so nothing was judged. */
export function malformed({ fault }: FailedProbe, { served }: CapturedHandshake): Cause | null {
  if (served.length === 0 || !isOurs(fault)) return null
  const faults = served.flatMap((der, index) => {
    const why = malformedAt(der)
    return why === null ? [] : [{ index, ...why }]
  })
  const [first] = faults
  const { runtimeCode, runtimeText } = fault.evidence
  if (first === undefined) {
    // What our reader puts up with: a certificate, by the library that says so.
    if (!/^ERR_OSSL_|CERT_LENGTH_MISMATCH/.test(String(runtimeCode))) return null
    return {
      code: 'malformed-certificate',
      why: `the gateway's TLS library cannot read a served certificate: ${String(runtimeText)}`,
      evidence: {},
    }
  }
  return {
    code: 'malformed-certificate',
    why: `certificate ${first.index + 1} of ${served.length} that are served is malformed at byte ${first.offset}: ${first.reason}`,
    evidence: { malformed: first },
  }
}

function malformedAt(der: Buffer): { offset: number; reason: string } | null {
  try {
    parseCertificate(der)
    return null
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    return { offset: error.offset, reason: error.reason }
  }
}

/** Ended without a reason given, by them or by us. */
export function closed({ fault, facts }: FailedProbe, handshake: CapturedHandshake): Cause | null {
  if (fault.verdict !== 'handshake-closed') return null
  const { runtimeCode, runtimeText } = fault.evidence
  if (isOurs(fault)) {
    const why = `the gateway ended the handshake after the backend ${cameTo(handshake)}: ${String(runtimeText)}`
    return { code: 'handshake-closed', why, evidence: {} }
  }
  const how = runtimeCode === 'ECONNRESET' ? 'reset' : 'closed'
  const otherwise = facts.serverName === null ? '' : ', with and without the server name (SNI)'
  return {
    code: 'handshake-closed',
    why: `the backend ${cameTo(handshake)} and ${how} the connection without saying why${otherwise}`,
    evidence: {},
  }
}
