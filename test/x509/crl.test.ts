import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseCertificate } from '../../src/x509/certificate.ts'
import { checkCrls } from '../../src/x509/crl-check.ts'
import { parseCrl, readCrls } from '../../src/x509/crl.ts'
import { DerError } from '../../src/x509/der.ts'
import { renderName } from '../../src/x509/name.ts'
import { crlFacts } from '../../src/x509/revocation-facts.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import { pem, tlv } from './der-make.ts'
import { certificate, crl, ecSigner, entry, extension, general, hex, name, oid, utc } from './signed-make.ts'

const signer = ecSigner()
const reason = (code: number): Buffer => extension('2.5.29.21', tlv(0x0a, Buffer.from([code])))
const certificateIssuer = (...parts: readonly string[]): Buffer =>
  extension('2.5.29.29', tlv(0x30, tlv(0xa4, name(...parts))), true)
const issuerOf = (...parts: readonly string[]) =>
  parseCertificate(certificate({ signer, issuer: name(...parts) })).issuer

test('a list is read: times, entries, numbers and who signed it', () => {
  const list = parseCrl(
    crl({
      signer,
      entries: [
        entry('\x05'),
        entry(hex('0a2aff')),
        entry(hex('00ff'), reason(1), extension('2.5.29.24', general('20240501120000Z'))),
      ],
      extensions: [
        extension('2.5.29.20', tlv(0x02, hex('0100'))),
        extension('2.5.29.35', tlv(0x30, tlv(0x80, hex('abcd')))),
      ],
    }),
  )
  assert.equal(renderName(list.issuer, 'openssl'), '/CN=Test CA')
  assert.equal(new Date(list.thisUpdate).toISOString(), '2024-06-01T00:00:00.000Z')
  assert.equal(new Date(list.nextUpdate ?? 0).toISOString(), '2044-06-01T00:00:00.000Z')
  assert.deepEqual([list.version, list.entryCount, list.crlNumber, list.deltaBase], [2, 3, 256n, null])
  assert.equal(list.authorityKey?.keyId, 'ABCD')
  assert.deepEqual([list.defects, list.unknownCriticalExtensions, list.unknownCriticalEntryExtensions], [[], [], []])
  const key = parseCertificate(certificate({ signer })).publicKey
  assert.equal(verifySignature(key, list), 'good')
  assert.equal(verifySignature(parseCertificate(certificate({ signer: ecSigner() })).publicKey, list), 'bad')

  const found = list.entryOf(hex('00ff'))
  assert.deepEqual([found?.reason, found?.defects], ['keyCompromise', []])
  assert.equal(new Date(found?.revokedAt ?? 0).toISOString(), '2024-06-01T00:00:00.000Z')
  assert.equal(new Date(found?.invalidityDate ?? 0).toISOString(), '2024-05-01T12:00:00.000Z')
  assert.equal(list.entryOf(hex('05'))?.reason, null)
  assert.equal(list.entryOf(hex('ff')), null, 'a part of a serial number is another one')
  assert.equal(list.entryOf(hex('06')), null)
  assert.equal(list.entryOf(hex('2aff')), null, 'of the same length and the same end')
  assert.equal(list.entryOf(hex('05'), issuerOf('Other')), null, 'of another issuer')
})

test('a list without entries, without nextUpdate and of version 1 is one too', () => {
  const list = parseCrl(crl({ signer, version: Buffer.alloc(0), nextUpdate: null }))
  assert.deepEqual([list.version, list.nextUpdate, list.entryCount, list.defects], [1, null, 0, []])
  assert.equal(list.entryOf(hex('05')), null)
})

