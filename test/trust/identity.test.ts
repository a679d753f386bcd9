import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { messageOf, PosternError } from '../../src/core/errors.ts'
import { type Identity, type IdentitySpec, loadIdentity } from '../../src/trust/identity.ts'
import { composeTrust } from '../../src/trust/snapshot.ts'
import { loadTrustStore } from '../../src/trust/store.ts'
import { pem, tlv } from '../x509/der-make.ts'
import { dial, openBackend } from './backend.ts'
import { daysFromNow, make, makeChain } from './pki.ts'

const { root, intermediate, leaf } = await makeChain()
const rsa = await make('CN=RSA.example', { kind: 'rsa-2048', dns: ['RSA.Example', '*.rsa.example'] })
const other = await make('CN=Other', { ca: true })
const base = mkdtempSync(join(tmpdir(), 'postern-identity-'))
after(() => rmSync(base, { recursive: true, force: true }))
const passphrase = 'correct horse'
const key = createPrivateKey(leaf.key)

const load = (spec: Partial<IdentitySpec>): Identity =>
  loadIdentity({ label: 'alias "edge"', certificate: { pem: leaf.pem }, key: { pem: leaf.key }, ...spec })
function refused(spec: Partial<IdentitySpec>): PosternError {
  try {
    load(spec)
  } catch (error) {
    assert.ok(error instanceof PosternError, String(error))
    assert.match(error.message, /^alias "edge"/)
    const said = JSON.stringify([error.message, error.evidence, messageOf(error.cause)])
    for (const line of leaf.key.split('\n').slice(1, 3)) assert.ok(!said.includes(line), 'an error quotes the key')
    return error
  }
  return assert.fail('the identity was accepted')
}

function file(name: string, content: string | Buffer): { path: string } {
  const path = join(base, name)
  writeFileSync(path, content)
  return { path }
}

test('an identity is its chain from the leaf up, its key and its names', () => {
  const identity = load({ certificate: { pem: leaf.pem + intermediate.pem } })
  assert.equal(identity.chain, leaf.pem + intermediate.pem)
  assert.ok(new X509Certificate(identity.chain).checkPrivateKey(createPrivateKey(identity.key)))
  assert.deepEqual([identity.names, identity.notes, identity.findings, identity.watch], [['backend.test'], [], [], []])
  assert.equal(identity.leaf.sha256, leaf.certificate.sha256)
  assert.deepEqual(load({ certificate: { pem: rsa.pem }, key: { pem: rsa.key } }).names, [
    'rsa.example',
    '*.rsa.example',
  ])
})

test('a wrong order is put right, unrelated and repeated certificates are left out, and both are said', () => {
  const identity = load({ certificate: { pem: root.pem + other.pem + intermediate.pem + leaf.pem + root.pem } })
  assert.equal(identity.chain, leaf.pem + intermediate.pem + root.pem)
  assert.deepEqual(
    identity.notes.map(({ code }) => code),
    ['duplicate', 'chain-order', 'extra-certificates'],
  )
  assert.match(identity.notes[2]?.message ?? '', /"CN=Other"/)
})

const keyForms: readonly [string, string | Buffer, string?][] = [
  ['SEC1', key.export({ type: 'sec1', format: 'pem' })],
  [
    'SEC1 behind its parameters',
    pem('EC PARAMETERS', Buffer.from('06082a8648ce3d030107', 'hex')) + key.export({ type: 'sec1', format: 'pem' }),
  ],
  ['PKCS#8 in DER', key.export({ type: 'pkcs8', format: 'der' })],
  ['SEC1 in DER', key.export({ type: 'sec1', format: 'der' })],
  ['encrypted PKCS#8', key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }), passphrase],
  [
    'encrypted PKCS#8 in DER',
    key.export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase }),
    passphrase,
  ],
  ['encrypted SEC1', key.export({ type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase }), passphrase],
  ['CRLF line ends', leaf.key.replaceAll('\n', '\r\n')],
  ['a passphrase that it does not need', leaf.key, passphrase],
]
for (const [name, bytes, secret] of keyForms) {
  test(`the key may be ${name}; it comes out as plain PKCS#8`, () => {
    const identity = load({ key: file('key', bytes), ...(secret === undefined ? {} : { passphrase: secret }) })
    assert.equal(identity.key, leaf.key)
  })
}

test('an RSA key in PKCS#1 DER is read as well', () => {
  const der = createPrivateKey(rsa.key).export({ type: 'pkcs1', format: 'der' })
  assert.equal(load({ certificate: { pem: rsa.pem }, key: file('rsa.der', der) }).leaf.sha256, rsa.certificate.sha256)
})

