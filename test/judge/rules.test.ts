import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, it } from 'node:test'
import { ask, type Question, sayingOf } from './ask.ts'
import {
  authority,
  dns,
  extension,
  type Made,
  name,
  now,
  oid,
  type Parts,
  purposeOids,
  server,
  usage,
  utc,
} from './signed-pki.ts'
import { tlv } from '../x509/der-make.ts'
import type { Signer } from '../x509/signed-make.ts'

interface Row {
  readonly sentence: string
  readonly root?: Parts
  readonly upper?: Parts
  readonly lower?: Parts
  readonly leaf?: Parts
  readonly ask?: Partial<Question>
  readonly says: string
}

const unknownExtension = (critical: boolean) => [extension('1.2.3.4.5', tlv(0x05), critical)]
const past = { notAfter: utc('290101000000Z') }
const future = { notBefore: utc('310101000000Z') }

/** Root, two intermediates and a leaf for `backend.test`, each row with one thing that is different. */
const rows: readonly Row[] = [
  { sentence: 'a sound path is trusted', says: 'trusted' },
  { sentence: 'a leaf that ended is expired', leaf: past, says: 'expired at 0' },
  { sentence: 'an intermediate that ended is expired', upper: past, says: 'expired at 2' },
  { sentence: 'an anchor that ended is expired', root: past, says: 'expired at 3' },
  { sentence: 'the last second still counts', leaf: { notAfter: utc('300101000000Z') }, says: 'trusted' },
  {
    sentence: 'a part of a second after the end is not too late yet',
    leaf: { notAfter: utc('300101000000Z') },
    ask: { time: now + 999 },
    says: 'trusted',
  },
  {
    sentence: 'the second after the end is too late',
    leaf: { notAfter: utc('300101000000Z') },
    ask: { time: now + 1000 },
    says: 'expired at 0',
  },
  { sentence: 'a leaf that has not begun is not yet valid', leaf: future, says: 'not-yet-valid at 0' },
  { sentence: 'an issuer without basic constraints is no CA', lower: { basic: null }, says: 'issuer-not-ca at 1' },
  { sentence: 'an issuer that says it is no CA is none', lower: { basic: { ca: false } }, says: 'issuer-not-ca at 1' },
  { sentence: 'an anchor that is no CA issues nothing', root: { basic: { ca: false } }, says: 'issuer-not-ca at 3' },
  {
    sentence: 'an anchor of version 1 cannot say that it is a CA, and is trusted as one',
    root: { basic: null, keyUsage: null, keyIds: false, version: Buffer.alloc(0) },
    says: 'trusted',
  },
  {
    sentence: 'an intermediate of version 1 is no CA',
    lower: { basic: null, keyUsage: null, keyIds: false, version: Buffer.alloc(0) },
    says: 'issuer-not-ca at 1',
  },
  {
    sentence: 'an issuer that may only sign lists signs no certificates',
    lower: { keyUsage: usage.crlSign },
    says: 'issuer-key-usage at 1',
  },
  { sentence: 'an issuer without a key usage may sign', lower: { keyUsage: null }, says: 'trusted' },
  {
    sentence: 'a path length of one leaves room for one CA',
    root: { basic: { ca: true, pathLength: 2 } },
    upper: { basic: { ca: true, pathLength: 1 } },
    says: 'trusted',
  },
  {
    sentence: 'a path length of zero leaves room for none',
    upper: { basic: { ca: true, pathLength: 0 } },
    says: 'path-length-exceeded at 1',
  },
  {
    sentence: 'the path length of an anchor counts',
    root: { basic: { ca: true, pathLength: 1 } },
    says: 'path-length-exceeded at 1',
  },
  {
    sentence: 'the nearest CA with a path length of zero is fine above a leaf',
    lower: { basic: { ca: true, pathLength: 0 } },
    says: 'trusted',
  },
  { sentence: 'a leaf for clients is no server', leaf: { purposes: [purposeOids.client] }, says: 'wrong-purpose at 0' },
  {
    sentence: 'a leaf for clients is a client',
    leaf: { purposes: [purposeOids.client] },
    ask: { purpose: 'client' },
    says: 'trusted',
  },
  { sentence: 'a leaf for any purpose is a server', leaf: { purposes: [purposeOids.any] }, says: 'trusted' },
  { sentence: 'a leaf without purposes is a server', leaf: { purposes: null }, says: 'trusted' },
  {
    sentence: 'purposes do not matter where nobody asks',
    leaf: { purposes: [purposeOids.client] },
    ask: { purpose: 'any' },
    says: 'trusted',
  },
  {
    sentence: 'a CA for clients issues no servers',
    lower: { purposes: [purposeOids.client] },
    says: 'wrong-purpose at 1',
  },
  {
    sentence: 'a CA for servers and clients issues servers',
    lower: { purposes: [purposeOids.client, purposeOids.server] },
    says: 'trusted',
  },
  {
    sentence: 'a leaf whose key may only sign certificates cannot shake hands',
    leaf: { keyUsage: usage.certSign },
    says: 'wrong-purpose at 0',
  },
  { sentence: 'a leaf without key usage can', leaf: { keyUsage: null }, says: 'trusted' },
  {
    sentence: 'an unknown critical extension in the leaf refuses it',
    leaf: { extensions: unknownExtension(true) },
    says: 'unknown-critical-extension at 0',
  },
  {
    sentence: 'an unknown critical extension in an anchor refuses it',
    root: { extensions: unknownExtension(true) },
    says: 'unknown-critical-extension at 3',
  },
  {
    sentence: 'an unknown extension that is not critical does not',
    leaf: { extensions: unknownExtension(false) },
    says: 'trusted',
  },
  {
    sentence: 'an extension that appears twice is malformed',
    leaf: { extensions: [extension('2.5.29.37', tlv(0x30, Buffer.from('06082b06010505070301', 'hex')))] },
    says: 'malformed-certificate at 0',
  },
  {
    sentence: 'a pointer that cannot be read decides nothing',
    leaf: { extensions: [extension('1.3.6.1.5.5.7.1.1', tlv(0x04))] },
    says: 'trusted',
  },
  {
    sentence: 'a pointer that cannot be read is a fault where it is critical',
    leaf: { extensions: [extension('2.5.29.18', tlv(0x04), true)] },
    says: 'malformed-certificate at 0',
  },
  { sentence: 'two intermediates are too many for a depth of one', ask: { maxDepth: 1 }, says: 'depth-exceeded at 2' },
  { sentence: 'two intermediates are within a depth of two', ask: { maxDepth: 2 }, says: 'trusted' },
  { sentence: 'a key on P-256 is too weak for level 4', ask: { securityLevel: 4 }, says: 'weak-key at 0' },
  { sentence: 'a key on P-256 is good enough for level 3', ask: { securityLevel: 3 }, says: 'trusted' },
  { sentence: 'the expected name is in the leaf', ask: { names: ['backend.test'] }, says: 'trusted' },
  { sentence: 'one of the expected names is enough', ask: { names: ['else.test', 'backend.test'] }, says: 'trusted' },
  { sentence: 'another name is a mismatch', ask: { names: ['else.test'] }, says: 'name-mismatch at 0' },
  {
    sentence: 'a common name is no name',
    leaf: { names: [] },
    ask: { names: ['backend.test'] },
    says: 'no-subject-alternative-name at 0',
  },
  {
    sentence: 'a wildcard covers one label',
    leaf: { names: [dns('*.test')] },
    ask: { names: ['backend.test'] },
    says: 'name-mismatch at 0',
  },
  {
    sentence: 'the chain is looked at before the name',
    leaf: past,
    ask: { names: ['else.test'] },
    says: 'expired at 0',
  },
  {
    sentence: 'an exception for the chain leaves the name',
    leaf: past,
    ask: { names: ['else.test'], skip: { chain: true, name: false } },
    says: 'name-mismatch at 0',
  },
  {
    sentence: 'an exception for the name leaves the chain',
    leaf: past,
    ask: { names: ['else.test'], skip: { chain: false, name: true } },
    says: 'expired at 0',
  },
  {
    sentence: 'an exception for both leaves nothing',
    leaf: past,
    ask: { names: ['else.test'], skip: { chain: true, name: true } },
    says: 'trusted',
  },
]

