import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { writeZip } from '../../src/core/zip.ts'
import { commonNameOf } from '../../src/x509/name.ts'
import { type Material, readMaterial } from '../../src/trust/material.ts'
import { pemOf } from '../../src/pki/make.ts'
import { hasOpenssl } from '../pki/openssl.ts'
import { hasKeytool, issuing, leaf, root, stranger, workshop } from './material-support.ts'

const chainPem = pemOf(leaf.certificate, issuing.certificate, root.certificate)
const namesOf = ({ certificates }: Pick<Material, 'certificates'>) =>
  certificates.map(({ subject }) => commonNameOf(subject))
const chain = ['leaf.test', 'Issuing CA', 'Root']

/** What every identity must be: the key signs for the first certificate. */
function assertPair({ key, certificates }: Material): void {
  assert.ok(key !== null)
  assert.match(key, /^-----BEGIN PRIVATE KEY-----/)
  assert.ok(new X509Certificate(certificates[0]?.pem ?? '').checkPrivateKey(createPrivateKey(key)))
}

describe('certificates and their key', () => {
  it('are read from PEM, in the order given where there is no key', async () => {
    const material = await readMaterial(Buffer.from(pemOf(root.certificate, leaf.certificate)), { label: 'a.pem' })
    assert.deepEqual(namesOf(material), ['Root', 'leaf.test'])
    assert.deepEqual([material.format, material.key, material.notes], ['pem', null, []])
  })

  it('are put in order where there is one, and say so', async () => {
    const pem = pemOf(root.certificate, stranger.certificate, leaf.certificate, issuing.certificate)
    const material = await readMaterial(Buffer.from(pem), { label: 'a.pem', key: Buffer.from(leaf.keyPem) })
    assert.deepEqual(namesOf(material), chain)
    assert.deepEqual(material.notes, [
      'the order of the certificates was put right: "CN=leaf.test", "CN=Issuing CA", "CN=Root"',
      'left out, not of the chain of the leaf: "CN=stranger.test"',
    ])
    assertPair(material)
  })

  it('are read from DER, with a key in DER', async () => {
    const key = leaf.keys.privateKey.export({ type: 'pkcs1', format: 'der' })
    const material = await readMaterial(leaf.certificate, { label: 'a.cer', key })
    assert.deepEqual([material.format, namesOf(material)], ['der', ['leaf.test']])
    assertPair(material)
  })

  it('are read from one text only where that is asked for', async () => {
    const both = Buffer.from(leaf.keyPem + chainPem)
    assertPair(await readMaterial(both, { label: 'both.pem', keyAmongCertificates: true }))
    await assert.rejects(readMaterial(both, { label: 'both.pem' }), { code: 'material-key-as-certificate' })
  })

  it('may repeat a certificate, which is noted', async () => {
    const material = await readMaterial(Buffer.from(pemOf(root.certificate, root.certificate)), { label: 'a.pem' })
    assert.deepEqual([namesOf(material), material.notes], [['Root'], ['certificate 2 repeats an earlier one']])
  })

  it('are read from a jar', async () => {
    const jar = await writeZip([
      ['META-INF/descriptor.properties', Buffer.from('# of the tool\ncertFile=certs/my.pem\r\nkeyFile = my.key\n')],
      ['certs/my.pem', Buffer.from(chainPem)],
      ['my.key', Buffer.from(leaf.keyPem)],
    ])
    const material = await readMaterial(jar, { label: 'a.jar', formats: ['keycertjar'] })
    assert.deepEqual([material.format, namesOf(material)], ['keycertjar', chain])
    assertPair(material)
  })
})

