import type { X509Certificate } from 'node:crypto'
import { codeOf, messageOf, type Party } from '../core/errors.ts'
import type { Fault, FaultKind } from '../faults/fault.ts'
import { type VerdictCode, verdictCodes } from '../verdict/codes.ts'
import { revocationParty, type RevocationWords } from '../verdict/revocation.ts'
import { escapeControls } from '../x509/name.ts'
import type { OpeningTimings } from './opening.ts'
import { type CrlExplanation, StapleError } from './revocation.ts'
import { TunnelRefusedError } from './tunnel.ts'

/**
 * Where a dial was when it failed. `tunnel`: waiting for the egress proxy's answer. `late`: after the handshake, before the
 * first byte of a response (TLS 1.3 alerts).
 */
export type DialPhase = 'dns' | 'connect' | 'tunnel' | 'handshake' | 'late'

export interface DialEvidence {
  readonly host: string
  readonly port: number
  readonly phase: DialPhase
  /** `true` when our own deadline ended the phase. */
  readonly timedOut: boolean
  /** Path that the runtime built from what was served and stored, leaf first; empty when none was presented. */
  readonly path: readonly X509Certificate[]
  readonly clientCertificateSent: boolean
  /** `IP:port` that was tried last, `host:port` when no address was found. */
  readonly address: string
  /** Our end of the connection; '' when none was opened. */
  readonly localAddress: string
  /** How long the connection had been open; 0 when none was. */
  readonly connectionAgeMs: number
  /** The egress proxy that the connection goes through; absent or '': none. */
  readonly proxy?: string
  /** Each address that was tried and what came of it, where there was more than one. */
  readonly attempts?: readonly string[]
  /** What the target's revocation lists have to do with it; absent where it has none. */
  readonly lists?: CrlExplanation
  /** How long each part of the dial took; absent where it was none. */
  readonly timings?: OpeningTimings
}

/**
 * The one place where what the runtime says becomes a verdict. Codes decide; texts only where the runtime has no code
 * (`UNSPECIFIED`), and an unknown text falls back to the class of the failure, never to success.
 */
export function classifyDialFailure(thrown: unknown, evidence: DialEvidence): Fault {
  const verdict = verdictOf(thrown, evidence)
  const kind = faultKindOf(verdict)
  return {
    kind,
    verdict,
    party: partyOf(thrown, verdict, evidence),
    summary: summaryOf(verdict, thrown, evidence).slice(0, 1024),
    evidence: {
      host: evidence.host,
      port: evidence.port,
      address: evidence.address,
      ...(evidence.localAddress === ''
        ? {}
        : { localAddress: evidence.localAddress, connectionAgeMs: Math.round(evidence.connectionAgeMs) }),
      ...(proxyOf(evidence) === '' ? {} : { proxy: proxyOf(evidence) }),
      ...(thrown instanceof TunnelRefusedError && thrown.status !== 0 ? { proxyStatus: thrown.status } : {}),
      ...(evidence.attempts === undefined || evidence.attempts.length === 0 ? {} : { attempts: evidence.attempts }),
      phase: evidence.phase,
      ...(codeOf(thrown) === '' ? {} : { runtimeCode: codeOf(thrown) }),
      runtimeText: reasonOf(thrown),
      ...alertEvidence(thrown),
      ...identityEvidence(thrown),
      ...wordsOf(thrown, evidence)?.evidence,
      ...pathEvidence(evidence.path),
      ...(evidence.timings === undefined ? {} : { timings: evidence.timings }),
    },
  }
}

