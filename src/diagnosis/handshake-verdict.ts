import { type Party, PosternError } from '../core/errors.ts'
import { alertVerdict } from '../dial/classify.ts'
import type { Fault } from '../faults/fault.ts'
import { alertName } from '../faults/tls-alerts.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import { type VerdictCode, verdictCodes } from '../verdict/codes.ts'
import type { CapturedHandshake } from '../wire/tls/captured-handshake.ts'
import type { Certificate } from '../x509/certificate.ts'
import { readBundle } from '../x509/pem.ts'
import { issuerText } from './issuer-text.ts'
import type { Probe } from './types.ts'

/** What ended a connection before its chain was judged. */
export interface HandshakeVerdict {
  readonly code: VerdictCode
  readonly party: Party
  /** One sentence with the real names in it. */
  readonly summary: string
  /** What the dialer noted, and what the probe found out. No key material (I7). */
  readonly evidence: Readonly<Record<string, unknown>>
}

/** A probe whose first connection failed. */
export type FailedProbe = Probe & { readonly fault: Fault }

/**
 * The exact cause of a handshake that failed before chain and name were judged. Where the bytes and the further connections
 * of the probe tell no more than the dialer knew, its verdict stands.
 */
export function handshakeVerdict(probe: FailedProbe, server: ServerPlan): HandshakeVerdict {
  const { fault, handshake, offered } = probe
  const told = handshake === null ? null : causeOf(probe, handshake, server)
  const alert = alertOf(probe)
  const evidence = {
    ...fault.evidence,
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

interface Cause {
  readonly code: VerdictCode
  /** Without one: whoever the code is usually for. */
  readonly party?: Party
  readonly why: string
  readonly evidence: Readonly<Record<string, unknown>>
}

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
    untoldAlert(probe, server)
  )
}

