import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, it } from 'node:test'
import { ask } from './ask.ts'
import {
  authority,
  directory,
  dns,
  extension,
  ip,
  mail,
  name,
  now,
  oid,
  type Parts,
  purposeOids,
  server,
  uri,
  usage,
} from './signed-pki.ts'
import { tlv } from '../x509/der-make.ts'
import type { Signer } from '../x509/signed-make.ts'

interface Row {
  readonly sentence: string
  readonly root?: Parts
  readonly ca?: Parts
  readonly leaf?: Parts
  readonly purpose?: 'any'
  /** What the strict mode says; the standard's own mode says `trusted` unless told here. */
  readonly says: string
  readonly standard?: string
}

const aki = (...fields: readonly Buffer[]): Buffer => extension('2.5.29.35', tlv(0x30, ...fields))
const keyId = tlv(0x80, Buffer.alloc(20, 1))
const constraint = (base: Buffer, critical = true): Buffer =>
  extension('2.5.29.30', tlv(0x30, tlv(0xa0, tlv(0x30, base))), critical)

const pointsTo = (...names: readonly Buffer[]): Buffer =>
  extension('2.5.29.31', tlv(0x30, tlv(0x30, tlv(0xa0, tlv(0xa0, ...names)))))

const rows: readonly Row[] = [
  { sentence: 'a chain that keeps every rule', says: 'trusted' },
  { sentence: 'a serial number of zero', leaf: { serial: '\0' }, says: 'malformed-certificate at 0' },
  { sentence: 'a negative serial number', leaf: { serial: '\x80' }, says: 'malformed-certificate at 0' },
  {
    sentence: 'a serial number of 21 octets',
    leaf: { serial: Buffer.alloc(21, 1) },
    says: 'malformed-certificate at 0',
  },
  { sentence: "a root's serial number of zero, which is older than the rule", root: { serial: '\0' }, says: 'trusted' },
  {
    sentence: 'a leaf without an authority key identifier',
    leaf: { keyIds: false },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'a CA without a subject key identifier',
    ca: { keyIds: false, extensions: [aki(keyId)] },
    says: 'malformed-certificate at 1',
  },
  { sentence: 'a root without an authority key identifier', root: {}, says: 'trusted' },
  {
    sentence: 'a root that names an issuer by name and number',
    root: { serial: '\x01', extensions: [aki(tlv(0xa1, directory(name('Root'))), tlv(0x82, '\x01'))] },
    says: 'malformed-certificate at 2',
  },
  {
    sentence: 'a CA whose basic constraints are not critical',
    ca: { basic: { ca: true, critical: false } },
    says: 'malformed-certificate at 1',
  },
  { sentence: 'a CA without a key usage', ca: { keyUsage: null }, says: 'malformed-certificate at 1' },
  { sentence: 'a leaf that may sign certificates', leaf: { keyUsage: '0284' }, says: 'malformed-certificate at 0' },
  {
    sentence: 'a leaf with a path length',
    leaf: { basic: { ca: false, pathLength: 0 } },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'a leaf with name constraints',
    leaf: { extensions: [constraint(dns('a.test'))] },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'name constraints that are not critical',
    ca: { extensions: [constraint(dns('test'), false)] },
    says: 'malformed-certificate at 1',
  },
  {
    sentence: 'a DNS constraint with a leading dot',
    ca: { extensions: [constraint(dns('.test'))] },
    says: 'malformed-certificate at 1',
  },
  {
    sentence: 'an address constraint with a hole in its mask',
    ca: { extensions: [constraint(ip([10, 0, 0, 0, 255, 0, 255, 0]))] },
    says: 'malformed-certificate at 1',
  },
  {
    sentence: 'policy constraints that are not critical',
    ca: { extensions: [extension('2.5.29.36', tlv(0x30, tlv(0x80, '\x09')))] },
    says: 'malformed-certificate at 1',
  },
  {
    sentence: 'a critical pointer to the issuer',
    leaf: {
      extensions: [
        extension(
          '1.3.6.1.5.5.7.1.1',
          tlv(0x30, tlv(0x30, oid('1.3.6.1.5.5.7.48.2'), tlv(0x86, 'http://a.test/'))),
          true,
        ),
      ],
    },
    says: 'unknown-critical-extension at 0',
    standard: 'unknown-critical-extension at 0',
  },
  {
    sentence: 'a pointer to the issuer that cannot be read',
    leaf: { extensions: [extension('1.3.6.1.5.5.7.1.1', tlv(0x04))] },
    says: 'malformed-certificate at 0',
  },
  { sentence: 'a leaf without a purpose', leaf: { purposes: null }, says: 'wrong-purpose at 0' },
  { sentence: 'a leaf without a purpose that is no server', leaf: { purposes: null }, purpose: 'any', says: 'trusted' },
  {
    sentence: 'a leaf for any purpose',
    leaf: { purposes: [purposeOids.server, purposeOids.any] },
    says: 'wrong-purpose at 0',
  },
  {
    sentence: 'a leaf that is also for signing code',
    leaf: { purposes: [purposeOids.server, '1.3.6.1.5.5.7.3.3'] },
    says: 'wrong-purpose at 0',
  },
  {
    sentence: 'a leaf that is also for pre-certificates',
    leaf: { purposes: [purposeOids.server, '1.3.6.1.4.1.11129.2.4.4'] },
    says: 'wrong-purpose at 0',
  },
  {
    sentence: 'a leaf that is also for clients',
    leaf: { purposes: [purposeOids.server, purposeOids.client] },
    says: 'trusted',
  },
  { sentence: 'a root without a key usage', root: { keyUsage: null }, says: 'trusted' },
  {
    sentence: 'an elliptic key that is to encipher keys',
    leaf: { keyUsage: '05a0' },
    says: 'malformed-certificate at 0',
  },
  { sentence: 'a root with a purpose', root: { purposes: [purposeOids.server] }, says: 'malformed-certificate at 2' },
  {
    sentence: 'a CA in the place of a server',
    leaf: { basic: { ca: true }, keyUsage: '0186' },
    says: 'wrong-purpose at 0',
  },
  {
    sentence: 'a name with an underscore',
    leaf: { names: [dns('backend.test'), dns('a_b.test')] },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'an address as a DNS name',
    leaf: { names: [dns('backend.test'), dns('10.0.0.1')] },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'a wildcard for a whole top-level domain',
    leaf: { names: [dns('backend.test'), dns('*.test')] },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'a wildcard inside of a label',
    leaf: { names: [dns('backend.test'), dns('a*.b.test')] },
    says: 'malformed-certificate at 0',
  },
  { sentence: 'a wildcard as it should be', leaf: { names: [dns('backend.test'), dns('*.b.test')] }, says: 'trusted' },
  {
    sentence: 'a mail address that is none',
    leaf: { names: [dns('backend.test'), mail('nobody')] },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'a common name that is not among the names',
    leaf: { names: [dns('else.test')] },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'a common name in other letters',
    leaf: { names: [dns('Backend.test')] },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'a common name that nobody takes for a host',
    leaf: { subject: name('Backend') },
    says: 'trusted',
  },
  {
    sentence: 'the domain of the names as the common name',
    leaf: { names: [dns('one.backend.test')] },
    says: 'trusted',
  },
  {
    sentence: 'an address in the common name that is written in another way',
    leaf: { names: [ip([10, 0, 0, 1])], subject: name('010.000.000.001') },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'a distribution point at an http address',
    leaf: { extensions: [pointsTo(uri('http://a.test/crl'))] },
    says: 'trusted',
  },
  {
    sentence: 'a distribution point that is a name beside the address',
    leaf: { extensions: [pointsTo(uri('http://a.test/crl'), dns('a.test'))] },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'a distribution point at another address',
    leaf: { extensions: [pointsTo(uri('ldap://a.test/crl'))] },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'a CA without a name, and not the leaf that names it',
    ca: { subject: tlv(0x30) },
    says: 'malformed-certificate at 1',
  },
  {
    sentence: 'critical names beside a subject',
    leaf: { names: [], extensions: [extension('2.5.29.17', tlv(0x30, dns('backend.test')), true)] },
    says: 'malformed-certificate at 0',
  },
  { sentence: 'an empty subject with critical names', leaf: { subject: tlv(0x30) }, says: 'trusted' },
  { sentence: 'a leaf with a key on P-521', leaf: { signer: onCurve('P-521') }, says: 'trusted' },
  {
    sentence: 'a leaf with a key on a curve that the web does not have',
    leaf: { signer: onCurve('secp256k1') },
    says: 'weak-key at 0',
  },
  { sentence: 'an Ed25519 key', leaf: { signer: ed25519() }, says: 'weak-key at 0' },
  { sentence: 'a leaf that may sign lists', leaf: { keyUsage: '0182' }, says: 'malformed-certificate at 0' },
  {
    sentence: 'an issuer that may only sign lists',
    ca: { keyUsage: usage.crlSign },
    says: 'issuer-key-usage at 1',
    standard: 'issuer-key-usage at 1',
  },
]

