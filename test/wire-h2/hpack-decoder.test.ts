import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeFields } from '../../src/wire/h2/field-list.ts'
import { type FieldLimits, HpackDecoder } from '../../src/wire/h2/hpack-decoder.ts'
import { type H2RefusalName, h2Refusals } from '../../src/wire/h2/refusals.ts'
import { block, hex, huffman, indexed, integer, literal, string } from './blocks.ts'

const limits: FieldLimits = { tableBytes: 4096, listBytes: 8192, fieldCount: 50 }
const good = block(['x-good', 'yes'])

function decode(bytes: Buffer, decoder = new HpackDecoder(limits)): string[] | H2RefusalName {
  const result = decodeFields(decoder, bytes, 0, bytes.length)
  if (Array.isArray(result)) return result
  const name = Object.entries(h2Refusals).find(([, refusal]) => refusal === result)?.[0]
  assert.ok(name !== undefined, 'a refusal is one of the known objects')
  return name as H2RefusalName
}

const inserted = literal(['x-a', 'b'], { form: 'incremental' })
const path = literal([':path', '/'], { index: 4 })

const cases: readonly (readonly [sentence: string, bytes: Buffer, outcome: string[] | H2RefusalName])[] = [
  ['an empty block', Buffer.alloc(0), []],
  [
    'each form of literal',
    block(literal(['a', '1']), literal(['b', '2'], { form: 'never' }), literal(['c', '3'], { form: 'incremental' })),
    ['a', '1', 'b', '2', 'c', '3'],
  ],
  ['names and values in Huffman code', literal(['x-name', 'Some Value'], { coded: true }), ['x-name', 'Some Value']],
  ['a name from the static table', literal(['server', 'x'], { index: 54 }), ['server', 'x']],
  ['the last entry of the static table', literal(['www-authenticate', 'x'], { index: 61 }), ['www-authenticate', 'x']],
  ['an empty value', block(['x-a', '']), ['x-a', '']],
  ['obs-text in a value', block(['x-a', '\x80\xff']), ['x-a', '\x80\xff']],
  ['white space inside a value', block(['x-a', 'a \t b']), ['x-a', 'a \t b']],
  ['a name of every token byte', block(["!#$%&'*+-.^_`|~09az", '1']), ["!#$%&'*+-.^_`|~09az", '1']],
  ['te: trailers', block(['te', 'trailers']), ['te', 'trailers']],
  ['pseudo-header fields, then others', block(path, ['x-a', '1']), [':path', '/', 'x-a', '1']],

  ['index 0', block(hex('80'), good), 'indexZero'],
  ['an index beyond an empty dynamic table', indexed(62), 'index'],
  ['the one entry of the dynamic table', block(inserted, indexed(62)), ['x-a', 'b', 'x-a', 'b']],
  ['an index one beyond the dynamic table', block(inserted, indexed(63)), 'index'],
  ['a name index beyond the tables', literal(['', 'v'], { index: 62 }), 'index'],
  ['a name from the dynamic table', block(inserted, literal(['', 'c'], { index: 62 })), ['x-a', 'b', 'x-a', 'c']],
  ['an index of 28 bits', integer(0x80, 7, 2 ** 28 - 1), 'index'],
  ['an integer of more bits', hex('ffffffffffff0f'), 'integer'],
  ['an integer with zeros after it', hex('ff808080808000'), 'integer'],
  ['a length of more than 28 bits', hex('00 7fffffffff0f'), 'integer'],
  ['a block that ends inside an index', hex('ff80'), 'blockEnd'],
  ['a block that ends before an integer goes on', hex('7f'), 'blockEnd'],
  ['a block that ends before the name', hex('00'), 'blockEnd'],
  ['a block that ends inside the name', hex('0005 61'), 'blockEnd'],
  ['a block that ends before the value', hex('0001 61'), 'blockEnd'],
  ['a block that ends inside the value', hex('0001 61 02 61'), 'blockEnd'],
  ['a block that ends inside a length', hex('0001 61 7f'), 'blockEnd'],
  ['a Huffman value with 8 bits of padding', hex('0001 61 82 1fff'), 'huffman'],
  ['a Huffman value with EOS', hex('0001 61 84 ffffffff'), 'huffman'],
  ['a Huffman name padded with zeros', hex('0081 18 01 61'), 'huffman'],

  ['a table size of 0 and back, first', block(integer(0x20, 5, 0), integer(0x20, 5, 4096), good), ['x-good', 'yes']],
  ['a table size over the announced one', block(integer(0x20, 5, 4097), good), 'tableSize'],
  ['a table size after a field', block(good, integer(0x20, 5, 0)), 'tableSizeLate'],
  ['a table size of 0 drops what was there', block(integer(0x20, 5, 0), inserted, indexed(62)), 'index'],

  ['an upper-case letter in a name', block(['X-a', '1']), 'name'],
  ['an empty name', block(['', '1']), 'name'],
  ['a space in a name', block(['x a', '1']), 'name'],
  ['a colon in a name', block(['x:a', '1']), 'name'],
  ['NUL in a name', block(['x\0', '1']), 'name'],
  ['CRLF in a name', block(['x\r\ny', '1']), 'name'],
  ['a byte over 0x7e in a name', block(['x\xe9', '1']), 'name'],
  ['an upper-case name in Huffman code', literal(['Host', 'a'], { coded: true }), 'name'],
  ...['\0', '\r', '\n', '\r\n', '\x7f', '\x01'].map(
    (bad) => [`${JSON.stringify(bad)} in a value`, block(['x-a', `a${bad}b`]), 'value'] as const,
  ),
  ['CRLF in a value in Huffman code', literal(['x-a', 'a\r\nb: c'], { coded: true }), 'value'],
  ...[' a', 'a ', '\ta', 'a\t', ' '].map(
    (bad) => [`white space at an end of ${JSON.stringify(bad)}`, block(['x-a', bad]), 'value'] as const,
  ),
  ['an unknown pseudo-header field', block([':fragment', '1']), 'pseudoUnknown'],
  ['a pseudo-header field in upper case', block([':Path', '/']), 'pseudoUnknown'],
  ['a colon alone', block([':', '/']), 'pseudoUnknown'],
  ['a pseudo-header field after a regular one', block(['x-a', '1'], path), 'pseudoLate'],
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map(
    (name) => [`the field ${name}`, block([name, 'x']), 'connectionField'] as const,
  ),
  ['te: gzip', block(['te', 'gzip']), 'te'],
  ['te: trailers, gzip', block(['te', 'trailers, gzip']), 'te'],
  ['an empty te', block(['te', '']), 'te'],
]

