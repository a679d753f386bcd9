import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type H2RefusalName, h2Refusals } from '../../src/wire/h2/refusals.ts'
import { H2RequestHead, RequestFieldReader } from '../../src/wire/h2/request-fields.ts'
import { type H2ResponseHead, ResponseFieldReader } from '../../src/wire/h2/response-fields.ts'
import { block, type Field, indexed, integer, literal } from './blocks.ts'

const limits = { tableBytes: 4096, listBytes: 16_384, fieldCount: 100 }

function requestReader(connectProtocol = false): RequestFieldReader {
  return new RequestFieldReader({ ...limits, pathBytes: 100, connectProtocol })
}

type Without = 'm' | 's' | 'p' | 'a'
const method: Field = [':method', 'GET']
const scheme: Field = [':scheme', 'https']
const path: Field = [':path', '/a?b']
const authority: Field = [':authority', 'a.example:8443']

function request(without: readonly Without[], ...more: readonly Field[]): Buffer {
  const start = [
    ...(without.includes('m') ? [] : [method]),
    ...(without.includes('s') ? [] : [scheme]),
    ...(without.includes('p') ? [] : [path]),
    ...(without.includes('a') ? [] : [authority]),
  ]
  return block(...start, ...more)
}

const requestCases: readonly (readonly [string, Buffer, Partial<H2RequestHead> | H2RefusalName])[] = [
  [
    'a plain request',
    request([], ['accept', '*/*'], ['x-b', '2']),
    { method: 'GET', scheme: 'https', target: '/a?b', host: 'a.example:8443', lines: 'accept: */*\r\nx-b: 2\r\n' },
  ],
  ['Host where there is no :authority', request(['a'], ['host', 'b.example']), { host: 'b.example', lines: '' }],
  ['Host that says the same as :authority', request([], ['host', 'A.example:8443']), { lines: '' }],
  [
    'the same in other letters',
    request(['a'], [':authority', 'A.Example'], ['host', 'a.example']),
    { host: 'a.example', lines: '' },
  ],
  ['OPTIONS *', request(['m', 'p'], [':method', 'OPTIONS'], [':path', '*']), { target: '*' }],
  ['a method of its own', request(['m'], [':method', 'PROPFIND']), { method: 'PROPFIND' }],
  ['an IPv6 authority', request(['a'], [':authority', '[::1]:80']), { host: '[::1]:80' }],
  ['a length', request([], ['content-length', '12']), { contentLength: 12, lines: 'content-length: 12\r\n' }],
  ['te: trailers', request([], ['te', 'trailers']), { teTrailers: true, lines: '' }],
  ['expect', request([], ['expect', '100-Continue']), { expectContinue: true, lines: 'expect: 100-Continue\r\n' }],
  [
    'cookies in crumbs become one field',
    request([], ['cookie', 'a=1'], ['x-a', '1'], ['cookie', 'b=2']),
    { lines: 'x-a: 1\r\ncookie: a=1; b=2\r\n' },
  ],
  [
    'fields that the gateway writes itself',
    request([], ['x-forwarded-for', '1.1.1.1'], ['x-forwarded-for', '2.2.2.2'], ['x-forwarded-proto', 'http']),
    { forwardedFor: '1.1.1.1, 2.2.2.2', forwardedProto: 'http', lines: '' },
  ],
  [
    'fields for the log, forwarded',
    request([], ['user-agent', 'x/1'], ['x-request-id', 'id']),
    { userAgent: 'x/1', requestId: 'id', lines: 'user-agent: x/1\r\nx-request-id: id\r\n' },
  ],
  [
    'credentials for a proxy are dropped',
    request([], ['proxy-authorization', 'Basic x'], ['x-a', '1']),
    { lines: 'x-a: 1\r\n' },
  ],

  ['no :method', request(['m']), 'pseudoMissing'],
  ['no :scheme', request(['s']), 'pseudoMissing'],
  ['no :path', request(['p']), 'pseudoMissing'],
  ['neither :authority nor Host', request(['a']), 'noAuthority'],
  ['no field at all', block(), 'pseudoMissing'],
  ['two :method', request([], method), 'pseudoTwice'],
  ['two :scheme', request([], scheme), 'pseudoTwice'],
  ['two :path', request([], path), 'pseudoTwice'],
  ['two :authority', request([], authority), 'pseudoTwice'],
  [':status in a request', request([], [':status', '200']), 'pseudoSide'],
  [':path after a field', block(method, scheme, authority, ['x-a', '1'], path), 'pseudoLate'],
  ['an empty :method', request(['m'], [':method', '']), 'method'],
  ['a :method with a space', request(['m'], [':method', 'GET /x HTTP/1.1']), 'method'],
  ['a :method of 65 bytes', request(['m'], [':method', 'M'.repeat(65)]), 'method'],
  ['a :scheme of its own', request(['s'], [':scheme', 'ftp']), 'scheme'],
  ['an empty :path', request(['p'], [':path', '']), 'path'],
  ['a :path with a space', request(['p'], [':path', '/a HTTP/1.1']), 'path'],
  ['a :path with CRLF', request(['p'], [':path', '/a\r\nx: y']), 'value'],
  ['a :path with a fragment', request(['p'], [':path', '/a#b']), 'path'],
  ['a :path that is a URL', request(['p'], [':path', 'https://a.example/']), 'pathForm'],
  ['a :path that is no path', request(['p'], [':path', 'a']), 'pathForm'],
  ['a :path of * with GET', request(['p'], [':path', '*']), 'pathForm'],
  ['a :path over the limit', request(['p'], [':path', `/${'a'.repeat(100)}`]), 'uriTooLong'],
  ['an empty :authority', request(['a'], [':authority', '']), 'authority'],
  ['user information in :authority', request(['a'], [':authority', 'u@a.example']), 'authority'],
  ['a path in :authority', request(['a'], [':authority', 'a.example/x']), 'authority'],
  ['Host that differs from :authority', request([], ['host', 'b.example']), 'hostDiffers'],
  ['two Host', request(['a'], ['host', 'b.example'], ['host', 'b.example']), 'hostDiffers'],
  ['Host that is a list', request(['a'], ['host', 'a.example, b.example']), 'authority'],
  ['CONNECT', block([':method', 'CONNECT'], authority), 'connectMethod'],
  ['CONNECT with :path', block([':method', 'CONNECT'], authority, path), 'connectFields'],
  [
    'an extended CONNECT that was not announced',
    request(['m'], [':method', 'CONNECT'], [':protocol', 'websocket']),
    'protocol',
  ],
  ['two Content-Length', request([], ['content-length', '1'], ['content-length', '1']), 'lengthTwice'],
  ['a Content-Length that is a list', request([], ['content-length', '1, 1']), 'length'],
  ['a Content-Length with a sign', request([], ['content-length', '+1']), 'length'],
  ['an expectation of its own', request([], ['expect', 'more']), 'expect'],
  ['Transfer-Encoding', request([], ['transfer-encoding', 'chunked']), 'connectionField'],
]