/** What `checkServerIdentity` gives the runtime when the name is refused; comes back unchanged as the failure. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError'
  readonly code: 'name-mismatch' | 'no-subject-alternative-name'
  readonly expected: readonly string[]
  readonly presented: readonly string[]

  constructor(code: IdentityError['code'], expected: readonly string[], presented: readonly string[]) {
    super(
      code === 'name-mismatch'
        ? `the certificate is for ${firstOf(presented)}, expected ${expected.join(' or ')}`
        : `the certificate has no subject alternative name of the needed kind, expected ${expected.join(' or ')}`,
    )
    this.code = code
    this.expected = expected
    // A certificate can carry thousands of names, and every line about it would. (I10)
    this.presented = presented.slice(0, maxNames)
  }
}

const maxNames = 50

function firstOf(names: readonly string[]): string {
  return names.length <= 10 ? names.join(', ') : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`
}

/** OpenSSL read the leaf and our strict reader did not: its names are not known for certain, so they are not believed. */
export class UnreadableLeafError extends Error {
  override readonly name = 'UnreadableLeafError'

  constructor(cause: unknown) {
    super(`the certificate is malformed: ${messageOf(cause)}`, { cause })
  }
}

function verdictOf(thrown: unknown, evidence: DialEvidence): VerdictCode {
  if (thrown instanceof IdentityError) return thrown.code
  if (thrown instanceof UnreadableLeafError) return 'malformed-certificate'
  const words = wordsOf(thrown, evidence)
  if (words !== null) return words.code
  // Whatever the resolver says, or that it says nothing, is about the name.
  if (evidence.phase === 'dns') return 'dns-failure'
  if (evidence.timedOut) return evidence.phase === 'handshake' ? 'handshake-timeout' : 'connect-timeout'
  // A proxy that will not, says what it says or hangs up: there is no way to the server.
  if (evidence.phase === 'tunnel' || thrown instanceof TunnelRefusedError) return 'connection-refused'
  const code = codeOf(thrown)
  const chain = chainVerdict(code, messageOf(thrown), evidence.path)
  // A list is missing as well, and OpenSSL tells only what it found last.
  if (chain === 'revocation-unknown' && evidence.lists === 'unanchored') return unanchored(evidence.path)
  if (chain !== null) return chain
  const alert = alertNumber(thrown)
  if (alert !== null) return alertVerdict(alert, evidence.clientCertificateSent)
  const known = runtimeCodes[code]
  if (known !== undefined) return known
  if (evidence.phase === 'connect') return connectVerdicts[code] ?? 'connection-reset'
  if (/wrong version number|http request|packet length too long|unknown protocol/i.test(messageOf(thrown)))
    return 'not-tls'
  return evidence.phase === 'late' ? 'connection-reset' : 'handshake-closed'
}

const connectVerdicts: Readonly<Record<string, VerdictCode>> = {
  ECONNREFUSED: 'connection-refused',
  ETIMEDOUT: 'connect-timeout',
  EHOSTUNREACH: 'connect-timeout',
  ENETUNREACH: 'connect-timeout',
  ECONNRESET: 'connection-reset',
}

const runtimeCodes: Readonly<Record<string, VerdictCode>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'not-tls',
  ERR_SSL_HTTP_REQUEST: 'not-tls',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'not-tls',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'protocol-version',
  ERR_SSL_NO_PROTOCOLS_AVAILABLE: 'protocol-version',
  ERR_SSL_NO_SHARED_CIPHER: 'no-shared-cipher',
  ERR_SSL_NO_CIPHERS_AVAILABLE: 'no-shared-cipher',
  ERR_SSL_ECC_CERT_NOT_FOR_SIGNING: 'wrong-purpose',
}

