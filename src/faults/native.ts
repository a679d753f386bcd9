import type { Fault, FaultKind } from './fault.ts'
import type { FaultInput, FaultStatus, RenderedFault } from './rendering.ts'

import { edgeSource } from './apigee.ts'
import { asciiJson, faultCode, headerSafe, reasonPhrase } from './rendering.ts'
import { receivedAlert } from './tls-alerts.ts'

export interface NativeRow {
  readonly status: FaultStatus
  readonly title: string
  /** Error type of `Proxy-Status` (RFC 9209 section 2.3). */
  readonly proxyError: string
}

export const nativeTable = {
  'tls-untrusted': { status: 502, title: 'The backend could not be verified', proxyError: 'tls_certificate_error' },
  'tls-failed': { status: 502, title: 'No secure connection to the backend', proxyError: 'tls_protocol_error' },
  'tls-timeout': { status: 504, title: 'The backend did not finish in time', proxyError: 'connection_timeout' },
  'client-certificate': { status: 502, title: 'No secure connection to the backend', proxyError: 'tls_protocol_error' },
  'dns-failed': { status: 502, title: 'The backend could not be found', proxyError: 'dns_error' },
  'connect-refused': { status: 502, title: 'The backend could not be reached', proxyError: 'connection_refused' },
  'connect-timeout': { status: 504, title: 'The backend could not be reached', proxyError: 'connection_timeout' },
  'connect-reset': { status: 502, title: 'The backend could not be reached', proxyError: 'connection_terminated' },
  'response-timeout': { status: 504, title: 'The backend did not answer in time', proxyError: 'http_response_timeout' },
  'response-eof': {
    status: 502,
    title: 'The backend did not complete its answer',
    proxyError: 'http_response_incomplete',
  },
  'response-malformed': { status: 502, title: 'The backend sent an invalid answer', proxyError: 'http_protocol_error' },
  'response-head-too-large': {
    status: 502,
    title: 'The backend sent an invalid answer',
    proxyError: 'http_response_header_section_size',
  },
  'no-route': { status: 404, title: 'No such route', proxyError: 'http_request_error' },
  'bad-request': { status: 400, title: 'Malformed request', proxyError: 'http_request_error' },
  'bad-path': { status: 400, title: 'Malformed path', proxyError: 'http_request_error' },
  'uri-too-long': { status: 414, title: 'Request line too long', proxyError: 'http_request_error' },
  'headers-too-large': { status: 431, title: 'Request headers too large', proxyError: 'http_request_error' },
  'body-too-large': { status: 413, title: 'Request body too large', proxyError: 'http_request_error' },
  'expectation-failed': { status: 417, title: 'Expectation not supported', proxyError: 'http_request_error' },
  // http_request_error is for 4xx; an answer of our own with another status is proxy_internal_response.
  'method-not-implemented': { status: 501, title: 'Method not supported', proxyError: 'proxy_internal_response' },
  'version-not-supported': { status: 505, title: 'HTTP version not supported', proxyError: 'proxy_internal_response' },
  'request-timeout': { status: 408, title: 'The request did not arrive in time', proxyError: 'http_request_error' },
  overloaded: { status: 503, title: 'Too many requests are waiting', proxyError: 'connection_limit_reached' },
  'no-server': { status: 503, title: 'No server of the backend is available', proxyError: 'destination_unavailable' },
  'circuit-open': {
    status: 503,
    title: 'Too many requests to the backend fail',
    proxyError: 'destination_unavailable',
  },
  'not-ready': { status: 503, title: 'The gateway is not ready', proxyError: 'proxy_internal_error' },
  'route-failed': { status: 500, title: 'The request has no target', proxyError: 'destination_not_found' },
  'store-unknown': { status: 500, title: 'Trust for the backend is unknown', proxyError: 'proxy_configuration_error' },
  'step-not-supported': { status: 500, title: 'The proxy cannot be run', proxyError: 'proxy_configuration_error' },
  'client-gone': { status: 499, title: 'The client closed the connection', proxyError: 'http_request_error' },
} as const satisfies Record<FaultKind, NativeRow>

/**
 * RFC 9457 problem document. `standard` names the verdict; `minimal` only the kind of fault, which does not tell a
 * client how trust is set up here; `verbose` adds the operator's sentence (I6).
 */
export function renderNative(input: FaultInput): RenderedFault {
  const { fault, detail } = input
  const row = nativeTable[fault.kind]
  const code = faultCode(fault)
  const shown = detail === 'minimal' ? fault.kind : code
  const problem = {
    type: `urn:postern:fault:${shown}`,
    title: row.title,
    status: row.status,
    code: shown,
    requestId: input.requestId,
    ...(detail === 'verbose' ? { detail: fault.summary, party: fault.party } : {}),
  }
  const headers: [string, string][] = [
    ['Content-Type', 'application/problem+json'],
    // 404, 414 and 501 may be cached without being told so (RFC 9110 section 15.1); the next try may well succeed.
    ['Cache-Control', 'no-store'],
    ['X-Request-ID', headerSafe(input.requestId)],
  ]
  if (row.status === 503) headers.push(['Retry-After', String(retryAfter(fault))])
  if (detail !== 'minimal') headers.push(['Proxy-Status', proxyStatus(fault, row.proxyError, code)])
  return {
    status: row.status,
    reason: reasonPhrase(row.status),
    headers,
    body: asciiJson(problem),
    code,
    source: edgeSource(fault.kind),
  }
}

/** Seconds. A breaker knows how long it stays open; of the rest only that the next try may well succeed. */
function retryAfter(fault: Fault): number {
  const openMs = fault.evidence['openMs']
  return typeof openMs === 'number' && openMs > 1000 ? Math.ceil(openMs / 1000) : 1
}

/** RFC 9209; our own codes go into `details`, as its error types are few on purpose. */
function proxyStatus(fault: Fault, error: string, code: string): string {
  const alert = fault.kind === 'tls-failed' || fault.kind === 'client-certificate' ? receivedAlert(fault) : null
  const type = alert === null ? error : `tls_alert_received; alert-id=${alert.id}`
  return `postern; error=${type}; details="${code}"`
}
