import { codeOf, messageOf } from '../../core/errors.ts'
import { type VerdictCode, verdictCodes } from '../../verdict/codes.ts'

/** Why a receiver got nothing, in the words that backends are judged with. */
export interface ReceiverProblem {
  /** Of the runtime; `timeout`; `status-500`. */
  readonly code: string
  /** null: it was reached, and said no. */
  readonly verdict: VerdictCode | null
  readonly message: string
}

/** Of a connection or an exchange that failed. */
export function receiverProblem(error: unknown): ReceiverProblem {
  const code = isTimeout(error) ? 'timeout' : codeOf(error) || 'failed'
  const verdict = byCode[code] ?? null
  const text = messageOf(error)
  return { code, verdict, message: verdict === null ? text : `${summaryOf(verdict)} (${text})` }
}

/** Verdicts are worded for backends; a receiver is none. */
const summaryOf = (verdict: VerdictCode): string =>
  verdictCodes[verdict].summary
    .replaceAll('backend', 'receiver')
    .replaceAll('the trust store', 'what receivers are verified with')

/** Its chain hangs on nothing that is trusted. */
export function isUntrusted({ verdict }: ReceiverProblem): boolean {
  return verdict === 'unknown-issuer' || verdict === 'missing-root' || verdict === 'self-signed-leaf'
}

/** With what has to be trusted and where that is said. */
export function withRemedy(problem: ReceiverProblem, { hostname, port }: URL): ReceiverProblem {
  const remedy = `to trust it, put the certificate of its CA into a trust store and name that in alerts.trust; postern tls check ${hostname}:${port || '443'} shows which CA that is`
  return { ...problem, message: `${problem.message}; ${remedy}` }
}

const isTimeout = (error: unknown): boolean => error instanceof Error && error.name === 'TimeoutError'

/** Codes of the runtime and of OpenSSL; the handshake is not looked into, so each leads to one. */
const byCode: Readonly<Record<string, VerdictCode>> = {
  ENOTFOUND: 'dns-failure',
  EAI_AGAIN: 'dns-failure',
  ECONNREFUSED: 'connection-refused',
  EHOSTUNREACH: 'connect-timeout',
  ETIMEDOUT: 'connect-timeout',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed-leaf',
  SELF_SIGNED_CERT_IN_CHAIN: 'missing-root',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown-issuer',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown-issuer',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown-issuer',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not-yet-valid',
  CERT_REVOKED: 'revoked',
  CERT_SIGNATURE_FAILURE: 'bad-signature',
  INVALID_PURPOSE: 'wrong-purpose',
  INVALID_CA: 'issuer-not-ca',
  PATH_LENGTH_EXCEEDED: 'path-length-exceeded',
  ERR_TLS_CERT_ALTNAME_INVALID: 'name-mismatch',
  ERR_SSL_WRONG_VERSION_NUMBER: 'not-tls',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'not-tls',
  EPROTO: 'peer-alert',
}
