/** In what the backend sends beyond its answer: whoever gets to see it as an answer got somebody else's. */
export const leak = 'LEAK'

export interface Reply {
  readonly name: string
  readonly method: 'GET' | 'HEAD'
  /** Header lines of the request beside Host. */
  readonly asks: readonly string[]
  /** What the backend writes at once, and when the client has had an answer; latin1. */
  readonly bytes: string
  readonly late: string
  /** Whether the backend then ends the connection. */
  readonly ends: boolean
  /** Nothing is left over, so the connection may serve another request. */
  readonly clean: boolean
  /**
   * What the client gets:
   * - `STATUS body`: a whole response
   * - `refused`: 502 of the gateway's own
   * - `cut`: the connection ends inside the response, or before it
   */
  readonly outcome: string
}

const ok = 'HTTP/1.1 200 OK\r\n'
const poison = `${ok}X-A: LEAK\r\nContent-Length: 4\r\n\r\nLEAK`
const chunkedHead = `${ok}Transfer-Encoding: chunked\r\n\r\n`
const websocket = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
]

export const replies: readonly Reply[] = [
  { ...whole('a response', `${ok}Content-Length: 2\r\n\r\nok`, '200 ok'), clean: true },
  { ...whole('a response in chunks', `${chunkedHead}2\r\nok\r\n0\r\n\r\n`, '200 ok'), clean: true },
  { ...whole('a response until the end', `${ok}Connection: close\r\n\r\nok`, '200 ok'), ends: true },
  { ...whole('a response of HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', '200 ok'), ends: true },

  // -- one response that can be read as two -----------------------------------------------------------------------------
  whole('a second response behind a length', `${ok}Content-Length: 2\r\n\r\nok${poison}`, '200 ok'),
  whole('a second response behind chunks', `${chunkedHead}2\r\nok\r\n0\r\n\r\n${poison}`, '200 ok'),
  whole('a second response behind an empty one', `${ok}Content-Length: 0\r\n\r\n${poison}`, '200 '),
  whole('a second response behind 204', `HTTP/1.1 204 No Content\r\n\r\n${poison}`, '204 '),
  whole('a second response behind 304', `HTTP/1.1 304 Not Modified\r\n\r\n${poison}`, '304 '),
  whole(
    'a second response that the length of a 304 counts',
    `HTTP/1.1 304 Not Modified\r\nContent-Length: ${poison.length}\r\n\r\n${poison}`,
    '304 ',
  ),
  {
    ...whole('a second response behind the head that answers HEAD', `${ok}Content-Length: 2\r\n\r\n${poison}`, '200 '),
    method: 'HEAD',
  },
  {
    ...whole(
      'a body behind the head that answers HEAD',
      `${ok}Content-Length: ${poison.length}\r\n\r\n${poison}`,
      '200 ',
    ),
    method: 'HEAD',
  },
  {
    ...whole('chunks behind the head that answers HEAD', `${chunkedHead}4\r\nLEAK\r\n0\r\n\r\n`, '200 '),
    method: 'HEAD',
  },
  whole('an empty line behind a response', `${ok}Content-Length: 2\r\n\r\nok\r\n`, '200 ok'),
  whole('an LF behind a response', `${ok}Content-Length: 2\r\n\r\nok\n`, '200 ok'),
  {
    ...whole('a second response, later, on an idle connection', `${ok}Content-Length: 2\r\n\r\nok`, '200 ok'),
    late: poison,
  },
  {
    ...whole('part of a response, later, on an idle connection', `${ok}Content-Length: 2\r\n\r\nok`, '200 ok'),
    late: `${ok}X-A: LEAK\r\nX-Swallow: `,
  },
  {
    ...whole('408 on an idle connection', `${ok}Content-Length: 2\r\n\r\nok`, '200 ok'),
    late: 'HTTP/1.1 408 LEAK\r\nContent-Length: 0\r\n\r\n',
  },
  {
    ...whole('an informational response on an idle connection', `${ok}Content-Length: 2\r\n\r\nok`, '200 ok'),
    late: 'HTTP/1.1 103 LEAK\r\n\r\n',
  },
  {
    ...whole(
      'a response in the body of a response',
      `${ok}Content-Length: ${poison.length}\r\n\r\n${poison}`,
      `200 ${poison}`,
    ),
    clean: true,
  },
  {
    ...whole(
      'a response in a chunk',
      `${chunkedHead}${poison.length.toString(16)}\r\n${poison}\r\n0\r\n\r\n`,
      `200 ${poison}`,
    ),
    clean: true,
  },

  // -- both framings ------------------------------------------------------------------------------------------------------
  bad(
    'Content-Length, and chunked',
    `${ok}Content-Length: ${5 + poison.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${poison}`,
  ),
  bad(
    'chunked, and Content-Length',
    `${ok}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${poison.length.toString(16)}\r\n${poison}\r\n0\r\n\r\n`,
  ),
  bad(
    'chunked, and Content-Length 0',
    `${ok}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nLEAK\r\n0\r\n\r\n`,
  ),
  bad('Content-Length twice, alike', `${ok}Content-Length: 4\r\nContent-Length: 4\r\n\r\nLEAK`),
  bad('Content-Length twice, different', `${ok}Content-Length: 0\r\nContent-Length: ${poison.length}\r\n\r\n${poison}`),
  bad(
    'Content-Length twice, different, the other way',
    `${ok}Content-Length: ${poison.length}\r\ncontent-length: 0\r\n\r\n${poison}`,
  ),
  bad('Content-Length as a list', `${ok}Content-Length: 4, 4\r\n\r\nLEAK`),
  bad('Content-Length as a list, different', `${ok}Content-Length: 0, 4\r\n\r\nLEAK`),
  ...lengths([
    '+4',
    '-4',
    '-0',
    '0x4',
    '4x',
    '4.0',
    '4e0',
    '4 4',
    '',
    '"4"',
    'x',
    '4;',
    '\xa04',
    '18446744073709551620',
    '9999999999999999999',
  ]),
  bad('Content-Length with a NUL', `${ok}Content-Length: 4\0\r\n\r\nLEAK`),
  bad('Content-Length with a space before the colon', `${ok}Content-Length : 4\r\n\r\nLEAK`),
  bad('Content-Length folded', `${ok}Content-Length:\r\n 4\r\n\r\nLEAK`),
  bad('Content-Length behind an LF', `${ok}X-A: b\nContent-Length: 4\r\n\r\nLEAK`),
  bad('Content-Length behind a CR', `${ok}X-A: b\rContent-Length: 4\r\n\r\nLEAK`),
  ...codings([
    'xchunked',
    'chunkedx',
    'identity',
    'chunked, identity',
    'identity, chunked',
    'gzip, chunked',
    'chunked, chunked',
    'gzip',
    ',chunked',
    'chunked,',
    '"chunked"',
    'chunked;q=1',
    '',
    'cow',
  ]),
  bad('chunked behind a VT', `${ok}Transfer-Encoding: \x0bchunked\r\n\r\n4\r\nLEAK\r\n0\r\n\r\n`),
  bad('chunked with a space before the colon', `${ok}Transfer-Encoding : chunked\r\n\r\n4\r\nLEAK\r\n0\r\n\r\n`),
  bad(
    'chunked with a space before its name',
    `${ok}X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n4\r\nLEAK\r\n0\r\n\r\n`,
  ),
  bad('chunked twice', `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nLEAK\r\n0\r\n\r\n`),
  bad(
    'chunked, and identity in another field',
    `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n4\r\nLEAK\r\n0\r\n\r\n`,
  ),
  bad('chunked in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nLEAK\r\n0\r\n\r\n'),
  bad('204 with a length', `HTTP/1.1 204 No Content\r\nContent-Length: ${poison.length}\r\n\r\n${poison}`),
  bad('204 with chunks', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nLEAK\r\n0\r\n\r\n'),
  bad('Connection nominates Content-Length', `${ok}Connection: content-length\r\nContent-Length: 4\r\n\r\nLEAK`),
  bad(
    'Connection nominates Transfer-Encoding',
    `${ok}Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nLEAK\r\n0\r\n\r\n`,
  ),

  // -- status line and fields -------------------------------------------------------------------------------------------
  ...heads([
    ['HTTP/0.9', 'LEAK'],
    ['a status line ended by LF', 'HTTP/1.1 200 OK\nX-A: LEAK\r\nContent-Length: 0\r\n\r\n'],
    ['a status line ended by CR', 'HTTP/1.1 200 OK\rX-A: LEAK\r\nContent-Length: 0\r\n\r\n'],
    ['a second status line for a field', `${ok}HTTP/1.1 200 LEAK\r\nContent-Length: 0\r\n\r\n`],
    ['an empty line first', `\r\n${ok}X-A: LEAK\r\nContent-Length: 0\r\n\r\n`],
    ['a status of four digits', 'HTTP/1.1 2000 LEAK\r\nContent-Length: 0\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 LEAK\r\nContent-Length: 0\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 099 LEAK\r\nContent-Length: 0\r\n\r\n'],
    ['status 000', 'HTTP/1.1 000 LEAK\r\nContent-Length: 0\r\n\r\n'],
    ['HTTP/2.0', 'HTTP/2.0 200 LEAK\r\nContent-Length: 0\r\n\r\n'],
    ['HTTP/1.2', 'HTTP/1.2 200 LEAK\r\nContent-Length: 0\r\n\r\n'],
    ['a version in lower case', 'http/1.1 200 LEAK\r\nContent-Length: 0\r\n\r\n'],
    ['two spaces before the status', 'HTTP/1.1  200 LEAK\r\nContent-Length: 0\r\n\r\n'],
    ['a NUL in the reason', 'HTTP/1.1 200 LEAK\0\r\nContent-Length: 0\r\n\r\n'],
    ['a CR in the reason', 'HTTP/1.1 200 OK\rX-A: LEAK\r\nContent-Length: 0\r\n\r\n'.replace('\r\n', ' \r\n')],
    ['a line ended by LF', `${ok}X-A: LEAK\nContent-Length: 0\r\n\r\n`],
    ['a line ended by CR', `${ok}X-A: LEAK\rContent-Length: 0\r\n\r\n`],
    ['a head ended by LF LF', `${ok}X-A: LEAK\r\nContent-Length: 0\n\n`],
    ['a response behind LF LF in a value', `${ok}X-A: b\n\n${poison}`],
    ['a fold', `${ok}X-A: LEAK\r\n b\r\nContent-Length: 0\r\n\r\n`],
    ['a space before a colon', `${ok}X-A : LEAK\r\nContent-Length: 0\r\n\r\n`],
    ['an empty name', `${ok}: LEAK\r\nContent-Length: 0\r\n\r\n`],
    ['no colon', `${ok}LEAK\r\nContent-Length: 0\r\n\r\n`],
    ['a NUL in a name', `${ok}X\0A: LEAK\r\nContent-Length: 0\r\n\r\n`],
    ['a NUL in a value', `${ok}X-A: LEAK\0\r\nContent-Length: 0\r\n\r\n`],
    ['an escape in a value', `${ok}X-A: \x1bLEAK\r\nContent-Length: 0\r\n\r\n`],
  ]),

  // -- chunks -------------------------------------------------------------------------------------------------------------
  ...chunks([
    ['0x', `0x2\r\nok\r\n0\r\n\r\n`],
    ['a plus', `+2\r\nok\r\n0\r\n\r\n`],
    ['a minus', `-2\r\nok\r\n0\r\n\r\n`],
    ['a space before the size', ` 2\r\nok\r\n0\r\n\r\n`],
    ['a space behind the size', `2 \r\nok\r\n0\r\n\r\n`],
    ['a letter that is no digit', `2g\r\nok\r\n0\r\n\r\n`],
    ['2^64 and two', `10000000000000002\r\nok\r\n0\r\n\r\n`],
    ['a size line ended by LF', `2\nok\r\n0\r\n\r\n`],
    ['an extension ended by LF', `2;a\nok\r\n0\r\n\r\n`],
    ['data without a line end', `2\r\nok0\r\n\r\n`],
    ['data ended by LF', `2\r\nok\n0\r\n\r\n`],
    ['data longer than its size', `1\r\nok\r\n0\r\n\r\n`],
    ['a body ended by LF', `2\r\nok\r\n0\r\n\n`],
    ['Content-Length for a trailer', `2\r\nok\r\n0\r\nContent-Length: 4\r\n\r\n`],
    ['Transfer-Encoding for a trailer', `2\r\nok\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ['Set-Cookie for a trailer', `2\r\nok\r\n0\r\nSet-Cookie: a=LEAK\r\n\r\n`],
    ['a response for a trailer', `2\r\nok\r\n0\r\n${poison}`],
  ]),
  cut('a length that is never reached', `${ok}Content-Length: 9\r\n\r\nok`),
  cut('chunks without the last one', `${chunkedHead}2\r\nok\r\n`),
  cut('chunks without the last line end', `${chunkedHead}2\r\nok\r\n0\r\n`),

  // -- informational responses and tunnels --------------------------------------------------------------------------------
  {
    ...whole(
      '100 that nobody asked for, then the response',
      `HTTP/1.1 100 Continue\r\n\r\n${ok}Content-Length: 2\r\n\r\nok`,
      '200 ok',
    ),
    clean: true,
  },
  {
    ...whole('103, then the response', `HTTP/1.1 103 Early Hints\r\n\r\n${ok}Content-Length: 2\r\n\r\nok`, '200 ok'),
    clean: true,
  },
  bad(
    '100 with a length that covers the response',
    `HTTP/1.1 100 Continue\r\nContent-Length: ${poison.length}\r\n\r\n${poison}`,
  ),
  bad('103 with chunks', `HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nLEAK\r\n0\r\n\r\n`),
  bad('more informational responses than anybody needs', `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(40)}${poison}`),
  bad(
    '101 that nobody asked for',
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n${poison}`,
  ),
  bad('101 without Upgrade', `HTTP/1.1 101 Switching Protocols\r\n\r\n${poison}`),
  {
    ...bad(
      '101 to h2c that nobody was told of',
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n${poison}`,
    ),
    asks: ['Connection: Upgrade', 'Upgrade: h2c'],
  },
  {
    ...bad('101 without Upgrade, to a WebSocket', `HTTP/1.1 101 Switching Protocols\r\n\r\n${poison}`),
    asks: websocket,
  },
  { ...whole('200 to a WebSocket: no tunnel', `${ok}Content-Length: 2\r\n\r\nok${poison}`, '200 ok'), asks: websocket },
  {
    ...whole(
      '426 to a WebSocket of a wrong version: no tunnel',
      `HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nok`,
      '426 ok',
    ),
    clean: true,
    asks: [...websocket.slice(0, 3), 'Sec-WebSocket-Version: 777'],
  },
]

/** The client gets this response, and nothing of what comes behind it. */
function whole(name: string, bytes: string, outcome: string): Reply {
  return { name, method: 'GET', asks: [], bytes, late: '', ends: false, clean: false, outcome }
}

/** The client gets nothing of it. */
function bad(name: string, bytes: string): Reply {
  return whole(name, bytes, 'refused')
}

/** The backend ends the connection inside the response. */
function cut(name: string, bytes: string): Reply {
  return { ...whole(name, bytes, 'cut'), ends: true }
}

function lengths(values: readonly string[]): readonly Reply[] {
  return values.map((value) =>
    bad(`Content-Length: ${JSON.stringify(value)}`, `${ok}Content-Length: ${value}\r\n\r\nLEAK`),
  )
}

function codings(values: readonly string[]): readonly Reply[] {
  return values.map((value) =>
    bad(
      `Transfer-Encoding: ${JSON.stringify(value)}`,
      `${ok}Transfer-Encoding: ${value}\r\n\r\n4\r\nLEAK\r\n0\r\n\r\n`,
    ),
  )
}

function heads(list: readonly (readonly [what: string, bytes: string])[]): readonly Reply[] {
  return list.map(([what, bytes]) => bad(`a head with ${what}`, bytes))
}

/** Whether the client is refused or cut off depends on what had been sent by then; it never gets a whole response. */
function chunks(list: readonly (readonly [what: string, body: string])[]): readonly Reply[] {
  return list.map(([what, body]) => whole(`chunks with ${what}`, chunkedHead + body, 'cut'))
}
