import type { FaultKind } from '../../src/faults/fault.ts'
import type { Expectation } from '../../src/lab/scenarios.ts'
import type { VerdictCode } from '../../src/verdict/codes.ts'

/** What a client and an operator see of one kind of fault, profile by profile. Written out, not taken from the renderers. */
export interface Outcome {
  readonly native: { readonly status: number; readonly title: string; readonly proxyStatus: string }
  readonly apigee: { readonly status: number; readonly errorcode: string; readonly faultstring: string }
  readonly apim: {
    readonly reason: string
    readonly source: string
    /** BACKEND stands for the address that was tried. */
    readonly message: string
    readonly transportErrorCode: number
    readonly exception: string
  }
  /** The message processor's two texts of a failed handshake; null where no handshake failed. */
  readonly handshake: { readonly message: string; readonly cause: string } | null
}

/** How the request to a scenario ends; null where the backend's answer reaches the client. */
export function outcomeOf({ fault, trafficVerdict, alert }: Expectation): Outcome | null {
  if (fault === null) return null
  const outcome = byKind[fault as TestedKind]
  if (outcome === undefined) throw new Error(`no outcome is stated for the fault "${fault}"`)
  return {
    ...outcome,
    ...byVerdict[trafficVerdict]?.(outcome),
    ...(alert === undefined ? {} : alerted(outcome, alert)),
  }
}

/** The text of the playbook, for an untrusted chain and for a wrong name alike. */
export const playbookFaultstring =
  'SSL Handshake failed sun.security.validator.ValidatorException: PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target'

const pkix =
  'sun.security.validator.ValidatorException: PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target'
const pkixDates =
  'sun.security.validator.ValidatorException: PKIX path validation failed: java.security.cert.CertPathValidatorException: validity check failed'

const handshakeFailed = 'messaging.adaptors.http.flow.SslHandshakeFailed'

const unavailable = {
  status: 503,
  errorcode: 'messaging.adaptors.http.flow.ServiceUnavailable',
  faultstring: 'The Service is temporarily unavailable',
}
const badGateway = {
  status: 502,
  errorcode: 'messaging.adaptors.http.flow.BadGateway',
  faultstring: 'Bad Gateway',
}
const forwarder = {
  reason: 'BackendConnectionFailure',
  source: 'request-forwarder',
  transportErrorCode: 0,
}
const authentication = {
  ...forwarder,
  message: 'Authentication failed, see inner exception.',
  exception: 'System.Security.Authentication.AuthenticationException',
}

type TestedKind = Exclude<
  FaultKind,
  | 'connect-reset'
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
>