test('no list says nothing about a list, and one for some reasons says that of itself', () => {
  const when = Date.parse('2024-07-01T00:00:00Z')
  const factsOf = (lists: readonly Buffer[], ...extensions: readonly Buffer[]) => {
    const leaf = parseCertificate(certificate({ signer, extensions }))
    const above = parseCertificate(certificate({ signer, subject: name('Test CA') }))
    const [fault] = checkCrls([leaf, above], lists.map(parseCrl), when)
    assert.ok(fault)
    const { state, why, thisUpdate } = crlFacts(fault, leaf)
    return { state, why, thisUpdate }
  }
  assert.deepEqual(factsOf([]), { state: 'missing', why: '', thisUpdate: null })
  const forOneReason = extension('2.5.29.31', tlv(0x30, tlv(0x30, tlv(0x81, hex('0640')))))
  assert.deepEqual(factsOf([crl({ signer })], forOneReason), {
    state: 'unusable',
    why: 'does not cover every reason for a revocation',
    thisUpdate: '2024-06-01T00:00:00Z',
  })
  assert.deepEqual(factsOf([], forOneReason), { state: 'missing', why: '', thisUpdate: null })
})

test('the issuing distribution point is read in all its parts', () => {
  const read = (...parts: readonly Buffer[]) =>
    parseCrl(crl({ signer, extensions: [extension('2.5.29.28', tlv(0x30, ...parts), true)] })).issuingDistributionPoint
  const full = read(
    tlv(0xa0, tlv(0xa0, tlv(0x86, 'http://ca.test/1.crl'))),
    tlv(0x81, '\xff'),
    tlv(0x82, '\xff'),
    tlv(0x83, hex('0640')),
    tlv(0x84, '\xff'),
    tlv(0x85, '\xff'),
  )
  assert.deepEqual(full?.fullName, [{ kind: 'uri', value: 'http://ca.test/1.crl' }])
  assert.deepEqual(
    [full?.onlyUserCertificates, full?.onlyCaCertificates, full?.indirect, full?.onlyAttributeCertificates],
    [true, true, true, true],
  )
  assert.deepEqual([...(full?.onlySomeReasons ?? [])], ['keyCompromise'])
  assert.deepEqual(read(), {
    fullName: null,
    relativeName: null,
    onlyUserCertificates: false,
    onlyCaCertificates: false,
    onlyAttributeCertificates: false,
    onlySomeReasons: null,
    indirect: false,
  })
  const relative = read(tlv(0xa0, tlv(0xa1, tlv(0x30, oid('2.5.4.3'), tlv(0x0c, 'Part')))))
  assert.equal(relative?.relativeName?.[0]?.text, 'Part')
})

test('in an indirect list an issuer holds until the next one', () => {
  const list = parseCrl(
    crl({
      signer,
      entries: [
        entry('\x01'),
        entry('\x02', certificateIssuer('A')),
        entry('\x03', reason(4)),
        entry('\x04', certificateIssuer('B'), reason(3)),
        entry('\x03'),
      ],
    }),
  )
  const holders = ['Test CA', 'A', 'B'].map((issuer) =>
    [1, 2, 3, 4].filter((serial) => list.entryOf(Buffer.from([serial]), issuerOf(issuer)) !== null),
  )
  assert.deepEqual(holders, [[1], [2, 3], [3, 4]])
  assert.equal(list.entryOf(hex('03'), issuerOf('A'))?.reason, 'superseded')
  assert.equal(list.entryOf(hex('03'), issuerOf('B'))?.reason, null)
  assert.deepEqual(list.unknownCriticalEntryExtensions, [])
})

test('a delta, a freshest list and unknown critical extensions are told', () => {
  const point = tlv(0x30, tlv(0x30, tlv(0xa0, tlv(0xa0, tlv(0x86, 'http://ca.test/d.crl')))))
  const list = parseCrl(
    crl({
      signer,
      entries: [entry('\x01', extension('1.2.3.4', tlv(0x05), true)), entry('\x02', extension('1.2.3.5', tlv(0x05)))],
      extensions: [
        extension('2.5.29.27', tlv(0x02, '\x07'), true),
        extension('2.5.29.46', point),
        extension('1.2.3.6', tlv(0x05), true),
      ],
    }),
  )
  assert.equal(list.deltaBase, 7n)
  assert.equal(list.freshestCrl?.length, 1)
  assert.deepEqual(list.unknownCriticalExtensions, ['1.2.3.6'])
  assert.deepEqual(list.unknownCriticalEntryExtensions, ['1.2.3.4'])
})