const ok: Field = [':status', '200']

const responseCases: readonly (readonly [string, Buffer, Partial<H2ResponseHead> | H2RefusalName])[] = [
  [
    'a status from the static table',
    block(indexed(8), ['x-a', '1']),
    { status: 200, reason: 'OK', lines: 'x-a: 1\r\n' },
  ],
  ['a status as a literal', block([':status', '418']), { status: 418 }],
  ['an informational response', block([':status', '103'], ['link', '</a>']), { status: 103, lines: 'link: </a>\r\n' }],
  ['a length', block(ok, ['content-length', '5']), { contentLength: 5, lines: 'content-length: 5\r\n' }],
  ['204 with a length of 0', block([':status', '204'], ['content-length', '0']), { contentLength: 0 }],
  ['304 with a length', block([':status', '304'], ['content-length', '5']), { contentLength: 5 }],
  [
    'fields of this hop are dropped',
    block(ok, ['proxy-authenticate', 'Basic'], ['te', 'trailers'], ['set-cookie', 'a'], ['set-cookie', 'b']),
    { lines: 'set-cookie: a\r\nset-cookie: b\r\n' },
  ],
  ['no :status', block(['x-a', '1']), 'pseudoMissing'],
  ['two :status', block(ok, ok), 'pseudoTwice'],
  ['101', block([':status', '101']), 'status'],
  ['a status of two digits', block([':status', '20']), 'status'],
  ['a status of four digits', block([':status', '2000']), 'status'],
  ['a status with a sign', block([':status', '+20']), 'status'],
  ['a status over 599', block([':status', '600']), 'status'],
  ['a status under 100', block([':status', '099']), 'status'],
  [':path in a response', block(ok, path), 'pseudoSide'],
  ['204 that announces a body', block([':status', '204'], ['content-length', '1']), 'bodyNotAllowed'],
  ['100 that announces a body', block([':status', '100'], ['content-length', '1']), 'bodyNotAllowed'],
  ['two Content-Length', block(ok, ['content-length', '1'], ['content-length', '1']), 'lengthTwice'],
  ['a Content-Length in hexadecimal', block(ok, ['content-length', '0x1']), 'length'],
  ['Connection', block(ok, ['connection', 'close']), 'connectionField'],
]

