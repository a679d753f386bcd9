import * as fc from 'fast-check'
import { seededRandom } from '../support/random.ts'
import { randomChunkedBody, randomRequest } from '../wire/random-messages.ts'
import { requestBodyCases } from '../wire/request-body-cases.ts'
import { requestFieldCases } from '../wire/request-field-cases.ts'
import { requestLineCases } from '../wire/request-line-cases.ts'
import { responseCases } from '../wire/response-cases.ts'

/** Near-valid HTTP/1.1: every choice is right most of the time, and sometimes what another reader might let pass. */

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const short = (text: string): boolean => text.length < 1200

export const requestCorpus: readonly Buffer[] = [...requestLineCases, ...requestFieldCases, ...requestBodyCases]
  .map((each) => each.bytes)
  .filter(short)
  .map(bytes)

export const responseCorpus: readonly Buffer[] = responseCases
  .map((each) => each.reply + each.late)
  .filter(short)
  .map(bytes)

export const tokens: readonly Buffer[] = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\n\n',
  '\r\r\n',
  ' ',
  '\t',
  '\x0b',
  '\x0c',
  ':',
  ';',
  ',',
  '=',
  '"',
  '0',
  '1',
  'f',
  '00000000',
  'fffffffff',
  '0x',
  '+',
  '-',
  '_',
  '#',
  '?',
  '\\',
  '%00',
  '\0',
  '\x7f',
  '\x80',
  '\xa0',
  '\xff',
  ' HTTP/1.1',
  ' HTTP/1.0\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'Host: b\r\n',
  'Content-Length: 1\r\n',
  'Content-Length: 5, 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding: \r\n',
  'Transfer_Encoding: chunked\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive, x\r\n',
  'Connection: Upgrade\r\nUpgrade: websocket\r\n',
  'Proxy-Connection: keep-alive\r\n',
  'Expect: 100-continue\r\n',
  '0\r\n\r\n',
  '0;a=b\r\n\r\n',
  '1\r\na\r\n',
  '0\r\nContent-Length: 3\r\n\r\n',
].map(bytes)

const tokenText = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/)
const valueText = fc.stringMatching(/^[\t -~\x80-\xff]{0,20}$/)
const ows = fc.constantFrom(' ', '', '\t', '  ', ' \t ')
const often = <T>(usual: readonly T[], odd: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 25, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: fc.constantFrom(...odd) })

const plainLine = fc.tuple(tokenText, ows, valueText, ows).map(([name, before, value, after]) => {
  return `${name}:${before}${value}${after}\r\n`
})
const knownLine = often(
  [
    'Connection: keep-alive\r\n',
    'TE: trailers\r\n',
    'X-Forwarded-For: 192.0.2.1\r\n',
    'User-Agent: f\r\n',
    'Cookie: a=1; b=2\r\n',
    'Accept: */*\r\n',
    'Keep-Alive: timeout=5\r\n',
    'Expect: 100-continue\r\n',
    'Connection: close\r\n',
    'X-Empty:\r\n',
  ],
  [
    'Connection: close, TE\r\n',
    'Connection: X-A, keep-alive\r\nX-A: 1\r\n',
    'Connection: upgrade\r\nUpgrade: websocket\r\n',
    'Upgrade: h2c\r\n',
    'HTTP2-Settings: AAA\r\n',
    'Trailer: x\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Content-Length: 2\r\n',
    ' folded\r\n',
    'A : b\r\n',
    'A\tb: c\r\n',
    ': empty\r\n',
    'A\r\n',
  ],
)
const lines = fc
  .array(fc.oneof({ weight: 2, arbitrary: plainLine }, { weight: 1, arbitrary: knownLine }), { maxLength: 5 })
  .map((list) => list.join(''))

const chunk = fc
  .tuple(
    fc.stringMatching(/^[ -~\r\n\x80-\xff]{1,20}$/),
    often(['', '', '0', '000'], ['00000000000', '+', '0x', ' ']),
    often(['', '', ';a', ';a=b', '; a = "b;c"', ';\t\x80'], [';', ' ', ' ;a', ';\r', ';"', ';a="\\"']),
    often(['\r\n'], ['\n', '\r', '\r\r\n', '']),
    often(['\r\n'], ['\n', '\r', '', '\r\n\r\n']),
  )
  .map(([data, zeros, extension, lineEnd, end]) => {
    return `${zeros}${data.length.toString(16)}${extension}${lineEnd}${data}${end}`
  })
const chunks = fc
  .tuple(
    fc.array(chunk, { maxLength: 3 }),
    often(['0', '00', '0;x', '0;x="y"'], ['', '0 ', '-0']),
    often(
      ['', '', 'X-T: 1\r\n', 'x-t:\r\nX-U: \t2 \r\n'],
      ['Content-Length: 1\r\n', 'Host: t\r\n', 'bad\r\n', ' x: y\r\n', 'X: a\nb\r\n'],
    ),
    often(['\r\n'], ['\n', '', '\r', '\r\n\r\n']),
  )
  .map(([list, zero, trailers, end]) => `${list.join('')}${zero}\r\n${trailers}${end}`)
