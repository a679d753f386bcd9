import type { Field } from '../wire-h2/blocks.ts'
import {
  authority,
  bad,
  badTrailers,
  good,
  length,
  padded,
  path,
  post,
  scheme,
  type StreamMessage,
} from './downgrade-message.ts'
import { smuggled } from './messages.ts'

/** Where a message ends: Content-Length against DATA, and trailers. */
export const downgradeLengthMessages: readonly StreamMessage[] = [
  // -- Content-Length against DATA -----------------------------------------------------------------------------------
  mismatch('Content-Length shorter than DATA', length(2), ['hello']),
  mismatch('Content-Length shorter than DATA, which go on with a request', length(5), [`hello${smuggled}`]),
  mismatch('Content-Length shorter than DATA in pieces', length(5), ['hello', smuggled]),
  mismatch('Content-Length longer than DATA', length(50), ['hello']),
  mismatch('Content-Length longer than DATA in pieces', length(50), ['hel', 'lo', '']),
  mismatch('Content-Length 0 and DATA', length(0), ['hello']),
  mismatch('Content-Length 0 and DATA that are a request', length(0), [smuggled]),
  mismatch('Content-Length without DATA', length(5), null),
  mismatch('Content-Length and empty DATA', length(5), ['']),
  padded(
    'Content-Length that padding would fill',
    [post, scheme, path, authority, length(10)],
    [{ text: 'hello', padding: 5 }],
    'stream',
  ),
  padded(
    'Content-Length that padding and its length would fill',
    [post, scheme, path, authority, length(11)],
    [{ text: 'hello', padding: 5 }],
    'stream',
  ),
  { ...mismatch('Content-Length longer than DATA, with trailers', length(10), ['hello']), trailers: [['x-sum', '1']] },
  { ...mismatch('Content-Length shorter than DATA, with trailers', length(2), ['hello']), trailers: [['x-sum', '1']] },
  { ...mismatch('Content-Length with GET, without DATA', length(5), null), fields: [...good, length(5)] },
  bad('Content-Length twice, alike', 'lengthTwice', [post, scheme, path, authority, length(5), length(5)], ['hello']),
  bad(
    'Content-Length twice, different',
    'lengthTwice',
    [post, scheme, path, authority, length(0), length(5)],
    ['hello'],
  ),
  ...['5, 5', '+5', '-5', '0x5', '5.0', '5e0', '', 'x', '"5"', '5 5', '18446744073709551621', '\xa05'].map((value) =>
    bad(
      `Content-Length ${JSON.stringify(value)}`,
      'length',
      [post, scheme, path, authority, ['content-length', value]],
      ['hello'],
    ),
  ),
  bad(
    'Content-Length with white space behind it',
    'value',
    [post, scheme, path, authority, ['content-length', '5 ']],
    ['hello'],
  ),

  // -- trailers ------------------------------------------------------------------------------------------------------
  badTrailers('a pseudo-header field in trailers', 'pseudoTrailer', [[':path', '/base/smuggled']]),
  badTrailers('a pseudo-header field behind a trailer', 'pseudoLate', [
    ['x-sum', '1'],
    [':method', 'GET'],
  ]),
  badTrailers('an unknown pseudo-header field in trailers', 'pseudoUnknown', [[':x', '1']]),
  badTrailers('content-length in trailers', 'trailerField', [['content-length', '5']]),
  badTrailers('transfer-encoding in trailers', 'connectionField', [['transfer-encoding', 'chunked']]),
  badTrailers('connection in trailers', 'connectionField', [['connection', 'close']]),
  badTrailers('host in trailers', 'trailerField', [['host', 'other.test']]),
  badTrailers('authorization in trailers', 'trailerField', [['authorization', 'Basic eA==']]),
  badTrailers('x-forwarded-for in trailers', 'trailerField', [['x-forwarded-for', '192.0.2.1']]),
  badTrailers('a trailer in capitals', 'name', [['X-Sum', '1']]),
  badTrailers('a trailer with a colon in its name', 'name', [['x-sum: 1', '1']]),
  badTrailers('a trailer without a name', 'name', [['', '1']]),
]

function mismatch(name: string, field: Field, data: readonly string[] | null): StreamMessage {
  return bad(name, 'stream', [post, scheme, path, authority, field], data)
}
