import assert from 'node:assert/strict'
import { constants, createHash, generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto'
import { test } from 'node:test'

import { parseCertificate } from '../../src/x509/certificate.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import { tlv } from './der-make.ts'
import { bits, certificate, ecSigner, hex, name, oid, type Signer, signed } from './signed-make.ts'

const identifier = (id: string, ...parameters: readonly Buffer[]): Buffer => tlv(0x30, oid(id), ...parameters)
const nothing = tlv(0x05)
const pssAlgorithm = (hash: string, saltLength: number, maskHash = hash): Buffer =>
  identifier(
    '1.2.840.113549.1.1.10',
    tlv(
      0x30,
      tlv(0xa0, identifier(hash)),
      tlv(0xa1, identifier('1.2.840.113549.1.1.8', identifier(maskHash))),
      tlv(0xa2, tlv(0x02, Buffer.from([saltLength]))),
    ),
  )
const [sha256, sha384] = ['2.16.840.1.101.3.4.2.1', '2.16.840.1.101.3.4.2.2']
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pssKey = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
const dsa = generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 })
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const ed25519 = generateKeyPairSync('ed25519')
const ed448 = generateKeyPairSync('ed448')
const mlDsa = generateKeyPairSync('ml-dsa-44')

interface Pair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

function signer({ privateKey, publicKey }: Pair, algorithm: Buffer, hash: string | null, pssSalt?: number): Signer {
  const padding = pssSalt === undefined ? {} : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: pssSalt }
  return {
    key: privateKey,
    spki: publicKey.export({ type: 'spki', format: 'der' }),
    algorithm,
    sign: (tbs) => sign(hash, tbs, { key: privateKey, ...padding }),
  }
}

const good: readonly [name: string, Signer][] = [
  ['RSA PKCS#1 with SHA-256', signer(rsa, identifier('1.2.840.113549.1.1.11', nothing), 'sha256')],
  ['RSA PKCS#1 with SHA-1', signer(rsa, identifier('1.2.840.113549.1.1.5', nothing), 'sha1')],
  ['RSA PKCS#1 without parameters', signer(rsa, identifier('1.2.840.113549.1.1.13'), 'sha512')],
  ['RSASSA-PSS, SHA-256, salt of 32', signer(rsa, pssAlgorithm(sha256, 32), 'sha256', 32)],
  ['RSASSA-PSS, SHA-384, salt of 10', signer(rsa, pssAlgorithm(sha384, 10), 'sha384', 10)],
  ['RSASSA-PSS with a key of its own kind', signer(pssKey, pssAlgorithm(sha256, 32), 'sha256', 32)],
  ['RSASSA-PSS with the default parameters', signer(rsa, identifier('1.2.840.113549.1.1.10', tlv(0x30)), 'sha1', 20)],
  ['ECDSA P-384 with SHA-384', signer(p384, identifier('1.2.840.10045.4.3.3'), 'sha384')],
  ['DSA with SHA-256', signer(dsa, identifier('2.16.840.1.101.3.4.3.2'), 'sha256')],
  ['Ed25519', signer(ed25519, identifier('1.3.101.112'), null)],
  ['Ed448', signer(ed448, identifier('1.3.101.113'), null)],
  ['ML-DSA-44', signer(mlDsa, identifier('2.16.840.1.101.3.4.3.17'), null)],
]
for (const [title, by] of good) {
  test(`${title}: good, as for the runtime, and bad once a byte differs`, () => {
    const der = certificate({ signer: by, subject: name('Root'), issuer: name('Root') })
    const read = parseCertificate(der)
    assert.equal(verifySignature(read.publicKey, read), 'good')
    const theirs = new X509Certificate(der)
    assert.equal(theirs.verify(theirs.publicKey), true)
    assert.equal(verifySignature(read.publicKey, { ...read, tbs: flipped(read.tbs) }), 'bad')
    assert.equal(verifySignature(read.publicKey, { ...read, signature: read.signature.subarray(1) }), 'bad')
    assert.notEqual(verifySignature(read.publicKey, { ...read, signature: Buffer.alloc(0) }), 'good')
  })
}

const ec = ecSigner()
const rsaSigner = good[0]?.[1] as Signer
const bad: readonly [name: string, Signer, 'bad' | 'unsupported'][] = [
  ['another key of the same kind', { ...ec, spki: ecSigner().spki }, 'bad'],
  ['a key of another kind', { ...ec, spki: rsaSigner.spki }, 'bad'],
  ['another hash than was used', { ...rsaSigner, algorithm: identifier('1.2.840.113549.1.1.12', nothing) }, 'bad'],
  ['another salt than was used', { ...signer(rsa, pssAlgorithm(sha256, 20), 'sha256', 32) }, 'bad'],
  ['an algorithm that nobody knows', { ...ec, algorithm: identifier('1.2.3.4') }, 'unsupported'],
  [
    'a digest that the runtime does not have',
    { ...rsaSigner, algorithm: identifier('1.2.840.113549.1.1.2', nothing) },
    'unsupported',
  ],
  ['two hashes in PSS', signer(rsa, pssAlgorithm(sha256, 32, sha384), 'sha256', 32), 'unsupported'],
  ['a key of an unknown kind', { ...ec, spki: tlv(0x30, identifier('1.2.3.5'), bits(hex('00'))) }, 'unsupported'],
  [
    'an EC key that is no point',
    { ...ec, spki: tlv(0x30, identifier('1.2.840.10045.2.1', oid('1.2.840.10045.3.1.7')), bits(hex('04ffff'))) },
    'unsupported',
  ],
]
for (const [title, by, outcome] of bad) {
  test(`${title}: ${outcome}, never good`, () => {
    const read = parseCertificate(certificate({ signer: by, subject: name('Root'), issuer: name('Root') }))
    assert.equal(verifySignature(read.publicKey, read), outcome)
  })
}

test('what the runtime cannot read as a certificate can be verified', () => {
  const tbs = tlv(0x31, 'no certificate at all')
  const read = parseCertificate(certificate({ signer: ec }))
  assert.equal(verifySignature(read.publicKey, { ...read, tbs, signature: ec.sign(tbs) }), 'good')
  assert.throws(() => new X509Certificate(signed(tbs, ec)))
})

test('of thousands of keys only some are kept, and the answers stay right', () => {
  const first = parseCertificate(certificate({ signer: ec }))
  for (let index = 0; index < 1200; index += 1) {
    // Not keys at all, but as many entries as keys would be.
    const spki = createHash('sha256').update(String(index)).digest()
    assert.equal(verifySignature({ ...first.publicKey, spki }, first), 'unsupported')
  }
  assert.equal(verifySignature(first.publicKey, first), 'good')
})

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[copy.length - 1] = (copy[copy.length - 1] as number) ^ 1
  return copy
}
