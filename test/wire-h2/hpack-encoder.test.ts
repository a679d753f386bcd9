import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeFields } from '../../src/wire/h2/field-list.ts'
import { HpackDecoder } from '../../src/wire/h2/hpack-decoder.ts'
import {
  encodedLines,
  encodeField,
  encodeLines,
  encodePath,
  encodeRequestStart,
  encodeStatus,
  fieldBound,
  linesBound,
} from '../../src/wire/h2/hpack-encoder.ts'
import { seededRandom } from '../support/random.ts'
import { hex } from './blocks.ts'

const decoder = new HpackDecoder({ tableBytes: 0, listBytes: 1_000_000, fieldCount: 1000 })

/** What a block says, as [name, value, ...]. */
function fieldsOf(block: Buffer): string[] {
  const fields = decodeFields(decoder, block, 0, block.length)
  assert.ok(Array.isArray(fields), JSON.stringify(fields))
  return fields
}

function written(write: (out: Buffer, at: number) => number): Buffer {
  const out = Buffer.alloc(70_000, 0xee)
  const end = write(out, 5)
  assert.ok(out.subarray(0, 5).every((byte) => byte === 0xee))
  assert.equal(out[end], 0xee, 'nothing is written behind the end')
  return out.subarray(5, end)
}

describe('encoded pseudo-header fields', () => {
  it('the start of a request, from the static table where it has the field', () => {
    const start = encodeRequestStart('GET', 'https', 'a.example')
    assert.deepEqual(start, Buffer.concat([hex('8287 01 09'), Buffer.from('a.example')]))
    assert.deepEqual(fieldsOf(encodeRequestStart('PATCH', 'http', '[::1]:80')), [
      ':method',
      'PATCH',
      ':scheme',
      'http',
      ':authority',
      '[::1]:80',
    ])
  })

  it('paths, short and long', () => {
    assert.deepEqual(
      written((out, at) => encodePath(out, at, '/')),
      hex('84'),
    )
    for (const path of [
      '*',
      '/index.html',
      '/\xe9',
      `/${'x'.repeat(47)}`,
      `/${'x'.repeat(126)}`,
      `/${'x'.repeat(20_000)}`,
    ]) {
      assert.deepEqual(fieldsOf(written((out, at) => encodePath(out, at, path))), [':path', path])
    }
  })

  it('every status', () => {
    for (let status = 100; status <= 599; status++) {
      assert.deepEqual(fieldsOf(written((out, at) => encodeStatus(out, at, status))), [':status', `${status}`])
    }
    assert.deepEqual(
      written((out, at) => encodeStatus(out, at, 404)),
      hex('8d'),
    )
  })
})

const lineCases: readonly (readonly [sentence: string, lines: string, fields: readonly string[]])[] = [
  ['nothing', '', []],
  ['names in lower case, values as they are', 'X-Name: Some Value\r\n', ['x-name', 'Some Value']],
  [
    'white space around values goes',
    'a:1\r\nb:   2\r\nc:\t3 \t\r\nd: \r\ne:\r\n',
    ['a', '1', 'b', '2', 'c', '3', 'd', '', 'e', ''],
  ],
  ['white space and colons inside stay', 'a: b: c  d\r\n', ['a', 'b: c  d']],
  ['obs-text', 'a: \x80\xff\r\n', ['a', '\x80\xff']],
  ['the order, and fields twice', 'b: 1\r\na: 2\r\nb: 3\r\n', ['b', '1', 'a', '2', 'b', '3']],
  ['only letters change their case', '^_`|~!: 1\r\nA^Z_: 2\r\n', ['^_`|~!', '1', 'a^z_', '2']],
  [
    'what speaks of an HTTP/1.1 hop does not go on',
    'Host: a\r\nConnection: x\r\nKeep-Alive: y\r\nProxy-Connection: z\r\nTransfer-Encoding: chunked\r\nUpgrade: h\r\nHTTP2-Settings: q\r\na: 1\r\n',
    ['a', '1'],
  ],
  ['TE goes on as trailers only', 'TE: trailers\r\nTE: gzip\r\nte: Trailers, deflate\r\n', ['te', 'trailers']],
  [
    'names that look like known ones',
    'hosts: 1\r\ntsoh: 2\r\nconnectio: 3\r\net: 4\r\nsot: 5\r\n',
    ['hosts', '1', 'tsoh', '2', 'connectio', '3', 'et', '4', 'sot', '5'],
  ],
]

