import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { getCACertificates } from 'node:tls'

import { PosternError } from '../../src/core/errors.ts'
import { type Certificate, parseCertificate } from '../../src/x509/certificate.ts'
import { DerError } from '../../src/x509/der.ts'
import { couldIssue, issued } from '../../src/x509/issued.ts'
import { renderName } from '../../src/x509/name.ts'
import { readBundle } from '../../src/x509/pem.ts'
import { daysFromNow, extension, type Made, make, makeChain, makeKeys } from '../trust/pki.ts'
import { tlv } from './der-make.ts'

const chain = await makeChain()
const hex = (text: string): Buffer => Buffer.from(text, 'hex')

test('the facts agree with those of the runtime, for every public root', () => {
  for (const pem of getCACertificates('bundled')) {
    const theirs = new X509Certificate(pem)
    const ours = parseCertificate(theirs.raw)
    assert.equal(ours.sha256, theirs.fingerprint256.replaceAll(':', ''))
    assert.equal(ours.sha1, theirs.fingerprint.replaceAll(':', ''))
    // Some root has serial number 0, which the runtime prints as one digit and the openssl command as two.
    assert.equal(ours.serial, theirs.serialNumber === '0' ? '00' : theirs.serialNumber)
    assert.equal(ours.notBefore, theirs.validFromDate.getTime())
    assert.equal(ours.notAfter, theirs.validToDate.getTime())
    assert.equal(ours.publicKey.algorithm, theirs.publicKey.asymmetricKeyType)
    assert.equal(ours.basicConstraints?.ca ?? ours.version === 1, theirs.ca)
    assert.equal(ours.pem, theirs.toString())
    // Some have the serial number zero or a GeneralizedTime before 2050.
    const malformed = ours.defects.filter(({ kind }) => kind === 'encoding')
    assert.deepEqual([malformed, ours.unknownCriticalExtensions, ours.selfSigned], [[], [], true])
  }
})

test('a leaf shows names, key, signature and identifiers', () => {
  const { leaf, intermediate } = chain
  const { certificate } = leaf
  assert.equal(renderName(certificate.subject, 'edge'), 'CN=backend.test')
  assert.equal(renderName(certificate.issuer, 'openssl'), '/C=DE/O=Postern/CN=Test Issuing')
  assert.deepEqual(certificate.subjectAltNames, [
    { kind: 'dns', value: 'backend.test' },
    { kind: 'ip', value: '127.0.0.1' },
  ])
  assert.deepEqual(
    [certificate.publicKey.algorithm, certificate.publicKey.bits, certificate.publicKey.curve],
    ['ec', 256, 'P-256'],
  )
  assert.deepEqual(
    [certificate.signatureAlgorithm.name, certificate.signatureAlgorithm.hash],
    ['ecdsa-with-SHA256', 'sha256'],
  )
  assert.equal(certificate.authorityKeyId, intermediate.certificate.subjectKeyId)
  assert.deepEqual(certificate.basicConstraints, { ca: false, pathLength: null })
  assert.deepEqual([certificate.version, certificate.selfIssued, certificate.selfSigned], [3, false, false])
  assert.equal(certificate.pem, new X509Certificate(certificate.der).toString())
})