test('certificate and key may be one file, if it is named for both', () => {
  const combined = file('combined.pem', leaf.key + leaf.pem + intermediate.pem)
  assert.equal(load({ certificate: combined, key: combined }).chain, leaf.pem + intermediate.pem)
  assert.deepEqual(load({ certificate: combined, key: combined }).watch, [combined.path])
  assert.match(
    refused({ certificate: combined, key: file('k.pem', leaf.key) }).message,
    /a private key stands among the certificates/,
  )
})

const pfx = tlv(
  0x30,
  tlv(0x02, '\x03'),
  tlv(0x30, tlv(0x06, Buffer.from('2a864886f70d010701', 'hex')), tlv(0xa0, tlv(0x04, 'x'))),
)
const refusals: readonly { name: string; spec: () => Partial<IdentitySpec>; reason: RegExp }[] = [
  {
    name: 'the key of another certificate',
    spec: () => ({ key: { pem: other.key } }),
    reason: /belongs to none of the certificates: "CN=backend.test" \(ec\)/,
  },
  {
    name: 'a key of another kind',
    spec: () => ({ key: { pem: rsa.key } }),
    reason: /private key \(rsa\) belongs to none/,
  },
  { name: 'a missing key file', spec: () => ({ key: { path: join(base, 'none') } }), reason: /none does not exist/ },
  {
    name: 'a missing certificate file',
    spec: () => ({ certificate: { path: join(base, 'none') } }),
    reason: /none does not exist/,
  },
  { name: 'an empty key', spec: () => ({ key: { pem: '\n' } }), reason: /is empty/ },
  {
    name: 'a certificate in place of the key',
    spec: () => ({ key: { pem: leaf.pem } }),
    reason: /holds no private key/,
  },
  { name: 'two keys', spec: () => ({ key: { pem: leaf.key + other.key } }), reason: /holds 2 private keys/ },
  { name: 'a key cut short', spec: () => ({ key: { pem: leaf.key.slice(0, 100) } }), reason: /is damaged/ },
  {
    name: 'a key on one line',
    spec: () => ({ key: { pem: leaf.key.replaceAll('\n', ' ') } }),
    reason: /private key cannot be read/,
  },
  {
    name: 'a damaged key',
    spec: () => ({ key: { pem: pem('PRIVATE KEY', Buffer.from('junk')) } }),
    reason: /damaged or of an unknown kind/,
  },
  {
    name: 'an encrypted key without a passphrase',
    spec: () => ({ key: file('e', encrypted()) }),
    reason: /encrypted and no passphrase/,
  },
  {
    name: 'a wrong passphrase',
    spec: () => ({ key: file('e', encrypted()), passphrase: 'wrong' }),
    reason: /with the passphrase given/,
  },
  {
    name: 'PKCS#12 as certificate',
    spec: () => ({ certificate: file('a.pfx', pfx) }),
    reason: /PKCS#12 \(PFX\).*openssl pkcs12/,
  },
  { name: 'PKCS#12 as key', spec: () => ({ key: file('a.pfx', pfx) }), reason: /openssl pkcs12 .*-nocerts/ },
  { name: 'no certificate', spec: () => ({ certificate: { pem: '' } }), reason: /is empty/ },
  {
    name: 'a broken certificate',
    spec: () => ({ certificate: { pem: leaf.pem.slice(0, 100) } }),
    reason: /before its END line/,
  },
]
for (const { name, spec, reason } of refusals) {
  test(`an identity with ${name} is refused, and the key is not quoted`, () => {
    assert.match(refused(spec()).message, reason)
  })
}

const encrypted = (): string =>
  key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }).toString()

test('dates and purpose of the own certificate are looked at on loading', async () => {
  const old = await make('CN=old', {
    notBefore: daysFromNow(-9),
    notAfter: daysFromNow(-1),
    purposes: ['1.3.6.1.5.5.7.3.1'],
  })
  const own = { certificate: { pem: old.pem }, key: { pem: old.key } }
  assert.deepEqual(
    load(own).findings.map(({ code }) => code),
    ['expired'],
  )
  assert.deepEqual(
    load({ ...own, purpose: 'client' }).notes.map(({ code }) => code),
    ['wrong-purpose'],
  )
  assert.deepEqual(load({ ...own, purpose: 'server' }).notes, [])
  assert.deepEqual(load({ purpose: 'client' }).notes, [], 'without the extension any purpose will do')
})

test('live, CA certificates in a client identity anchor nothing', async () => {
  const client = await make('CN=client', { issuer: other })
  const identity = load({ certificate: { pem: client.pem + other.pem }, key: { pem: client.key } })
  assert.equal(identity.certificates.length, 2)
  const served = await make('CN=x', { issuer: other, dns: ['backend.test'] })
  await using backend = await openBackend([served])
  const spec = {
    name: 'corp',
    sources: [{ kind: 'inline', pem: root.pem }],
    intermediates: [],
    partialChain: false,
  } as const
  const trust = composeTrust([loadTrustStore(spec, {})])
  assert.equal(await dial(trust, backend.port, identity), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE')
})
