import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseCertificate } from '../../src/x509/certificate.ts'
import { DerError } from '../../src/x509/der.ts'
import { checkStapledOcsp, readOcspResponse } from '../../src/x509/ocsp.ts'
import { tlv } from './der-make.ts'
import { certificate, ecSigner, extension, general, hex, name, oid, sha1, type Signer, signed } from './signed-make.ts'

const [ca, stranger, delegateKey] = [ecSigner(), ecSigner(), ecSigner()]
const time = Date.parse('2030-01-02T00:00:00Z')
const issuer = parseCertificate(certificate({ signer: ca, subject: name('Test CA') }))
const leaf = parseCertificate(certificate({ signer: ca, spki: stranger.spki }))
const question = { leaf, issuer, time }

const keyBits = (signer: Signer): Buffer => parseCertificate(certificate({ signer })).publicKey.keyBytes
const byName = tlv(0xa1, name('Test CA'))
const byKey = (signer: Signer): Buffer => tlv(0xa2, tlv(0x04, sha1(keyBits(signer))))
const certificateId = (serial: string, key = keyBits(ca)): Buffer =>
  tlv(
    0x30,
    tlv(0x30, oid('1.3.14.3.2.26'), tlv(0x05)),
    tlv(0x04, sha1(issuer.subject.der)),
    tlv(0x04, sha1(key)),
    tlv(0x02, serial),
  )
const single = (
  status: Buffer,
  options: { id?: Buffer; from?: string; to?: string | null; more?: Buffer } = {},
): Buffer =>
  tlv(
    0x30,
    options.id ?? certificateId('\x2a'),
    status,
    general(options.from ?? '20300101000000Z'),
    ...(options.to === null ? [] : [tlv(0xa0, general(options.to ?? '20300103000000Z'))]),
    options.more ?? Buffer.alloc(0),
  )
const [isGood, isUnknown] = [tlv(0x80), tlv(0x82)]
const isRevoked = tlv(0xa1, general('20291231000000Z'), tlv(0xa0, tlv(0x0a, '\x01')))

interface Parts {
  readonly signer?: Signer
  readonly responder?: Buffer
  readonly certificates?: readonly Buffer[]
  readonly more?: Buffer
}

function response(singles: readonly Buffer[], parts: Parts = {}): Buffer {
  const tbs = tlv(
    0x30,
    parts.responder ?? byName,
    general('20300101000000Z'),
    tlv(0x30, ...singles),
    parts.more ?? Buffer.alloc(0),
  )
  const embedded = parts.certificates === undefined ? [] : [tlv(0xa0, tlv(0x30, ...parts.certificates))]
  const basic = signed(tbs, parts.signer ?? ca, ...embedded)
  return tlv(0x30, tlv(0x0a, '\x00'), tlv(0xa0, tlv(0x30, oid('1.3.6.1.5.5.7.48.1.1'), tlv(0x04, basic))))
}

const signing = extension('2.5.29.37', tlv(0x30, oid('1.3.6.1.5.5.7.3.9')))
const delegate = (parts: Partial<Parameters<typeof certificate>[0]> = {}): Buffer =>
  certificate({ signer: ca, spki: delegateKey.spki, subject: name('Responder'), extensions: [signing], ...parts })
const delegated = (embedded: Buffer, signer = delegateKey): Buffer =>
  response([single(isGood)], { signer, responder: tlv(0xa1, name('Responder')), certificates: [embedded] })

