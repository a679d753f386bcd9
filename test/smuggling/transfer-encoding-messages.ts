import type { RefusalName } from '../../src/wire/h1/refusal.ts'
import { lines, post } from '../wire/message.ts'
import { bad, chunk, last, lastChunk, lengthOf, type Message, prefix, smuggled, taken } from './messages.ts'

/** A spelling of Transfer-Encoding that some reader takes for chunked and another does not. */
interface Spelling {
  readonly what: string
  readonly lines: readonly string[]
  /** null: it is chunked, plainly. */
  readonly refusal: RefusalName | null
}

const chunked = 'Transfer-Encoding: chunked'

const spellings: readonly Spelling[] = [
  plain('as it should be', 'Transfer-Encoding: chunked'),
  plain('in other case', 'tRANSFER-eNCODING: CHUNKED'),
  plain('without a space', 'Transfer-Encoding:chunked'),
  plain('with tabs and spaces around it', 'Transfer-Encoding:\t chunked \t'),
  odd('a space before the colon', 'nameByte', 'Transfer-Encoding : chunked'),
  odd('a tab before the colon', 'nameByte', 'Transfer-Encoding\t: chunked'),
  odd('a VT before the colon', 'nameByte', 'Transfer-Encoding\x0b: chunked'),
  odd('a NUL before the colon', 'nameByte', 'Transfer-Encoding\0: chunked'),
  odd('an LF before the colon', 'bareLf', 'Transfer-Encoding\n: chunked'),
  odd('a CR before the colon', 'noColon', 'Transfer-Encoding\r: chunked'),
  odd('a space before the name', 'obsFold', ' Transfer-Encoding: chunked'),
  odd('a tab before the name', 'obsFold', '\tTransfer-Encoding: chunked'),
  odd('a NUL before the name', 'nameByte', '\0Transfer-Encoding: chunked'),
  odd('a form feed before the name', 'nameByte', '\x0cTransfer-Encoding: chunked'),
  odd('a soft hyphen in the name', 'nameByte', 'Transfer\xadEncoding: chunked'),
  odd('a space in the name', 'nameByte', 'Transfer Encoding: chunked'),
  odd('a name in quotes', 'nameByte', '"Transfer-Encoding": chunked'),
  odd('a VT before the value', 'valueByte', 'Transfer-Encoding: \x0bchunked'),
  odd('a VT instead of a space', 'valueByte', 'Transfer-Encoding:\x0bchunked'),
  odd('a form feed before the value', 'valueByte', 'Transfer-Encoding: \x0cchunked'),
  odd('a VT behind the value', 'valueByte', 'Transfer-Encoding: chunked\x0b'),
  odd('a NUL behind the value', 'valueByte', 'Transfer-Encoding: chunked\0'),
  odd('a backspace behind the value', 'valueByte', 'Transfer-Encoding: chunkedx\x08'),
  odd('a CR before the value', 'bareCr', 'Transfer-Encoding:\rchunked'),
  odd('an LF before the value', 'bareLf', 'Transfer-Encoding:\nchunked'),
  odd('a CR behind the value', 'bareCr', 'Transfer-Encoding: chunked\r'),
  odd('an LF behind the value', 'bareLf', 'Transfer-Encoding: chunked\n'),
  odd('an NBSP before the value', 'coding', 'Transfer-Encoding: \xa0chunked'),
  odd('a NEL behind the value', 'coding', 'Transfer-Encoding: chunked\x85'),
  odd('a letter that loses its high bit', 'coding', 'Transfer-Encoding: \xe3hunked'),
  odd('a long s', 'coding', 'Transfer-Encoding: \xc5\xbfchunked'),
  odd('behind a CR in another field', 'bareCr', 'X-A: b\rTransfer-Encoding: chunked'),
  odd('behind an LF in another field', 'bareLf', 'X-A: b\nTransfer-Encoding: chunked'),
  odd('folded', 'coding', 'Transfer-Encoding:', ' chunked'),
  odd('with a folded list', 'obsFold', 'Transfer-Encoding: chunked', ' , identity'),
  odd('folded behind another word', 'coding', 'Transfer-Encoding: identity', '\tchunked'),
  odd('xchunked', 'coding', 'Transfer-Encoding: xchunked'),
  odd('chunkedx', 'coding', 'Transfer-Encoding: chunkedx'),
  odd('chunk', 'coding', 'Transfer-Encoding: chunk'),
  odd('with a space inside', 'coding', 'Transfer-Encoding: chun ked'),
  odd('behind another word', 'coding', 'Transfer-Encoding: x chunked'),
  odd('chunked, identity', 'coding', 'Transfer-Encoding: chunked, identity'),
  odd('identity, chunked', 'coding', 'Transfer-Encoding: identity, chunked'),
  odd('identity', 'coding', 'Transfer-Encoding: identity'),
  odd('chunked, chunked', 'coding', 'Transfer-Encoding: chunked, chunked'),
  odd('gzip, chunked', 'coding', 'Transfer-Encoding: gzip, chunked'),
  odd('chunked, gzip', 'coding', 'Transfer-Encoding: chunked, gzip'),
  odd('with a comma behind it', 'coding', 'Transfer-Encoding: chunked,'),
  odd('with a comma before it', 'coding', 'Transfer-Encoding: ,chunked'),
  odd('in double quotes', 'coding', 'Transfer-Encoding: "chunked"'),
  odd('in single quotes', 'coding', "Transfer-Encoding: 'chunked'"),
  odd('with a parameter', 'coding', 'Transfer-Encoding: chunked;q=1'),
  odd('percent-encoded', 'coding', 'Transfer-Encoding: %63hunked'),
  odd('with a second colon', 'coding', 'Transfer-Encoding:: chunked'),
  odd('empty', 'coding', 'Transfer-Encoding:'),
  odd('twice, alike', 'codingTwice', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
  odd('twice, then identity', 'codingTwice', 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity'),
  odd('twice, then nothing', 'codingTwice', 'Transfer-Encoding: chunked', 'Transfer-Encoding:'),
  odd('twice, first identity', 'coding', 'Transfer-Encoding: identity', 'Transfer-Encoding: chunked'),
  odd('twice, first another coding', 'coding', 'Transfer-Encoding: cow', 'Transfer-encoding: chunked'),
]

/** Who reads chunks sees two requests, who reads the length one. */
const shortChunks = `${lastChunk}${smuggled}`
/** Who reads chunks sees one request, who reads the length sees another behind its four bytes. */
const longChunks = `${chunk(smuggled)}${lastChunk}`
const shortLength = `Content-Length: ${longChunks.indexOf('\r\n') + 2}`

export const transferEncodingMessages: readonly Message[] = [
  ...spellings.flatMap(({ what, lines, refusal }) => [
    bad(
      `Content-Length, and chunked ${what}: a request hides behind the last chunk`,
      refusal ?? 'lengthAndChunked',
      post([lengthOf(shortChunks), ...lines], shortChunks),
    ),
    bad(
      `chunked ${what}, and Content-Length: a request hides in a chunk`,
      refusal === null ? 'lengthAndChunked' : refusal,
      post([...lines, shortLength], longChunks),
    ),
    refusal === null
      ? taken(`chunked ${what}`, post(lines, longChunks), `POST /base/x api.test ${smuggled}`)
      : bad(`chunked ${what}`, refusal, post(lines, longChunks)),
  ]),

  bad('chunked with Content-Length 0', 'lengthAndChunked', post(['Content-Length: 0', chunked], longChunks)),
  bad('chunked with an empty Content-Length', 'length', post(['Content-Length:', chunked], longChunks)),
  bad(
    'chunked between two Content-Length',
    'lengthTwice',
    post(['Content-Length: 3', chunked, 'Content-Length: 3'], longChunks),
  ),
  bad('chunked with a Content-Length that is no number', 'length', post([chunked, 'Content-Length: x'], longChunks)),
  bad(
    'chunked with Content-Length in the name of another field',
    'nameByte',
    post([chunked, 'Content-Length : 5'], longChunks),
  ),
  bad(
    'chunked, and the rest is the head of a request',
    'lengthAndChunked',
    post([chunked, lengthOf(lastChunk, prefix)], lastChunk + prefix),
  ),
  taken(
    'Transfer_Encoding beside Content-Length',
    post(['Transfer_Encoding: chunked', lengthOf(longChunks)], longChunks),
    `POST /base/x api.test ${longChunks}`,
  ),
  taken(
    'Content_Length beside chunked',
    post([chunked, 'Content_Length: 3'], longChunks),
    `POST /base/x api.test ${smuggled}`,
  ),
  {
    ...bad(
      'Transfer_Encoding alone: no body, so chunks are the next request',
      'method',
      post(['Transfer_Encoding: chunked'], longChunks),
    ),
    forwarded: ['POST /base/x api.test'],
    lead: 1,
  },
  taken(
    'Content-Encoding: chunked is no framing',
    post(['Content-Encoding: chunked', lengthOf(longChunks)], longChunks),
    `POST /base/x api.test ${longChunks}`,
  ),
  taken(
    'TE: chunked is no framing',
    post(['TE: chunked', lengthOf(longChunks)], longChunks),
    `POST /base/x api.test ${longChunks}`,
  ),
  taken(
    'Trailer: Transfer-Encoding is no framing',
    post(['Trailer: Transfer-Encoding', lengthOf(longChunks)], longChunks),
    `POST /base/x api.test ${longChunks}`,
  ),
  taken('chunked with GET', getWith([chunked], longChunks), `GET /base/x api.test ${smuggled}`),
  taken('chunked with DELETE', getWith([chunked], longChunks, 'DELETE'), `DELETE /base/x api.test ${smuggled}`),
  taken('chunked with HEAD', getWith([chunked], longChunks, 'HEAD'), `HEAD /base/x api.test ${smuggled}`),
  taken('chunked with OPTIONS', getWith([chunked], longChunks, 'OPTIONS'), `OPTIONS /base/x api.test ${smuggled}`),
  bad('chunked with GET and Content-Length', 'lengthAndChunked', getWith([chunked, shortLength], longChunks)),

  // RFC 9112 section 6.1: such a message must be taken for faulty.
  bad('chunked in HTTP/1.0', 'codingIn10', inHttp10([chunked], longChunks)),
  bad('chunked in HTTP/1.0, kept alive', 'codingIn10', inHttp10([chunked, 'Connection: keep-alive'], longChunks)),
  bad('chunked in HTTP/1.0 with Content-Length', 'lengthAndChunked', inHttp10([chunked, shortLength], longChunks)),
  bad('xchunked in HTTP/1.0', 'coding', inHttp10(['Transfer-Encoding: xchunked'], longChunks)),
  last('Content-Length in HTTP/1.0', inHttp10([lengthOf('hello')], 'hello'), 'POST /base/x api.test hello'),
  taken(
    'Content-Length in HTTP/1.0, kept alive',
    inHttp10([lengthOf(longChunks), 'Connection: keep-alive'], longChunks),
    `POST /base/x api.test ${longChunks}`,
  ),
]

function plain(what: string, ...lines: readonly string[]): Spelling {
  return { what, lines, refusal: null }
}

function odd(what: string, refusal: RefusalName, ...lines: readonly string[]): Spelling {
  return { what: `written oddly (${what})`, lines, refusal }
}

function getWith(headers: readonly string[], body: string, method = 'GET'): string {
  return lines(`${method} /base/x HTTP/1.1`, 'Host: api.test', ...headers) + body
}

function inHttp10(headers: readonly string[], body: string): string {
  return lines('POST /base/x HTTP/1.0', 'Host: api.test', ...headers) + body
}