const noted: readonly {
  name: string
  parts: Omit<Parameters<typeof crl>[0], 'signer'>
  field: string
  reason: RegExp
}[] = [
  {
    name: 'a number that is negative',
    parts: { extensions: [extension('2.5.29.20', tlv(0x02, '\xff'))] },
    field: '2.5.29.20',
    reason: /range/,
  },
  { name: 'a time that is none', parts: { nextUpdate: utc('never') }, field: 'nextUpdate', reason: /seconds/ },
  { name: 'an empty list', parts: { entries: [] }, field: 'entries', reason: /empty/ },
  {
    name: 'extensions in version 1',
    parts: { version: Buffer.alloc(0), extensions: [extension('2.5.29.20', tlv(0x02, '\x01'))] },
    field: 'version',
    reason: /version 1/,
  },
]
for (const { name: title, parts, field, reason: why } of noted) {
  test(`${title}: read, and noted`, () => {
    const list = parseCrl(crl({ signer, ...parts }))
    assert.deepEqual(
      list.defects.map((defect) => defect.field),
      [field],
    )
    assert.match(list.defects[0]?.reason ?? '', why)
    assert.ok(list.nextUpdate !== null && (field !== 'nextUpdate' || list.nextUpdate < 0), 'unreadable: always over')
  })
}

test('an entry with a reason that does not exist is a revocation all the same', () => {
  const list = parseCrl(crl({ signer, entries: [entry('\x01', reason(7))] }))
  const found = list.entryOf(hex('01'))
  assert.equal(found?.reason, null)
  assert.match(found?.defects[0]?.reason ?? '', /does not exist/)
})

test('broken frames are refused with the place, those of entries too', () => {
  const good = crl({ signer, entries: [entry('\x01')] })
  const cases: readonly [string, Buffer][] = [
    ['empty', Buffer.alloc(0)],
    ['cut short', good.subarray(0, good.length - 1)],
    ['a certificate', certificate({ signer })],
    ['an entry without a date', crl({ signer, entries: [tlv(0x30, tlv(0x02, '\x01'))] })],
    [
      'an entry with a third part',
      crl({ signer, entries: [tlv(0x30, tlv(0x02, '\x01'), utc('240601000000Z'), tlv(0x05))] }),
    ],
    ['an entry without a serial number', crl({ signer, entries: [tlv(0x30, tlv(0x02), utc('240601000000Z'))] })],
    [
      'an issuer of entries that is no name',
      crl({ signer, entries: [entry('\x01', extension('2.5.29.29', tlv(0x30, tlv(0x82, 'a')), true))] }),
    ],
  ]
  for (const [title, der] of cases) {
    assert.throws(
      () => parseCrl(der),
      (error) => error instanceof DerError && Number.isInteger(error.offset),
      title,
    )
  }
})

test('a file holds one list in DER or several in PEM, and is refused whole', () => {
  const [one, two] = [crl({ signer }), crl({ signer, issuer: name('Two') })]
  assert.equal(readCrls(one).length, 1)
  const text = `a remark\n${pem('X509 CRL', one)}${pem('CERTIFICATE', certificate({ signer }))}${pem('X509 CRL', two)}`
  for (const form of [text, Buffer.from(text)]) {
    assert.deepEqual(
      readCrls(form).map(({ issuer }) => renderName(issuer, 'edge')),
      ['CN=Test CA', 'CN=Two'],
    )
  }
  const broken = pem('X509 CRL', two.subarray(0, 40))
  assert.throws(() => readCrls(`${pem('X509 CRL', one)}${broken}`), /line \d+: \d+ bytes announced/)
  assert.throws(() => readCrls('no list'), /no revocation list/)
  assert.throws(() => readCrls(text.replace('-----END X509 CRL-----\n', '')), /before its END line/)
})

test('a list of 200,000 entries is walked, not turned into objects', () => {
  const entries = Array.from({ length: 200_000 }, (_, index) => {
    const serial = Buffer.alloc(9, 1)
    serial.writeUInt32BE(index, 4)
    return entry(serial)
  })
  const list = parseCrl(crl({ signer, entries: [Buffer.concat(entries)] }))
  assert.equal(list.entryCount, 200_000)
  const last = Buffer.alloc(9, 1)
  last.writeUInt32BE(199_999, 4)
  assert.ok(list.entryOf(last))
  last[8] = 2
  assert.equal(list.entryOf(last), null)
})