describe('the duties of issuers', () => {
  for (const { sentence, root = {}, ca = {}, leaf = {}, purpose, says, standard = 'trusted' } of rows) {
    it(`${says === 'trusted' ? 'allow' : 'refuse'} ${sentence}`, () => {
      const anchor = authority('Root', root)
      const issuing = authority('Issuing', { issuer: anchor, ...ca })
      const own = server(issuing, leaf)
      const question = {
        time: now,
        served: [own.facts, issuing.facts],
        anchors: [anchor.facts],
        ...(purpose === undefined ? {} : { purpose }),
      }
      const strict = ask({ ...question, mode: 'strict' })
      const said = strict.code === 'trusted' ? 'trusted' : `${strict.code} at ${strict.at}`
      assert.equal(said, says, JSON.stringify(strict.findings.map(({ summary }) => summary)))
      const lenient = ask(question)
      assert.equal(lenient.code === 'trusted' ? 'trusted' : `${lenient.code} at ${lenient.at}`, standard)
    })
  }

  it('refuse a root whose authority key identifier is not its own', () => {
    const root = authority('Root', { extensions: [aki(keyId)] })
    const leaf = server(root)
    const question = { time: now, served: [leaf.facts], anchors: [root.facts], partialChain: true }
    const { code, at } = ask({ ...question, mode: 'strict' })
    assert.deepEqual({ code, at }, { code: 'malformed-certificate', at: 1 })
    assert.equal(ask(question).code, 'trusted')
  })

  it('hold for a leaf that is its own anchor too', () => {
    const own = server(authority('Root'), { serial: '\x80' })
    const question = { time: now, served: [own.facts], anchors: [own.facts], partialChain: true }
    const { code, at } = ask({ ...question, mode: 'strict' })
    assert.deepEqual({ code, at }, { code: 'malformed-certificate', at: 0 })
    assert.equal(ask(question).code, 'trusted')
  })

  it('come after what every verifier refuses, and name their section', () => {
    const root = authority('Root')
    const leaf = server(root, { serial: '\0', purposes: null })
    const { findings } = ask({
      mode: 'strict',
      time: now,
      served: [leaf.facts],
      anchors: [root.facts],
      names: ['else.test'],
    })
    const faults = findings.filter(({ severity }) => severity === 'fault')
    assert.deepEqual(
      faults.map(({ code }) => code),
      ['name-mismatch', 'malformed-certificate', 'wrong-purpose'],
    )
    assert.match(String(faults[1]?.evidence['rule']), /^RFC 5280/)
    assert.match(String(faults[2]?.evidence['rule']), /^BR section 7\.1\.2\.7\.6/)
  })
})

function onCurve(namedCurve: string): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  return signer(privateKey, publicKey.export({ type: 'spki', format: 'der' }), '1.2.840.10045.4.3.2', 'sha256')
}

function ed25519(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return signer(privateKey, publicKey.export({ type: 'spki', format: 'der' }), '1.3.101.112', null)
}

function signer(key: Signer['key'], spki: Buffer, algorithm: string, hash: string | null): Signer {
  return { key, spki, algorithm: tlv(0x30, oid(algorithm)), sign: (tbs) => sign(hash, tbs, key) }
}
