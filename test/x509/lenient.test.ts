import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'

import { parseCertificate } from '../../src/x509/certificate.ts'
import { DerError } from '../../src/x509/der.ts'
import { covers } from '../../src/x509/host-names.ts'
import { readBundle } from '../../src/x509/pem.ts'
import { tlv } from './der-make.ts'
import { bits, certificate, ecSigner, extension, general, hex, name, oid, utc } from './signed-make.ts'

const signer = ecSigner()
const other = ecSigner()
const san = (...names: readonly Buffer[]): Buffer => extension('2.5.29.17', tlv(0x30, ...names))
type Parts = Omit<Parameters<typeof certificate>[0], 'signer'>

// What servers do serve: it is read and noted. `encoding` keeps a file with such a certificate out of a store, as before.
const cases: readonly {
  name: string
  parts: Parts
  kind: 'encoding' | 'profile'
  field: string
  reason: RegExp
  /** The runtime's reader refuses it already. */
  runtime?: 'refuses'
}[] = [
  {
    name: 'a negative serial number',
    parts: { serial: hex('80') },
    kind: 'profile',
    field: 'serialNumber',
    reason: /negative/,
  },
  {
    name: 'the serial number zero',
    parts: { serial: hex('00') },
    kind: 'profile',
    field: 'serialNumber',
    reason: /zero/,
  },
  {
    name: 'a serial number of 21 octets',
    parts: { serial: Buffer.alloc(21, 1) },
    kind: 'profile',
    field: 'serialNumber',
    reason: /21 octets/,
  },
  {
    name: 'an issuer without a name',
    parts: { issuer: name() },
    kind: 'profile',
    field: 'issuer',
    reason: /empty name/,
  },
  {
    name: 'version 1 with extensions',
    parts: { version: Buffer.alloc(0), extensions: [san(tlv(0x82, 'a.test'))] },
    kind: 'profile',
    field: 'version',
    reason: /version 1 does not have/,
  },
  {
    name: 'version 7',
    parts: { version: tlv(0xa0, tlv(0x02, '\x06')) },
    kind: 'profile',
    field: 'version',
    reason: /version 7/,
  },
  {
    name: 'version 2 with unique identifiers is right, version 1 is not',
    parts: { version: Buffer.alloc(0), more: [tlv(0x81, hex('00ff'))] },
    kind: 'profile',
    field: 'version',
    reason: /version 1/,
  },
  {
    name: 'a UTCTime without seconds',
    runtime: 'refuses',
    parts: { notAfter: utc('4401010000Z') },
    kind: 'encoding',
    field: 'notAfter',
    reason: /seconds with a final Z/,
  },
  {
    name: 'a UTCTime with an offset',
    parts: { notBefore: utc('240101000000+0100') },
    kind: 'encoding',
    field: 'notBefore',
    reason: /seconds with a final Z/,
  },
  {
    name: 'a GeneralizedTime with fractions',
    parts: { notAfter: general('20500101000000.5Z') },
    kind: 'encoding',
    field: 'notAfter',
    reason: /seconds with a final Z/,
  },
  {
    name: 'a GeneralizedTime where UTCTime belongs',
    parts: { notAfter: general('20440101000000Z') },
    kind: 'profile',
    field: 'notAfter',
    reason: /before 2050/,
  },
  {
    name: 'a date that does not exist',
    parts: { notAfter: utc('440230000000Z') },
    kind: 'encoding',
    field: 'notAfter',
    reason: /no such date/,
  },
  {
    name: 'a critical flag that is neither 00 nor FF',
    parts: { extensions: [extension('2.5.29.54', tlv(0x02, '\x01'), tlv(0x01, '\x01'))] },
    kind: 'encoding',
    field: '2.5.29.54',
    reason: /neither 00 nor FF/,
  },
  {
    name: 'bytes after the value of an extension',
    parts: { extensions: [extension('2.5.29.54', Buffer.concat([tlv(0x02, '\x01'), hex('0500')]))] },
    kind: 'encoding',
    field: '2.5.29.54',
    reason: /bytes after/,
  },
  {
    name: 'a public key of an unknown kind',
    parts: { spki: tlv(0x30, tlv(0x30, oid('1.2.3.4')), bits(hex('00'))) },
    kind: 'profile',
    field: 'publicKey',
    reason: /1\.2\.3\.4/,
  },
  {
    name: 'an RSA key that is no RSA key',
    parts: { spki: tlv(0x30, tlv(0x30, oid('1.2.840.113549.1.1.1'), tlv(0x05)), bits(hex('0500'))) },
    kind: 'encoding',
    field: 'publicKey',
    reason: /tag 0x05/,
  },
  {
    name: 'algorithms that differ inside and outside',
    parts: { innerAlgorithm: tlv(0x30, oid('1.2.840.10045.4.3.3')) },
    kind: 'encoding',
    field: 'signatureAlgorithm',
    reason: /differs/,
  },
  {
    name: 'a name with a control character',
    parts: { extensions: [san(tlv(0x82, 'a.test\0.b.test'))] },
    kind: 'profile',
    field: '2.5.29.17',
    reason: /byte 00/,
  },
]
for (const { name: title, parts, kind, field, reason, runtime } of cases) {
  test(`${title}: read, and noted with its place`, () => {
    const der = certificate({ signer, ...parts })
    const read = parseCertificate(der)
    const [defect, ...more] = read.defects
    assert.deepEqual([defect?.kind, defect?.field, more], [kind, field, []])
    assert.match(defect?.reason ?? '', reason)
    assert.ok(defect !== undefined && defect.offset > 0 && defect.offset < der.length)
    assert.equal(runtimeReads(der), runtime === undefined)
    if (kind === 'encoding') assert.throws(() => readBundle(der, 'file'), /malformed/)
    else assert.equal(readBundle(der, 'file').certificates.length, 1)
  })
}

