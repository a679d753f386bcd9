import type { Fault, FaultKind } from './fault.ts'
import type { Certainty, FaultInput, FaultStatus, RenderedFault } from './rendering.ts'

import { edgeSource } from './apigee.ts'
import { asciiJson, faultCode, headerSafe, reasonPhrase } from './rendering.ts'

export interface ApimRow {
  readonly status: FaultStatus
  /** `message` of the body. */
  readonly body: string
  readonly source: string
  /** Policy path; '' has none. */
  readonly path: string
  readonly section: 'inbound' | 'backend'
  readonly reason: string
  /** `message` of `lastError`. ADDRESS stands for the backend's IP:port. */
  readonly message: string
  readonly transportErrorCode?: number
  /** .NET exception type of `FailedToProcessRequest`. */
  readonly exception: string
  readonly certainty: Certainty
}

const forward = {
  status: 500,
  body: 'Internal server error',
  source: 'request-forwarder',
  path: 'forward-request\\forward-request',
  section: 'backend',
  reason: 'BackendConnectionFailure',
  exception: 'System.Net.Http.HttpRequestException',
  certainty: 'ours',
} as const

const handshake = {
  ...forward,
  exception: 'System.Security.Authentication.AuthenticationException',
  message: 'Authentication failed, see inner exception.',
  certainty: 'unconfirmed',
} as const satisfies ApimRow

const client = {
  status: 400,
  body: 'Bad request',
  source: 'configuration',
  path: '',
  section: 'inbound',
  reason: 'BadRequest',
  exception: 'System.Net.Http.HttpRequestException',
  certainty: 'ours',
} as const

const unavailable = { ...forward, status: 503, body: 'Service unavailable', reason: 'ServiceUnavailable' } as const

/** Of the API's own definition: no backend was asked. */
const setup = {
  ...client,
  status: 500,
  body: 'Internal server error',
  reason: 'ConfigurationError',
  exception: 'System.InvalidOperationException',
} as const satisfies Partial<ApimRow>

export const apimTable = {
  'tls-untrusted': {
    ...handshake,
    message: 'The remote certificate was rejected by the provided RemoteCertificateValidationCallback.',
    certainty: 'verified',
  },
  'tls-failed': handshake,
  'tls-timeout': { ...forward, message: 'connection timed out: ADDRESS', exception: 'System.TimeoutException' },
  'client-certificate': handshake,
  'dns-failed': {
    ...forward,
    message: 'Name or service not known (ADDRESS)',
    exception: 'System.Net.Sockets.SocketException',
  },
  'connect-refused': {
    ...forward,
    message: 'LogError connecting to ADDRESS',
    transportErrorCode: 111,
    exception: 'System.Net.Sockets.SocketException',
    certainty: 'verified',
  },
  'connect-timeout': {
    ...forward,
    message: 'connection timed out: ADDRESS',
    exception: 'System.TimeoutException',
    certainty: 'verified',
  },
  'connect-reset': {
    ...forward,
    message: 'Connection reset by peer: ADDRESS',
    transportErrorCode: 104,
    exception: 'System.Net.Sockets.SocketException',
  },
  'response-timeout': {
    ...forward,
    source: 'forward-request',
    reason: 'Timeout',
    message: 'The backend did not answer in time: ADDRESS',
    exception: 'System.TimeoutException',
    certainty: 'unconfirmed',
  },
  'response-eof': { ...forward, message: 'The response ended prematurely.', exception: 'System.IO.IOException' },
  'response-malformed': { ...forward, message: 'Received an invalid response from the backend.' },
  'response-head-too-large': { ...forward, message: 'The response headers exceeded the configured limit.' },
  'no-route': {
    ...client,
    status: 404,
    body: 'Resource not found',
    section: 'backend',
    reason: 'OperationNotFound',
    message: 'Unable to match incoming request to an operation.',
    certainty: 'verified',
  },
  'bad-request': { ...client, message: 'The request is malformed.' },
  'bad-path': { ...client, message: 'The request path is malformed.' },
  'uri-too-long': {
    ...client,
    status: 414,
    body: 'URI too long',
    reason: 'UriTooLong',
    message: 'The request line exceeded the configured limit.',
  },
  'headers-too-large': {
    ...client,
    status: 431,
    body: 'Request header fields too large',
    reason: 'HeadersTooLarge',
    message: 'The request headers exceeded the configured limit.',
  },
  'body-too-large': {
    ...client,
    status: 413,
    body: 'Request body too large',
    reason: 'BodyTooLarge',
    message: 'The request body exceeded the configured limit.',
  },
  'expectation-failed': {
    ...client,
    status: 417,
    body: 'Expectation failed',
    reason: 'ExpectationFailed',
    message: 'The request expects what this gateway does not support.',
  },
  'method-not-implemented': {
    ...client,
    status: 501,
    body: 'Not implemented',
    reason: 'MethodNotImplemented',
    message: 'The request method is not supported.',
  },
  'version-not-supported': {
    ...client,
    status: 505,
    body: 'HTTP version not supported',
    reason: 'VersionNotSupported',
    message: 'The HTTP version of the request is not supported.',
  },
  'request-timeout': {
    ...client,
    status: 408,
    body: 'Request timeout',
    reason: 'RequestTimeout',
    message: 'The request did not arrive in time.',
  },
  overloaded: { ...unavailable, message: 'Too many requests are waiting for the backend.' },
  // The original rules a backend out by its circuit breaker alone, and answers 503 then; of a pool whose members are all
  // ruled out it can say no other.
  'no-server': { ...unavailable, message: 'No server of the backend is available.' },
  'circuit-open': { ...unavailable, message: 'The circuit breaker of the backend is open.', certainty: 'unconfirmed' },
  'not-ready': { ...unavailable, message: 'The gateway has no configuration to serve yet.' },
  'route-failed': { ...setup, message: 'No route of the API applies to the request.' },
  'store-unknown': { ...setup, message: 'The certificates that the request names are not configured.' },
  'step-not-supported': { ...setup, message: 'A policy of the API is not supported.' },
  'client-gone': {
    ...forward,
    status: 499,
    body: 'Client closed request',
    reason: 'ClientConnectionFailure',
    message: 'The client closed the connection.',
    certainty: 'unconfirmed',
  },
} as const satisfies Record<FaultKind, ApimRow>