function notTls(protocol: string, bytes: Buffer): Cause {
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

/** Alerts that are about our certificate, or the lack of one, where a server has asked for it (tls-on-node section 8). */
const aboutCertificates: ReadonlySet<number> = new Set([40, 41, 42, 43, 44, 45, 46, 48, 49, 116])

function clientCertificate(probe: FailedProbe, handshake: CapturedHandshake, server: ServerPlan): Cause | null {
  const { fault } = probe
  const request = handshake.certificateRequest
  if (request === null) return null
  const known = fault.verdict === 'client-certificate-required' || fault.verdict === 'client-certificate-rejected'
  const alert = alertOf(probe)
  const refused = alert === null ? fault.verdict === 'handshake-closed' && !isOurs(fault) : aboutCertificates.has(alert)
  if (!known && !refused) return null
  const ours = server.tls?.clientCertificate ?? null
  const acceptableIssuers = request.issuers.map(issuerText)
  const accepts = acceptableIssuers.length === 0 ? 'any issuer' : `issuers ${listed(acceptableIssuers)}`
  const said = alert === null ? 'closed the connection' : `answered with alert ${alertText(alert)}`
  if (ours === null) {
    return {
      code: 'client-certificate-required',
      why: `the backend demands a client certificate (it accepts ${accepts}), none is configured, and it ${said}`,
      evidence: { acceptableIssuers },
    }
  }
  const { subject, issuers, accepted } = compareIssuers(ours.chain, request.issuers)
  const mismatch = `"${subject}" comes from ${listed(issuers)}, the backend accepts ${accepts}`
  return {
    code: 'client-certificate-rejected',
    why: `the backend refused our client certificate and ${said}: ${accepted ? `the issuer is one it accepts, "${subject}" itself is refused` : mismatch}`,
    evidence: { acceptableIssuers, clientCertificate: subject, clientIssuers: issuers, issuerAccepted: accepted },
  }
}

/** Whether one of the issuers in our chain is among those that the backend named; a chain cut short names fewer. */
function compareIssuers(
  chain: string,
  acceptable: readonly Buffer[],
): { subject: string; issuers: readonly string[]; accepted: boolean } {
  const certificates = readOurs(chain)
  const issuers = certificates.map(({ issuer }) => issuerText(issuer.der))
  const [first] = certificates
  return {
    subject: first === undefined ? 'our certificate' : issuerText(first.subject.der),
    issuers,
    accepted: acceptable.length === 0 || acceptable.some((der) => issuers.includes(issuerText(der))),
  }
}

/** The runtime has loaded this chain; that our strict reader may not read it is another matter. */
function readOurs(chain: string): readonly Certificate[] {
  try {
    return readBundle(Buffer.from(chain, 'latin1'), 'client certificate').certificates
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    return []
  }
}

/** SSL 3.0 answers in records of its own version, which the runtime takes for something else than TLS. */
function oldProtocol({ firstBytes, version }: CapturedHandshake): Cause | null {
  if (version !== 'SSLv3' && !(version === '' && firstBytes.length >= 3 && firstBytes[2] === 0)) return null
  return {
    code: 'protocol-version',
    why: 'the backend speaks SSL 3.0',
    evidence: { protocol: 'SSLv3', accepted: ['SSLv3'] },
  }
}

function versions(
  { fault, facts, offered }: FailedProbe,
  handshake: CapturedHandshake,
  server: ServerPlan,
): Cause | null {
  // What it chose although it was not offered counts as well.
  const chosen = handshake.version !== '' && fault.verdict === 'protocol-version' ? [handshake.version] : null
  const accepted = facts.versions ?? chosen
  if (accepted === null || offered === null || fault.verdict === 'handshake-timeout') return null
  if (accepted.some((version) => offered.versions.includes(version))) return null
  const { minVersion = '', maxVersion = '' } = server.tls ?? {}
  // A backend that speaks a current version is not the one to change.
  const ours = accepted.some((version) => version === 'TLSv1.2' || version === 'TLSv1.3')
  const setting = ours ? ` (minVersion ${minVersion}, maxVersion ${maxVersion})` : ''
  return {
    code: 'protocol-version',
    party: ours ? 'gateway' : 'backend',
    why: `the backend speaks ${listed(accepted)}, the gateway offers ${listed(offered.versions)}${setting}`,
    evidence: { offered: offered.versions, accepted },
  }
}

function ciphers({ fault, facts, offered }: FailedProbe, server: ServerPlan): Cause | null {
  if (facts.ciphers === null && fault.verdict !== 'no-shared-cipher') return null
  const accepted = facts.ciphers ?? []
  const setting = server.tls?.ciphers ?? null
  // Refused before anything was sent: the target's own settings leave nothing to offer.
  const ours = facts.defaultCiphers === true || offered === null
  const why = ours && setting !== null ? `; the target's ciphers ("${setting}") leave out what it accepts` : ''
  const has = accepted.length === 0 ? 'none of them' : listed(accepted)
  const offers = offered?.ciphers ?? []
  return {
    code: 'no-shared-cipher',
    party: ours ? 'gateway' : 'backend',
    why: `the gateway offers ${listed(offers)}, the backend accepts ${has}${why}`,
    evidence: { offered: offers, ...(accepted.length === 0 ? {} : { accepted }) },
  }
}

function serverName({ facts, offered, fault }: FailedProbe): Cause | null {
  const { serverName: fact } = facts
  if (
    offered === null ||
    (fault.verdict !== 'server-name-rejected' && fact?.withName !== true && fact?.withoutName !== true)
  )
    return null
  const { serverName: name } = offered
  const without = fact?.withoutName ?? null
  const sent = name === null ? 'no server name (SNI) is sent' : `the server name (SNI) "${name}" is not served`
  const otherwise =
    name === null ? '; with one the backend goes on' : without === true ? '; without a name the backend goes on' : ''
  return {
    code: 'server-name-rejected',
    why: `${sent}${otherwise}`,
    evidence: {
      ...(without === null || name === null ? {} : { withoutName: without }),
      ...(fact?.withName === true ? { withName: true } : {}),
    },
  }
}

function applicationProtocol(probe: FailedProbe): Cause | null {
  const { facts, offered } = probe
  if (offered === null || alertOf(probe) !== 120) return null
  const accepted = facts.alpn ?? []
  const has = accepted.length === 0 ? 'none of them' : listed(accepted)
  return {
    code: 'peer-alert',
    // Which protocols are spoken is the target's setting.
    party: 'gateway',
    why: `the backend has no application protocol (ALPN) in common with the gateway: it accepts ${has}, offered is ${listed(offered.alpn)}`,
    evidence: { offered: offered.alpn, ...(accepted.length === 0 ? {} : { accepted }) },
  }
}

/** How far a silent server came, and what it does answer. */
function silence({ fault, facts }: FailedProbe, { firstBytes, helloRetry, version }: CapturedHandshake): Cause | null {
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
  return {
    code: 'handshake-timeout',
    why: `the backend began to answer and did not finish: "${bytes}"`,
    evidence: { firstBytes: bytes },
  }
}

/** An alert that the runtime keeps to itself: one it does not know, or a warning that the connection ended with. */
function untoldAlert(probe: FailedProbe, server: ServerPlan): Cause | null {
  const alert = alertOf(probe)
  if (alert === null || probe.fault.verdict !== 'handshake-closed') return null
  return {
    code: alertVerdict(alert, server.tls?.clientCertificate != null),
    why: `the backend ended the handshake with alert ${alertText(alert)}`,
    evidence: {},
  }
}

/** The alert that ended the connection: what the runtime was told, else the last one in the bytes that is no goodbye. */
function alertOf({ fault, handshake }: FailedProbe): number | null {
  const { alert } = fault.evidence
  if (typeof alert === 'number') return alert
  const fatal = (level: number): boolean => level !== 1 || fault.verdict === 'handshake-closed'
  return handshake?.alerts.findLast(({ level, description }) => description !== 0 && fatal(level))?.description ?? null
}

/** OpenSSL here refused what it received: the backend has not refused anything. */
function isOurs({ evidence }: Fault): boolean {
  const { runtimeCode } = evidence
  return typeof runtimeCode === 'string' && runtimeCode.startsWith('ERR_SSL_')
}

function plainSummary({ fault }: FailedProbe, alert: number | null): string {
  return alert === null || fault.verdict !== 'peer-alert'
    ? fault.summary
    : `The backend ended the handshake with alert ${alertText(alert)}.`
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`.slice(0, 1024)
}

function alertText(alert: number): string {
  const name = alertName(alert)
  return name === '' ? String(alert) : `${alert} (${name})`
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'nothing'
  const shown = names.length > 8 ? [...names.slice(0, 6), `${names.length - 6} more`] : names
  return shown.length === 1 ? (shown[0] as string) : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1) as string}`
}

/** What somebody else sent, safe to print: ASCII as it is, everything else escaped. */
function printable(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replaceAll(/[^ -~]|["\\]/g, (character) => escapes[character] ?? `\\x${hex(character.charCodeAt(0))}`)
}

const escapes: Readonly<Record<string, string>> = { '\r': '\\r', '\n': '\\n', '\t': '\\t', '"': '\\"', '\\': '\\\\' }

const hex = (byte: number): string => byte.toString(16).padStart(2, '0')
