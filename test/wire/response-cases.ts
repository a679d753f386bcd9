import type { FaultKind } from '../../src/faults/fault.ts'
import { type RefusalName, refusals } from '../../src/wire/h1/refusal.ts'

export const responseHeaderBytes = 4096

export interface ResponseCase {
  readonly name: string
  readonly method: 'GET' | 'HEAD'
  /** What the backend writes at once, and once the client has the head of it; latin1. */
  readonly reply: string
  readonly late: string
  /** What the backend does after that. */
  readonly ending: 'wait' | 'end' | 'reset'
  /**
   * - `refused`: the client gets 502 and nothing of the reply
   * - `cut`: the head had been sent; the client sees the connection end inside the response
   * - `whole`: the client gets the response; whatever was wrong about the rest, nobody sees it
   */
  readonly outcome: 'refused' | 'cut' | 'whole'
  readonly kind: FaultKind | null
  /** Part of the summary in the log. */
  readonly says: string
}

/** In each bad head: must never be seen by the client. */
export const marker = 'LEAK'

const good = 'HTTP/1.1 200 OK\r\n'
const chunkedHead = `${good}Transfer-Encoding: chunked\r\n\r\n`

export const responseCases: readonly ResponseCase[] = [
  // -- status line ----------------------------------------------------------------------------------------------------
  refused('text', 'statusLine', 'LEAK, hello there\r\n\r\n'),
  refused('a page without a head', 'statusLine', '<!doctype html><p>LEAK</p>\n'),
  refused('a TLS alert', 'statusLine', '\x15\x03\x01\x00\x02\x02\x46LEAK'),
  refused('an SSH banner', 'statusLine', 'SSH-2.0-LEAK\r\n'),
  refused('Shoutcast', 'statusLine', 'ICY 200 OK\r\nX-A: LEAK\r\n\r\n'),
  refused('an empty line first', 'statusLine', `\r\n${good}X-A: LEAK\r\n\r\n`),
  refused('a space first', 'statusLine', ` ${good}X-A: LEAK\r\n\r\n`),
  refused('HTTP/2.0', 'statusLine', 'HTTP/2.0 200 OK\r\nX-A: LEAK\r\n\r\n'),
  refused('HTTP/1.2', 'statusLine', 'HTTP/1.2 200 OK\r\nX-A: LEAK\r\n\r\n'),
  refused('a version in lower case', 'statusLine', 'http/1.1 200 OK\r\nX-A: LEAK\r\n\r\n'),
  refused('no status', 'statusLine', 'HTTP/1.1\r\nX-A: LEAK\r\n\r\n'),
  refused('a status of two digits', 'statusLine', 'HTTP/1.1 20 LEAK\r\n\r\n'),
  refused('a status of four digits', 'statusLine', 'HTTP/1.1 2000 LEAK\r\n\r\n'),
  refused('a status with a letter', 'statusLine', 'HTTP/1.1 2x0 LEAK\r\n\r\n'),
  refused('a status with a sign', 'statusLine', 'HTTP/1.1 +20 LEAK\r\n\r\n'),
  refused('a status below 100', 'statusLine', 'HTTP/1.1 099 LEAK\r\n\r\n'),
  refused('a status above 599', 'statusLine', 'HTTP/1.1 600 LEAK\r\n\r\n'),
  refused('two spaces before the status', 'statusLine', 'HTTP/1.1  200 LEAK\r\n\r\n'),
  refused('a tab before the status', 'statusLine', 'HTTP/1.1\t200 LEAK\r\n\r\n'),
  refused('a tab after the status', 'statusLine', 'HTTP/1.1 200\tLEAK\r\n\r\n'),
  refused('a NUL in the reason', 'statusLine', 'HTTP/1.1 200 LEAK\0\r\n\r\n'),
  refused('a status line ended by LF', 'bareLf', 'HTTP/1.1 200 OK\nX-A: LEAK\r\n\r\n'),
  refused('a status line ended by CR', 'bareCr', 'HTTP/1.1 200 OK\rX-A: LEAK\r\n\r\n'),
  whole('a status line without its last space', 'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok'),

  // -- header lines ---------------------------------------------------------------------------------------------------
  refused('a header line ended by LF', 'bareLf', `${good}X-A: LEAK\nContent-Length: 0\r\n\r\n`),
  refused('a header line ended by CR', 'bareCr', `${good}X-A: LEAK\rContent-Length: 0\r\n\r\n`),
  refused('a head ended by LF', 'bareLf', `${good}X-A: LEAK\r\n\n`),
  refused('a value folded with a space', 'obsFold', `${good}X-A: LEAK\r\n more\r\n\r\n`),
  refused('a value folded with a tab', 'obsFold', `${good}X-A: LEAK\r\n\tmore\r\n\r\n`),
  refused('white space before the first header', 'obsFold', `${good} X-A: LEAK\r\n\r\n`),
  refused('a space before the colon', 'nameByte', `${good}X-A: LEAK\r\nContent-Length : 0\r\n\r\n`),
  refused('a NUL in a name', 'nameByte', `${good}X-A: LEAK\r\nX\0: b\r\n\r\n`),
  refused('a high byte in a name', 'nameByte', `${good}X-A: LEAK\r\nX\xe9: b\r\n\r\n`),
  refused('a line without a name', 'emptyName', `${good}X-A: LEAK\r\n: b\r\n\r\n`),
  refused('a line without a colon', 'noColon', `${good}X-A: LEAK\r\nX-B\r\n\r\n`),
  refused('a NUL in a value', 'valueByte', `${good}X-A: LEAK\0\r\n\r\n`),
  refused('an escape in a value', 'valueByte', `${good}X-A: \x1bLEAK\r\n\r\n`),
  refused('a DEL in a value', 'valueByte', `${good}X-A: LEAK\x7f\r\n\r\n`),
  refused(
    'a header larger than the limit',
    'headersTooLarge',
    `${good}X-A: LEAK${'a'.repeat(responseHeaderBytes)}\r\n\r\n`,
  ),
  refused(
    'a reason larger than the limit',
    'headersTooLarge',
    `HTTP/1.1 200 LEAK${'a'.repeat(responseHeaderBytes)}\r\n\r\n`,
  ),
  refused('headers that do not end', 'headersTooLarge', `${good}${'X-A: LEAK\r\n'.repeat(responseHeaderBytes / 10)}`),
  refused(
    'Connection that nominates Content-Length',
    'connectionNominates',
    `${good}X-A: LEAK\r\nConnection: content-length\r\nContent-Length: 0\r\n\r\n`,
  ),
  refused(
    'Connection that is no list of tokens',
    'connectionOption',
    `${good}X-A: LEAK\r\nConnection: "close"\r\n\r\n`,
  ),

  // -- framing --------------------------------------------------------------------------------------------------------
  refused('Content-Length twice, alike', 'lengthTwice', `${good}Content-Length: 4\r\nContent-Length: 4\r\n\r\nLEAK`),
  refused(
    'Content-Length twice, different',
    'lengthTwice',
    `${good}Content-Length: 4\r\nContent-Length: 0\r\n\r\nLEAK`,
  ),
  refused('Content-Length as a list', 'length', `${good}Content-Length: 4, 4\r\n\r\nLEAK`),
  refused('Content-Length with a plus', 'length', `${good}Content-Length: +4\r\n\r\nLEAK`),
  refused('Content-Length with a minus', 'length', `${good}Content-Length: -4\r\n\r\nLEAK`),
  refused('Content-Length in hexadecimal', 'length', `${good}Content-Length: 0x4\r\n\r\nLEAK`),
  refused('Content-Length without a value', 'length', `${good}Content-Length:\r\n\r\nLEAK`),
  refused('Content-Length of 16 digits', 'length', `${good}Content-Length: 1000000000000000\r\n\r\nLEAK`),
  refused(
    'Content-Length and chunked',
    'lengthAndChunked',
    `${good}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nLEAK`,
  ),
  refused(
    'chunked and Content-Length',
    'lengthAndChunked',
    `${good}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nLEAK`,
  ),
  refused(
    'chunked twice',
    'codingTwice',
    `${good}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\nLEAK`,
  ),
  refused('gzip, chunked', 'coding', `${good}Transfer-Encoding: gzip, chunked\r\n\r\nLEAK`),
  refused('xchunked', 'coding', `${good}Transfer-Encoding: xchunked\r\n\r\nLEAK`),
  refused('identity', 'coding', `${good}Transfer-Encoding: identity\r\n\r\nLEAK`),
  refused('chunked after a VT', 'valueByte', `${good}Transfer-Encoding: \x0bchunked\r\n\r\nLEAK`),
  refused('chunked in HTTP/1.0', 'codingIn10', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nLEAK'),
  refused('204 with a length', 'bodyNotAllowed', 'HTTP/1.1 204 LEAK\r\nContent-Length: 5\r\n\r\nhello'),
  refused('204 with chunks', 'bodyNotAllowed', 'HTTP/1.1 204 LEAK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  refused(
    '103 with a length',
    'bodyNotAllowed',
    `HTTP/1.1 103 LEAK\r\nContent-Length: ${good.length + 2}\r\n\r\n${good}\r\n`,
  ),
  refused('100 with chunks', 'bodyNotAllowed', `HTTP/1.1 100 LEAK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),

  // -- informational responses ----------------------------------------------------------------------------------------
  refused(
    '101 that nobody asked for',
    'switching',
    'HTTP/1.1 101 LEAK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ),
  refused('101 without Upgrade', 'switching', 'HTTP/1.1 101 LEAK\r\n\r\n'),
  refused('33 informational responses', 'informational', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(33)),
  refused(
    'an informational response, then a bad head',
    'obsFold',
    `HTTP/1.1 103 Early Hints\r\n\r\n${good}X-A: LEAK\r\n b\r\n\r\n`,
  ),
  whole(
    '32 informational responses',
    `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(32)}${good}Content-Length: 2\r\n\r\nok`,
  ),

  // -- the connection ends --------------------------------------------------------------------------------------------
  ended('nothing, and the end', 'before the first byte', { reply: '', ending: 'end' }),
  ended('nothing, and a reset', 'before the first byte', { reply: '', ending: 'reset' }),
  ended('half a status line, and the end', 'inside its response', { reply: 'HTTP/1.1 20', ending: 'end' }),
  ended('half a head, and the end', 'inside its response', { reply: `${good}X-A: LEAK\r\n`, ending: 'end' }),
  ended('half a head, and a reset', 'inside its response', { reply: `${good}X-A: LEAK\r\n`, ending: 'reset' }),
  ended('an informational response, and the end', 'inside its response', {
    reply: 'HTTP/1.1 103 Early Hints\r\n\r\n',
    ending: 'end',
  }),
  cut('half a body, and the end', null, `${good}Content-Length: 10\r\n\r\nhello`, '', 'end'),
  cut('half a body, and a reset', null, `${good}Content-Length: 10\r\n\r\nhello`, '', 'reset'),
  cut('half a chunk, and the end', null, `${chunkedHead}a\r\nhello`, '', 'end'),
  cut('no last chunk, and the end', null, `${chunkedHead}5\r\nhello\r\n`, '', 'end'),
  cut('half a trailer, and the end', null, `${chunkedHead}5\r\nhello\r\n0\r\nX-A: b\r\n`, '', 'end'),
  cut('chunks, and a reset', null, `${chunkedHead}5\r\nhello\r\n`, '', 'reset'),

  // -- chunks, after the head is with the client ----------------------------------------------------------------------
  cut('a chunk size with 0x', 'chunkSize', chunkedHead, '0x5\r\nhello\r\n'),
  cut('a chunk size with a space', 'chunkSize', chunkedHead, '5 \r\nhello\r\n'),
  cut('no chunk size', 'chunkSize', chunkedHead, '\r\nhello\r\n'),
  cut('a chunk size of 13 digits', 'chunkTooLarge', chunkedHead, '0000000000005\r\nhello\r\n'),
  cut('a chunk size line ended by LF', 'bareLf', chunkedHead, '5\nhello\r\n'),
  cut('a chunk size line ended by CR', 'bareCr', chunkedHead, '5\rhello\r\n'),
  cut('a chunk extension with a control byte', 'chunkExtension', chunkedHead, '5;a=\x01\r\nhello\r\n'),
  cut('a chunk extension that does not end', 'chunkExtension', chunkedHead, `5;${'a'.repeat(2000)}`),
  cut('no line end after the data', 'chunkEnd', chunkedHead, '5\r\nhello0\r\n\r\n'),
  cut('LF alone after the data', 'chunkEnd', chunkedHead, '5\r\nhello\n0\r\n\r\n'),
  cut('Content-Length as a trailer', 'trailerField', chunkedHead, '0\r\nContent-Length: 5\r\n\r\n'),
  cut('Transfer-Encoding as a trailer', 'trailerField', chunkedHead, '0\r\ntransfer-encoding: chunked\r\n\r\n'),
  cut('a folded trailer', 'obsFold', chunkedHead, '0\r\nX-A: b\r\n c\r\n\r\n'),
  cut('a trailer with a NUL', 'valueByte', chunkedHead, '0\r\nX-A: \0\r\n\r\n'),
  cut('trailers of more than 16 KiB', 'trailersTooLarge', chunkedHead, `0\r\nX-A: ${'a'.repeat(16_384)}\r\n\r\n`),
  cut('a body ended by LF', 'bareLf', chunkedHead, '0\r\n\n'),

  // -- bytes that belong to no response -------------------------------------------------------------------------------
  whole('a second response after a length', `${good}Content-Length: 2\r\n\r\nok${good}Content-Length: 4\r\n\r\nLEAK`),
  whole('a second response after chunks', `${chunkedHead}2\r\nok\r\n0\r\n\r\n${good}Content-Length: 4\r\n\r\nLEAK`),
  whole('a second response after nothing', `${good}Content-Length: 0\r\n\r\n${good}Content-Length: 4\r\n\r\nLEAK`),
  whole('a body after 204', 'HTTP/1.1 204 No Content\r\n\r\nLEAK'),
  whole('a body after 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nLEAK'),
  whole('an empty line after a length', `${good}Content-Length: 2\r\n\r\nok\r\n`),
  { ...whole('a body after the head that answers HEAD', `${good}Content-Length: 4\r\n\r\nLEAK`), method: 'HEAD' },
  { ...whole('chunks after the head that answers HEAD', `${chunkedHead}4\r\nLEAK\r\n0\r\n\r\n`), method: 'HEAD' },
  {
    ...whole('a second response that comes later', `${good}Content-Length: 2\r\n\r\nok`),
    late: `${good}X-A: LEAK\r\n\r\n`,
  },
]

function refused(name: string, refusal: RefusalName, reply: string): ResponseCase {
  const { kind, summary } = refusals[refusal]
  return {
    ...whole(name, reply),
    outcome: 'refused',
    kind: kind === 'headers-too-large' ? 'response-head-too-large' : 'response-malformed',
    says: summary,
  }
}

function ended(name: string, says: string, how: { reply: string; ending: 'end' | 'reset' }): ResponseCase {
  return { ...whole(name, how.reply), ending: how.ending, outcome: 'refused', kind: 'response-eof', says }
}

function cut(
  name: string,
  refusal: RefusalName | null,
  reply: string,
  late: string,
  ending: ResponseCase['ending'] = 'wait',
): ResponseCase {
  const malformed: Pick<ResponseCase, 'kind' | 'says'> =
    refusal === null
      ? { kind: 'response-eof', says: 'inside its response' }
      : {
          kind: refusals[refusal].kind === 'headers-too-large' ? 'response-head-too-large' : 'response-malformed',
          says: refusals[refusal].summary,
        }
  return { ...whole(name, reply), late, ending, outcome: 'cut', ...malformed }
}

function whole(name: string, reply: string): ResponseCase {
  return { name, method: 'GET', reply, late: '', ending: 'wait', outcome: 'whole', kind: null, says: '' }
}