test('usages, purposes, revocation and issuer addresses are read', async () => {
  const uri = (text: string): Buffer => tlv(0x86, text)
  const { certificate } = await make('CN=all', {
    purposes: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
    extensions: [
      extension('2.5.29.15', true, tlv(0x03, hex('0106'))),
      extension(
        '2.5.29.31',
        false,
        tlv(0x30, tlv(0x30, tlv(0xa0, tlv(0xa0, uri('http://ca.test/1.crl'), tlv(0x82, 'no'))))),
      ),
      extension(
        '1.3.6.1.5.5.7.1.1',
        false,
        tlv(
          0x30,
          tlv(0x30, tlv(0x06, hex('2b06010505073001')), uri('http://ocsp.test')),
          tlv(0x30, tlv(0x06, hex('2b06010505073002')), uri('http://ca.test/ca.crt')),
        ),
      ),
      extension('1.2.3.4', true, tlv(0x05)),
      extension('1.2.3.5', false, tlv(0x05)),
    ],
  })
  assert.deepEqual([...(certificate.keyUsage ?? [])], ['keyCertSign', 'cRLSign'])
  assert.deepEqual(certificate.extendedKeyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  assert.deepEqual(certificate.crlUrls, ['http://ca.test/1.crl'])
  assert.deepEqual(certificate.aiaUrls, { caIssuers: ['http://ca.test/ca.crt'], ocsp: ['http://ocsp.test'] })
  assert.deepEqual(certificate.unknownCriticalExtensions, ['1.2.3.4'])
})

test('every kind of alternative name is told apart, and none can forge a line', async () => {
  const names = tlv(
    0x30,
    tlv(0x81, 'a@b.test'),
    tlv(0x82, 'good.test\0.evil.test'),
    tlv(0x86, 'https://a.test/'),
    tlv(0x87, hex('20010db8000000000000000000000001')),
    tlv(0x87, hex('010203')),
    tlv(0x88, hex('2a0304')),
    tlv(0xa4, tlv(0x30, tlv(0x31, tlv(0x30, tlv(0x06, hex('550403')), tlv(0x0c, 'x'))))),
    tlv(0xa0, tlv(0x06, hex('2a0304')), tlv(0xa0, tlv(0x0c, 'y'))),
  )
  const { certificate } = await make('CN=names', { extensions: [extension('2.5.29.17', false, names)] })
  const bare = certificate.subjectAltNames.map((each) =>
    each.kind === 'directory' ? { kind: each.kind, value: each.value } : each,
  )
  assert.deepEqual(bare, [
    { kind: 'email', value: 'a@b.test' },
    { kind: 'dns', value: 'good.test\\00.evil.test' },
    { kind: 'uri', value: 'https://a.test/' },
    { kind: 'ip', value: '2001:db8::1' },
    { kind: 'other', value: 'IP:#010203', tag: 7 },
    { kind: 'other', value: 'RID:1.2.3.4', tag: 8 },
    { kind: 'directory', value: 'CN=x' },
    { kind: 'other', value: '#06032A0304A0030C0179', tag: 0 },
  ])
})

const broken: readonly { name: string; oid: string; value: Buffer; reason: RegExp }[] = [
  {
    name: 'a path length that is negative',
    oid: '2.5.29.19',
    value: tlv(0x30, hex('0101ff0201ff')),
    reason: /out of range/,
  },
  { name: 'an extended key usage without purposes', oid: '2.5.29.37', value: tlv(0x30), reason: /names no purpose/ },
  { name: 'names of an unknown kind', oid: '2.5.29.17', value: tlv(0x30, tlv(0x8f, 'x')), reason: /GeneralName/ },
  { name: 'names that end early', oid: '2.5.29.17', value: hex('30 7f 82'.replaceAll(' ', '')), reason: /announced/ },
  {
    name: 'bytes after the value',
    oid: '2.5.29.14',
    value: Buffer.concat([tlv(0x04, 'id'), hex('00')]),
    reason: /bytes after/,
  },
  { name: 'an AKI with unknown fields', oid: '2.5.29.35', value: tlv(0x30, tlv(0x85, 'x')), reason: /unexpected data/ },
]
for (const { name, oid, value, reason } of broken) {
  test(`${name}: a defect with field and place, and the rest is still read`, async () => {
    const { certificate } = await make('CN=broken', {
      keyIds: false,
      constraints: 'none',
      extensions: [extension(oid, false, value)],
    })
    const [defect, ...more] = certificate.defects
    assert.deepEqual([defect?.field, more], [oid, []])
    assert.match(defect?.reason ?? '', reason)
    assert.ok((defect?.offset ?? 0) > 0)
    assert.equal(renderName(certificate.subject, 'edge'), 'CN=broken')
  })
}

test('an extension that appears twice is a defect', async () => {
  const twice = extension('2.5.29.14', false, tlv(0x04, 'id'))
  const { certificate } = await make('CN=twice', { keyIds: false, extensions: [twice, twice] })
  assert.deepEqual(
    certificate.defects.map(({ reason }) => reason),
    ['the extension appears twice'],
  )
})

test('a root is self-signed; a certificate that only looks so is told apart', async () => {
  const { root, intermediate } = chain
  assert.deepEqual([root.certificate.selfSignedForm, root.certificate.selfSigned], [true, true])
  assert.deepEqual([intermediate.certificate.selfSignedForm, intermediate.certificate.selfSigned], [false, false])

  const rollover = await make(root.name, { ca: true, issuer: root })
  assert.deepEqual(
    [rollover.certificate.selfIssued, rollover.certificate.selfSignedForm],
    [true, false],
    'key identifiers differ',
  )

  const blind = await make(root.name, { ca: true, issuer: root, keyIds: false })
  assert.deepEqual(
    [blind.certificate.selfSignedForm, blind.certificate.selfSigned],
    [true, false],
    'only the signature tells',
  )

  const rsa = await make('CN=Same', { ca: true, kind: 'rsa-2048', keyIds: false })
  const byEc = await make('CN=Same', {
    ca: true,
    issuer: { ...rsa, keys: await makeKeys() },
    keys: rsa.keys,
    keyIds: false,
  })
  assert.equal(byEc.certificate.selfSignedForm, false, 'an RSA key cannot have made an ECDSA signature')
})

test('issuing needs the name, the key identifier and the signature', async () => {
  const { root, intermediate, leaf } = chain
  assert.ok(issued(intermediate.certificate, leaf.certificate))
  assert.ok(issued(root.certificate, intermediate.certificate))
  assert.ok(!issued(root.certificate, leaf.certificate))
  const twin = await make(intermediate.name, { ca: true, issuer: root })
  assert.ok(!couldIssue(twin.certificate, leaf.certificate), 'same name, other key identifier')
  const blindLeaf = await make('CN=blind', { issuer: intermediate, keyIds: false })
  assert.ok(couldIssue(twin.certificate, blindLeaf.certificate))
  assert.ok(!issued(twin.certificate, blindLeaf.certificate), 'the signature decides')
})

test('a frame that cannot be read is a DerError with the place', () => {
  const { der } = chain.leaf.certificate
  const cases: readonly [string, Buffer][] = [
    ['empty', Buffer.alloc(0)],
    ['cut short', der.subarray(0, der.length - 1)],
    ['one byte more', Buffer.concat([der, Buffer.alloc(1)])],
    ['another type', tlv(0x31, der.subarray(4))],
    ['text', Buffer.from('-----BEGIN CERTIFICATE-----')],
  ]
  for (const [name, bytes] of cases) {
    assert.throws(
      () => parseCertificate(bytes),
      (error) => error instanceof DerError && Number.isInteger(error.offset),
      name,
    )
  }
})

test('the certificate keeps no view of the buffer it was read from', () => {
  const bytes = Buffer.from(chain.leaf.certificate.der)
  const certificate = parseCertificate(bytes)
  bytes.fill(0)
  assert.equal(parseCertificate(certificate.der).sha256, chain.leaf.certificate.sha256)
  assert.equal(certificate.subject.der.equals(chain.leaf.certificate.subject.der), true)
})

test('mutated certificates parse or are refused, nothing else', async () => {
  const rsa = await make('CN=rsa', { kind: 'rsa-2048', dns: ['a.test', '*.b.test'], purposes: ['1.3.6.1.5.5.7.3.1'] })
  const seeds = [chain.root, chain.leaf, rsa].map((made: Made) => made.certificate.der)
  const random = generator(20_240_401)
  let parsed = 0
  for (let round = 0; round < 6000; round += 1) {
    const mutant = mutate(seeds[round % seeds.length] as Buffer, random)
    for (const read of [
      () => touch(parseCertificate(mutant)),
      () => touch(readBundle(mutant, 'fuzz').certificates[0] as Certificate),
    ]) {
      try {
        read()
        parsed += 1
      } catch (error) {
        assert.ok(error instanceof PosternError, `${String(error)} for ${mutant.toString('hex')}`)
      }
    }
  }
  assert.ok(parsed > 100, `only ${parsed} mutants parsed: the mutation is too coarse to test anything`)
})

test('expiry in the year 9999 and before 1970 are dates like others', async () => {
  const { certificate } = await make('CN=long', {
    notBefore: new Date('1969-01-01T00:00:00Z'),
    notAfter: new Date('9999-12-31T23:59:59Z'),
  })
  assert.equal(new Date(certificate.notBefore).toISOString(), '1969-01-01T00:00:00.000Z')
  assert.equal(new Date(certificate.notAfter).toISOString(), '9999-12-31T23:59:59.000Z')
  assert.ok(daysFromNow(0).getTime() < certificate.notAfter)
})

function touch(certificate: Certificate): void {
  renderName(certificate.subject, 'edge')
  renderName(certificate.issuer, 'windows')
  renderName(certificate.issuer, 'openssl')
  assert.equal(typeof certificate.selfSigned, 'boolean')
}

/** A small linear congruential generator: the same mutants in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function mutate(seed: Buffer, random: (below: number) => number): Buffer {
  const bytes = Buffer.from(seed)
  for (let change = random(3); change >= 0; change -= 1) {
    const at = random(bytes.length)
    bytes[at] = random(2) === 0 ? random(256) : (bytes[at] as number) ^ (1 << random(8))
  }
  return random(8) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes
}
