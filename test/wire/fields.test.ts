import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  F,
  type FieldName,
  fieldNumber,
  fields,
  forbiddenInTrailer,
  passesInRequest,
  passesInResponse,
} from '../../src/wire/h1/fields.ts'
import {
  connectionOptions,
  decimal,
  isAuthority,
  isWord,
  nominatedFields,
  trimmedEnd,
  upgradeProtocols,
} from '../../src/wire/h1/values.ts'

const names = Object.keys(fields) as FieldName[]

function numberOf(name: string): number {
  const bytes = Buffer.from(`:${name}:`, 'latin1')
  return fieldNumber(bytes, 1, bytes.length - 1)
}

/** Calls a function of (buf, start, end) with bytes on both sides that must not matter. */
function within<T>(read: (buf: Buffer, start: number, end: number) => T, text: string): T {
  const bytes = Buffer.from(`9${text}9`, 'latin1')
  return read(bytes, 1, bytes.length - 1)
}

describe('fields', () => {
  it('each name is found in every case, and has its own number', () => {
    assert.equal(new Set(names.map((name) => F[name])).size, names.length)
    for (const name of names) {
      const mixed = name.replace(/./g, (char, index: number) => (index % 2 === 0 ? char.toUpperCase() : char))
      for (const written of [name, name.toUpperCase(), mixed]) assert.equal(numberOf(written), F[name], written)
    }
  })

  it('a name that differs in one byte is another field', () => {
    const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/
    for (const name of names) {
      for (let at = 0; at < name.length; at++) {
        for (let byte = 0x21; byte < 0x7f; byte++) {
          const char = String.fromCharCode(byte)
          if (!token.test(char) || char.toLowerCase() === name[at]) continue
          const other = name.slice(0, at) + char + name.slice(at + 1)
          const known = names.includes(other.toLowerCase() as FieldName)
          // `_` for `-` is what some backends read as the same variable: known as such, and dropped from requests.
          const alike = char === '_' && name[at] === '-'
          const number = numberOf(other)
          if (alike) assert.deepEqual([passesInRequest[number], passesInResponse[number]], [0, 1], other)
          else assert.equal(number, known ? F[other.toLowerCase() as FieldName] : 0, other)
        }
      }
      assert.notEqual(numberOf(`${name}x`), F[name])
      assert.notEqual(numberOf(name.slice(1)), F[name])
    }
    assert.equal(numberOf(''), 0)
    assert.equal(numberOf('x'.repeat(200)), 0)
  })

  it('only what is read passes as it came', () => {
    assert.equal(passesInRequest[0], 1)
    assert.equal(passesInResponse[0], 1)
    for (const name of names) {
      assert.equal(passesInRequest[F[name]], fields[name].request === 'read' ? 1 : 0, name)
      assert.equal(passesInResponse[F[name]], fields[name].response === 'read' ? 1 : 0, name)
    }
    for (const hop of [
      'connection',
      'keep-alive',
      'te',
      'transfer-encoding',
      'upgrade',
      'proxy-authorization',
    ] as const) {
      assert.equal(passesInRequest[F[hop]], 0, hop)
      assert.equal(passesInResponse[F[hop]], 0, hop)
    }
  })

  it('trailers may not be framing, routing or connection', () => {
    for (const name of ['x-checksum', 'server-timing', 'digest', 'toString'])
      assert.equal(forbiddenInTrailer(name), false, name)
    for (const name of [
      'host',
      'content-length',
      'transfer-encoding',
      'connection',
      'te',
      'expect',
      'forwarded',
      'authorization',
      'set-cookie',
      'content-type',
      'cache-control',
    ]) {
      assert.equal(forbiddenInTrailer(name), true, name)
    }
    for (const name of ['user-agent', 'x-request-id']) assert.equal(forbiddenInTrailer(name), false, name)
  })
})

