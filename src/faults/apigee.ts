import type { Fault, FaultKind } from './fault.ts'
import type { Certainty, FaultInput, FaultSource, FaultStatus, RenderedFault } from './rendering.ts'

import { asciiJson, faultCode, headerSafe, reasonPhrase } from './rendering.ts'
import { receivedAlert } from './tls-alerts.ts'

export interface ApigeeRow {
  readonly status: FaultStatus
  readonly errorcode: string
  readonly source: FaultSource
  readonly certainty: Certainty
  /** What `faultDetail: minimal` says; also what the catalogue says, unless `faultstring` below knows better. */
  readonly generic: string
}

const sslHandshakeFailed = 'messaging.adaptors.http.flow.SslHandshakeFailed'

const unavailable = {
  status: 503,
  errorcode: 'messaging.adaptors.http.flow.ServiceUnavailable',
  source: 'target',
  certainty: 'seen',
  generic: 'The Service is temporarily unavailable',
} as const satisfies ApigeeRow

const badGateway = {
  status: 502,
  errorcode: 'messaging.adaptors.http.flow.BadGateway',
  source: 'target',
  certainty: 'seen',
  generic: 'Bad Gateway',
} as const satisfies ApigeeRow

export const apigeeTable = {
  'tls-untrusted': {
    status: 503,
    errorcode: sslHandshakeFailed,
    source: 'target',
    certainty: 'verified',
    generic: 'SSL Handshake failed',
  },
  'tls-failed': unavailable,
  'tls-timeout': badGateway,
  'client-certificate': unavailable,
  'dns-failed': unavailable,
  'connect-refused': unavailable,
  'connect-timeout': unavailable,
  'connect-reset': unavailable,
  'response-timeout': {
    status: 504,
    errorcode: 'messaging.adaptors.http.flow.GatewayTimeout',
    source: 'target',
    certainty: 'seen',
    generic: 'Gateway Timeout',
  },
  'response-eof': {
    status: 502,
    errorcode: 'messaging.adaptors.http.flow.UnexpectedEOFAtTarget',
    source: 'target',
    certainty: 'verified',
    generic: 'Unexpected EOF at target',
  },
  'response-malformed': { ...badGateway, certainty: 'ours' },
  'response-head-too-large': {
    status: 502,
    errorcode: 'protocol.http.TooBigHeaders',
    source: 'target',
    certainty: 'unconfirmed',
    generic: 'response headers too large',
  },
  'no-route': {
    status: 404,
    errorcode: 'messaging.adaptors.http.flow.ApplicationNotFound',
    source: 'apigee',
    certainty: 'unconfirmed',
    generic: 'Unable to identify proxy',
  },
  // The original refuses malformed requests in its router with an HTML page; these keep one form for all faults.
  'bad-request': {
    status: 400,
    errorcode: 'protocol.http.BadRequest',
    source: 'proxy',
    certainty: 'ours',
    generic: 'Bad Request',
  },
  'bad-path': {
    status: 400,
    errorcode: 'protocol.http.BadPath',
    source: 'proxy',
    certainty: 'unconfirmed',
    generic: 'Invalid request path',
  },
  'uri-too-long': {
    status: 414,
    errorcode: 'protocol.http.TooBigLine',
    source: 'proxy',
    certainty: 'seen',
    generic: 'request line too long',
  },
  'headers-too-large': {
    status: 431,
    errorcode: 'protocol.http.TooBigHeaders',
    source: 'proxy',
    certainty: 'unconfirmed',
    generic: 'request headers too large',
  },
  'body-too-large': {
    status: 413,
    errorcode: 'protocol.http.TooBigBody',
    source: 'proxy',
    certainty: 'seen',
    generic: 'Body buffer overflow',
  },
  'expectation-failed': {
    status: 417,
    errorcode: 'protocol.http.ExpectationFailed',
    source: 'proxy',
    certainty: 'ours',
    generic: 'Expectation Failed',
  },
  'method-not-implemented': {
    status: 501,
    errorcode: 'protocol.http.NotImplemented',
    source: 'proxy',
    certainty: 'ours',
    generic: 'Not Implemented',
  },
  'version-not-supported': {
    status: 505,
    errorcode: 'protocol.http.VersionNotSupported',
    source: 'proxy',
    certainty: 'ours',
    generic: 'HTTP Version Not Supported',
  },
  'request-timeout': {
    status: 408,
    errorcode: 'messaging.adaptors.http.flow.RequestTimeOut',
    source: 'proxy',
    certainty: 'unconfirmed',
    generic: 'Request timed out',
  },
  overloaded: { ...unavailable, source: 'mp', certainty: 'ours' },
  'no-server': { ...unavailable, errorcode: 'messaging.adaptors.http.flow.NoActiveTargets' },
  // The original has no breaker; to its clients this is a target with no server left, as its health monitor would make it.
  'circuit-open': {
    ...unavailable,
    errorcode: 'messaging.adaptors.http.flow.NoActiveTargets',
    certainty: 'ours',
  },
  'not-ready': { ...unavailable, source: 'mp', certainty: 'ours' },
  'route-failed': {
    status: 500,
    errorcode: 'messaging.runtime.RouteFailed',
    source: 'proxy',
    certainty: 'unconfirmed',
    generic: 'Unable to route the message to a Target Endpoint',
  },
  // The original's code for the identity alone; what it says of a trust store that a variable names wrongly is not known.
  'store-unknown': {
    status: 500,
    errorcode: 'security.util.KeyAliasNotFound',
    source: 'target',
    certainty: 'ours',
    generic: 'Keystore, alias or truststore not found',
  },
  'step-not-supported': {
    status: 500,
    errorcode: 'messaging.runtime.StepNotSupported',
    source: 'proxy',
    certainty: 'ours',
    generic: 'The proxy has a step that is not supported',
  },
  'client-gone': {
    status: 499,
    errorcode: 'messaging.adaptors.http.flow.ClientClosedConnection',
    source: 'proxy',
    certainty: 'ours',
    generic: 'Client closed connection',
  },
} as const satisfies Record<FaultKind, ApigeeRow>

