import type { Refusal } from '../wire/h1/refusal.ts'
import { errorCodes, type H2ErrorCode } from '../wire/h2/error-codes.ts'
import type { H2Refusal } from '../wire/h2/refusals.ts'

/**
 * What a client does that is wrong for the stream or the connection it does it on; its frames by themselves are well formed.
 * Those without a code are answered as HTTP/1.1 would answer them.
 */
export const clientRefusals = {
  scheme: { kind: 'bad-request', summary: ':scheme does not fit the listener: https with TLS, http without' },
  protocol: { kind: 'method-not-implemented', summary: ':protocol is not websocket (RFC 8441 5)' },
  bodyTimeout: { kind: 'request-timeout', summary: 'the body of the request paused longer than its timeout' },

  length: stream(errorCodes.protocolError, 'DATA is not as long as Content-Length says (RFC 9113 8.1.1)'),
  tunnelLength: stream(errorCodes.protocolError, 'an extended CONNECT with Content-Length (RFC 8441 4)'),
  trailersOpen: stream(errorCodes.protocolError, 'a second field block that does not end the stream (RFC 9113 8.1)'),
  trailersInTunnel: stream(errorCodes.protocolError, 'a field block inside a tunnel (RFC 9113 8.5)'),
  streamClosed: stream(errorCodes.streamClosed, 'a frame on a stream that the client had ended (RFC 9113 5.1)'),

  closedStream: connection(errorCodes.streamClosed, 'a frame on a stream that the client had ended (RFC 9113 5.1)'),
  lowStream: connection(errorCodes.protocolError, 'a stream id lower than one before it (RFC 9113 5.1.1)'),
  resets: connection(errorCodes.enhanceYourCalm, 'too many streams ended before their response (CVE-2023-44487)'),
  oldTls: connection(errorCodes.inadequateSecurity, 'HTTP/2 over a version of TLS before 1.2 (RFC 9113 9.2)'),
  headTimeout: {
    ...connection(errorCodes.enhanceYourCalm, 'the head of the request did not arrive in time'),
    kind: 'request-timeout',
  },
} as const satisfies Record<string, Refusal | H2Refusal>

function stream(code: H2ErrorCode, summary: string): H2Refusal {
  return { kind: 'bad-request', scope: 'stream', code, summary }
}

function connection(code: H2ErrorCode, summary: string): H2Refusal {
  return { kind: 'bad-request', scope: 'connection', code, summary }
}
