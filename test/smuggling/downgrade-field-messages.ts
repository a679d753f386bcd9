import type { Field } from '../wire-h2/blocks.ts'
import {
  authority,
  bad,
  badTrailers,
  good,
  length,
  method,
  padded,
  path,
  post,
  replaced,
  scheme,
  taken,
  withTrailers,
  type StreamMessage,
} from './downgrade-message.ts'
import { smuggled } from './messages.ts'

/** What turns one request into two when it is written out as HTTP/1.1 with the value as it is. */
const splits: readonly (readonly [what: string, text: string])[] = [
  ['CR LF and a field', '\r\nContent-Length: 0'],
  ['CR LF CR LF and a request', `\r\n\r\n${smuggled}`],
  ['LF and a field', '\nTransfer-Encoding: chunked'],
  ['LF LF and a request', `\n\n${smuggled.replaceAll('\r', '')}`],
  ['CR and a field', '\rTransfer-Encoding: chunked'],
  ['a NUL', '\0'],
]

/** Bytes that end a line in HTTP/1.1, in every name and value, and fields that speak of a connection. */
export const downgradeFieldMessages: readonly StreamMessage[] = [
  // -- plain ---------------------------------------------------------------------------------------------------------
  taken('a request', good, null, 'GET /base/x api.test'),
  taken('a request with DATA', [post, scheme, path, authority], ['hello'], 'POST /base/x api.test hello'),
  taken(
    'a request with DATA in pieces',
    [post, scheme, path, authority],
    ['he', '', 'llo'],
    'POST /base/x api.test hello',
  ),
  taken(
    'a request with DATA that is a request',
    [post, scheme, path, authority],
    [smuggled],
    `POST /base/x api.test ${smuggled}`,
  ),
  taken(
    'a request with DATA that ends chunks',
    [post, scheme, path, authority],
    [`0\r\n\r\n${smuggled}`],
    `POST /base/x api.test 0\r\n\r\n${smuggled}`,
  ),
  taken(
    'a request with Content-Length',
    [post, scheme, path, authority, length(5)],
    ['hello'],
    'POST /base/x api.test hello',
  ),
  taken(
    'a request with Content-Length and DATA in pieces',
    [post, scheme, path, authority, length(5)],
    ['he', 'llo', ''],
    'POST /base/x api.test hello',
  ),
  taken(
    'a request with Content-Length 0 and no DATA',
    [post, scheme, path, authority, length(0)],
    null,
    'POST /base/x api.test',
  ),
  taken(
    'a request with Content-Length 0 and empty DATA',
    [post, scheme, path, authority, length(0)],
    [''],
    'POST /base/x api.test',
  ),
  padded(
    'a request with Content-Length and padding',
    [post, scheme, path, authority, length(5)],
    [{ text: 'hello', padding: 200 }],
    null,
    'POST /base/x api.test hello',
  ),
  padded(
    'a request with padding that looks like a body',
    [post, scheme, path, authority, length(2)],
    [{ text: 'he', padding: 3 }],
    null,
    'POST /base/x api.test he',
  ),
  taken('GET with DATA', good, ['hello'], 'GET /base/x api.test hello'),
  taken('HEAD', [[':method', 'HEAD'], scheme, path, authority], null, 'HEAD /base/x api.test'),
  taken('a method in lower case', [[':method', 'get'], scheme, path, authority], null, 'get /base/x api.test'),
  taken('te: trailers', [...good, ['te', 'trailers']], null, 'GET /base/x api.test'),
  taken(
    'cookies in crumbs',
    [...good, ['cookie', 'a=b'], ['x-a', 'b'], ['cookie', 'c=d']],
    null,
    'GET /base/x api.test',
  ),
  taken('Host that says the same', [...good, ['host', 'api.test']], null, 'GET /base/x api.test'),
  taken('Host instead of :authority', [method, scheme, path, ['host', 'api.test']], null, 'GET /base/x api.test'),
  taken(
    'transfer_encoding is no framing',
    [post, scheme, path, authority, ['transfer_encoding', 'chunked']],
    ['hello'],
    'POST /base/x api.test hello',
  ),
  taken(
    'content_length is no framing',
    [post, scheme, path, authority, ['content_length', '2']],
    ['hello'],
    'POST /base/x api.test hello',
  ),
  taken(
    'expect',
    [post, scheme, path, authority, ['expect', '100-continue'], length(5)],
    ['hello'],
    'POST /base/x api.test hello',
  ),
  withTrailers('trailers', ['hello'], [['x-sum', '1']], null),

  // -- request splitting in every field ------------------------------------------------------------------------------
  ...[':method', ':path', ':authority', ':scheme'].flatMap((name) =>
    splits.map(([what, text]) =>
      bad(
        `${name} with ${what}`,
        'value',
        replaced(name, (value) => value + text),
      ),
    ),
  ),
  ...[
    'x-a',
    'cookie',
    'host',
    'content-type',
    'user-agent',
    'te',
    'expect',
    'x-forwarded-for',
    'x-request-id',
    'authorization',
  ].flatMap((name) =>
    splits.map(([what, text]) => bad(`${name} with ${what}`, 'value', [...good, [name, `b${text}`]])),
  ),
  ...splits.map(([what, text]) =>
    bad(
      `content-length with ${what}`,
      'value',
      [post, scheme, path, authority, ['content-length', `5${text}`]],
      ['hello'],
    ),
  ),
  ...splits.map(([what, text]) => bad(`a name with ${what}`, 'name', [...good, [`x-a${text}`, 'b']])),
  ...splits.map(([what, text]) =>
    bad(`a second crumb of a cookie with ${what}`, 'value', [...good, ['cookie', 'a=b'], ['cookie', `c=d${text}`]]),
  ),
  ...splits.map(([what, text]) => badTrailers(`a trailer with ${what}`, 'value', [['x-sum', `1${text}`]])),
  ...splits.map(([what, text]) => badTrailers(`the name of a trailer with ${what}`, 'name', [[`x-sum${text}`, '1']])),
  bad(
    'a path that goes on with a version and a field',
    'path',
    replaced(':path', () => '/base/x HTTP/1.1'),
  ),
  bad(
    'a path that holds a whole request',
    'value',
    replaced(':path', () => `/base/x HTTP/1.1\r\nHost: api.test\r\n\r\n${smuggled}GET /base/y`),
  ),
  bad(
    'a method that holds a request line',
    'method',
    replaced(':method', () => 'GET /base/smuggled HTTP/1.1'),
  ),
  bad(
    'a method that holds a whole request',
    'value',
    replaced(':method', () => `${smuggled}GET`),
  ),
  bad(
    'a scheme that holds a URL',
    'scheme',
    replaced(':scheme', () => 'http://other.test/base/smuggled?'),
  ),
  bad(
    'a scheme that holds a whole request',
    'value',
    replaced(':scheme', () => `http\r\n\r\n${smuggled}`),
  ),

  // -- names ---------------------------------------------------------------------------------------------------------
  ...names([
    ['capitals', 'X-A'],
    ['one capital', 'x-A'],
    ['Transfer-Encoding in capitals', 'Transfer-Encoding'],
    ['Content-Length in capitals', 'Content-Length'],
    ['a colon', 'x-a:'],
    ['a colon and a value', 'x-a: b'],
    ['transfer-encoding and its value', 'transfer-encoding: chunked'],
    ['a space', 'x a'],
    ['a space behind it', 'x-a '],
    ['a space before it', ' x-a'],
    ['transfer-encoding and a space', 'transfer-encoding '],
    ['content-length and a tab', 'content-length\t'],
    ['host and a colon', 'host:'],
    ['a tab', 'x\ta'],
    ['a high byte', 'x-\xe9'],
    ['a DEL', 'x\x7f'],
    ['a slash', 'x/a'],
    ['brackets', 'x(a)'],
    ['quotes', '"x"'],
    ['nothing', ''],
    ['a request line', 'get /base/smuggled http/1.1'],
  ]),

  // -- values --------------------------------------------------------------------------------------------------------
  bad('a value with white space before it', 'value', [...good, ['x-a', ' b']]),
  bad('a value with white space behind it', 'value', [...good, ['x-a', 'b\t']]),
  bad('a value of white space', 'value', [...good, ['x-a', ' ']]),
  bad('a value with an escape', 'value', [...good, ['x-a', '\x1b[2J']]),
  bad('a value with a DEL', 'value', [...good, ['x-a', '\x7f']]),
  bad('a value with a VT', 'value', [...good, ['x-a', 'b\x0bc']]),
  taken('a value with high bytes', [...good, ['x-a', '\xc4\x8d\xc4\x8a\x85']], null, 'GET /base/x api.test'),
  taken('an empty value', [...good, ['x-a', '']], null, 'GET /base/x api.test'),

  // -- fields of a connection ----------------------------------------------------------------------------------------
  ...connection([
    ['transfer-encoding', 'chunked'],
    ['transfer-encoding', 'identity'],
    ['transfer-encoding', ''],
    ['transfer-encoding', 'trailers'],
    ['connection', 'close'],
    ['connection', 'keep-alive'],
    ['connection', 'content-length'],
    ['connection', 'transfer-encoding'],
    ['connection', ''],
    ['keep-alive', 'timeout=5'],
    ['proxy-connection', 'close'],
    ['upgrade', 'h2c'],
    ['upgrade', 'websocket'],
  ]),
  bad(
    'transfer-encoding: chunked, and DATA that are chunks',
    'connectionField',
    [post, scheme, path, authority, ['transfer-encoding', 'chunked']],
    [`0\r\n\r\n${smuggled}`],
  ),
  bad(
    'transfer-encoding: chunked and content-length',
    'connectionField',
    [post, scheme, path, authority, ['transfer-encoding', 'chunked'], length(5)],
    ['hello'],
  ),
  bad('te: gzip', 'te', [...good, ['te', 'gzip']]),
  bad('te: trailers, chunked', 'te', [...good, ['te', 'trailers, chunked']]),
  bad('te without a value', 'te', [...good, ['te', '']]),

  // -- other ---------------------------------------------------------------------------------------------------------
  bad('another expectation', 'expect', [...good, ['expect', '200-ok']]),
  bad('an expectation twice', 'expect', [...good, ['expect', '100-continue'], ['expect', '100-continue']]),
  taken(
    'a crumb of a cookie with a semicolon',
    [...good, ['cookie', 'a=b; c=d'], ['cookie', 'e=f;']],
    null,
    'GET /base/x api.test',
  ),
  taken('an empty crumb of a cookie', [...good, ['cookie', ''], ['cookie', 'a=b']], null, 'GET /base/x api.test'),
  bad('a crumb of a cookie with white space before it', 'value', [...good, ['cookie', ' a=b']]),
]

function names(list: readonly (readonly [what: string, name: string])[]): readonly StreamMessage[] {
  return list.map(([what, name]) => bad(`a name with ${what}`, 'name', [...good, [name, 'b']]))
}

function connection(list: readonly Field[]): readonly StreamMessage[] {
  return list.map(([name, value]) => bad(`${name}: ${value}`, 'connectionField', [...good, [name, value]]))
}