describe('the rules of a path', () => {
  for (const row of rows) {
    it(row.sentence, () => assert.equal(sayingOf(ask(questionOf(row))), row.says))
  }

  it('finds every fault, not only the first, and orders them as they would come to light', () => {
    const { findings } = ask(
      questionOf({
        sentence: '',
        says: '',
        leaf: past,
        lower: { basic: { ca: false } },
        root: past,
        ask: { names: ['else.test'] },
      }),
    )
    const faults = findings.filter(({ severity }) => severity === 'fault').map(({ code, at }) => `${code} at ${at}`)
    assert.deepEqual(faults, ['issuer-not-ca at 1', 'expired at 0', 'expired at 3', 'name-mismatch at 0'])
  })

  it('refuses a path with a certificate that is distrusted, and takes another where there is one', () => {
    const root = authority('Root')
    const cross = authority('Cross')
    const issuing = authority('Issuing', { issuer: root })
    const again = authority('Issuing', { issuer: cross, signer: issuing.signer })
    const leaf = server(issuing)
    const base = { time: now, served: [leaf.facts, issuing.facts], distrusted: [issuing.facts] }
    assert.equal(sayingOf(ask({ ...base, anchors: [root.facts] })), 'distrusted at 1')
    const other = ask({ ...base, served: [leaf.facts, issuing.facts, again.facts], anchors: [root.facts, cross.facts] })
    assert.equal(sayingOf(other), 'trusted')
  })

  it('calls a signature that nobody verifies any more weak, and not forged', () => {
    const { privateKey: key, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    const signer = (algorithm: string): Signer => ({
      key,
      spki,
      algorithm: tlv(0x30, oid(algorithm), tlv(0x05)),
      sign: (tbs) => sign('sha256', tbs, key),
    })
    const root = authority('Root', { signer: signer('1.2.840.113549.1.1.11') })
    const said = (algorithm: string, securityLevel: number): readonly string[] => {
      const leaf = server({ ...root, signer: signer(algorithm) })
      const { findings } = ask({ time: now, served: [leaf.facts], anchors: [root.facts], securityLevel })
      return findings.filter(({ severity }) => severity === 'fault').map(({ code, at }) => `${code} at ${at}`)
    }
    for (const level of [0, 1]) {
      assert.deepEqual(said('1.2.840.113549.1.1.2', level), ['weak-signature at 0'])
      assert.deepEqual(said('1.2.840.113549.1.1.3', level), ['weak-signature at 0'])
      assert.deepEqual(said('1.2.840.113549.1.1.12', level), ['bad-signature at 0'])
    }
  })

  it('does not count a CA that renews its own key', () => {
    const root = authority('Root')
    const old = authority('Issuing', { issuer: root, basic: { ca: true, pathLength: 0 } })
    const renewed = authority('Issuing', { issuer: old, basic: { ca: true, pathLength: 0 } })
    const leaf = server(renewed)
    const question = { time: now, served: [leaf.facts, renewed.facts, old.facts], anchors: [root.facts], maxDepth: 1 }
    assert.equal(sayingOf(ask(question)), 'trusted')
  })

  it('takes a proxy certificate only where it is told to', () => {
    const root = authority('Root')
    const user = server(root, { subject: name('user'), purposes: null })
    const info = extension('1.3.6.1.5.5.7.1.14', tlv(0x30, tlv(0x30, Buffer.from('06082b06010505071501', 'hex'))), true)
    const deputy = server(user, { subject: name('user', 'deputy'), purposes: null, names: [], extensions: [info] })
    const question = { time: now, served: [deputy.facts, user.facts], anchors: [root.facts], purpose: 'any' as const }
    assert.equal(ask(question).code, 'unknown-critical-extension')
    assert.equal(ask({ ...question, proxyCertificates: true }).code, 'trusted')
    const stranger = server(user, { subject: name('else'), purposes: null, names: [], extensions: [info] })
    const strange = ask({ ...question, served: [stranger.facts, user.facts], proxyCertificates: true })
    assert.equal(strange.code, 'malformed-certificate')
  })
})

function questionOf({ root = {}, upper = {}, lower = {}, leaf = {}, ask: rest = {} }: Row): Question {
  const anchor: Made = authority('Root', root)
  const second = authority('Upper', { issuer: anchor, ...upper })
  const first = authority('Lower', { issuer: second, ...lower })
  const own = server(first, leaf)
  return { time: now, served: [own.facts, first.facts, second.facts], anchors: [anchor.facts], ...rest }
}