/** Lines, or the name of a refusal. */
const trailerCases: readonly (readonly [string, Buffer, string])[] = [
  ['trailers of gRPC', block(['grpc-status', '0'], ['grpc-message', 'ok']), 'grpc-status: 0\r\ngrpc-message: ok\r\n'],
  ['an empty section', block(), ''],
  ['a pseudo-header field', block([':status', '200']), 'pseudoTrailer'],
  ['Content-Length', block(['content-length', '1']), 'trailerField'],
  ['Host', block(['host', 'a']), 'trailerField'],
  ['Cookie', block(['cookie', 'a']), 'trailerField'],
  ['Transfer-Encoding', block(['transfer-encoding', 'chunked']), 'connectionField'],
]

describe('request heads', () => {
  for (const [sentence, bytes, outcome] of requestCases) {
    it(`${sentence}: ${typeof outcome === 'string' ? outcome : 'taken'}`, () => {
      const reader = requestReader()
      check(reader.read(bytes, 0, bytes.length), outcome, () => reader.head)
    })
  }

  it('an extended CONNECT, when it was announced', () => {
    const reader = requestReader(true)
    const bytes = request(['m'], [':method', 'CONNECT'], [':protocol', 'WebSocket'])
    check(
      reader.read(bytes, 0, bytes.length),
      { protocol: 'websocket', method: 'CONNECT', target: '/a?b' },
      () => reader.head,
    )
    for (const [bad, why] of [
      [request([], [':protocol', 'websocket']), 'connectFields'],
      [request(['m', 'p'], [':method', 'CONNECT'], [':protocol', 'websocket']), 'pseudoMissing'],
      [request(['m'], [':method', 'CONNECT'], [':protocol', 'a b']), 'protocol'],
    ] as const) {
      check(reader.read(bad, 0, bad.length), why, () => reader.head)
    }
  })

  it('each request is a new object, and nothing of the one before shows in it', () => {
    const reader = requestReader()
    const full = request([], ['cookie', 'a=1'], ['te', 'trailers'], ['content-length', '3'], ['user-agent', 'x'])
    assert.equal(reader.read(full, 0, full.length), null)
    const first = reader.head
    const plain = request([])
    assert.equal(reader.read(plain, 0, plain.length), null)
    assert.deepEqual(
      reader.head,
      Object.assign(new H2RequestHead(), {
        method: 'GET',
        scheme: 'https',
        target: '/a?b',
        host: 'a.example:8443',
        size: plain.length,
      }),
    )
    assert.equal(first.userAgent, 'x')
  })
})

describe('response heads', () => {
  for (const [sentence, bytes, outcome] of responseCases) {
    it(`${sentence}: ${typeof outcome === 'string' ? outcome : 'taken'}`, () => {
      const reader = new ResponseFieldReader({ ...limits, tableBytes: 0 }, 16)
      // Twice: what is remembered says the same.
      for (let round = 0; round < 2; round++) check(reader.read(bytes, 0, bytes.length), outcome, () => reader.head)
    })
  }
})