describe('encoded header lines', () => {
  for (const [sentence, lines, fields] of lineCases) {
    it(sentence, () => assert.deepEqual(fieldsOf(encodedLines(lines)), fields))
  }

  it('names of the static table by index; nothing asks to be indexed', () => {
    assert.deepEqual(encodedLines('Accept: x\r\n'), hex('0f 04 01 78'))
    assert.deepEqual(encodedLines('accept-charset: x\r\n'), hex('0f 00 01 78'))
    assert.deepEqual(encodedLines('www-authenticate: x\r\n'), hex('0f 2e 01 78'))
    assert.deepEqual(encodedLines('x: y\r\n'), hex('00 01 78 01 79'))
  })

  it('secrets are marked never to be indexed', () => {
    for (const name of ['Authorization', 'Cookie', 'Set-Cookie', 'Proxy-Authorization']) {
      assert.equal((encodedLines(`${name}: s\r\n`)[0] as number) & 0xf0, 0x10, name)
      assert.equal(
        (written((out, at) => encodeField(out, at, name.toLowerCase(), 's'))[0] as number) & 0xf0,
        0x10,
        name,
      )
    }
  })

  it('random lines come back, whatever their lengths, in the room that was said', () => {
    const random = seededRandom(9113)
    const names = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.!#$%&'*+^`|~"
    const values = 'abc XYZ:;,"=/\t\x80\xff'
    for (let round = 0; round < 3000; round++) {
      let lines = ''
      const fields: string[] = []
      for (let count = random.below(8); count > 0; count--) {
        const name = random.text(names, 1, random.chance(0.1) ? 300 : 20)
        const value = random.text(values, 0, random.chance(0.1) ? 3000 : 30).replace(/^[ \t]+|[ \t]+$/g, '')
        lines += `${name}:${random.text(' \t', 0, 2)}${value}${random.text(' \t', 0, 2)}\r\n`
        fields.push(name.toLowerCase(), value)
      }
      const block = encodedLines(lines)
      assert.ok(block.length <= linesBound(lines))
      assert.deepEqual(fieldsOf(block), fields)
    }
  })

  it('the smallest fields and lengths at the edges of integers fit the room as well', () => {
    for (const size of [0, 1, 126, 127, 128, 254, 255, 16_509, 16_510]) {
      for (const lines of [`a:${'v'.repeat(size)}\r\n`, `${'n'.repeat(size + 1)}:\r\n`, 'a:\r\n'.repeat(size)]) {
        const out = Buffer.alloc(linesBound(lines) + 10, 0xee)
        const end = encodeLines(out, 0, lines)
        assert.ok(end <= linesBound(lines), `${size}`)
        assert.ok(out.subarray(end).every((byte) => byte === 0xee))
      }
      const [name, value] = ['n'.repeat(size + 1), 'v'.repeat(size)]
      const field = written((out, at) => encodeField(out, at, name, value))
      assert.ok(field.length <= fieldBound(name, value))
      assert.deepEqual(fieldsOf(field), [name, value])
    }
  })

  it('a line without its end stops at the end of the text', () => {
    encodedLines('a-long-line-before: that leaves its text behind\r\n')
    assert.deepEqual(fieldsOf(encodedLines('a: b')), ['a', 'b'])
    assert.deepEqual(fieldsOf(encodedLines('a')), ['a', ''])
  })
})