const cases: readonly { name: string; bytes: Buffer; outcome: string; reason?: RegExp }[] = [
  { name: 'the issuer says good', bytes: response([single(isGood)]), outcome: 'good' },
  { name: 'the issuer, by its key', bytes: response([single(isGood)], { responder: byKey(ca) }), outcome: 'good' },
  { name: 'revoked', bytes: response([single(isRevoked)]), outcome: 'revoked', reason: /^keyCompromise$/ },
  { name: 'unknown', bytes: response([single(isUnknown)]), outcome: 'unknown' },
  {
    name: 'the right answer among others',
    bytes: response([single(isRevoked, { id: certificateId('\x2b') }), single(isGood)]),
    outcome: 'good',
  },
  { name: 'a responder that the issuer allows', bytes: delegated(delegate()), outcome: 'good' },
  {
    name: 'an allowed responder, by its key',
    bytes: response([single(isGood)], {
      signer: delegateKey,
      responder: byKey(delegateKey),
      certificates: [delegate()],
    }),
    outcome: 'good',
  },
  { name: 'no nextUpdate, a day old', bytes: response([single(isGood, { to: null })]), outcome: 'good' },
  {
    name: 'a clock that is two minutes behind',
    bytes: response([single(isGood, { from: '20300102000200Z' })]),
    outcome: 'good',
  },
  {
    name: 'another serial number',
    bytes: response([single(isGood, { id: certificateId('\x2b') })]),
    outcome: 'invalid',
    reason: /another certificate/,
  },
  {
    name: 'an issuer of the same name with another key',
    bytes: response([single(isGood, { id: certificateId('\x2a', keyBits(stranger)) })]),
    outcome: 'invalid',
    reason: /another certificate/,
  },
  {
    name: 'signed by somebody else in the name of the issuer',
    bytes: response([single(isGood)], { signer: stranger }),
    outcome: 'invalid',
    reason: /signature is wrong/,
  },
  {
    name: 'signed by somebody unknown',
    bytes: response([single(isGood)], { signer: stranger, responder: byKey(stranger) }),
    outcome: 'invalid',
    reason: /neither the issuer/,
  },
  {
    name: 'a responder without the purpose',
    bytes: delegated(delegate({ extensions: [] })),
    outcome: 'invalid',
    reason: /may not sign OCSP/,
  },
  {
    name: 'a responder that a stranger allows',
    bytes: delegated(delegate({ signer: stranger, spki: delegateKey.spki })),
    outcome: 'invalid',
    reason: /not issued by/,
  },
  {
    name: 'a responder whose certificate has ended',
    bytes: delegated(delegate({ notAfter: tlv(0x17, '250101000000Z') })),
    outcome: 'invalid',
    reason: /not valid now/,
  },
  {
    name: 'an allowed responder, signed by another key',
    bytes: delegated(delegate(), stranger),
    outcome: 'invalid',
    reason: /signature is wrong/,
  },
  {
    name: 'the leaf itself as the responder',
    bytes: response([single(isGood)], {
      signer: stranger,
      responder: byKey(stranger),
      certificates: [leaf.der],
    }),
    outcome: 'invalid',
    reason: /may not sign OCSP/,
  },
  {
    name: 'an answer that has ended',
    bytes: response([single(isGood, { from: '20291201000000Z', to: '20300101000000Z' })]),
    outcome: 'invalid',
    reason: /ended 2030-01-01/,
  },
  {
    name: 'an answer from the future',
    bytes: response([single(isGood, { from: '20300103000000Z', to: '20300104000000Z' })]),
    outcome: 'invalid',
    reason: /valid from 2030-01-03/,
  },
  {
    name: 'no nextUpdate, a month old',
    bytes: response([single(isGood, { from: '20291201000000Z', to: null })]),
    outcome: 'invalid',
    reason: /does not say how long/,
  },
  {
    name: 'a critical extension',
    bytes: response([single(isGood, { more: tlv(0xa1, tlv(0x30, extension('1.2.3.4', tlv(0x05), true))) })]),
    outcome: 'invalid',
    reason: /1\.2\.3\.4/,
  },
  { name: 'try later', bytes: hex('30030a0103'), outcome: 'invalid', reason: /try-later/ },
]
for (const { name: title, bytes, outcome, reason } of cases) {
  test(`${title}: ${outcome}`, () => {
    const check = checkStapledOcsp(readOcspResponse(bytes), question)
    assert.equal(check.outcome, outcome, check.reason)
    if (reason !== undefined) assert.match(check.reason, reason)
    assert.equal(check.revokedAt, outcome === 'revoked' ? Date.parse('2029-12-31T00:00:00Z') : null)
  })
}

test('a byte that differs in what is signed is never good', () => {
  const bytes = response([single(isGood)])
  const from = bytes.indexOf(byName)
  const to = bytes.indexOf(isGood, from) + 40
  for (let at = from; at < to; at += 1) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] as number) ^ 1
    let outcome = 'refused'
    try {
      outcome = checkStapledOcsp(readOcspResponse(changed), question).outcome
    } catch (error) {
      assert.ok(error instanceof DerError)
    }
    assert.notEqual(outcome, 'good', `byte ${at}`)
  }
})

test('what is no response is refused with the place', () => {
  const good = response([single(isGood)])
  const broken: readonly [string, Buffer][] = [
    ['empty', Buffer.alloc(0)],
    ['cut short', good.subarray(0, good.length - 1)],
    ['a status that does not exist', hex('30030a0104')],
    ['successful without an answer', hex('30030a0100')],
    ['another kind of response', tlv(0x30, tlv(0x0a, '\x00'), tlv(0xa0, tlv(0x30, oid('1.2.3'), tlv(0x04, '\x00'))))],
    ['a status of the certificate that does not exist', response([single(tlv(0x83))])],
    ['a time that is none', response([single(isGood, { from: 'never' })])],
  ]
  for (const [title, bytes] of broken) assert.throws(() => readOcspResponse(bytes), DerError, title)
})

test('an embedded certificate that cannot be read is left out and noted', () => {
  const read = readOcspResponse(response([single(isGood)], { certificates: [tlv(0x30, tlv(0x05)), delegate()] }))
  assert.ok(read.status === 'successful')
  assert.equal(read.certificates.length, 1)
  assert.deepEqual(
    read.defects.map(({ field }) => field),
    ['certificates'],
  )
  assert.equal(checkStapledOcsp(read, question).outcome, 'good')
})