describe('field blocks', () => {
  for (const [sentence, bytes, outcome] of cases) {
    it(`${sentence}: ${Array.isArray(outcome) ? 'taken' : outcome}`, () => assert.deepEqual(decode(bytes), outcome))
  }

  it('a block cut anywhere is taken up to a field, or ends inside one, and says nothing else', () => {
    const whole = block(path, ['x-a', 'value'], literal(['x-long', 'v'.repeat(200)], { coded: true }))
    const outcomes = new Set<string>()
    for (let end = 0; end <= whole.length; end++) {
      const outcome = decode(whole.subarray(0, end))
      outcomes.add(Array.isArray(outcome) ? `${outcome.length / 2} fields` : outcome)
    }
    assert.deepEqual([...outcomes].sort(), ['0 fields', '1 fields', '2 fields', '3 fields', 'blockEnd'])
  })

  it('an empty name is an empty name, whatever field was decoded before', () => {
    decode(block([':path', '/']))
    assert.equal(decode(block(['', '1'])), 'name')
  })

  it('a refused message leaves no lines', () => {
    const decoder = new HpackDecoder(limits)
    const keepAll = { field: () => true }
    const bad = block(['x-a', '1'], ['Bad', '1'], ['x-b', '2'])
    assert.equal(decoder.decode(good, 0, good.length, keepAll), null)
    assert.equal(decoder.lines(), 'x-good: yes\r\n')
    assert.equal(decoder.decode(bad, 0, bad.length, keepAll), h2Refusals.name)
    assert.equal(decoder.lines(), '')
  })

  it('a malformed message keeps the table: later blocks refer to what it inserted', () => {
    const decoder = new HpackDecoder(limits)
    assert.equal(decode(block(['Bad', '1'], inserted), decoder), 'name')
    assert.deepEqual(decode(indexed(62), decoder), ['x-a', 'b'])
  })

  it('a bad field that was inserted is bad whenever it is referred to', () => {
    const decoder = new HpackDecoder(limits)
    assert.equal(decode(literal(['x-b', 'a\nb'], { form: 'incremental' }), decoder), 'value')
    assert.equal(decode(indexed(62), decoder), 'value')
    assert.deepEqual(decode(literal(['', 'fine'], { index: 62 }), decoder), ['x-b', 'fine'], 'its name is good')
    assert.equal(decode(literal(['Name', 'v'], { form: 'incremental' }), decoder), 'name')
    assert.equal(decode(literal(['', 'fine'], { index: 62 }), decoder), 'name')
    assert.equal(decode(literal([':new', 'v'], { form: 'incremental' }), decoder), 'pseudoUnknown')
    assert.equal(decode(indexed(62), decoder), 'pseudoUnknown')
  })

  it('with a table of 0 bytes nothing is kept and no size but 0 is taken', () => {
    const decoder = new HpackDecoder({ ...limits, tableBytes: 0 })
    assert.deepEqual(decode(block(integer(0x20, 5, 0), inserted), decoder), ['x-a', 'b'])
    assert.equal(decode(indexed(62), decoder), 'index')
    assert.equal(decode(integer(0x20, 5, 1), decoder), 'tableSize')
    assert.equal(decoder.table.count, 0)
  })
})

