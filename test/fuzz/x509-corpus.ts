import { X509Certificate } from 'node:crypto'
import { getCACertificates } from 'node:tls'
import * as fc from 'fast-check'
import { seededRandom } from '../support/random.ts'
import { tlv } from '../x509/der-make.ts'
import {
  certificate,
  crl,
  entry,
  extension,
  fixedSigner,
  general,
  hex,
  name,
  oid,
  sha1,
  signed,
} from '../x509/signed-make.ts'
import { mutant, type Seed, seedOf } from './der-mutations.ts'
import type { Input } from './target.ts'

/** What X.509 is fuzzed from: the same bytes in every run, because keys and signatures are. */

const signer = fixedSigner(1)
const uri = (text: string): Buffer => tlv(0x86, text)
const names = (...list: readonly Buffer[]): Buffer => tlv(0x30, ...list)
const critical = true

const leafNames = names(
  tlv(0x82, 'a.test'),
  tlv(0x82, '*.b.test'),
  tlv(0x87, hex('c0000201')),
  tlv(0x87, hex('20010db8000000000000000000000001')),
  tlv(0x81, 'm@a.test'),
  uri('https://a.test/'),
  tlv(0xa4, name('Dir')),
  tlv(0x88, hex('2a0304')),
  tlv(0xa0, oid('1.2.3'), tlv(0xa0, tlv(0x0c, 'x'))),
)
const point = tlv(
  0x30,
  tlv(0xa0, tlv(0xa0, uri('http://ca.test/1.crl'))),
  tlv(0x81, hex('0106')),
  tlv(0xa2, tlv(0xa4, name('CA'))),
)
const leaf = certificate({
  signer,
  extensions: [
    extension('2.5.29.17', leafNames),
    extension('2.5.29.19', tlv(0x30), critical),
    extension('2.5.29.15', tlv(0x03, hex('0780')), critical),
    extension('2.5.29.37', tlv(0x30, oid('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.14', tlv(0x04, hex('0102'))),
    extension('2.5.29.35', tlv(0x30, tlv(0x80, hex('0304')), tlv(0xa1, tlv(0xa4, name('CA'))), tlv(0x82, '\x07'))),
    extension('2.5.29.31', tlv(0x30, point)),
    extension('1.3.6.1.5.5.7.1.1', tlv(0x30, tlv(0x30, oid('1.3.6.1.5.5.7.48.1'), uri('http://ocsp.test')))),
    extension('2.5.29.32', tlv(0x30, tlv(0x30, oid('2.23.140.1.2.1')))),
  ],
})
const authority = certificate({
  signer,
  subject: name('Test CA', 'Two'),
  notAfter: general('20600101000000Z'),
  extensions: [
    extension('2.5.29.19', tlv(0x30, hex('0101ff020103')), critical),
    extension(
      '2.5.29.30',
      tlv(
        0x30,
        tlv(0xa0, tlv(0x30, tlv(0x82, '.test')), tlv(0x30, tlv(0xa4, name('Dir')), tlv(0x80, '\x01'))),
        tlv(0xa1, tlv(0x30, tlv(0x87, hex('0a000000ff000000')))),
      ),
      critical,
    ),
    extension('2.5.29.33', tlv(0x30, tlv(0x30, oid('1.2.3'), oid('1.2.4')))),
    extension('2.5.29.36', tlv(0x30, tlv(0x80, '\x01'), tlv(0x81, '\x02')), critical),
    extension('2.5.29.54', tlv(0x02, '\x01'), critical),
    extension('2.5.29.18', names(tlv(0x82, 'ca.test'))),
    extension('2.5.29.46', tlv(0x30, point)),
  ],
})

export const certificateSeeds: readonly Seed[] = [
  leaf,
  authority,
  leaf,
  // Those whose signatures are quick to verify.
  ...getCACertificates('bundled')
    .map((pem) => new X509Certificate(pem))
    .filter(({ publicKey }) => publicKey.asymmetricKeyDetails?.modulusLength === 2048)
    .slice(0, 12)
    .map(({ raw }) => raw),
].map(seedOf)

const reason = (code: number): Buffer => extension('2.5.29.21', tlv(0x0a, Buffer.from([code])))
const certificateIssuer = (text: string): Buffer => extension('2.5.29.29', tlv(0x30, tlv(0xa4, name(text))), critical)

export const crlSeeds: readonly Seed[] = [
  crl({
    signer,
    entries: [
      entry('\x01'),
      entry(hex('00ff'), reason(1)),
      entry('\x03', extension('2.5.29.24', general('20240501120000Z'))),
    ],
    extensions: [extension('2.5.29.20', tlv(0x02, '\x07')), extension('2.5.29.35', tlv(0x30, tlv(0x80, hex('0304'))))],
  }),
  crl({
    signer,
    entries: [entry('\x02', certificateIssuer('A')), entry('\x03'), entry('\x03', certificateIssuer('B'), reason(4))],
    extensions: [
      extension(
        '2.5.29.28',
        tlv(0x30, tlv(0xa0, tlv(0xa0, uri('http://ca.test/1.crl'))), tlv(0x83, hex('0640')), tlv(0x84, '\xff')),
        critical,
      ),
      extension('2.5.29.27', tlv(0x02, '\x05'), critical),
    ],
  }),
  crl({ signer, version: Buffer.alloc(0), nextUpdate: null }),
].map(seedOf)

/** Subject and key of the issuer in the OCSP responses, as a certificate; the leaf has the serial number of `certificate`. */
export const ocspIssuer = certificate({ signer, subject: name('Test CA') })
export const ocspLeaf = certificate({ signer, spki: fixedSigner(3).spki })
const delegate = fixedSigner(2)
const keyHash = sha1(signer.spki.subarray(-32))
const certificateId = tlv(
  0x30,
  tlv(0x30, oid('1.3.14.3.2.26'), tlv(0x05)),
  tlv(0x04, sha1(name('Test CA'))),
  tlv(0x04, keyHash),
  tlv(0x02, '\x2a'),
)
const window = [general('20300101000000Z'), tlv(0xa0, general('20300103000000Z'))] as const
export const ocspTime = Date.parse('2030-01-02T00:00:00Z')

function response(responder: Buffer, status: Buffer, by = signer, ...certificates: readonly Buffer[]): Buffer {
  const body = tlv(0x30, responder, general('20300101000000Z'), tlv(0x30, tlv(0x30, certificateId, status, ...window)))
  const basic = signed(body, by, ...(certificates.length === 0 ? [] : [tlv(0xa0, tlv(0x30, ...certificates))]))
  return tlv(0x30, tlv(0x0a, '\x00'), tlv(0xa0, tlv(0x30, oid('1.3.6.1.5.5.7.48.1.1'), tlv(0x04, basic))))
}

const responder = certificate({
  signer,
  spki: delegate.spki,
  subject: name('Responder'),
  extensions: [extension('2.5.29.37', tlv(0x30, oid('1.3.6.1.5.5.7.3.9')))],
})

export const ocspSeeds: readonly Seed[] = [
  response(tlv(0xa1, name('Test CA')), tlv(0x80)),
  response(tlv(0xa2, tlv(0x04, keyHash)), tlv(0xa1, general('20291231000000Z'), tlv(0xa0, tlv(0x0a, '\x01')))),
  response(tlv(0xa1, name('Responder')), tlv(0x80), delegate, responder),
].map(seedOf)

/** Mutants of one of the seeds; the knob says of which. */
export function mutants(seeds: readonly Seed[]): fc.Arbitrary<Input> {
  // Without the bias to small numbers, which would give the same inputs again and again.
  return fc.noBias(fc.nat()).map((number) => {
    const random = seededRandom(number)
    const knob = random.below(seeds.length)
    return { parts: [mutant(seeds, knob, random)], knob }
  })
}
