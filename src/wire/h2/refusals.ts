import type { Refusal } from '../h1/refusal.ts'
import { errorCodes, type H2ErrorCode } from './error-codes.ts'

/**
 * Why bytes of an HTTP/2 connection were refused. `connection`: GOAWAY with `code`, and the connection ends. `stream`:
 * RST_STREAM with `code`, or an answer made from `kind`; the connection and its HPACK state stay good.
 */
export interface H2Refusal extends Refusal {
  readonly scope: 'connection' | 'stream'
  readonly code: H2ErrorCode
}

/** Every refusal of the byte layer (I8). As in HTTP/1.1 they are these objects themselves: no allocation, compared by identity. */
export const h2Refusals = {
  preface: protocol('the connection does not begin with the HTTP/2 preface (RFC 9113 3.4)'),
  firstFrame: protocol('the first frame is not SETTINGS (RFC 9113 3.4)'),
  frameSize: size('a frame is larger than the announced maximum (RFC 9113 4.2)'),
  pingSize: size('PING is not 8 bytes (RFC 9113 6.7)'),
  windowUpdateSize: size('WINDOW_UPDATE is not 4 bytes (RFC 9113 6.9)'),
  rstStreamSize: size('RST_STREAM is not 4 bytes (RFC 9113 6.4)'),
  settingsSize: size('SETTINGS is no multiple of 6 bytes (RFC 9113 6.5)'),
  settingsAckSize: size('an acknowledging SETTINGS that is not empty (RFC 9113 6.5)'),
  goawaySize: size('GOAWAY is shorter than 8 bytes (RFC 9113 6.8)'),
  paddedSize: size(
    'a frame is too short for the padding length or priority that its flags announce (RFC 9113 6.1, 6.2)',
  ),
  prioritySize: stream(errorCodes.frameSizeError, 'PRIORITY is not 5 bytes (RFC 9113 6.3)'),
  padding: protocol('padding is as long as the frame or longer (RFC 9113 6.1)'),
  streamZero: protocol('stream 0 where a frame belongs to a stream (RFC 9113 6)'),
  streamNotZero: protocol('a stream where a frame belongs to the connection (RFC 9113 6)'),
  evenStream: protocol('an even stream: nothing was pushed (RFC 9113 5.1.1)'),
  push: protocol('PUSH_PROMISE, which nobody allowed (RFC 9113 8.4)'),
  interleaved: protocol('another frame inside a field block (RFC 9113 6.10)'),
  loneContinuation: protocol('CONTINUATION without a field block to continue (RFC 9113 6.10)'),
  blockTooLarge: calm('a field block is larger than the limit'),
  tooManyContinuations: calm('a field block in more CONTINUATION frames than the limit'),
  selfDependency: stream(errorCodes.protocolError, 'a stream depends on itself (RFC 7540 5.3.1)'),
  windowIncrement: stream(errorCodes.protocolError, 'a window increment of 0 (RFC 9113 6.9)'),
  connectionWindowIncrement: protocol('a window increment of 0 for the connection (RFC 9113 6.9)'),
  enablePush: protocol('SETTINGS_ENABLE_PUSH that this peer may not send (RFC 9113 6.5.2)'),
  initialWindow: connection(errorCodes.flowControlError, 'SETTINGS_INITIAL_WINDOW_SIZE over 2^31-1 (RFC 9113 6.5.2)'),
  maxFrameSize: protocol('SETTINGS_MAX_FRAME_SIZE outside 2^14 to 2^24-1 (RFC 9113 6.5.2)'),
  connectProtocol: protocol('SETTINGS_ENABLE_CONNECT_PROTOCOL is not 0 or 1, or is taken back (RFC 8441 3)'),

  blockEnd: compression('a field block ends inside a field'),
  integer: compression('an HPACK integer of more than 28 bits (RFC 7541 5.1)'),
  indexZero: compression('HPACK index 0 (RFC 7541 6.1)'),
  index: compression('an HPACK index beyond the tables (RFC 7541 2.3.3)'),
  huffman: compression('a Huffman string with EOS or wrong padding (RFC 7541 5.2)'),
  tableSize: compression('a dynamic table larger than was announced (RFC 7541 6.3)'),
  tableSizeLate: compression('a dynamic table size update after a field (RFC 7541 4.2)'),

  listTooLarge: tooLarge('the field section is larger than the limit, counted as RFC 9113 6.5.2 does'),
  tooManyFields: tooLarge('there are more fields than the limit'),
  name: malformed('a field name is not a token in lower case (RFC 9113 8.2.1)'),
  value: malformed('a field value holds a control byte, or white space at an end (RFC 9113 8.2.1)'),
  pseudoUnknown: malformed('an unknown pseudo-header field (RFC 9113 8.3)'),
  pseudoLate: malformed('a pseudo-header field after a regular one (RFC 9113 8.3)'),
  pseudoTwice: malformed('a pseudo-header field twice (RFC 9113 8.3)'),
  pseudoSide: malformed('a pseudo-header field of requests in a response, or the reverse (RFC 9113 8.3)'),
  pseudoMissing: malformed('a mandatory pseudo-header field is missing (RFC 9113 8.3.1, 8.3.2)'),
  pseudoTrailer: malformed('a pseudo-header field in a trailer section (RFC 9113 8.1)'),
  connectionField: malformed('a connection-specific field (RFC 9113 8.2.2)'),
  te: malformed('TE other than trailers (RFC 9113 8.2.2)'),
  method: malformed(':method is not a token of at most 64 bytes'),
  scheme: malformed(':scheme is not http or https'),
  path: malformed(':path is empty, or holds a byte that no URI has (RFC 9113 8.3.1)'),
  pathForm: malformed(':path is neither a path nor the * of OPTIONS (RFC 9113 8.3.1)'),
  uriTooLong: { ...malformed(':path is longer than the limit'), kind: 'uri-too-long' },
  authority: malformed(':authority or Host is not host[:port]'),
  hostDiffers: malformed('Host differs from :authority, or stands there twice (RFC 9113 8.3.1)'),
  noAuthority: malformed('neither :authority nor Host (RFC 9113 8.3.1)'),
  connectFields: malformed('CONNECT with :scheme or :path, or :protocol without CONNECT (RFC 9113 8.5, RFC 8441 4)'),
  connectMethod: { ...malformed('CONNECT is for proxies; this is a gateway'), kind: 'method-not-implemented' },
  protocol: malformed(':protocol, which was not announced or is not a token (RFC 8441 4)'),
  length: malformed('Content-Length is not a plain decimal number'),
  lengthTwice: malformed('more than one Content-Length'),
  expect: {
    ...malformed('an expectation other than 100-continue, or more than one (RFC 9110 10.1.1)'),
    kind: 'expectation-failed',
  },
  status: malformed(':status is not three digits from 100 to 599, or is 101 (RFC 9113 8.3.2, 8.6)'),
  bodyNotAllowed: malformed('a 1xx or 204 response that announces a body (RFC 9110 8.6)'),
  trailerField: malformed('a trailer field that may not be one (framing, routing or connection; RFC 9110 6.5.1)'),
} as const satisfies Record<string, H2Refusal>

export type H2RefusalName = keyof typeof h2Refusals

function connection(code: H2ErrorCode, summary: string): H2Refusal {
  return { kind: 'bad-request', scope: 'connection', code, summary }
}

function protocol(summary: string): H2Refusal {
  return connection(errorCodes.protocolError, summary)
}

function size(summary: string): H2Refusal {
  return connection(errorCodes.frameSizeError, summary)
}

function compression(summary: string): H2Refusal {
  return connection(errorCodes.compressionError, summary)
}

function calm(summary: string): H2Refusal {
  return connection(errorCodes.enhanceYourCalm, summary)
}

function stream(code: H2ErrorCode, summary: string): H2Refusal {
  return { kind: 'bad-request', scope: 'stream', code, summary }
}

function malformed(summary: string): H2Refusal {
  return stream(errorCodes.protocolError, summary)
}

function tooLarge(summary: string): H2Refusal {
  return { kind: 'headers-too-large', scope: 'stream', code: errorCodes.enhanceYourCalm, summary }
}