test('a time that cannot be read is never one at which the certificate is valid', () => {
  const now = Date.parse('2030-01-01T00:00:00Z')
  const end = parseCertificate(certificate({ signer, notAfter: utc('never') }))
  assert.ok(now > end.notAfter)
  const start = parseCertificate(certificate({ signer, notBefore: utc('always') }))
  assert.ok(now < start.notBefore)
  assert.doesNotThrow(() => new Date(start.notBefore).toISOString() + new Date(end.notAfter).toISOString())
})

test('times in the forms of BER are the times that OpenSSL takes them for', () => {
  let compared = 0
  for (const time of [
    utc('4401010000Z'),
    utc('440101000000+0130'),
    utc('440101000000-0800'),
    general('20440101000000+0000'),
  ]) {
    const der = certificate({ signer, notAfter: time })
    const theirs = runtimeReads(der) ? new X509Certificate(der).validToDate.getTime() : Number.NaN
    if (Number.isNaN(theirs)) continue
    compared += 1
    assert.equal(parseCertificate(der).notAfter, theirs, time.toString('latin1'))
  }
  assert.ok(compared > 0, `${compared} of them can be compared`)
})

test('names count only where there is one list of them that can be read', () => {
  const dns = (value: string): Buffer => tlv(0x82, value)
  const read = (...extensions: readonly Buffer[]) => parseCertificate(certificate({ signer, extensions }))
  assert.ok(covers(read(san(dns('a.test'))), 'a.test'))
  const twice = read(san(dns('a.test')), san(dns('b.test')))
  assert.deepEqual([covers(twice, 'a.test'), covers(twice, 'b.test')], [false, false])
  assert.equal(covers(read(san(dns('a.test'), tlv(0x8f, 'x'))), 'a.test'), false, 'one name of no kind spoils the list')
  assert.equal(covers(read(san(dns('a.test\0'))), 'a.test'), false)
  assert.equal(covers(read(san(dns('a.test '))), 'a.test'), false)
  assert.equal(covers(read(san(dns('\xe4.test'))), '\xe4.test'), false)
})

