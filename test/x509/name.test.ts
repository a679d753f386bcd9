import assert from 'node:assert/strict'
import { test } from 'node:test'

import { readWhole } from '../../src/x509/der.ts'
import { commonNameOf, type Name, readName, renderName, sameName } from '../../src/x509/name.ts'
import { tlv } from './der-make.ts'

const oids = {
  CN: '550403',
  SN: '550405',
  C: '550406',
  L: '550407',
  ST: '550408',
  O: '55040a',
  OU: '55040b',
  mail: '2a864886f70d010901',
  odd: '2a0304',
} as const
const [utf8, numeric, printable, t61, ia5, bmp, universal] = [0x0c, 0x12, 0x13, 0x14, 0x16, 0x1e, 0x1c]

const pair = (type: keyof typeof oids, text: Uint8Array | string, tag = utf8): Buffer =>
  tlv(
    0x30,
    tlv(0x06, Buffer.from(oids[type], 'hex')),
    tlv(tag, typeof text === 'string' && tag === utf8 ? Buffer.from(text) : text),
  )
const name = (...parts: readonly (Buffer | Buffer[])[]): Name =>
  readName(readWhole(tlv(0x30, ...parts.map((part) => tlv(0x31, ...[part].flat())))), 'subject')

test('a name is rendered in the three styles', () => {
  const google = name(pair('C', 'US', printable), pair('O', 'Google Trust Services LLC'), pair('CN', 'GTS CA 1D4'))
  assert.equal(renderName(google, 'edge'), 'CN=GTS CA 1D4, O=Google Trust Services LLC, C=US')
  assert.equal(renderName(google, 'openssl'), '/C=US/O=Google Trust Services LLC/CN=GTS CA 1D4')
  const corp = name(
    pair('C', 'CN'),
    pair('ST', 'Chongqing'),
    pair('O', 'My Self Server Org'),
    pair('CN', '*.example.com'),
  )
  assert.equal(renderName(corp, 'windows'), 'CN=*.example.com, O=My Self Server Org, S=Chongqing, C=CN')
  assert.equal(renderName(corp, 'edge'), 'CN=*.example.com, O=My Self Server Org, ST=Chongqing, C=CN')
})

test('mail, unknown attributes and parts with two attributes keep each style', () => {
  const odd = name([pair('CN', 'a'), pair('OU', 'b')], pair('mail', 'ca@example.com', ia5), pair('odd', 'x'))
  assert.equal(renderName(odd, 'edge'), 'OID.1.2.3.4=x, EMAILADDRESS=ca@example.com, CN=a + OU=b')
  assert.equal(renderName(odd, 'windows'), 'OID.1.2.3.4=x, E=ca@example.com, CN=a + OU=b')
  assert.equal(renderName(odd, 'openssl'), '/CN=a+OU=b/emailAddress=ca@example.com/1.2.3.4=x')
})

test('separators inside of a value are quoted', () => {
  const inc = name(pair('O', 'Foo, "Bar" Inc.'))
  assert.equal(renderName(inc, 'edge'), 'O="Foo, \\"Bar\\" Inc."')
  assert.equal(renderName(inc, 'windows'), 'O="Foo, ""Bar"" Inc."')
  assert.equal(renderName(inc, 'openssl'), '/O=Foo, "Bar" Inc.')
})

test('every string type is decoded', () => {
  assert.equal(commonNameOf(name(pair('CN', 'Zürich'))), 'Zürich')
  assert.equal(commonNameOf(name(pair('CN', Buffer.from('Zürich', 'latin1'), t61))), 'Zürich')
  assert.equal(commonNameOf(name(pair('CN', Buffer.from('Zürich', 'utf16le').swap16(), bmp))), 'Zürich')
  assert.equal(commonNameOf(name(pair('CN', Buffer.from('0000005a0001f600', 'hex'), universal))), 'Z😀')
  assert.equal(renderName(name(pair('CN', 'Zürich')), 'openssl'), '/CN=Z\\xC3\\xBCrich')
})

test('a value that is not valid for its type is shown as its bytes', () => {
  assert.equal(renderName(name(pair('CN', Buffer.from('ff', 'hex'))), 'edge'), 'CN=#0C01FF')
  assert.equal(commonNameOf(name(pair('CN', Buffer.from('005a00', 'hex'), bmp))), null)
  assert.equal(renderName(name(pair('CN', 'x', 0x04)), 'openssl'), '/CN=#040178')
})

test('nothing in a name can forge a line or turn it round', () => {
  const nasty = name(pair('CN', 'a\r\n[Info] ok\u0000\u001b[31m\u202eb\u2028'))
  for (const style of ['edge', 'windows', 'openssl'] as const) {
    assert.doesNotMatch(renderName(nasty, style), /[\p{Cc}\p{Cf}\p{Zl}]/u, style)
  }
  assert.match(renderName(nasty, 'edge'), /a\\0D\\0A\[Info\] ok\\00\\1B\[31m\\E2\\80\\AEb\\E2\\80\\A8/)
})

test('names are the same as OpenSSL compares them', () => {
  const base = name(pair('C', 'DE', printable), pair('CN', 'Corp Root'))
  const same = [
    name(pair('C', 'DE'), pair('CN', 'Corp Root', printable)),
    name(pair('C', 'de'), pair('CN', '  CORP   root ')),
    name(pair('C', 'DE'), pair('CN', Buffer.from('Corp Root', 'utf16le').swap16(), bmp)),
  ]
  for (const other of same) assert.ok(sameName(base, other), renderName(other, 'openssl'))
  const different = [
    name(pair('CN', 'Corp Root'), pair('C', 'DE')),
    name([pair('C', 'DE'), pair('CN', 'Corp Root')]),
    name(pair('C', 'DE'), pair('CN', 'CorpRoot')),
    name(pair('C', 'DE'), pair('CN', 'Corp Röot')),
    name(pair('C', 'DE')),
  ]
  for (const other of different) assert.ok(!sameName(base, other), renderName(other, 'openssl'))
  assert.ok(!sameName(name(pair('SN', '1', numeric)), name(pair('SN', '1', printable))), 'NumericString is kept apart')
  assert.ok(!sameName(name(pair('CN', 'a/b')), name(pair('CN', 'a'), pair('CN', 'b'))), 'no separator can be forged')
})