describe('limits of a field section', () => {
  it('counts name, value and 32, and takes exactly the limit', () => {
    const fits = block(['x-a', 'v'.repeat(8192 - 35)])
    assert.ok(Array.isArray(decode(fits)))
    assert.equal(decode(block(['x-a', 'v'.repeat(8192 - 34)])), 'listTooLarge')
    assert.equal(decode(block(['x-a', 'v'.repeat(8192 - 35)], ['x-b', ''])), 'listTooLarge')
  })

  it('takes as many fields as the limit and no more', () => {
    const fields = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => good))
    assert.equal((decode(fields(50)) as string[]).length, 100)
    assert.equal(decode(fields(51)), 'tooManyFields')
  })

  it('a Huffman string that unfolds beyond everything is refused like any other', () => {
    const text = 'a'.repeat(100_000)
    assert.equal(decode(block(Buffer.concat([hex('00'), string('x'), string(text, true)]))), 'listTooLarge')
    assert.equal(decode(block(Buffer.concat([hex('00'), string(text, true), string('x')]))), 'listTooLarge')
    assert.ok(huffman(text).length < 65_536)
  })

  it('an entry too large for the table empties it, although its section is refused', () => {
    for (const size of [5000, 40_000, 3_000_000]) {
      const decoder = new HpackDecoder(limits)
      decode(inserted, decoder)
      assert.equal(decoder.table.count, 1)
      decode(literal(['x-big', 'v'.repeat(size)], { form: 'incremental' }), decoder)
      assert.equal(decoder.table.count, 0)
    }
  })

  it('a bomb of references to a large entry costs no text and leaves the connection good', () => {
    const decoder = new HpackDecoder({ ...limits, listBytes: 65_536, fieldCount: 1_000_000 })
    const entry = literal(['x-bomb', 'v'.repeat(4000)], { form: 'incremental' })
    const bomb = Buffer.concat([entry, Buffer.alloc(60_000, 0xbe)])
    const before = process.memoryUsage().arrayBuffers
    for (let round = 0; round < 20; round++) assert.equal(decode(bomb, decoder), 'listTooLarge')
    // Unfolded this is 240 MB a block; nothing of the sort was ever put together.
    assert.ok(process.memoryUsage().arrayBuffers - before < 4_000_000)
    assert.deepEqual(decode(good, decoder), ['x-good', 'yes'])
  })

  it('the dynamic table stays in its size over many insertions, and in step with another reading of RFC 7541', () => {
    const decoder = new HpackDecoder(limits)
    let mirror: [string, string][] = []
    for (let round = 0; round < 3000; round++) {
      const field: [string, string] = [`x-${round}`, 'v'.repeat((round * 37) % 900)]
      mirror.unshift(field)
      let size = 0
      mirror = mirror.filter(([name, value]) => (size += name.length + value.length + 32) <= 4096)
      decode(literal(field, { form: 'incremental' }), decoder)
      assert.equal(decoder.table.count, mirror.length)
      assert.ok(decoder.table.size <= 4096)
      const at = (round * 7) % mirror.length
      assert.deepEqual(decode(indexed(62 + at), decoder), mirror[at])
    }
  })
})
