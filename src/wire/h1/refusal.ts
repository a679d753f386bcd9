import type { FaultKind } from '../../faults/fault.ts'

/** Why a message was refused: the fault kind, and one sentence that names what was wrong. */
export interface Refusal {
  readonly kind: FaultKind
  readonly summary: string
}

/**
 * Every way in which a message on the wire is refused (I8). The parsers return these objects themselves, so a refusal
 * costs no allocation and a test can compare by identity.
 */
export const refusals = {
  bareLf: bad('a line ends in LF without CR (RFC 9112 2.2 allows accepting it; two readers would differ)'),
  bareCr: bad('a CR that is not followed by LF'),
  emptyLines: bad('more than one empty line before the request line'),
  method: bad('the method is not a token'),
  methodTooLong: bad('the method is longer than 64 bytes'),
  target: bad('the request target holds a byte that no URI has'),
  targetForm: bad('the request target is neither a path, an absolute http(s) URL nor *'),
  targetAuthority: bad('the authority of the absolute request target differs from Host'),
  requestLine: bad('the request line is not METHOD SP TARGET SP HTTP/1.x'),
  version: { kind: 'version-not-supported', summary: 'the version is not HTTP/1.0 or HTTP/1.1' },
  connectMethod: { kind: 'method-not-implemented', summary: 'CONNECT is for proxies; this is a gateway' },
  uriTooLong: { kind: 'uri-too-long', summary: 'the request line is longer than the limit' },
  headersTooLarge: { kind: 'headers-too-large', summary: 'the header section is larger than the limit' },
  tooManyHeaders: { kind: 'headers-too-large', summary: 'there are more header fields than the limit' },
  obsFold: bad('a header line begins with white space (obs-fold, RFC 9112 5.2)'),
  emptyName: bad('a header field without a name'),
  nameByte: bad('a header name holds a byte that is not a token (RFC 9112 5.1; white space before the colon included)'),
  valueByte: bad('a header value holds a control byte'),
  noColon: bad('a header line without a colon'),
  noHost: bad('an HTTP/1.1 request without Host (RFC 9112 3.2)'),
  manyHosts: bad('more than one Host field (RFC 9112 3.2)'),
  host: bad('Host is not host[:port]'),
  lengthTwice: bad('more than one Content-Length'),
  length: bad('Content-Length is not a plain decimal number'),
  lengthAndChunked: bad('both Content-Length and Transfer-Encoding (RFC 9112 6.3)'),
  codingTwice: bad('more than one Transfer-Encoding field'),
  coding: { kind: 'method-not-implemented', summary: 'a transfer coding other than chunked (RFC 9112 6.1)' },
  codingIn10: bad('Transfer-Encoding in an HTTP/1.0 message (RFC 9112 6.1)'),
  connectionOption: bad('Connection is not a list of tokens'),
  connectionNominates: bad('Connection nominates a framing or routing field'),
  expect: { kind: 'expectation-failed', summary: 'an expectation other than 100-continue (RFC 9110 10.1.1)' },
  expectTwice: bad('more than one Expect field'),
  upgrade: bad('Upgrade is not a list of protocols'),
  upgradeBody: bad('an Upgrade request with a body'),
  chunkSize: bad('a chunk size is not a plain hexadecimal number'),
  chunkTooLarge: bad('a chunk size beyond 2^48'),
  chunkExtension: bad('a chunk extension holds a byte it may not, or is longer than the limit'),
  chunkEnd: bad('chunk data is not followed by CRLF'),
  trailerField: bad('a trailer field that may not be one (framing, routing or connection; RFC 9110 6.5.1)'),
  trailersTooLarge: { kind: 'headers-too-large', summary: 'the trailer section is larger than the limit' },
  bodyTooLarge: { kind: 'body-too-large', summary: 'the body is larger than the limit' },
  dotSegment: { kind: 'bad-path', summary: 'dot segments lead out of the base path' },
  statusLine: bad('the status line is not HTTP/1.x SP 3DIGIT SP reason'),
  informational: bad('more than 32 informational responses'),
  switching: bad('101 without an Upgrade request'),
  bodyNotAllowed: bad('a 1xx or 204 response that announces a body (RFC 9110 8.6, RFC 9112 6.1)'),
} as const satisfies Record<string, Refusal>

export type RefusalName = keyof typeof refusals

function bad(summary: string): Refusal {
  return { kind: 'bad-request', summary }
}