const goodChunks = fc.nat().map((seed) => randomChunkedBody(seededRandom(seed)).text)

/** Framing fields with the body that goes with them, and at times one that does not. */
const framedBody = fc.oneof(
  { weight: 3, arbitrary: fc.constant(['', ''] as const) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.stringMatching(/^[ -~\r\n\x80-\xff]{0,30}$/), often(['', '0', '00'], ['+', '-', '0x', ' 1']))
      .map(([data, zeros]) => [`Content-Length: ${zeros}${data.length}\r\n`, data] as const),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        often(
          ['chunked', 'Chunked', 'chunked '],
          ['chunked, chunked', 'identity', 'gzip, chunked', 'chunked, gzip', 'chunked;a', '\x0bchunked', 'chunke', ''],
        ),
        fc.oneof(chunks, goodChunks),
      )
      .map(([coding, body]) => [`Transfer-Encoding: ${coding}\r\n`, body] as const),
  },
)

const requestLine = fc
  .tuple(
    often(
      ['GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE'],
      ['get', 'CONNECT', 'PRI', 'M-SEARCH', 'QUERY', 'X!', ''],
    ),
    fc.oneof(
      { weight: 4, arbitrary: fc.stringMatching(/^\/[!-~]{0,20}$/) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '*',
          '/',
          'http://a.test/x',
          'https://a.test?q',
          'HTTP://A.test',
          '//b.test/x',
          'a.test:80',
          'x',
          'http://u@a.test/',
          '/\x80',
          '/a b',
        ),
      },
    ),
    often([' '], ['  ', '\t', '']),
    often(['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'], ['HTTP/1.2', 'HTTP/2.0', 'HTTP/0.9', 'http/1.1', 'HTTP/1.1 ', '']),
    often(['\r\n'], ['\n', '\r', '\r\n\r\n', '\r\r\n']),
  )
  .map(([method, target, space, version, end]) => `${method} ${target}${space}${version}${end}`)

const host = often(
  ['Host: a.test\r\n', 'host:a.test\r\n', 'HOST: a.test:80\r\n', 'Host: [::1]\r\n'],
  ['', 'Host:\r\n', 'Host: a, b\r\n', 'Host: a/b\r\n', 'Host: a.test\r\nHost: b.test\r\n', 'Host: u@a\r\n'],
)

const grammarRequest = fc
  .tuple(often(['', ''], ['\r\n', '\n', '\r\n\r\n']), requestLine, host, lines, framedBody, lines)
  .map(([before, line, hostLine, first, [framing, body], second]) => {
    return bytes(`${before}${line}${hostLine}${first}${framing}${second}\r\n${body}`)
  })

/** Good by construction, from the generator of the tests. */
const goodRequest = fc.nat().map((seed) => {
  const random = seededRandom(seed)
  const written = randomRequest(random)
  const body = written.chunked
    ? randomChunkedBody(random).text
    : random.text('abc\r\n0', 0, 0).padEnd(Math.max(0, written.contentLength), 'b')
  return bytes(`${written.text}${body}`)
})

export const requests: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: grammarRequest },
      { weight: 3, arbitrary: goodRequest },
      { weight: 2, arbitrary: fc.constantFrom(...requestCorpus) },
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((list) => Buffer.concat(list))

const statusLine = fc
  .tuple(
    often(['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'], ['HTTP/1.2', 'HTTP/2', 'http/1.1', 'ICY', '']),
    often(['200', '204', '304', '404', '500', '206'], ['100', '099', '600', '20', '2000', '2x0', '+20', '']),
    often([' OK', ' ', '', ' Not Found', ' caf\xe9'], ['  ', '\tOK', ' a\x00', ' a\x7f']),
    often(['\r\n'], ['\n', '\r', '\r\r\n']),
  )
  .map(([version, status, reason, end]) => `${version} ${status}${reason}${end}`)

const informational = fc
  .tuple(
    often(['100', '103', '102', '199'], ['101', '150']),
    lines,
    often(['', ''], ['Content-Length: 0\r\n', 'Content-Length: 1\r\n', 'Transfer-Encoding: chunked\r\n']),
  )
  .map(([status, list, framing]) => `HTTP/1.1 ${status} I\r\n${list}${framing}\r\n`)

const grammarResponse = fc
  .tuple(fc.array(informational, { maxLength: 2 }), statusLine, lines, framedBody, lines)
  .map(([infos, line, first, [framing, body], second]) => {
    return bytes(`${infos.join('')}${line}${first}${framing}${second}\r\n${body}`)
  })

export const responses: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 4, arbitrary: grammarResponse },
  { weight: 1, arbitrary: fc.constantFrom(...responseCorpus) },
)