test('one name that OpenSSL cannot read spoils the list, as it does there', () => {
  const person = (value: Buffer): Buffer => tlv(0xa4, tlv(0x30, tlv(0x31, tlv(0x30, oid('2.5.4.3'), value))))
  const otherName = (...value: readonly Buffer[]): Buffer => tlv(0xa0, oid('1.2.3'), ...value)
  const spoiling: readonly [string, Buffer][] = [
    ['UTF8String without UTF-8', person(tlv(0x0c, '\xe4'))],
    ['a name made of a number', person(tlv(0x02, '\x01'))],
    ['surrogates in a BMPString', person(tlv(0x1e, hex('d83dde00')))],
    ['a BIT STRING in a name with nine unused bits', person(tlv(0x03, hex('0900')))],
    ['another name without a value', otherName()],
    ['another name with two values', otherName(tlv(0xa0, tlv(0x05), tlv(0x05)))],
    ['another name whose value is not of its type', otherName(tlv(0xa0, tlv(0x05, '\x00')))],
    ['another name with a string in pieces that are none', otherName(tlv(0xa0, tlv(0x2c, 'x')))],
    ['an EDI party without a name', tlv(0xa5)],
  ]
  const read = (name: Buffer) => parseCertificate(certificate({ signer, extensions: [san(tlv(0x82, 'a.test'), name)] }))
  for (const [title, name] of spoiling) {
    const ours = read(name)
    assert.equal(covers(ours, 'a.test'), false, title)
    assert.deepEqual(
      ours.defects.map(({ field, kind }) => [field, kind]),
      [['2.5.29.17', 'encoding']],
      title,
    )
    assert.equal(new X509Certificate(ours.der).checkHost('a.test', { subject: 'never' }), undefined, title)
  }
  for (const name of [
    person(tlv(0x0c, '\xc3\xa4')),
    otherName(tlv(0xa0, tlv(0x05))),
    tlv(0xa5, tlv(0xa1, tlv(0x0c, 'x'))),
  ]) {
    const ours = read(name)
    assert.equal(covers(ours, 'a.test'), true)
    assert.equal(new X509Certificate(ours.der).checkHost('a.test', { subject: 'never' }), 'a.test')
  }
})

test('a signature is not good where the algorithms differ or bits are unused, as for OpenSSL', () => {
  const own = { subject: name('Root'), issuer: name('Root') }
  assert.equal(parseCertificate(certificate({ signer, ...own })).selfSigned, true)
  assert.equal(parseCertificate(certificate({ signer, spki: other.spki, ...own })).selfSigned, false)
  const differs = certificate({ signer, innerAlgorithm: tlv(0x30, oid('1.2.840.10045.4.3.3')), ...own })
  assert.equal(parseCertificate(differs).selfSigned, false)
  const theirs = new X509Certificate(differs)
  assert.equal(theirs.verify(theirs.publicKey), false)
})

test('where the frame is broken, the certificate is refused', () => {
  const good = certificate({ signer })
  const refused: readonly [string, Buffer][] = [
    ['a serial number that is not minimal', certificate({ signer, serial: hex('0001') })],
    ['a version of five bytes', certificate({ signer, version: tlv(0xa0, tlv(0x02, hex('0100000000'))) })],
    ['a public key without its bits', certificate({ signer, spki: tlv(0x30, tlv(0x30, oid('1.2.3'))) })],
    ['something after the extensions', certificate({ signer, more: [tlv(0xa3, tlv(0x30)), tlv(0x05)] })],
    ['an indefinite length', Buffer.concat([hex('3080'), good.subarray(4), hex('0000')])],
    ['an extension that ends early', certificate({ signer, extensions: [tlv(0x30, oid('2.5.29.54'))] })],
  ]
  for (const [title, der] of refused) {
    assert.throws(() => parseCertificate(der), DerError, title)
  }
})

function runtimeReads(der: Buffer): boolean {
  try {
    return new X509Certificate(der).raw.equals(der)
  } catch {
    return false
  }
}