const kinds: readonly { readonly title: string; readonly make: readonly string[] }[] = [
  { title: 'RSA', make: ['-newkey', 'rsa:2048'] },
  { title: 'ECDSA P-256', make: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] },
  { title: 'ECDSA P-384', make: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'] },
  { title: 'ECDSA secp256k1', make: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'] },
  { title: 'Ed25519', make: ['-newkey', 'ed25519'] },
  { title: 'RSA-PSS', make: ['-newkey', 'rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048'] },
]

describe('what openssl writes', { skip: hasOpenssl ? false : 'skipped: no openssl' }, () => {
  const shop = workshop()
  after(() => shop[Symbol.dispose]())
  writeFileSync(shop.file('chain.pem'), pemOf(issuing.certificate, root.certificate))
  writeFileSync(shop.file('leaf.pem'), leaf.certificatePem)
  writeFileSync(shop.file('leaf.key'), leaf.keyPem, { mode: 0o600 })

  for (const { title, make } of kinds) {
    it(`is read: ${title}, whose key fits`, async () => {
      const args = ['req', '-x509', ...make, '-nodes', '-days', '30', '-subj', '/CN=made', '-keyout', 'made.key']
      const certificate = shop.run('openssl', [...args, '-out', 'made.pem'], 'made.pem')
      const key = shop.run('openssl', ['pkey', '-in', 'made.key', '-out', 'again.key'], 'made.key')
      assertPair(await readMaterial(certificate, { label: 'made.pem', key }))
      await assert.rejects(readMaterial(certificate, { label: 'made.pem', key: Buffer.from(stranger.keyPem) }), {
        code: 'material-key-mismatch',
      })
    })
  }

  const sealings: readonly { readonly title: string; readonly args: readonly string[] }[] = [
    { title: 'PKCS#8, AES-256', args: ['pkcs8', '-topk8', '-v2', 'aes-256-cbc'] },
    {
      title: 'PKCS#8, AES-128 and SHA-512',
      args: ['pkcs8', '-topk8', '-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA512'],
    },
    { title: 'PKCS#8, triple DES and SHA-1', args: ['pkcs8', '-topk8', '-v2', 'des3', '-v2prf', 'hmacWithSHA1'] },
    { title: 'PKCS#8, scrypt', args: ['pkcs8', '-topk8', '-scrypt'] },
    { title: 'PKCS#8, PBE-SHA1-3DES', args: ['pkcs8', '-topk8', '-v1', 'PBE-SHA1-3DES'] },
    { title: 'PKCS#8, PBE-SHA1-2DES', args: ['pkcs8', '-topk8', '-v1', 'PBE-SHA1-2DES'] },
    { title: 'PKCS#8, DER', args: ['pkcs8', '-topk8', '-v2', 'aes-256-cbc', '-outform', 'DER'] },
    { title: 'traditional', args: ['rsa', '-aes256', '-traditional'] },
  ]
  for (const { title, args } of sealings) {
    it(`is opened with the password and no other: ${title}`, async () => {
      const out = [...args, '-in', 'leaf.key', '-passout', 'pass:pässword', '-out', 'sealed.key']
      const key = shop.run('openssl', out, 'sealed.key')
      const options = { label: 'a', key }
      assertPair(await readMaterial(Buffer.from(chainPem), { ...options, password: 'pässword' }))
      await assert.rejects(readMaterial(Buffer.from(chainPem), { ...options, password: 'wrong' }), {
        code: 'material-password-wrong',
      })
      await assert.rejects(readMaterial(Buffer.from(chainPem), options), { code: 'material-password-missing' })
    })
  }

  it('is read as PKCS#7, binary and PEM', async () => {
    const make = ['crl2pkcs7', '-nocrl', '-certfile', 'chain.pem', '-out', 'chain.p7b']
    for (const [args, format] of [
      [make, 'pem'],
      [[...make, '-outform', 'DER'], 'pkcs7'],
    ] as const) {
      const material = await readMaterial(shop.run('openssl', args, 'chain.p7b'), { label: 'chain.p7b' })
      assert.deepEqual([material.format, namesOf(material)], [format, ['Issuing CA', 'Root']])
    }
  })

  const exports: readonly { readonly title: string; readonly args: readonly string[] }[] = [
    { title: 'as OpenSSL 3 writes it', args: [] },
    { title: 'as OpenSSL 1 wrote it: RC2-40 and triple DES', args: ['-legacy'] },
    {
      title: 'RC2-128 and a SHA-384 MAC',
      args: ['-legacy', '-certpbe', 'PBE-SHA1-RC2-128', '-keypbe', 'PBE-SHA1-RC2-128', '-macalg', 'sha384'],
    },
    {
      title: 'two-key triple DES',
      args: ['-legacy', '-certpbe', 'PBE-SHA1-2DES', '-keypbe', 'PBE-SHA1-2DES', '-macalg', 'sha512'],
    },
    { title: 'AES-192', args: ['-certpbe', 'AES-192-CBC', '-keypbe', 'AES-128-CBC', '-macalg', 'sha224'] },
    { title: 'nothing encrypted', args: ['-certpbe', 'NONE', '-keypbe', 'NONE'] },
    { title: 'no MAC', args: ['-nomac'] },
    { title: 'many rounds', args: ['-iter', '300000'] },
  ]
  for (const { title, args } of exports) {
    for (const password of ['pässword', '']) {
      it(`is read as PKCS#12, ${title}, ${password === '' ? 'without' : 'with'} a password`, async () => {
        const make = [
          'pkcs12',
          '-export',
          '-inkey',
          'leaf.key',
          '-in',
          'leaf.pem',
          '-certfile',
          'chain.pem',
          '-name',
          'Größe',
        ]
        const pass = ['-passout', `pass:${password}`, '-out', 'store.p12']
        const bytes = shop.run('openssl', [...make, ...args, ...pass], 'store.p12')
        const material = await readMaterial(bytes, { label: 'store.p12', password })
        assert.deepEqual([material.format, namesOf(material)], ['pkcs12', chain])
        assert.deepEqual(
          material.entries.map(({ alias }) => alias),
          ['Größe'],
        )
        assertPair(material)
        if (title === 'nothing encrypted') return
        await assert.rejects(readMaterial(bytes, { label: 'store.p12', password: 'wrong' }), {
          code: 'material-password-wrong',
        })
      })
    }
  }

  it('is read as PKCS#12 of certificates only', async () => {
    const args = ['pkcs12', '-export', '-nokeys', '-in', 'chain.pem', '-passout', 'pass:x', '-out', 'ca.p12']
    const material = await readMaterial(shop.run('openssl', args, 'ca.p12'), { label: 'ca.p12', password: 'x' })
    assert.deepEqual([namesOf(material), material.key], [['Issuing CA', 'Root'], null])
  })
})

describe('what keytool writes', { skip: hasKeytool ? false : 'skipped: no keytool' }, () => {
  const shop = workshop()
  after(() => shop[Symbol.dispose]())
  const store = (type: string) => ['-storetype', type, '-keystore', `made.${type}`, '-storepass', 'changeit']

  for (const type of ['JKS', 'PKCS12']) {
    it(`is read: a ${type} key store and its key`, async () => {
      const dname = ['-dname', 'CN=made, O=Acme', '-keyalg', 'RSA', '-keysize', '2048', '-alias', 'Mine']
      const bytes = shop.run('keytool', ['-genkeypair', ...dname, ...store(type)], `made.${type}`)
      const material = await readMaterial(bytes, { label: 'made', password: 'changeit' })
      assert.deepEqual([material.format, namesOf(material)], [type.toLowerCase(), ['made']])
      assert.equal(material.entries[0]?.alias, 'mine')
      assertPair(material)
      await assert.rejects(readMaterial(bytes, { label: 'made', password: 'x' }), { code: 'material-password-wrong' })
      await assert.rejects(readMaterial(bytes, { label: 'made' }), { code: 'material-password-missing' })
    })
  }

  it('is not opened where the key has another password than its JKS store', async () => {
    const dname = [
      '-dname',
      'CN=made',
      '-keyalg',
      'EC',
      '-groupname',
      'secp256r1',
      '-alias',
      'a',
      '-keypass',
      'another',
    ]
    const bytes = shop.run('keytool', ['-genkeypair', ...dname, ...store('JKS').with(3, 'two')], 'two')
    await assert.rejects(readMaterial(bytes, { label: 'two', password: 'changeit' }), {
      code: 'material-password-wrong',
      message: /another password than the store/,
    })
  })
})
