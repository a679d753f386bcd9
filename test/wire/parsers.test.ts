import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ChunkedDecoder } from '../../src/wire/h1/chunked.ts'
import { refusals } from '../../src/wire/h1/refusal.ts'
import { incomplete, RequestHead } from '../../src/wire/h1/request-head.ts'
import { ResponseHead } from '../../src/wire/h1/response-head.ts'
import { get, limits, line, lines } from './message.ts'
import { decodeInPieces } from './reading.ts'

interface GoodRequest {
  readonly name: string
  readonly text: string
  readonly read: Partial<RequestHead>
}

const goodRequests: readonly GoodRequest[] = [
  {
    name: 'the least that HTTP/1.1 allows',
    text: lines('GET / HTTP/1.1', 'Host: a'),
    read: {
      method: 'GET',
      target: '/',
      minor: 1,
      host: 'a',
      contentLength: -1,
      chunked: false,
      keepAlive: true,
      lines: '',
    },
  },
  {
    name: 'the least that HTTP/1.0 allows',
    text: 'GET / HTTP/1.0\r\n\r\n',
    read: { minor: 0, host: '', keepAlive: false, lines: '' },
  },
  {
    name: 'fields of the gateway taken out, the others byte for byte in their order',
    text: get('A:1', 'connection: close', 'B:\t 2 ', 'HOST-X: y', 'Keep-Alive: z', 'Proxy-Authorization: s', 'a: 3'),
    read: { keepAlive: false, lines: 'A:1\r\nB:\t 2 \r\nHOST-X: y\r\na: 3\r\n' },
  },
  {
    name: 'a length',
    text: get('Content-Length: 000123456789012', 'X: y'),
    read: { contentLength: 123_456_789_012, lines: 'Content-Length: 000123456789012\r\nX: y\r\n' },
  },
  { name: 'chunks', text: get('X: y', 'Transfer-Encoding: CHUNKED'), read: { chunked: true, lines: 'X: y\r\n' } },
  {
    name: 'absolute form, as path and host',
    text: lines('GET https://a.test:8443?q HTTP/1.1', 'Host: A.test:8443'),
    read: { target: '/?q', host: 'a.test:8443' },
  },
  { name: 'OPTIONS *', text: line('OPTIONS * HTTP/1.1'), read: { method: 'OPTIONS', target: '*' } },
  {
    name: 'an upgrade',
    text: get('Connection: keep-alive, Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'),
    read: { upgrade: 'websocket', lines: 'Sec-WebSocket-Version: 13\r\n' },
  },
  {
    name: 'an upgrade in HTTP/1.0, which has none',
    text: lines('GET / HTTP/1.0', 'Connection: Upgrade', 'Upgrade: x'),
    read: { upgrade: '' },
  },
  {
    name: 'what clients say of themselves',
    text: get('User-Agent:  curl/8 ', 'X-Request-ID: 7', 'TE: gzip;q=0.5, trailers', 'Expect: 100-continue'),
    read: {
      userAgent: 'curl/8',
      requestId: '7',
      teTrailers: true,
      expectContinue: true,
      lines: 'User-Agent:  curl/8 \r\nX-Request-ID: 7\r\nExpect: 100-continue\r\n',
    },
  },
  {
    name: 'what proxies before us say, joined',
    text: get(
      'X-Forwarded-For: 1',
      'x-forwarded-for: 2',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: h',
      'Forwarded: for=1',
      'forwarded: for=2',
    ),
    read: { forwardedFor: '1, 2', forwardedProto: 'https', forwardedHost: 'h', forwarded: 'for=1, for=2', lines: '' },
  },
  {
    name: 'HTTP/1.0 that stays, with nominated fields gone',
    text: lines('GET / HTTP/1.0', 'X-One: 1', 'Connection: x-one,', 'x-ONE: 2', 'connection: Keep-Alive', 'X-On: 3'),
    read: { keepAlive: true, lines: 'X-On: 3\r\n' },
  },
]