/** What the text of a fault is made of. */
type FaultWords = Pick<FaultInput, 'fault' | 'listener' | 'target'>

/** The text Edge gives for an untrusted chain, and for a name mismatch as well: its playbook documents both. */
const pkixBuilding =
  'PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target'

/** From memory of the Java classes, not from a captured message. */
const pkixValidity = 'PKIX path validation failed: java.security.cert.CertPathValidatorException: validity check failed'

/** Java's exception for a failed handshake, as it stands in the last `Caused by` of the message processor's log. */
export function javaCause(fault: Fault): string {
  if (fault.kind === 'tls-untrusted') {
    const dates = fault.verdict === 'expired' || fault.verdict === 'not-yet-valid'
    return `sun.security.validator.ValidatorException: ${dates ? pkixValidity : pkixBuilding}`
  }
  if (fault.verdict === 'not-tls') return 'javax.net.ssl.SSLException: Unrecognized SSL message, plaintext connection?'
  const alert = receivedAlert(fault)
  if (alert !== null) return `javax.net.ssl.SSLException: Received fatal alert: ${alert.name || alert.id}`
  if (fault.verdict === 'handshake-closed' || fault.verdict === 'connection-reset') {
    return 'javax.net.ssl.SSLHandshakeException: Remote host closed connection during handshake'
  }
  return 'javax.net.ssl.SSLHandshakeException: General SSLEngine problem'
}

/** Edge's error code of a fault. A plaintext answer to the handshake is the one failure outside of trust that has the
 * handshake's code; alerts and early closes are `ServiceUnavailable` in the playbooks. */
export function apigeeCode(fault: Fault): string {
  return isHandshakeFault(fault) ? sslHandshakeFailed : apigeeTable[fault.kind].errorcode
}

