import type { RefusalName } from '../../src/wire/h1/refusal.ts'
import { chunked } from '../wire/message.ts'
import { bad, chunk, lastChunk, type Message, prefix, smuggled, taken, unanswered, unfinished } from './messages.ts'

const hello = `5\r\nhello\r\n${lastChunk}`
const size = smuggled.length.toString(16)

/** A size line in place of the first one of a chunk that holds a request. */
function sizeLine(line: string, end = '\r\n'): string {
  return chunked(`${line}${end}${smuggled}\r\n${lastChunk}`)
}

export const chunkMessages: readonly Message[] = [
  taken('chunks', chunked(`${chunk('hel')}${chunk('lo')}${lastChunk}`), 'POST /base/x api.test hello'),
  taken('no chunk but the last', chunked(lastChunk), 'POST /base/x api.test'),
  taken(
    'chunk sizes in capitals and with leading zeros',
    chunked('00A\r\nhellohello\r\n000\r\n\r\n'),
    'POST /base/x api.test hellohello',
  ),
  taken('a chunk that holds a request', sizeLine(size), `POST /base/x api.test ${smuggled}`),
  taken(
    'a chunk that holds a last chunk and a request',
    chunked(`${chunk(lastChunk + smuggled)}${lastChunk}`),
    `POST /base/x api.test ${lastChunk}${smuggled}`,
  ),
  taken(
    'a request behind the last chunk is a request',
    chunked(lastChunk) + smuggled,
    'POST /base/x api.test',
    'GET /base/smuggled api.test',
  ),

  // -- size -------------------------------------------------------------------------------------------------------------
  ...sizes([
    ['0x', `0x${size}`],
    ['0X', `0X${size}`],
    ['a plus', `+${size}`],
    ['a minus', `-${size}`],
    ['minus nothing', '-0'],
    ['a space before it', ` ${size}`],
    ['a tab before it', `\t${size}`],
    ['a space behind it', `${size} `],
    ['a tab behind it', `${size}\t`],
    ['many spaces behind it', `${size}${' '.repeat(64)}`],
    ['a VT behind it', `${size}\x0b`],
    ['a NUL behind it', `${size}\0`],
    ['a NUL before it', `\0${size}`],
    ['a space before its extension', `${size} ;x`],
    ['a point', `${size}.0`],
    ['a comma', `${size},0`],
    ['an underscore', `${size[0]}_${size[1]}`],
    ['a space inside', `${size[0]} ${size[1]}`],
    ['quotes', `"${size}"`],
    ['a letter that is no digit', `${size}g`],
    ['a letter that is no digit, first', `g${size}`],
    ['a high byte', `${size}\xb5`],
    ['full-width digits', '\xef\xbc\x95'],
    ['an h behind it', `${size}h`],
    ['a colon behind it', `${size}:`],
    ['an equals sign behind it', `${size}=x`],
    ['nothing', ''],
    ['nothing but an extension', ';x'],
    ['a space', ' '],
    ['brackets', `[${size}]`],
    ['a minus and the largest', '-ffffffff'],
    ['13 digits', '1000000000000', 'chunkTooLarge'],
    ['2^64', '10000000000000000', 'chunkTooLarge'],
    ['2^64 and the size', (2n ** 64n + BigInt(smuggled.length)).toString(16), 'chunkTooLarge'],
    [
      '2^64 less the size, which is minus the size',
      (2n ** 64n - BigInt(smuggled.length)).toString(16),
      'chunkTooLarge',
    ],
    ['2^128 and the size', (2n ** 128n + BigInt(smuggled.length)).toString(16), 'chunkTooLarge'],
    ['seventeen digits by leading zeros', size.padStart(17, '0'), 'chunkTooLarge'],
    ['a thousand zeros', '0'.repeat(1000), 'chunkTooLarge'],
  ]),
  unanswered('a chunk size of 2^32 and the size, never reached', sizeLine((2 ** 32 + smuggled.length).toString(16))),
  unanswered('a chunk size of 2^31, never reached', sizeLine('80000000')),

  // -- line ends ----------------------------------------------------------------------------------------------------------
  bad('a chunk size line ended by LF', 'bareLf', sizeLine(size, '\n')),
  bad('a chunk size line ended by CR', 'bareCr', sizeLine(size, '\r')),
  bad('a chunk size line ended by CR CR LF', 'bareCr', sizeLine(size, '\r\r\n')),
  bad('a chunk size line ended by LF CR', 'bareLf', sizeLine(size, '\n\r')),
  bad('all chunk lines ended by LF', 'bareLf', chunked('5\nhello\n0\n\n')),
  bad('a last chunk ended by LF', 'bareLf', chunked('5\r\nhello\r\n0\n\r\n')),
  bad('a body ended by LF', 'bareLf', chunked('5\r\nhello\r\n0\r\n\n')),
  bad('a body ended by CR CR LF', 'bareCr', chunked('5\r\nhello\r\n0\r\n\r\r\n')),
  bad('a last chunk ended by CR', 'bareCr', chunked('5\r\nhello\r\n0\r\r\n')),
  bad('data without a line end', 'chunkEnd', chunked(`5\r\nhello${lastChunk}`)),
  bad('data ended by LF', 'chunkEnd', chunked(`5\r\nhello\n${lastChunk}`)),
  bad('data ended by CR', 'chunkEnd', chunked(`5\r\nhello\r${lastChunk}`)),
  bad('data ended by two other bytes', 'chunkEnd', chunked(`5\r\nhelloXX${lastChunk}`)),
  bad('data ended by CR and another byte', 'chunkEnd', chunked(`5\r\nhello\rX${lastChunk}`)),
  bad('more data than its size', 'chunkEnd', chunked(`4\r\nhello\r\n${lastChunk}`)),
  bad('less data than its size', 'chunkEnd', chunked(`6\r\nhello\r\n${lastChunk}`)),
  bad('an empty line before the first size', 'chunkSize', chunked(`\r\n${hello}`)),
  bad('an empty line between chunks', 'chunkSize', chunked(`5\r\nhello\r\n\r\n${lastChunk}`)),
  bad('a space behind the data', 'chunkEnd', chunked(`5\r\nhello \r\n${lastChunk}`)),
  bad(
    'a size whose line end hides two bytes: one reader skips them, another reads a chunk',
    'bareLf',
    chunked(`2\nxx${size}\r\n0\r\n\r\n${smuggled}\r\n${lastChunk}`),
  ),

  // -- extensions -----------------------------------------------------------------------------------------------------------
  taken('an extension', chunked(`5;a=b\r\nhello\r\n${lastChunk}`), 'POST /base/x api.test hello'),
  taken('an extension of the last chunk', chunked('5\r\nhello\r\n0;a\r\n\r\n'), 'POST /base/x api.test hello'),
  taken(
    'an extension in quotes, with a semicolon',
    chunked(`5;a="b;c"\r\nhello\r\n${lastChunk}`),
    'POST /base/x api.test hello',
  ),
  taken('an empty extension', chunked(`5;\r\nhello\r\n${lastChunk}`), 'POST /base/x api.test hello'),
  taken(
    'an extension that looks like a size',
    chunked(`5;${size}\r\nhello\r\n${lastChunk}`),
    'POST /base/x api.test hello',
  ),
  taken('an extension with white space', chunked(`5; a = b \r\nhello\r\n${lastChunk}`), 'POST /base/x api.test hello'),
  taken(
    'an extension with a quote that does not close',
    chunked(`5;a="\r\nhello\r\n${lastChunk}`),
    'POST /base/x api.test hello',
  ),
  bad(
    'an extension with a quoted CR LF',
    'chunkEnd',
    chunked(`0;a="\r\n${size}\r\n${smuggled}\r\n"\r\n\r\n`).replace('0;a="', '1;a="'),
  ),
  bad('an extension ended by LF', 'bareLf', chunked(`5;a=b\nhello\r\n${lastChunk}`)),
  bad(
    'an extension with an LF inside: the terminator of one reader, the value of another',
    'bareLf',
    chunked(`5;\nxx\r\n${size}\r\n${lastChunk}${smuggled}`),
  ),
  bad('an extension with a CR inside', 'bareCr', chunked(`5;a\rb\r\nhello\r\n${lastChunk}`)),
  bad('an extension ended by CR', 'bareCr', chunked(`5;a=b\rhello\r\n${lastChunk}`)),
  bad('an extension with a NUL', 'chunkExtension', chunked(`5;a=\0\r\nhello\r\n${lastChunk}`)),
  bad('an extension with an escape', 'chunkExtension', chunked(`5;a=\x1b\r\nhello\r\n${lastChunk}`)),
  bad('an extension of the last chunk with an LF', 'bareLf', chunked('5\r\nhello\r\n0;a\n\r\n')),
  bad(
    'an extension larger than the limit',
    'chunkExtension',
    chunked(`5;${'a'.repeat(1025)}\r\nhello\r\n${lastChunk}`),
  ),

  // -- trailers ---------------------------------------------------------------------------------------------------------------
  taken('a trailer', chunked('5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n'), 'POST /base/x api.test hello'),
  ...trailers([
    ['Content-Length', 'trailerField', 'Content-Length: 5\r\n'],
    ['Content-Length of the rest', 'trailerField', `Content-Length: ${smuggled.length}\r\n`],
    ['Transfer-Encoding', 'trailerField', 'Transfer-Encoding: chunked\r\n'],
    ['Transfer-Encoding in capitals', 'trailerField', 'TRANSFER-ENCODING: chunked\r\n'],
    ['Transfer-Encoding: identity', 'trailerField', 'Transfer-Encoding: identity\r\n'],
    ['Host', 'trailerField', 'Host: other.test\r\n'],
    ['Host behind a harmless one', 'trailerField', 'X-A: b\r\nHost: other.test\r\n'],
    ['Connection', 'trailerField', 'Connection: close\r\n'],
    ['Upgrade', 'trailerField', 'Upgrade: h2c\r\n'],
    ['TE', 'trailerField', 'TE: trailers\r\n'],
    ['Expect', 'trailerField', 'Expect: 100-continue\r\n'],
    ['Authorization', 'trailerField', 'Authorization: Basic eA==\r\n'],
    ['Cookie', 'trailerField', 'Cookie: a=b\r\n'],
    ['X-Forwarded-For', 'trailerField', 'X-Forwarded-For: 192.0.2.1\r\n'],
    ['Content-Type', 'trailerField', 'Content-Type: text/html\r\n'],
    ['Transfer_Encoding', null, 'Transfer_Encoding: chunked\r\n'],
    ['a fold', 'obsFold', 'X-A: b\r\n c\r\n'],
    ['white space first', 'obsFold', ' X-A: b\r\n'],
    ['a space before the colon', 'nameByte', 'X-A : b\r\n'],
    ['Content-Length with a space before the colon', 'nameByte', 'Content-Length : 5\r\n'],
    ['no name', 'nameByte', ': b\r\n'],
    ['no colon', 'nameByte', 'X-A\r\n'],
    ['a request line', 'nameByte', 'GET /base/smuggled HTTP/1.1\r\nHost: api.test\r\n'],
    ['a NUL in its name', 'nameByte', 'X\0A: b\r\n'],
    ['a NUL in its value', 'valueByte', 'X-A: b\0\r\n'],
    ['a line ended by LF', 'bareLf', 'X-A: b\n'],
    ['a line ended by CR', 'bareCr', 'X-A: b\rX-C: d\r\n'],
    ['a request behind LF LF', 'bareLf', `X-A: b\n\n${smuggled}`],
    ['a request behind CR LF LF', 'bareLf', `X-A: b\r\n\n${smuggled}`],
  ]),
  bad('trailers larger than the limit', 'trailersTooLarge', chunked(`0\r\nX-A: ${'a'.repeat(16_384)}\r\n\r\n`)),

  // -- bodies that do not end -------------------------------------------------------------------------------------------------
  bad('chunks without the last one', 'chunkSize', chunked(chunk('hello'))),
  bad('a last chunk without its empty line: the marker is a trailer', 'nameByte', chunked('5\r\nhello\r\n0\r\n')),
  unfinished('chunks, and the client ends before the last one', chunked(chunk('hello'))),
  unfinished('the client ends behind the last size', chunked('5\r\nhello\r\n0\r\n')),
  unfinished('the client ends before the last LF', chunked('5\r\nhello\r\n0\r\n\r')),
  unfinished('the client ends inside a chunk', chunked('5\r\nhel')),
  unfinished('the client ends inside a size', chunked('5')),
  unfinished('the client ends inside a chunk that begins a request', chunked(`ff\r\n${prefix}`)),
]

function sizes(list: readonly (readonly [what: string, line: string, refusal?: RefusalName])[]): readonly Message[] {
  return list.map(([what, line, refusal = 'chunkSize']) =>
    bad(`a chunk size written oddly: ${what}`, refusal, sizeLine(line)),
  )
}

function trailers(
  list: readonly (readonly [what: string, refusal: RefusalName | null, lines: string])[],
): readonly Message[] {
  return list.map(([what, refusal, lines]) => {
    const bytes = chunked(`5\r\nhello\r\n0\r\n${lines}\r\n`)
    return refusal === null
      ? taken(`a trailer section with ${what}`, bytes, 'POST /base/x api.test hello')
      : bad(`a trailer section with ${what}`, refusal, bytes)
  })
}