/** Chain faults by the runtime's code (tls-on-node section 1.2); null when the failure is of another kind. */
function chainVerdict(code: string, text: string, path: readonly X509Certificate[]): VerdictCode | null {
  switch (code) {
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return 'self-signed-leaf'
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return 'missing-root'
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return missingIssuer(path)
    case 'CERT_NOT_YET_VALID':
      return 'not-yet-valid'
    case 'CERT_HAS_EXPIRED':
      return 'expired'
    case 'INVALID_CA':
      return 'issuer-not-ca'
    case 'PATH_LENGTH_EXCEEDED':
      return 'path-length-exceeded'
    case 'INVALID_PURPOSE':
      return path.slice(1).some((issuer) => !issuer.ca) ? 'issuer-not-ca' : 'wrong-purpose'
    case 'CERT_CHAIN_TOO_LONG':
      return 'depth-exceeded'
    case 'CERT_SIGNATURE_FAILURE':
    case 'UNABLE_TO_DECRYPT_CERT_SIGNATURE':
    case 'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY':
      return 'bad-signature'
    case 'CERT_UNTRUSTED':
    case 'CERT_REJECTED':
      return 'distrusted'
    case 'CERT_REVOKED':
      return 'revoked'
    case 'UNABLE_TO_GET_CRL':
    case 'CRL_NOT_YET_VALID':
    case 'CRL_HAS_EXPIRED':
    case 'CRL_SIGNATURE_FAILURE':
    case 'UNABLE_TO_DECRYPT_CRL_SIGNATURE':
    case 'ERROR_IN_CRL_LAST_UPDATE_FIELD':
    case 'ERROR_IN_CRL_NEXT_UPDATE_FIELD':
      return 'revocation-unknown'
    case 'ERROR_IN_CERT_NOT_BEFORE_FIELD':
    case 'ERROR_IN_CERT_NOT_AFTER_FIELD':
      return 'malformed-certificate'
    case 'UNSPECIFIED':
      return unspecified(text)
    default:
      return null
  }
}

/**
 * Which issuer is missing, as far as the runtime's own path can tell. A path whose top is a CA certificate lacks that
 * one's issuer: a root by evidence. A lone leaf that says where its issuer can be fetched (AIA caIssuers) was issued by
 * an intermediate. Otherwise the evidence cannot tell, and the verdict says so.
 */
function missingIssuer(path: readonly X509Certificate[]): VerdictCode {
  const top = path.at(-1)
  if (top === undefined) return 'unknown-issuer'
  if (path.length > 1 && top.ca) return 'missing-root'
  return path.length === 1 && /CA Issuers/.test(top.infoAccess ?? '') ? 'missing-intermediate' : 'unknown-issuer'
}

/** No anchor, where the runtime has told of something else. */
function unanchored(path: readonly X509Certificate[]): VerdictCode {
  const top = path.at(-1)
  if (top === undefined || top.subject !== top.issuer) return missingIssuer(path)
  return path.length === 1 ? 'self-signed-leaf' : 'missing-root'
}

/** OpenSSL's reason texts for which the runtime has no code. */
function unspecified(text: string): VerdictCode {
  if (/\bCRL\b/.test(text)) return 'revocation-unknown'
  if (/key usage does not include certificate signing/i.test(text)) return 'issuer-key-usage'
  if (/subtree violation|name constraint|unsupported.*name/i.test(text)) return 'name-constraint-violation'
  if (/key too weak|key too small/i.test(text)) return 'weak-key'
  if (/digest algorithm too weak|md too weak/i.test(text)) return 'weak-signature'
  if (/critical extension/i.test(text)) return 'unknown-critical-extension'
  if (/policy/i.test(text)) return 'policy-violation'
  if (/invalid or inconsistent certificate extension|encoding|format/i.test(text)) return 'malformed-certificate'
  return 'distrusted'
}

/** TLS alerts by number (RFC 8446 section 6): the runtime's code names change between OpenSSL versions, numbers do not. */
export function alertVerdict(alert: number, sent: boolean): VerdictCode {
  switch (alert) {
    case 42:
    case 43:
    case 44:
    case 45:
    case 46:
    case 48:
      return sent ? 'client-certificate-rejected' : 'peer-alert'
    case 70:
      return 'protocol-version'
    case 71:
      return 'no-shared-cipher'
    case 112:
      return 'server-name-rejected'
    case 116:
      return sent ? 'client-certificate-rejected' : 'client-certificate-required'
    default:
      return 'peer-alert'
  }
}

