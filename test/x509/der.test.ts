import assert from 'node:assert/strict'
import { test } from 'node:test'

import { DerError, DerReader, readElement, readWhole } from '../../src/x509/der.ts'
import { integerHex, readBoolean, readInteger, readOid, readTime } from '../../src/x509/der-values.ts'
import { tlv } from './der-make.ts'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

const refusals: readonly { name: string; hex: string; offset: number; reason: RegExp }[] = [
  { name: 'nothing at all', hex: '', offset: 0, reason: /ends inside/ },
  { name: 'a tag without a length', hex: '30', offset: 0, reason: /ends inside/ },
  { name: 'an indefinite length', hex: '30 80 00 00', offset: 1, reason: /indefinite/ },
  { name: 'a length in more octets than needed', hex: '04 81 01 ff', offset: 1, reason: /not minimal/ },
  { name: 'a length with a leading zero', hex: '04 82 00 80', offset: 1, reason: /not minimal/ },
  { name: 'a length of five octets', hex: '04 85 01 00 00 00 00', offset: 1, reason: /5 octets/ },
  { name: 'content that ends early', hex: '04 03 01 02', offset: 0, reason: /3 bytes announced, 2 left/ },
  { name: 'a high tag number', hex: '1f 81 01 00', offset: 0, reason: /tag number/ },
  { name: 'bytes after the end', hex: '05 00 00', offset: 2, reason: /1 bytes after/ },
]

for (const { name, hex, offset, reason } of refusals) {
  test(`the walker refuses ${name} and says where`, () => {
    assert.throws(
      () => readWhole(bytes(hex)),
      (error) => error instanceof DerError && error.offset === offset && reason.test(error.reason),
    )
  })
}

test('the walker stops at 32 levels of nesting', () => {
  let nested = tlv(0x30)
  for (let level = 0; level < 60; level += 1) nested = tlv(0x30, nested)
  const descend = (): void => {
    let element = readWhole(nested)
    for (;;) element = new DerReader(element, 'nest').next('nest')
  }
  assert.throws(descend, /deeper than 32/)
})

test('a child may not be longer than its parent', () => {
  const parent = readElement(bytes('30 04 04 05 01 02 03 04 05'))
  assert.throws(() => new DerReader(parent, 'outer').next('inner'), DerError)
})

test('unread fields are refused', () => {
  const reader = new DerReader(readWhole(tlv(0x30, tlv(0x05), tlv(0x05))), 'pair')
  reader.next('first')
  assert.throws(() => reader.finish('pair'), /unexpected data at the end of pair/)
  reader.next('second')
  reader.finish('pair')
})

test('object identifiers are read whole, large arcs included', () => {
  const read = (hex: string): string => readOid(readWhole(tlv(0x06, bytes(hex))), 'oid')
  assert.equal(read('55 1d 13'), '2.5.29.19')
  assert.equal(read('2a 86 48 86 f7 0d 01 01 0b'), '1.2.840.113549.1.1.11')
  assert.equal(read('88 37'), '2.999')
  assert.equal(read('69 ff ff ff ff ff ff ff ff 7f'), '2.25.9223372036854775807')
  assert.throws(() => read('55 80 01'), /not minimal/)
  assert.throws(() => read('55 9d'), /ends inside an arc/)
  assert.throws(() => read(''), /0 bytes/)
})

test('integers are minimal and print with their sign', () => {
  const read = (hex: string): string => integerHex(readInteger(readWhole(tlv(0x02, bytes(hex))), 'number'))
  assert.equal(read('00'), '00')
  assert.equal(read('7f'), '7F')
  assert.equal(read('00 ff'), 'FF')
  assert.equal(read('ff'), '-01')
  assert.equal(read('80 00'), '-8000')
  assert.throws(() => read('00 7f'), /not minimal/)
  assert.throws(() => read('ff 80'), /not minimal/)
  assert.throws(() => read(''), /empty/)
})

test('a BOOLEAN is 00 or FF', () => {
  assert.equal(readBoolean(readWhole(bytes('01 01 ff')), 'flag'), true)
  assert.equal(readBoolean(readWhole(bytes('01 01 00')), 'flag'), false)
  assert.throws(() => readBoolean(readWhole(bytes('01 01 01')), 'flag'), /neither 00 nor FF/)
})

test('times are read in the one form that RFC 5280 allows', () => {
  const utc = (text: string): string => new Date(readTime(readWhole(tlv(0x17, text)), 'time')).toISOString()
  const general = (text: string): string => new Date(readTime(readWhole(tlv(0x18, text)), 'time')).toISOString()
  assert.equal(utc('491231235959Z'), '2049-12-31T23:59:59.000Z')
  assert.equal(utc('500101000000Z'), '1950-01-01T00:00:00.000Z')
  assert.equal(general('99991231235959Z'), '9999-12-31T23:59:59.000Z')
  assert.equal(general('00500101000000Z'), '0050-01-01T00:00:00.000Z')
  for (const wrong of ['4912312359Z', '491231235959+0100', '491231235959', '490230000000Z', '491231246000Z', '']) {
    assert.throws(() => utc(wrong), DerError, wrong)
  }
  assert.throws(() => general('20240101000000.5Z'), DerError)
})
