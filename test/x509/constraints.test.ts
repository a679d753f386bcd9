import assert from 'node:assert/strict'
import { test } from 'node:test'

import { type Certificate, extensionOf, parseCertificate } from '../../src/x509/certificate.ts'
import { nameWithin, renderName } from '../../src/x509/name.ts'
import { tlv } from './der-make.ts'
import { certificate, ecSigner, extension, hex, name, oid } from './signed-make.ts'

const signer = ecSigner()
const withExtension = (id: string, value: Buffer): Certificate =>
  parseCertificate(certificate({ signer, extensions: [extension(id, value, true)] }))

const subtree = (base: Buffer, ...distances: readonly Buffer[]): Buffer => tlv(0x30, base, ...distances)

test('name constraints are read by kind, with distances where there are some', () => {
  const { nameConstraints, defects } = withExtension(
    '2.5.29.30',
    tlv(
      0x30,
      tlv(
        0xa0,
        subtree(tlv(0x82, '.example.com')),
        subtree(tlv(0x81, 'a@b.test'), tlv(0x80, '\x01'), tlv(0x81, '\x02')),
        subtree(tlv(0xa4, name('Org'))),
      ),
      tlv(
        0xa1,
        subtree(tlv(0x86, 'host.test')),
        subtree(tlv(0x87, hex('0a000000ff000000'))),
        subtree(tlv(0x88, hex('2a03'))),
      ),
    ),
  )
  const directory = nameConstraints?.permitted[2]
  assert.deepEqual(nameConstraints?.permitted.slice(0, 2), [
    { kind: 'dns', value: '.example.com', minimum: 0, maximum: null },
    { kind: 'email', value: 'a@b.test', minimum: 1, maximum: 2 },
  ])
  assert.ok(directory?.kind === 'directory')
  assert.equal(renderName(directory.name, 'edge'), 'CN=Org')
  assert.deepEqual(nameConstraints?.excluded, [
    { kind: 'uri', value: 'host.test', minimum: 0, maximum: null },
    { kind: 'ip', address: hex('0a000000'), mask: hex('ff000000'), minimum: 0, maximum: null },
    { kind: 'other', tag: 8, minimum: 0, maximum: null },
  ])
  assert.deepEqual(defects, [])
})

test('an address range of an impossible length is read, noted, and has no mask', () => {
  const { nameConstraints, defects } = withExtension(
    '2.5.29.30',
    tlv(0x30, tlv(0xa0, subtree(tlv(0x87, hex('0a000000'))))),
  )
  assert.deepEqual(nameConstraints?.permitted, [
    { kind: 'ip', address: hex('0a000000'), mask: Buffer.alloc(0), minimum: 0, maximum: null },
  ])
  assert.deepEqual(
    defects.map(({ field, kind }) => [field, kind]),
    [['2.5.29.30', 'profile']],
  )
})

test('policies, mappings and their constraints are read', () => {
  const policies = withExtension(
    '2.5.29.32',
    tlv(0x30, tlv(0x30, oid('1.2.3')), tlv(0x30, oid('1.2.4'), tlv(0x30, tlv(0x30, oid('1.3.6.1.5.5.7.2.1'))))),
  )
  assert.deepEqual(policies.policies, [
    { oid: '1.2.3', qualifiers: false },
    { oid: '1.2.4', qualifiers: true },
  ])
  const mappings = withExtension('2.5.29.33', tlv(0x30, tlv(0x30, oid('1.2.3'), oid('1.2.5'))))
  assert.deepEqual(mappings.policyMappings, [{ issuerDomain: '1.2.3', subjectDomain: '1.2.5' }])
  const constraints = withExtension('2.5.29.36', tlv(0x30, tlv(0x80, '\x00'), tlv(0x81, '\x03')))
  assert.deepEqual(constraints.policyConstraints, { requireExplicit: 0, inhibitMapping: 3 })
  const half = withExtension('2.5.29.36', tlv(0x30, tlv(0x81, '\x01')))
  assert.deepEqual(half.policyConstraints, { requireExplicit: null, inhibitMapping: 1 })
  assert.equal(withExtension('2.5.29.54', tlv(0x02, '\x02')).inhibitAnyPolicy, 2)
  const none = parseCertificate(certificate({ signer }))
  assert.deepEqual(
    [none.nameConstraints, none.policies, none.policyMappings, none.policyConstraints, none.inhibitAnyPolicy],
    [null, null, null, null, null],
  )
})