/** How the data plane ends a request that met this verdict. */
export function faultKindOf(verdict: VerdictCode): FaultKind {
  switch (verdict) {
    case 'dns-failure':
      return 'dns-failed'
    case 'connection-refused':
      return 'connect-refused'
    case 'connect-timeout':
      return 'connect-timeout'
    case 'connection-reset':
      return 'connect-reset'
    case 'handshake-timeout':
      return 'tls-timeout'
    case 'client-certificate-required':
    case 'client-certificate-rejected':
      return 'client-certificate'
    default:
      return verdictCodes[verdict].stage === 'handshake' ? 'tls-failed' : 'tls-untrusted'
  }
}

function partyOf(thrown: unknown, verdict: VerdictCode, evidence: DialEvidence): Party {
  // Before there is a tunnel nothing has been heard of the server.
  if (proxyOf(evidence) !== '' && (evidence.phase === 'connect' || evidence.phase === 'tunnel')) return 'network'
  // A refused protocol version may be our own minimum: the alert of the peer says it is the peer that refused.
  if (verdict === 'protocol-version' && codeOf(thrown) === 'ERR_SSL_NO_PROTOCOLS_AVAILABLE') return 'gateway'
  const words = wordsOf(thrown, evidence)
  return words === null ? verdictCodes[verdict].party : revocationParty(words)
}

/** What is known of a revocation, or of the lack of a word about it; null where something else is wrong. */
function wordsOf(thrown: unknown, { lists = null }: DialEvidence): RevocationWords | null {
  if (thrown instanceof StapleError) return thrown.words
  return lists === 'unanchored' ? null : lists
}

function summaryOf(verdict: VerdictCode, thrown: unknown, evidence: DialEvidence): string {
  const proxy = proxyOf(evidence)
  const where = `${evidence.host}:${evidence.port}${proxy === '' ? '' : ` through proxy ${proxy}`}`
  const leaf = evidence.path[0]
  const named = leaf === undefined ? '' : ` ("${oneLine(leaf.subject)}" issued by "${oneLine(leaf.issuer)}")`
  if (thrown instanceof IdentityError) return `${where}: ${thrown.message}`
  const words = wordsOf(thrown, evidence)
  if (words !== null) return `${where}: ${words.code}: ${words.summary}`
  if (evidence.timedOut) return `${where}: no answer within the ${evidence.phase} timeout`
  return `${where}: ${verdict}${named}: ${reasonOf(thrown)}`
}

/**
 * The reason without what differs from run to run or advises what this project does not: OpenSSL's thread ids and build
 * paths, and the runtime's hint to start it with other flags.
 */
function reasonOf(thrown: unknown): string {
  const alert = alertNumber(thrown)
  if (typeof thrown === 'object' && thrown !== null && 'reason' in thrown && typeof thrown.reason === 'string') {
    return alert === null ? thrown.reason : `${thrown.reason} (alert ${alert})`
  }
  return messageOf(thrown).split('; if the root CA')[0]?.trim() ?? ''
}

function proxyOf(evidence: DialEvidence): string {
  return evidence.proxy ?? ''
}

function alertNumber(thrown: unknown): number | null {
  const match = /SSL alert number (\d+)/.exec(messageOf(thrown))
  return match === null ? null : Number(match[1])
}

function alertEvidence(thrown: unknown): { alert?: number } {
  const alert = alertNumber(thrown)
  return alert === null ? {} : { alert }
}

function identityEvidence(thrown: unknown): { expected?: readonly string[]; presented?: readonly string[] } {
  return thrown instanceof IdentityError ? { expected: thrown.expected, presented: thrown.presented } : {}
}

function pathEvidence([...path]: readonly X509Certificate[]): { leaf?: string; path?: readonly string[] } {
  const [leaf] = path
  if (leaf === undefined) return {}
  return { leaf: leaf.fingerprint256.replaceAll(':', ''), path: path.map(({ subject }) => oneLine(subject)) }
}

/** The runtime prints names with one attribute a line. */
function oneLine(name: string | undefined): string {
  return escapeControls((name ?? '').split('\n').join(', ')).slice(0, 256)
}
