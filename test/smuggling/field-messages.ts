import type { RefusalName } from '../../src/wire/h1/refusal.ts'
import { chunked, get, lines, post } from '../wire/message.ts'
import { bad, chunk, last, lastChunk, lengthOf, type Message, second, smuggled, taken, unfinished } from './messages.ts'

/** Header lines, the connection and its options, and what comes before, behind and instead of a message. */
export const fieldMessages: readonly Message[] = [
  // -- lines --------------------------------------------------------------------------------------------------------------
  ...fields([
    ['a line ended by LF', 'bareLf', 'X-A: b\nX-C: d'],
    ['a line ended by CR', 'bareCr', 'X-A: b\rX-C: d'],
    ['a line ended by CR CR LF', 'bareCr', 'X-A: b\r'],
    ['a line ended by LF CR', 'bareLf', 'X-A: b\n\rX-C: d'],
    ['an LF at the end of a name', 'bareLf', 'X-A\n: b'],
    ['an LF at the beginning of a value', 'bareLf', 'X-A:\nb'],
    ['a request behind LF LF in a value', 'bareLf', 'X-A: b\n\nGET /base/smuggled HTTP/1.1\nHost: api.test'],
    ['a request behind CR CR in a value', 'bareCr', 'X-A: b\r\rGET /base/smuggled HTTP/1.1\rHost: api.test'],
    ['a request behind NUL in a value', 'valueByte', 'X-A: b\0GET /base/smuggled HTTP/1.1'],
    ['a fold with a space', 'obsFold', 'X-A: b\r\n c'],
    ['a fold with a tab', 'obsFold', 'X-A: b\r\n\tc'],
    ['a fold that holds a field', 'obsFold', 'X-A: b\r\n Content-Length: 5'],
    ['a fold behind nothing', 'obsFold', 'X-A:\r\n b'],
    ['a fold of white space alone', 'obsFold', 'X-A: b\r\n '],
    ['a line of white space', 'obsFold', ' '],
    ['a line of a tab', 'obsFold', '\t'],
    ['a line without a colon', 'noColon', 'X-A'],
    ['a line that is a request line', 'nameByte', 'GET /base/smuggled HTTP/1.1'],
    ['a line that is a status line', 'nameByte', 'HTTP/1.1 200 OK'],
    ['an empty name', 'emptyName', ': b'],
    ['a colon alone', 'emptyName', ':'],
    ['a space as a name', 'obsFold', ' : b'],
    ['a space before the colon', 'nameByte', 'X-A : b'],
    ['a tab before the colon', 'nameByte', 'X-A\t: b'],
    ['a NUL in a name', 'nameByte', 'X\0A: b'],
    ['a control byte in a name', 'nameByte', 'X\x01A: b'],
    ['a DEL in a name', 'nameByte', 'X\x7fA: b'],
    ['a high byte in a name', 'nameByte', 'X\xe9A: b'],
    ['a slash in a name', 'nameByte', 'X/A: b'],
    ['a semicolon in a name', 'nameByte', 'X;A: b'],
    ['a comma in a name', 'nameByte', 'X,A: b'],
    ['an equals sign in a name', 'nameByte', 'X=A: b'],
    ['brackets in a name', 'nameByte', 'X[A]: b'],
    ['a pseudo-header field of HTTP/2', 'emptyName', ':path: /base/smuggled'],
    ['a NUL in a value', 'valueByte', 'X-A: b\0c'],
    ['a control byte in a value', 'valueByte', 'X-A: \x01'],
    ['a DEL in a value', 'valueByte', 'X-A: \x7f'],
    ['an escape in a value', 'valueByte', 'X-A: \x1b[2J'],
  ]),
  bad('a head ended by LF LF', 'bareLf', get().replace(/\r\n\r\n$/, '\n\n')),
  bad('a head ended by CR LF LF', 'bareLf', get().replace(/\r\n\r\n$/, '\r\n\n')),
  bad('a head ended by LF CR LF', 'bareLf', get().replace(/\r\n\r\n$/, '\n\r\n')),
  bad('a head ended by CR CR', 'bareCr', get().replace(/\r\n\r\n$/, '\r\r')),
  bad('a head ended by CR LF CR', 'bareCr', `${get().replace(/\r\n\r\n$/, '\r\n\r')}X`),
  bad('a head ended by CR CR LF', 'bareCr', get().replace(/\r\n\r\n$/, '\r\n\r\r\n')),
  taken('an empty value', get('X-A:'), 'GET /base/x api.test'),
  taken('a value that looks like a request', get('X-A: GET /base/smuggled HTTP/1.1'), 'GET /base/x api.test'),
  taken('UTF-8 that some readers cut to CR LF, in a value', get('X-A: \xc4\x8d\xc4\x8aX-C: d'), 'GET /base/x api.test'),
  taken('a NEL in a value', get('X-A: b\x85X-C: d'), 'GET /base/x api.test'),
  taken('a name of every byte that one may have', get("X!#$%&'*+-.^_`|~9: b"), 'GET /base/x api.test'),
  taken('a name of digits', get('0: b'), 'GET /base/x api.test'),

  // -- limits ---------------------------------------------------------------------------------------------------------------
  taken(
    'fields near the limit',
    get(...Array.from({ length: 10 }, (_, n) => `X-${n}: ${'a'.repeat(1000)}`)),
    'GET /base/x api.test',
  ),
  taken(
    'as many fields as the limit',
    get(...Array.from({ length: 99 }, (_, n) => `X-${n}: b`)),
    'GET /base/x api.test',
  ),
  bad('more fields than the limit', 'tooManyHeaders', get(...Array.from({ length: 100 }, (_, n) => `X-${n}: b`))),
  bad(
    'more fields than the limit, then Content-Length',
    'tooManyHeaders',
    get(...Array.from({ length: 200 }, (_, n) => `X-${n}: b`), lengthOf(smuggled)) + smuggled,
  ),
  bad('a field larger than the limit', 'headersTooLarge', get(`X-A: ${'a'.repeat(26_000)}`)),
  bad(
    'a field larger than the limit, then Transfer-Encoding',
    'headersTooLarge',
    post([`X-A: ${'a'.repeat(26_000)}`, 'Transfer-Encoding: chunked'], lastChunk + smuggled),
  ),
  bad('a name larger than the limit', 'headersTooLarge', get(`${'X'.repeat(26_000)}: b`)),
  bad('white space larger than the limit', 'headersTooLarge', get(`X-A:${' '.repeat(26_000)}b`)),

  // -- Connection -------------------------------------------------------------------------------------------------------------
  ...[
    'Host',
    'Content-Length',
    'content-length',
    'Transfer-Encoding',
    'Expect',
    'Content-Type',
    'Content-Encoding',
    'Authorization',
    'Cookie',
  ].map((name) =>
    bad(
      `Connection nominates ${name}`,
      'connectionNominates',
      post(
        [
          `Connection: ${name}`,
          ...(name === 'Transfer-Encoding' ? ['Transfer-Encoding: chunked'] : [lengthOf(smuggled)]),
        ],
        name === 'Transfer-Encoding' ? chunk(smuggled) + lastChunk : smuggled,
      ),
    ),
  ),
  bad(
    'Connection nominates Content-Length behind others',
    'connectionNominates',
    post(['Connection: keep-alive, x, content-length', lengthOf(smuggled)], smuggled),
  ),
  bad(
    'a second Connection nominates Transfer-Encoding',
    'connectionNominates',
    post(
      ['Connection: close', 'Connection: transfer-encoding', 'Transfer-Encoding: chunked'],
      chunk(smuggled) + lastChunk,
    ),
  ),
  bad(
    'Connection nominates Content-Length that is not there',
    'connectionNominates',
    post(['Connection: content-length'], smuggled),
  ),
  bad(
    'Connection with an option that is no token',
    'connectionOption',
    post(['Connection: content length', lengthOf(smuggled)], smuggled),
  ),
  bad('Connection in quotes', 'connectionOption', get('Connection: "close"')),
  bad('Connection with a parameter', 'connectionOption', get('Connection: close; x')),
  taken(
    'Connection nominates a field that then ends here',
    get('Connection: X-Hop', 'X-Hop: a'),
    'GET /base/x api.test',
  ),
  taken(
    'Connection nominates X-Forwarded-For',
    get('Connection: X-Forwarded-For', 'X-Forwarded-For: 192.0.2.1'),
    'GET /base/x api.test',
  ),
  taken('Connection nominates nothing that is there', get('Connection: X-Hop'), 'GET /base/x api.test'),
  taken('Connection: keep-alive', get('Connection: keep-alive'), 'GET /base/x api.test'),
  taken('Proxy-Connection: close is no Connection', get('Proxy-Connection: close'), 'GET /base/x api.test'),
  taken('Keep-Alive alone', get('Keep-Alive: timeout=1, max=1'), 'GET /base/x api.test'),
  last('Connection: close: what follows is no request', get('Connection: close') + smuggled, 'GET /base/x api.test'),
  last('Connection: CLOSE: what follows is no request', get('Connection: CLOSE') + smuggled, 'GET /base/x api.test'),
  last(
    'Connection: keep-alive, close: what follows is no request',
    get('Connection: keep-alive, close') + smuggled,
    'GET /base/x api.test',
  ),
  last(
    'Connection: close, keep-alive: what follows is no request',
    get('Connection: close, keep-alive') + smuggled,
    'GET /base/x api.test',
  ),
  last(
    'two Connection fields, the second close',
    get('Connection: keep-alive', 'Connection: close') + smuggled,
    'GET /base/x api.test',
  ),

  // -- Upgrade ----------------------------------------------------------------------------------------------------------------
  taken(
    'Upgrade to HTTP/2',
    get('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'),
    'GET /base/x api.test',
  ),
  taken('Upgrade to HTTP/2, in capitals', get('Connection: UPGRADE', 'Upgrade: H2C'), 'GET /base/x api.test'),
  taken(
    'Upgrade to HTTP/2 among others',
    get('Connection: Upgrade', 'Upgrade: websocket, h2c'),
    'GET /base/x api.test',
  ),
  taken('Upgrade to HTTP/2 without settings', get('Connection: Upgrade', 'Upgrade: h2c'), 'GET /base/x api.test'),
  taken(
    'Upgrade to HTTP/2, with a body that is a request',
    post(['Connection: Upgrade', 'Upgrade: h2c', lengthOf(smuggled)], smuggled),
    `POST /base/x api.test ${smuggled}`,
  ),
  taken('Upgrade that Connection does not name', get('Upgrade: websocket'), 'GET /base/x api.test'),
  taken('Upgrade to TLS', get('Connection: Upgrade', 'Upgrade: TLS/1.3'), 'GET /base/x api.test'),
  taken('Upgrade to another version of HTTP', get('Connection: Upgrade', 'Upgrade: HTTP/1.1'), 'GET /base/x api.test'),
  taken(
    'Upgrade to a WebSocket that the backend does not take: the connection goes on',
    get('Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 777'),
    'GET /base/x api.test',
  ),
  bad(
    'Upgrade with Content-Length',
    'upgradeBody',
    post(['Connection: Upgrade', 'Upgrade: websocket', lengthOf(smuggled)], smuggled),
  ),
  bad(
    'Upgrade with chunks',
    'upgradeBody',
    post(['Connection: Upgrade', 'Upgrade: websocket', 'Transfer-Encoding: chunked'], chunk(smuggled) + lastChunk),
  ),
  bad('Upgrade to no protocol', 'upgrade', get('Connection: Upgrade', 'Upgrade: web socket')),
  bad('Upgrade to commas', 'upgrade', get('Connection: Upgrade', 'Upgrade: ,,')),

  // -- Expect -----------------------------------------------------------------------------------------------------------------
  taken(
    'Expect, and the body at once',
    post(['Expect: 100-continue', lengthOf(smuggled)], smuggled),
    `POST /base/x api.test ${smuggled}`,
  ),
  taken(
    'Expect in capitals, and chunks at once',
    post(['Expect: 100-CONTINUE', 'Transfer-Encoding: chunked'], chunk(smuggled) + lastChunk),
    `POST /base/x api.test ${smuggled}`,
  ),
  {
    ...taken(
      'Expect, and the body later',
      post(['Expect: 100-continue', lengthOf(smuggled)], ''),
      `POST /base/x api.test ${smuggled}`,
    ),
    late: smuggled,
  },
  taken('Expect without a body', get('Expect: 100-continue'), 'GET /base/x api.test'),
  taken(
    'Expect with Content-Length 0',
    post(['Expect: 100-continue', 'Content-Length: 0'], ''),
    'POST /base/x api.test',
  ),
  bad('another expectation', 'expect', post(['Expect: 200-ok', lengthOf(smuggled)], smuggled)),
  bad('an expectation with white space inside', 'expect', post(['Expect: 100 continue', lengthOf(smuggled)], smuggled)),
  bad(
    'an expectation and another',
    'expect',
    post(['Expect: 100-continue, 100-continue', lengthOf(smuggled)], smuggled),
  ),
  bad(
    'an expectation with a letter before it',
    'expect',
    post(['Expect: y 100-continue', lengthOf(smuggled)], smuggled),
  ),
  bad(
    'an expectation twice',
    'expectTwice',
    post(['Expect: 100-continue', 'Expect: 100-continue', lengthOf(smuggled)], smuggled),
  ),
  bad('an expectation without a value', 'expect', post(['Expect:', lengthOf(smuggled)], smuggled)),
  bad('an expectation folded', 'expect', post(['Expect:', ' 100-continue', lengthOf(smuggled)], smuggled)),
  last(
    'an expectation in HTTP/1.0 is not read',
    lines('POST /base/x HTTP/1.0', 'Host: api.test', 'Expect: 100-continue', lengthOf('hello')) + 'hello',
    'POST /base/x api.test hello',
  ),

  // -- one behind the other ---------------------------------------------------------------------------------------------------
  taken(
    'three requests at once',
    get() + post([lengthOf('hello')], 'hello') + chunked(chunk('hello') + lastChunk),
    'GET /base/x api.test',
    'POST /base/x api.test hello',
    'POST /base/x api.test hello',
  ),
  taken('an empty line between two requests', `${get()}\r\n${get()}`, 'GET /base/x api.test', 'GET /base/x api.test'),
  second('a good request, then one with a space before a colon', 'nameByte', get('X-A : b')),
  second(
    'a good request, then one with both framings',
    'lengthAndChunked',
    post([lengthOf(lastChunk + smuggled), 'Transfer-Encoding: chunked'], lastChunk + smuggled),
  ),
  second(
    'a good request, then one with two lengths',
    'lengthTwice',
    post([lengthOf(smuggled), 'Content-Length: 0'], smuggled),
  ),
  second('a good request, then HTTP/0.9', 'requestLine', 'GET /base/x\r\n'),
  second('a good request, then a bad chunk', 'chunkSize', chunked(`0x5\r\nhello\r\n${lastChunk}`)),
  second('a good request, then two empty lines', 'emptyLines', `\r\n\r\n${get()}`),
  second('a good request, then a response', 'method', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  {
    ...bad('a length, and more behind it that is no request', 'method', `${post([lengthOf('hello')], 'hello')}\0\0\0`),
    forwarded: ['POST /base/x api.test hello'],
    lead: 1,
  },
  {
    ...bad('a length, and CR LF CR LF behind it', 'emptyLines', `${post([lengthOf('hello')], 'hello')}\r\n\r\n`),
    forwarded: ['POST /base/x api.test hello'],
    lead: 1,
  },
  taken(
    'a length, and CR LF behind it, as old clients send',
    `${post([lengthOf('hello')], 'hello')}\r\n`,
    'POST /base/x api.test hello',
  ),
  bad('a response instead of a request', 'method', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  unfinished('the client ends inside the request line', 'GET /base/x HT'),
  unfinished('the client ends inside a field', 'GET /base/x HTTP/1.1\r\nHost: ap'),
  unfinished('the client ends before the empty line', 'GET /base/x HTTP/1.1\r\nHost: api.test\r\n'),
  unfinished('the client ends inside a body', post(['Content-Length: 10'], 'hello')),
  unfinished('the client ends behind a head that announces a body', post(['Content-Length: 10'], '')),
  {
    ...taken('the client ends behind a whole request: it is answered', get(), 'GET /base/x api.test'),
    cut: true,
    marker: false,
  },
]

function fields(list: readonly (readonly [what: string, refusal: RefusalName, line: string])[]): readonly Message[] {
  return list.map(([what, refusal, line]) => bad(`header lines with ${what}`, refusal, get(line, 'X-End: z')))
}
