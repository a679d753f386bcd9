import type { Party } from '../core/errors.ts'
import type { VerdictCode } from '../verdict/codes.ts'

/**
 * What went wrong with one request, as the data plane sees it. A closed set: each fault profile renders every kind.
 *
 * - `tls-untrusted`: the backend's chain or name was refused (I1), nothing of the request was sent
 * - `tls-failed`: the handshake ended otherwise (alert, no TLS on the port, closed early)
 * - `client-certificate`: the backend asked for a certificate we lack, or refused ours
 * - `no-server`: every server of the target is unhealthy or ejected
 * - `circuit-open`: the target's breaker is open
 * - `route-failed`: no rule of the proxy says where the request goes
 * - `store-unknown`: the trust store or identity that flow variables name is not there
 * - `step-not-supported`: the proxy is deployed and has something that cannot be run
 * - `response-eof`: the backend closed before its response was complete
 */
export type FaultKind =
  | 'tls-untrusted'
  | 'tls-failed'
  | 'tls-timeout'
  | 'client-certificate'
  | 'dns-failed'
  | 'connect-refused'
  | 'connect-timeout'
  | 'connect-reset'
  | 'response-timeout'
  | 'response-eof'
  | 'response-malformed'
  | 'response-head-too-large'
  | 'no-route'
  | 'bad-request'
  | 'bad-path'
  | 'uri-too-long'
  | 'headers-too-large'
  | 'body-too-large'
  | 'expectation-failed'
  | 'method-not-implemented'
  | 'version-not-supported'
  | 'request-timeout'
  | 'overloaded'
  | 'no-server'
  | 'circuit-open'
  | 'not-ready'
  | 'route-failed'
  | 'store-unknown'
  | 'step-not-supported'
  | 'client-gone'

/** One fault as a value. The fault profile renders it for the client, events carry it to the operator. */
export interface Fault {
  readonly kind: FaultKind
  /** Set whenever a connection to a backend was judged or failed; null for faults on the client's side. */
  readonly verdict: VerdictCode | null
  readonly party: Party
  /** One sentence for operators; never shown to a client unless `faultDetail: verbose` (I6). */
  readonly summary: string
  /** Plain data: expected and presented names, runtime code and text, addresses. No key material (I7). */
  readonly evidence: Readonly<Record<string, unknown>>
}

/** How faults are shown to clients. `native` is ours, the others imitate the product they are named for. */
export type FaultProfile = 'native' | 'apigee' | 'apim'

/**
 * How much a client learns (I6). `standard` is what the profile's original discloses; `minimal` keeps status, stable
 * code and id only; `verbose` adds verdict code and summary.
 */
export type FaultDetail = 'minimal' | 'standard' | 'verbose'