describe('RequestHead', () => {
  for (const { name, text, read } of goodRequests) {
    it(`reads ${name}, and nothing before it is complete`, () => {
      const head = new RequestHead()
      // Bytes around it must not matter: connections share buffers, and requests follow each other.
      const bytes = Buffer.from(`junk\r\n\r\n${text}GET /next HTTP/1.1\r\nHost: b\r\n\r\n`, 'latin1')
      const start = 8
      const whole = start + text.length
      for (let end = start; end < whole; end++) {
        assert.equal(head.read(bytes, start, end, limits), incomplete, `after ${end - start} bytes`)
      }
      for (const end of [whole, whole + 1, bytes.length]) {
        assert.equal(head.read(bytes, start, end, limits), whole)
        for (const [key, value] of Object.entries(read)) assert.deepEqual(head[key as keyof RequestHead], value, key)
        assert.equal(head.size, text.length)
      }
    })
  }

  it('keeps nothing of the request before', () => {
    const used = new RequestHead()
    const all = get(
      'Connection: Upgrade',
      'Upgrade: x',
      'Expect: 100-continue',
      'TE: trailers',
      'User-Agent: u',
      'X-Request-ID: r',
      'X-Forwarded-For: f',
      'X-Forwarded-Host: f',
      'X-Forwarded-Proto: f',
      'Forwarded: f',
      'Content-Length: 0',
      'X: y',
    )
    for (const before of [
      all,
      get('Transfer-Encoding: chunked'),
      get('Content-Length: 5'),
      get('X : y'),
      get('X: y').slice(0, -2),
    ]) {
      for (const text of [lines('GET / HTTP/1.0'), lines('GET / HTTP/1.1', 'Host: a'), 'GET /']) {
        const next = Buffer.from(text)
        used.read(Buffer.from(before, 'latin1'), 0, before.length, limits)
        const fresh = new RequestHead()
        assert.equal(used.read(next, 0, next.length, limits), fresh.read(next, 0, next.length, limits))
        assert.deepEqual(Object.entries(used), Object.entries(fresh))
      }
    }
  })

  it('takes what is exactly as large as a limit, and refuses one byte more', () => {
    const head = new RequestHead()
    const read = (text: string, changed: Partial<typeof limits>) =>
      head.read(Buffer.from(text), 0, text.length, { ...limits, ...changed })
    const text = get('X: y')
    const lineBytes = 'GET /base/x '.length
    const headerBytes = text.length - 'GET /base/x HTTP/1.1\r\n'.length
    assert.equal(read(text, { requestLineBytes: lineBytes }), text.length)
    assert.equal(read(text, { requestLineBytes: lineBytes - 1 }), refusals.uriTooLong)
    assert.equal(read(text, { headerBytes }), text.length)
    assert.equal(read(text, { headerBytes: headerBytes - 2 }), refusals.headersTooLarge)
    assert.equal(read(text, { headerCount: 2 }), text.length)
    assert.equal(read(text, { headerCount: 1 }), refusals.tooManyHeaders)
  })

  it('refuses a head that never ends as soon as it is larger than a limit', () => {
    const head = new RequestHead()
    for (const endless of ['GET /', 'GET / HTTP/1.1\r\nX', 'GET / HTTP/1.1\r\nX: ', 'GET / HTTP/1.1\r\nX:']) {
      const bytes = Buffer.from(endless.padEnd(20_000, endless.endsWith(':') ? '\t' : 'x'))
      const result = head.read(bytes, 0, bytes.length, limits)
      assert.ok(result === refusals.uriTooLong || result === refusals.headersTooLarge)
    }
  })
})

interface GoodResponse {
  readonly name: string
  readonly text: string
  readonly read: Partial<ResponseHead>
}