const byKind: Readonly<Record<TestedKind, Outcome>> = {
  'tls-untrusted': {
    native: { status: 502, title: 'The backend could not be verified', proxyStatus: 'tls_certificate_error' },
    apigee: { status: 503, errorcode: handshakeFailed, faultstring: playbookFaultstring },
    apim: {
      ...authentication,
      message: 'The remote certificate was rejected by the provided RemoteCertificateValidationCallback.',
    },
    handshake: { message: 'General SSLEngine problem', cause: pkix },
  },
  'tls-failed': {
    native: { status: 502, title: 'No secure connection to the backend', proxyStatus: 'tls_protocol_error' },
    apigee: unavailable,
    apim: authentication,
    handshake: {
      message: 'General SSLEngine problem',
      cause: 'javax.net.ssl.SSLHandshakeException: Remote host closed connection during handshake',
    },
  },
  'client-certificate': {
    native: { status: 502, title: 'No secure connection to the backend', proxyStatus: 'tls_protocol_error' },
    apigee: unavailable,
    apim: authentication,
    handshake: null,
  },
  'tls-timeout': {
    native: { status: 504, title: 'The backend did not finish in time', proxyStatus: 'connection_timeout' },
    apigee: badGateway,
    apim: { ...forwarder, message: 'connection timed out: BACKEND', exception: 'System.TimeoutException' },
    handshake: null,
  },
  'dns-failed': {
    native: { status: 502, title: 'The backend could not be found', proxyStatus: 'dns_error' },
    apigee: unavailable,
    apim: {
      ...forwarder,
      message: 'Name or service not known (BACKEND)',
      exception: 'System.Net.Sockets.SocketException',
    },
    handshake: null,
  },
  'connect-refused': {
    native: { status: 502, title: 'The backend could not be reached', proxyStatus: 'connection_refused' },
    apigee: unavailable,
    apim: {
      ...forwarder,
      message: 'LogError connecting to BACKEND',
      transportErrorCode: 111,
      exception: 'System.Net.Sockets.SocketException',
    },
    handshake: null,
  },
  'connect-timeout': {
    native: { status: 504, title: 'The backend could not be reached', proxyStatus: 'connection_timeout' },
    apigee: unavailable,
    apim: { ...forwarder, message: 'connection timed out: BACKEND', exception: 'System.TimeoutException' },
    handshake: null,
  },
  'response-timeout': {
    native: { status: 504, title: 'The backend did not answer in time', proxyStatus: 'http_response_timeout' },
    apigee: {
      status: 504,
      errorcode: 'messaging.adaptors.http.flow.GatewayTimeout',
      faultstring: 'Gateway Timeout',
    },
    apim: {
      reason: 'Timeout',
      source: 'forward-request',
      message: 'The backend did not answer in time: BACKEND',
      transportErrorCode: 0,
      exception: 'System.TimeoutException',
    },
    handshake: null,
  },
  'response-eof': {
    native: {
      status: 502,
      title: 'The backend did not complete its answer',
      proxyStatus: 'http_response_incomplete',
    },
    apigee: {
      status: 502,
      errorcode: 'messaging.adaptors.http.flow.UnexpectedEOFAtTarget',
      faultstring: 'Unexpected EOF at target',
    },
    apim: { ...forwarder, message: 'The response ended prematurely.', exception: 'System.IO.IOException' },
    handshake: null,
  },
  'response-malformed': {
    native: { status: 502, title: 'The backend sent an invalid answer', proxyStatus: 'http_protocol_error' },
    apigee: badGateway,
    apim: {
      ...forwarder,
      message: 'Received an invalid response from the backend.',
      exception: 'System.Net.Http.HttpRequestException',
    },
    handshake: null,
  },
}

/** Where the verdict says more than the kind. */
const byVerdict: Partial<Record<VerdictCode, (outcome: Outcome) => Partial<Outcome>>> = {
  expired: dates,
  'not-yet-valid': dates,
  // The one failure besides trust that has the handshake's code.
  'not-tls': () => {
    const cause = 'javax.net.ssl.SSLException: Unrecognized SSL message, plaintext connection?'
    return {
      apigee: { status: 503, errorcode: handshakeFailed, faultstring: `SSL Handshake failed ${cause}` },
      handshake: { message: 'General SSLEngine problem', cause },
    }
  },
}

function dates(): Partial<Outcome> {
  return {
    apigee: { status: 503, errorcode: handshakeFailed, faultstring: `SSL Handshake failed ${pkixDates}` },
    handshake: { message: 'General SSLEngine problem', cause: pkixDates },
  }
}

function alerted({ native }: Outcome, alert: number): Pick<Outcome, 'native' | 'handshake'> {
  const name = alertNames[alert]
  if (name === undefined) throw new Error(`no name is stated for alert ${alert}`)
  return {
    native: { ...native, proxyStatus: `tls_alert_received; alert-id=${alert}` },
    handshake: {
      message: `Received fatal alert: ${name}`,
      cause: `javax.net.ssl.SSLException: Received fatal alert: ${name}`,
    },
  }
}

/** RFC 8446 section 6. */
const alertNames: Readonly<Record<number, string>> = {
  40: 'handshake_failure',
  70: 'protocol_version',
  71: 'insufficient_security',
  80: 'internal_error',
  112: 'unrecognized_name',
  116: 'certificate_required',
  120: 'no_application_protocol',
}