describe('values', () => {
  it('a length is 1 to 15 digits and nothing else', () => {
    const good = {
      '0': 0,
      '7': 7,
      '007': 7,
      '123456789012345': 123_456_789_012_345,
      '999999999999999': 999_999_999_999_999,
    }
    for (const [text, value] of Object.entries(good)) assert.equal(within(decimal, text), value, text)
    const bad = [
      '',
      '+1',
      '-1',
      ' 1',
      '1 ',
      '1,1',
      '0x1',
      '1e1',
      '1.0',
      '1_0',
      '/',
      ':',
      '\xb2',
      'a',
      '0000000000000001',
    ]
    for (const text of bad) assert.equal(within(decimal, text), -1, text)
  })

  it('a word is compared in any case, byte for byte otherwise', () => {
    const isChunked = (buf: Buffer, start: number, end: number) => isWord(buf, start, end, '100-continue')
    for (const text of ['100-continue', '100-CONTINUE', '100-cOntinue']) assert.equal(within(isChunked, text), true)
    for (const text of [
      '',
      '100-continu',
      '100-continue ',
      '100\rcontinue',
      '\x11\x10\x10-continue',
      '100-\xe3ontinue',
    ]) {
      assert.equal(within(isChunked, text), false, text)
    }
  })

  it('white space at the end is SP and HT', () => {
    const kept = (text: string) => within((buf, start, end) => trimmedEnd(buf, start, end) - start, text)
    assert.deepEqual(
      ['', ' ', ' \t ', 'a', 'a ', 'a\t \t', ' a', 'a\xa0', 'a\x0b'].map(kept),
      [0, 0, 0, 1, 1, 1, 2, 2, 2],
    )
  })

  it('Host is host[:port]', () => {
    const good = [
      'a',
      'a.b',
      'A_b-c~1',
      'a:',
      'a:1',
      'a:65535',
      '192.0.2.1:80',
      '[::1]',
      '[::1]:443',
      '[2001:DB8::a:1]',
      '[::ffff:192.0.2.1]',
      'a..b',
      '.',
    ]
    for (const text of good) assert.equal(within(isAuthority, text), true, text)
    const bad = [
      '',
      ':',
      ':1',
      'a:b',
      'a:1:1',
      'a:123456',
      'a:-1',
      'a:+1',
      'a: 1',
      'a b',
      'a,b',
      'a@b',
      'a/b',
      'a?b',
      'a%41',
      '\xe9',
      '[',
      ']',
      '[]',
      '[::1',
      '::1',
      '::1]',
      '[::1]a',
      '[::1]:a',
      '[a]',
      '[1]',
      '[::1%25eth0]',
      '[fe80::1%eth0]',
      '[v1.a]',
      'a[::1]',
      '[[::1]]',
      `[${':'.repeat(60)}]`,
    ]
    for (const text of bad) assert.equal(within(isAuthority, text), false, text)
  })

  it('Connection is a list of tokens', () => {
    const none = { close: false, keepAlive: false, upgrade: false, others: null }
    const table: readonly (readonly [string, ReturnType<typeof connectionOptions>])[] = [
      ['close', { ...none, close: true }],
      ['CLOSE', { ...none, close: true }],
      ['keep-alive', { ...none, keepAlive: true }],
      ['Keep-Alive', { ...none, keepAlive: true }],
      ['upgrade', { ...none, upgrade: true }],
      [' keep-alive\t,Upgrade ,', { ...none, keepAlive: true, upgrade: true }],
      [',', none],
      ['TE, HTTP2-Settings', none],
      ['te, X-A,x-b', { ...none, others: ['x-a', 'x-b'] }],
      ['close, keep-alive', { ...none, close: true, keepAlive: true }],
    ]
    for (const [text, options] of table) assert.deepEqual(connectionOptions(text), options, text)
    for (const text of ['a b', '"close"', 'close;x', 'a=b', 'clos\xe9', 'close\xa0', '(x)', 'a/b', 'x, y z']) {
      assert.equal(connectionOptions(text), null, text)
    }
  })

  it('nominated fields are removed in any case, whole names only', () => {
    const before = 'X-A: 1\r\nx-ab: 2\r\nX: 3\r\nx-a:x-a: 4\r\nY:\r\n'
    assert.equal(nominatedFields(before, ['x-a']), 'x-ab: 2\r\nX: 3\r\nY:\r\n')
    assert.equal(nominatedFields(before, ['y', 'x', 'x-ab']), 'X-A: 1\r\nx-a:x-a: 4\r\n')
    assert.equal(nominatedFields(before, ['z']), before)
    assert.equal(nominatedFields('', ['z']), '')
  })

  it('framing, routing and credentials may not be nominated', () => {
    for (const name of [
      'host',
      'content-length',
      'transfer-encoding',
      'expect',
      'content-type',
      'authorization',
      'cookie',
    ]) {
      assert.equal(nominatedFields('X: 1\r\n', ['x', name]), null, name)
    }
  })

  it('Upgrade is a list of protocols, and HTTP and TLS are not tunnelled', () => {
    for (const text of ['websocket', 'WebSocket', 'SPDY/3.1', 'a, b/1', ',a'])
      assert.equal(upgradeProtocols(text), text)
    for (const text of [
      'h2c',
      'H2C',
      'h2',
      'HTTP/2.0',
      'http/3',
      'TLS/1.2',
      'tls',
      'websocket, h2c',
      'h2c,websocket',
    ]) {
      assert.equal(upgradeProtocols(text), '', text)
    }
    for (const text of ['', ',', 'a b', 'a/', '/1', 'a/b/c', 'a;b', '"a"', 'websocket\xa0', 'a, b c', 'h2c, b c']) {
      assert.equal(upgradeProtocols(text), null, text)
    }
  })
})