test('distribution points are read in all their parts', () => {
  const point = tlv(
    0x30,
    tlv(0xa0, tlv(0xa0, tlv(0x86, 'http://ca.test/1.crl'), tlv(0xa4, name('Lists')))),
    tlv(0x81, hex('01 06')),
    tlv(0xa2, tlv(0xa4, name('Lists', 'One')), tlv(0x82, 'no')),
  )
  const relative = tlv(0x30, tlv(0xa0, tlv(0xa1, tlv(0x30, oid('2.5.4.3'), tlv(0x0c, 'Part')))))
  const read = withExtension('2.5.29.31', tlv(0x30, point, relative))
  const [full, part] = read.crlDistributionPoints ?? []
  assert.deepEqual(
    full?.fullName?.map(({ kind, value }) => [kind, value]),
    [
      ['uri', 'http://ca.test/1.crl'],
      ['directory', 'CN=Lists'],
    ],
  )
  assert.deepEqual([...(full?.reasons ?? [])], ['cessationOfOperation', 'certificateHold'])
  assert.deepEqual(
    full?.crlIssuer?.map((each) => renderName(each, 'openssl')),
    ['/CN=Lists/CN=One'],
  )
  assert.ok(part?.relativeName)
  assert.equal(renderName(nameWithin(read.issuer, part.relativeName), 'openssl'), '/CN=Test CA/CN=Part')
  assert.deepEqual([part.fullName, part.reasons, part.crlIssuer], [null, null, null])
  assert.deepEqual(read.crlUrls, ['http://ca.test/1.crl'])
  assert.equal(withExtension('2.5.29.46', tlv(0x30, point)).freshestCrl?.length, 1)
})

test('issuer alternative names are apart from those of the subject', () => {
  const read = withExtension('2.5.29.18', tlv(0x30, tlv(0x82, 'ca.test')))
  assert.deepEqual(read.issuerAltNames, [{ kind: 'dns', value: 'ca.test' }])
  assert.deepEqual(read.subjectAltNames, [])
})

test('an extension is found by its OID, with its criticality', () => {
  const read = withExtension('2.5.29.54', tlv(0x02, '\x02'))
  assert.equal(extensionOf(read, '2.5.29.54')?.critical, true)
  assert.equal(extensionOf(read, '2.5.29.17'), null)
})

const broken: readonly { name: string; oid: string; value: Buffer; field: keyof Certificate; reason: RegExp }[] = [
  {
    name: 'name constraints with a subtree of no kind',
    oid: '2.5.29.30',
    value: tlv(0x30, tlv(0xa0, tlv(0x30, tlv(0x8f, 'x')))),
    field: 'nameConstraints',
    reason: /GeneralName/,
  },
  {
    name: 'name constraints with a third list',
    oid: '2.5.29.30',
    value: tlv(0x30, tlv(0xa2)),
    field: 'nameConstraints',
    reason: /unexpected data/,
  },
  {
    name: 'a directory name with bytes after it',
    oid: '2.5.29.30',
    value: tlv(0x30, tlv(0xa0, tlv(0x30, tlv(0xa4, name('a'), name('b'))))),
    field: 'nameConstraints',
    reason: /unexpected data/,
  },
  {
    name: 'a negative count of certificates',
    oid: '2.5.29.36',
    value: tlv(0x30, tlv(0x80, '\xff')),
    field: 'policyConstraints',
    reason: /out of range/,
  },
  {
    name: 'a policy that is no OID',
    oid: '2.5.29.32',
    value: tlv(0x30, tlv(0x30, tlv(0x02, '\x01'))),
    field: 'policies',
    reason: /tag 0x02/,
  },
  {
    name: 'a distribution point with an unknown part',
    oid: '2.5.29.31',
    value: tlv(0x30, tlv(0x30, tlv(0xa3))),
    field: 'crlDistributionPoints',
    reason: /unexpected data/,
  },
]
for (const { name: title, oid: id, value, field, reason } of broken) {
  test(`${title}: nothing is read, and a defect says why`, () => {
    const read = withExtension(id, value)
    assert.equal(read[field], null)
    assert.deepEqual(
      read.defects.map((each) => [each.field, each.kind]),
      [[id, 'encoding']],
    )
    assert.match(read.defects[0]?.reason ?? '', reason)
    const extensionAt = extensionOf(read, id)?.offset ?? 0
    assert.ok((read.defects[0]?.offset ?? 0) > extensionAt, 'the offset is inside of the extension')
  })
}