/** `lastError` of a GatewayLogs line, without `elapsed`, in the original's order of fields. */
export interface ApimError {
  readonly source: string
  readonly path?: string
  readonly reason: string
  readonly message: string
  readonly section: 'inbound' | 'backend'
  readonly transportErrorCode?: number
}

export interface ApimErrorContext {
  /** `IP:port` of the connection, '' when none was opened; `evidence.address` (the one tried) goes first. */
  readonly address: string
  /** Name of the target, for when no address is known. */
  readonly target: string
}

/** What the original's log says of a fault. One sentence stands for every rejected certificate; ours follow it. */
export function apimError(fault: Fault, context: ApimErrorContext): ApimError {
  const row: ApimRow = apimTable[fault.kind]
  const tried = fault.evidence['address']
  const address = typeof tried === 'string' && tried !== '' ? tried : context.address || context.target
  return {
    source: row.source,
    ...(row.path === '' ? {} : { path: row.path }),
    reason: row.reason,
    // A function, as an address is not a replacement pattern.
    message: row.message.replace('ADDRESS', () => address),
    section: row.section,
    ...(row.transportErrorCode === undefined ? {} : { transportErrorCode: row.transportErrorCode }),
  }
}

/**
 * The original's body, spaces inside the braces included: clients compare lengths. It says nothing of the cause, so
 * `minimal` equals `standard`; `verbose` adds our verdict after the original's fields.
 */
export function renderApim(input: FaultInput): RenderedFault {
  const { fault } = input
  const row = apimTable[fault.kind]
  const fields: [string, string | number][] = [
    ['statusCode', row.status],
    ['message', row.body],
  ]
  // The original's 4xx bodies carry no id; the header below does.
  if (row.status >= 500) fields.push(['activityId', input.requestId])
  if (input.detail === 'verbose') fields.push(['verdict', faultCode(fault)], ['detail', fault.summary])
  return {
    status: row.status,
    reason: reasonPhrase(row.status),
    headers: [
      ['Content-Type', 'application/json'],
      ['X-Request-ID', headerSafe(input.requestId)],
    ],
    body: `{ ${fields.map(([name, value]) => `"${name}": ${asciiJson(value)}`).join(', ')} }`,
    code: row.reason,
    source: edgeSource(fault.kind),
  }
}