/** `X-Apigee-fault-source`; the router log has it for every profile. */
export function edgeSource(kind: FaultKind): FaultSource {
  return apigeeTable[kind].source
}

/** `/organizations/O/environments/E/apiproxies/P/revisions/R`, as the original's headers and router log name a proxy. */
export function edgeProxyPath(
  organization: string,
  environment: string,
  proxy: { readonly name: string; readonly revision: string },
): string {
  return `/organizations/${organization}/environments/${environment}/apiproxies/${proxy.name}/revisions/${proxy.revision}`
}

/**
 * Edge's fault body. `standard` is what the original discloses, Java's text included; `minimal` keeps status and error
 * code; `verbose` adds our verdict as `detail.reason`, and the headers that name the internal path of the proxy (the
 * original's router strips those before the client).
 */
export function renderApigee(input: FaultInput): RenderedFault {
  const { fault, detail, proxy } = input
  const row = apigeeTable[fault.kind]
  const errorcode = apigeeCode(fault)
  const reason = detail === 'verbose' ? { reason: `${faultCode(fault)}: ${fault.summary}` } : {}
  const headers: [string, string][] = [
    ['Content-Type', 'application/json'],
    ['X-Apigee-Message-ID', headerSafe(input.requestId)],
    ['X-Apigee-fault-flag', 'true'],
    ['X-Apigee-fault-source', row.source],
    ['X-Apigee-fault-code', errorcode],
    ['X-Apigee-fault-policy', 'null/null'],
  ]
  if (detail === 'verbose') {
    headers.push(['X-Apigee-organization', headerSafe(input.organization)])
    if (proxy !== null) {
      const path = headerSafe(edgeProxyPath(input.organization, input.environment, proxy))
      headers.push(
        ['X-Apigee-proxy', path],
        ['X-Apigee-proxy-basepath', headerSafe(proxy.basePath)],
        ['X-Apigee-fault-revision', path],
      )
    }
  }
  const faultstring = detail === 'minimal' ? genericString(fault) : apigeeFaultString(input)
  return {
    status: row.status,
    reason: reasonPhrase(row.status),
    headers,
    body: asciiJson({ fault: { faultstring, detail: { errorcode, ...reason } } }),
    code: errorcode,
    source: row.source,
  }
}

function isHandshakeFault(fault: Fault): boolean {
  return fault.kind === 'tls-untrusted' || (fault.kind === 'tls-failed' && fault.verdict === 'not-tls')
}

function genericString(fault: Fault): string {
  return isHandshakeFault(fault) ? apigeeTable['tls-untrusted'].generic : apigeeTable[fault.kind].generic
}

/** `faultstring` as the original discloses it; traces have it as `error`. */
export function apigeeFaultString(input: FaultWords): string {
  const { fault } = input
  if (isHandshakeFault(fault)) return `SSL Handshake failed ${javaCause(fault)}`
  return specificStrings[fault.kind]?.(input) ?? apigeeTable[fault.kind].generic
}

/** The catalogue's texts that say more than their kind. */
const specificStrings: Partial<Record<FaultKind, (input: FaultWords) => string>> = {
  'no-route': (input) => `Unable to identify proxy for host: ${input.listener} and url: ${pathOf(input.target)}`,
  'uri-too-long': ({ fault }) => `request line size exceeding ${limitOf(fault, 7168)}`,
  'headers-too-large': ({ fault }) => `request headers size exceeding ${limitOf(fault, 25_600)}`,
  'response-head-too-large': ({ fault }) => `response headers size exceeding ${limitOf(fault, 25_600)}`,
}

/** Path without query: the query may carry what a caller must not find in another system's error log. */
function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

/** The configured limit from `evidence.limit`, or the original's own. */
function limitOf(fault: Fault, fallback: number): string {
  const limit = fault.evidence['limit']
  const bytes = typeof limit === 'number' ? limit : fallback
  return String(bytes).replace(/\B(?=(\d{3})+$)/g, ',')
}