describe('trailers', () => {
  for (const [sentence, bytes, outcome] of trailerCases) {
    const refused = Object.hasOwn(h2Refusals, outcome)
    it(`${sentence}: ${refused ? outcome : 'taken'}`, () => {
      for (const reader of [requestReader(), new ResponseFieldReader({ ...limits, tableBytes: 0 }, 16)]) {
        for (let round = 0; round < 2; round++) {
          const refusal = reader.readTrailers(bytes, 0, bytes.length)
          assert.equal(refusal, refused ? h2Refusals[outcome as H2RefusalName] : null)
          if (!refused) assert.equal(reader.trailers, outcome)
        }
      }
    })
  }
})

describe('the memory of decoded blocks', () => {
  const reader = (tableBytes: number): ResponseFieldReader => new ResponseFieldReader({ ...limits, tableBytes }, 4)

  it('gives the same object for the same bytes, and another for others', () => {
    const heads = reader(0)
    const [one, two] = [block(ok, ['x-a', '1']), block(ok, ['x-a', '2'])]
    heads.read(one, 0, one.length)
    const first = heads.head
    heads.read(two, 0, two.length)
    assert.equal(heads.head.lines, 'x-a: 2\r\n')
    heads.read(Buffer.from(one), 0, one.length)
    assert.equal(heads.head, first)
    assert.equal(heads.heads.hits, 1)
  })

  it('is not used for what the dynamic table takes part in', () => {
    const heads = reader(4096)
    const insert = (value: string): Buffer => block(indexed(8), literal(['x-a', value], { form: 'incremental' }))
    const refer = block(indexed(8), indexed(62))
    for (const value of ['1', '2', '2', '3']) {
      const bytes = insert(value)
      heads.read(bytes, 0, bytes.length)
      assert.equal(heads.read(refer, 0, refer.length), null)
      assert.equal(heads.head.lines, `x-a: ${value}\r\n`)
    }
    assert.equal(heads.heads.hits, 0)
  })

  it('is not used for blocks that change the size of the dynamic table', () => {
    const heads = reader(4096)
    const emptying = block(integer(0x20, 5, 0), integer(0x20, 5, 4096), indexed(8))
    const insert = block(indexed(8), literal(['x-a', '1'], { form: 'incremental' }))
    const refer = block(indexed(8), indexed(62))
    for (let round = 0; round < 2; round++) {
      for (const bytes of [insert, emptying]) assert.equal(heads.read(bytes, 0, bytes.length), null)
      assert.equal(heads.read(refer, 0, refer.length), h2Refusals.index)
    }
  })

  it('is not used for fields that are never to be indexed, nor for refusals', () => {
    const heads = reader(0)
    const secret = block(indexed(8), literal(['set-cookie', 's'], { form: 'never' }))
    const bad = block(ok, ['A', '1'])
    for (let round = 0; round < 3; round++) {
      assert.equal(heads.read(secret, 0, secret.length), null)
      assert.equal(heads.read(bad, 0, bad.length), h2Refusals.name)
    }
    assert.equal(heads.heads.hits, 0)
  })

  it('is bounded, and keeps what is used', () => {
    const heads = reader(0)
    const used = block(ok, ['x-used', '1'])
    heads.read(used, 0, used.length)
    const first = heads.head
    for (let round = 0; round < 100; round++) {
      const other = block(ok, ['x-other', `${round}`])
      heads.read(other, 0, other.length)
      heads.read(used, 0, used.length)
      assert.equal(heads.head, first)
    }
  })
})

function check(refusal: unknown, outcome: object | H2RefusalName, head: () => object): void {
  if (typeof outcome === 'string') {
    assert.equal(refusal, h2Refusals[outcome])
    return
  }
  assert.equal(refusal, null)
  const read: Record<string, unknown> = { ...head() }
  for (const [name, value] of Object.entries(outcome)) assert.deepEqual(read[name], value, name)
}