const goodResponses: readonly GoodResponse[] = [
  {
    name: 'the least that HTTP/1.1 allows',
    text: 'HTTP/1.1 200 \r\n\r\n',
    read: {
      status: 200,
      reason: '',
      minor: 1,
      contentLength: -1,
      chunked: false,
      keepAlive: true,
      upgrade: '',
      lines: '',
    },
  },
  { name: 'no space before a missing reason', text: 'HTTP/1.1 200\r\n\r\n', read: { status: 200, reason: '' } },
  {
    name: 'a reason in latin1',
    text: 'HTTP/1.1 404 pas trouv\xe9\t!\r\n\r\n',
    read: { status: 404, reason: 'pas trouv\xe9\t!' },
  },
  { name: 'HTTP/1.0', text: 'HTTP/1.0 200 OK\r\n\r\n', read: { minor: 0, keepAlive: false } },
  {
    name: 'HTTP/1.0 that stays',
    text: 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n',
    read: { keepAlive: true, lines: '' },
  },
  {
    name: 'fields of this hop taken out, the others byte for byte',
    text: 'HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nConnection: close, x-hop\r\nX-Hop: b\r\nKeep-Alive: c\r\nSet-Cookie:\tb \r\nProxy-Authenticate: Basic\r\n\r\n',
    read: { keepAlive: false, lines: 'Set-Cookie: a\r\nSet-Cookie:\tb \r\n' },
  },
  {
    name: 'a length',
    text: 'HTTP/1.1 200 OK\r\ncontent-length: 17\r\nX: y\r\n\r\n',
    read: { contentLength: 17, lines: 'content-length: 17\r\nX: y\r\n' },
  },
  { name: 'chunks', text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n', read: { chunked: true, lines: '' } },
  {
    name: 'a switch of protocols',
    text: 'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n',
    read: { status: 101, upgrade: 'websocket', lines: 'Sec-WebSocket-Accept: x\r\n' },
  },
  {
    name: '204 with a length of nothing',
    text: 'HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n',
    read: { contentLength: 0 },
  },
  {
    name: '304 with the length that 200 would have',
    text: 'HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n',
    read: { contentLength: 9 },
  },
]

describe('ResponseHead', () => {
  for (const { name, text, read } of goodResponses) {
    it(`reads ${name}, and nothing before it is complete`, () => {
      const head = new ResponseHead()
      const bytes = Buffer.from(`junk${text}HTTP/1.1 500 next\r\n\r\n`, 'latin1')
      const start = 4
      const whole = start + text.length
      for (let end = start; end < whole; end++) {
        assert.equal(head.read(bytes, start, end, 4096), incomplete, `after ${end - start} bytes`)
      }
      for (const end of [whole, whole + 1, bytes.length]) {
        assert.equal(head.read(bytes, start, end, 4096), whole)
        for (const [key, value] of Object.entries(read)) assert.deepEqual(head[key as keyof ResponseHead], value, key)
        assert.equal(head.size, text.length)
      }
    })
  }

  it('keeps nothing of the response before', () => {
    const used = new ResponseHead()
    const next = Buffer.from('HTTP/1.1 200\r\n\r\n')
    for (const before of [
      'HTTP/1.0 404 x\r\nContent-Length: 5\r\nX: y\r\n\r\n',
      'HTTP/1.1 101 x\r\nConnection: Upgrade, close\r\nUpgrade: x\r\n\r\n',
      'HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\nX : y\r\n\r\n',
    ]) {
      used.read(Buffer.from(before), 0, before.length, 4096)
      const fresh = new ResponseHead()
      assert.equal(used.read(next, 0, next.length, 4096), fresh.read(next, 0, next.length, 4096))
      assert.deepEqual(Object.entries(used), Object.entries(fresh))
    }
  })

  it('refuses a head that never ends as soon as it is larger than its limit', () => {
    const head = new ResponseHead()
    for (const endless of ['HTTP/1.1 200 ', 'HTTP/1.1 200 OK\r\nX', 'HTTP/1.1 200 OK\r\nX: ']) {
      const bytes = Buffer.from(endless.padEnd(5000, 'x'))
      assert.equal(head.read(bytes, 0, 4096, 4096), incomplete)
      assert.equal(head.read(bytes, 0, bytes.length, 4096), refusals.headersTooLarge)
    }
  })
})

describe('the read buffer', () => {
  // Connections share one, so behind the bytes of one read stand those of another connection.
  it('what stands behind the end of the bytes read has no part in the outcome', () => {
    const request = new RequestHead()
    const response = new ResponseHead()
    const outcome = (text: string, tail: string, end: number): unknown[] => {
      const bytes = Buffer.from(text.slice(0, end) + tail, 'latin1')
      return text.startsWith('HTTP')
        ? [response.read(bytes, 0, end, 4096), Object.entries(response)]
        : [request.read(bytes, 0, end, limits), Object.entries(request)]
    }
    for (const { text } of [...goodRequests, { text: `\r\n${get('X: y')}` }, ...goodResponses]) {
      for (let end = 1; end <= text.length; end++) {
        const expected = outcome(text, '', end)
        assert.equal(expected[0], end === text.length ? end : incomplete)
        for (const tail of ['\n', '\r\n', '\r\n\r\n', ' ', ':', '\0', 'X: y\r\n\r\n', '0', ' HTTP/1.1\r\n\r\n']) {
          assert.deepEqual(outcome(text, tail, end), expected, JSON.stringify([text.slice(0, end), tail]))
        }
      }
    }
  })
})

describe('ChunkedDecoder', () => {
  const body =
    '5;name="a;b"\r\nhel\r\n\r\n00a;x\r\n0\r\n\r\n0\r\n\r\n\r\n1\r\n\0\r\n0;last\r\nX-Sum: \xe91\r\ny:\r\n\r\n'
  const reframed = '5\r\nhel\r\n\r\n00a\r\n0\r\n\r\n0\r\n\r\n\r\n1\r\n\0\r\n0\r\nX-Sum: \xe91\r\ny:\r\n\r\n'
  const data = 'hel\r\n0\r\n\r\n0\r\n\r\n\0'
  const bytes = Buffer.from(`${body}GET /next`, 'latin1')

  it('passes the framing on without extensions, in every pair of cuts', () => {
    for (let one = 0; one <= body.length; one++) {
      for (let two = one; two <= body.length; two++) {
        const decoded = decodeInPieces(bytes, [one, two, bytes.length], true)
        assert.equal(decoded.text, reframed, `cut at ${one} and ${two}`)
        assert.deepEqual(decoded, { text: reframed, bodyBytes: data.length, end: body.length, complete: true })
      }
    }
  })

  it('passes the data alone on, in every pair of cuts', () => {
    for (let one = 0; one <= body.length; one++) {
      for (let two = one; two <= body.length; two++) {
        const decoded = decodeInPieces(bytes, [one, two, bytes.length], false)
        assert.deepEqual(decoded, { text: data, bodyBytes: data.length, end: body.length, complete: true })
      }
    }
  })

  it('passes both on one byte at a time', () => {
    const everyByte = Array.from({ length: bytes.length }, (_, index) => index + 1)
    assert.equal(decodeInPieces(bytes, everyByte, true).text, reframed)
    assert.equal(decodeInPieces(bytes, everyByte, false).text, data)
  })

  it('is not complete one byte before the end, and consumes nothing after it', () => {
    assert.equal(decodeInPieces(bytes, [body.length - 1], true).complete, false)
    const decoder = new ChunkedDecoder()
    decoder.reset(true)
    assert.equal(decoder.decode(bytes, 0, bytes.length), body.length)
    assert.equal(decoder.decode(bytes, body.length, bytes.length), body.length)
    assert.equal(decoder.rangeCount, 0)
  })

  it('keeps nothing of the body before', () => {
    const decoder = new ChunkedDecoder()
    for (let end = 0; end < body.length; end++) {
      decoder.reset(end % 2 === 0)
      decoder.decode(bytes, 0, end)
      decoder.reset(true)
      assert.equal(decoder.complete, false)
      assert.equal(decoder.decode(Buffer.from('1\r\na\r\n0\r\n\r\n'), 0, 11), 11)
      assert.deepEqual(
        [decoder.complete, decoder.bodyBytes, decoder.ranges.slice(0, decoder.rangeCount)],
        [true, 1, [0, 11]],
      )
    }
  })

  it('takes a chunk of 2^48 - 1 bytes without holding it', () => {
    const decoder = new ChunkedDecoder()
    decoder.reset(false)
    const piece = Buffer.alloc(65_536, 'a')
    assert.equal(decoder.decode(Buffer.from('ffffffffffff\r\n'), 0, 14), 14)
    for (let n = 0; n < 100; n++) assert.equal(decoder.decode(piece, 0, piece.length), piece.length)
    assert.equal(decoder.bodyBytes, 6_553_600)
    assert.equal(decoder.complete, false)
  })

  it('counts extensions per chunk and trailers together', () => {
    const chunks = `1;${'x'.repeat(1000)}\r\na\r\n`.repeat(10)
    const many = Buffer.from(`${chunks}0\r\n${'X: y\r\n'.repeat(3000)}\r\n`)
    const decoder = new ChunkedDecoder()
    decoder.reset(true)
    assert.equal(decoder.decode(many, 0, chunks.length), chunks.length)
    assert.equal(
      decoder.decode(many, chunks.length, many.length),
      many.length,
      '3,000 lines of five counted bytes are 15,000',
    )
    decoder.reset(true)
    assert.equal(decoder.decode(many, 0, many.length), many.length, 'the trailers of the body before do not count')
    decoder.reset(true)
    const more = Buffer.from(`0\r\n${'X: y\r\n'.repeat(5000)}\r\n`)
    assert.equal(decoder.decode(more, 0, more.length), refusals.trailersTooLarge)
  })
})
