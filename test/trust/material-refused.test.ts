import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { after, describe, it } from 'node:test'
import { codeOf } from '../../src/core/errors.ts'
import { writeZip } from '../../src/core/zip.ts'
import { type MaterialOptions, readMaterial, refuseExpired } from '../../src/trust/material.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { hasOpenssl } from '../pki/openssl.ts'
import { expired, fixture, issuing, leaf, stranger, workshop } from './material-support.ts'

interface Refusal {
  readonly title: string
  readonly bytes: Uint8Array | string
  readonly options?: Partial<MaterialOptions>
  readonly code: string
  readonly says: RegExp
}

const certificate = leaf.certificatePem
const key = Buffer.from(leaf.keyPem)
const half = (text: string): string => text.slice(0, text.length / 2)
const jar = (files: Readonly<Record<string, string>>) =>
  writeZip(Object.entries(files).map(([name, content]) => [name, Buffer.from(content)] as const))
const password = 'changeit'
const pkcs12 = { formats: ['pkcs12'] } as const

const refusals: readonly Refusal[] = [
  { title: 'nothing', bytes: '', code: 'material-empty', says: /^f: is empty$/ },
  { title: 'white space', bytes: ' \r\n\t', code: 'material-unknown', says: /only white space/ },
  { title: 'a private key for a certificate', bytes: leaf.keyPem, code: 'material-key-as-certificate', says: /line 1/ },
  {
    title: 'a private key in DER for a certificate',
    bytes: leaf.keys.privateKey.export({ type: 'pkcs8', format: 'der' }),
    code: 'material-key-as-certificate',
    says: /give it as the key/,
  },
  {
    title: 'a private key behind the certificate',
    bytes: certificate + leaf.keyPem,
    code: 'material-key-as-certificate',
    says: /only certificates may be/,
  },
  {
    title: 'a certificate for a key',
    bytes: certificate,
    options: { key: Buffer.from(certificate) },
    code: 'material-certificate-as-key',
    says: /key file holds a certificate/,
  },
  {
    title: 'a certificate in DER for a key',
    bytes: certificate,
    options: { key: leaf.certificate },
    code: 'material-certificate-as-key',
    says: /key file holds a certificate/,
  },
  {
    title: 'the key of another certificate',
    bytes: certificate,
    options: { key: Buffer.from(stranger.keyPem) },
    code: 'material-key-mismatch',
    says: /\(ec\) belongs to none of the certificates: "CN=leaf\.test" \(rsa\)/,
  },
  {
    title: 'a key file with two keys',
    bytes: certificate,
    options: { key: Buffer.from(leaf.keyPem + stranger.keyPem) },
    code: 'material-several-keys',
    says: /2 private keys/,
  },
  {
    title: 'a key file without a key',
    bytes: certificate,
    options: { key: Buffer.from('hello') },
    code: 'material-no-key',
    says: /no private key/,
  },
  {
    title: 'an empty key file',
    bytes: certificate,
    options: { key: Buffer.alloc(0) },
    code: 'material-empty',
    says: /key/,
  },
  {
    title: 'a key that is cut off',
    bytes: certificate,
    options: { key: Buffer.from(half(leaf.keyPem)) },
    code: 'material-truncated',
    says: /key is cut off/,
  },
  {
    title: 'a key that is damaged',
    bytes: certificate,
    options: { key: Buffer.from(leaf.keyPem.replace(/\n.{8}/, '\nAAAAAAAA')) },
    code: 'material-key-malformed',
    says: /damaged/,
  },
  { title: 'PEM that is cut off', bytes: half(certificate), code: 'material-truncated', says: /before its END line/ },
  {
    title: 'PEM with a broken character',
    bytes: certificate.replace(/\n.{8}/, '\n!!!!!!!!'),
    code: 'material-malformed',
    says: /not base64/,
  },
  {
    title: 'DER that is cut off',
    bytes: leaf.certificate.subarray(0, 300),
    code: 'material-truncated',
    says: /announced/,
  },
  {
    title: 'DER with bytes behind it',
    bytes: Buffer.concat([leaf.certificate, leaf.certificate]),
    code: 'material-malformed',
    says: /bytes follow/,
  },
  {
    title: 'random bytes',
    bytes: Buffer.concat([Buffer.from([0x81]), randomBytes(2000)]),
    code: 'material-unknown',
    says: /neither PEM nor DER/,
  },
  {
    title: 'an HTML page',
    bytes: '<!DOCTYPE html>\n<html><body>404 Not Found</body></html>',
    code: 'material-html',
    says: /HTML page/,
  },
  {
    title: 'an HTML page for PKCS#12',
    bytes: '<html>',
    options: pkcs12,
    code: 'material-html',
    says: /HTML page/,
  },
  { title: 'text for PKCS#12', bytes: 'hello', options: pkcs12, code: 'material-unknown', says: /is not PKCS#12/ },
  { title: 'PEM for PKCS#12', bytes: certificate, options: pkcs12, code: 'material-format', says: /is PEM; PKCS#12/ },
  { title: 'nothing for PKCS#12', bytes: '', options: pkcs12, code: 'material-empty', says: /is empty/ },
  {
    title: 'PKCS#12 for PEM',
    bytes: fixture('openssl-legacy.p12'),
    options: { formats: ['pem', 'der', 'pkcs7'] },
    code: 'material-format',
    says: /is PKCS#12 \(PFX\); PEM is expected here/,
  },
  {
    title: 'PKCS#12 without its password',
    bytes: fixture('openssl-legacy.p12'),
    code: 'material-password-missing',
    says: /wants a password/,
  },
  {
    title: 'PKCS#12 with a wrong password',
    bytes: fixture('openssl-legacy.p12'),
    options: { password: 'sesame' },
    code: 'material-password-wrong',
    says: /does not open it/,
  },
  {
    title: 'PKCS#12 that is cut off',
    bytes: fixture('openssl-legacy.p12').subarray(0, 1000),
    options: { password },
    code: 'material-truncated',
    says: /PKCS#12 is cut off/,
  },
  {
    title: 'PKCS#12 without a certificate',
    bytes: fixture('secret-java.p12'),
    options: { password },
    code: 'material-no-certificate',
    says: /no certificate, only a secret/,
  },
  {
    title: 'a Java key store with a wrong password',
    bytes: fixture('trust.jks'),
    options: { password: 'sesame' },
    code: 'material-password-wrong',
    says: /or the file was altered/,
  },
  {
    title: 'a Java key store with a key and no password',
    bytes: fixture('key.jks'),
    code: 'material-password-missing',
    says: /wants a password/,
  },
  {
    title: 'a Java key store that is cut off',
    bytes: fixture('trust.jks').subarray(0, 600),
    options: { password },
    code: 'material-truncated',
    says: /Java key store is cut off/,
  },
  {
    title: 'a Java key store with a secret key',
    bytes: secretKeyStore(),
    code: 'material-secret-key',
    says: /secret key \("s"\)/,
  },
  {
    title: 'a Java key store with a certificate cut off',
    bytes: fixture('trust.jks').fill(0, 100, 110),
    code: 'material-malformed',
    says: /alias "leaf"|alias "fixture root"/,
  },
  {
    title: 'JCEKS',
    bytes: fixture('key.jceks'),
    options: { password },
    code: 'material-jceks',
    says: /JCEKS.*keytool -importkeystore/,
  },
  { title: 'a zip that is none', bytes: 'PK\x03\x04 and so on', code: 'zip-malformed', says: /^f: .*not a zip/ },
  { title: 'a jar without a descriptor', bytes: await jar({ a: 'b' }), code: 'material-jar', says: /has no META-INF/ },
  {
    title: 'a jar whose descriptor names nothing',
    bytes: await jar({ 'META-INF/descriptor.properties': 'keyFile=a', a: leaf.keyPem }),
    code: 'material-jar',
    says: /has no certFile/,
  },
  {
    title: 'a jar whose descriptor names what is not there',
    bytes: await jar({ 'META-INF/descriptor.properties': 'certFile=../../etc/passwd' }),
    code: 'material-jar',
    says: /"\.\.\/\.\.\/etc\/passwd", which the jar does not have/,
  },
  {
    title: 'a jar with the key of another',
    bytes: await jar({ 'META-INF/descriptor.properties': 'certFile=c\nkeyFile=k', c: certificate, k: stranger.keyPem }),
    code: 'material-key-mismatch',
    says: /belongs to none/,
  },
  {
    title: 'a jar that is a bomb',
    bytes: await jar({ 'META-INF/descriptor.properties': 'certFile=c', c: 'A'.repeat(260 * 1024) }),
    code: 'zip-too-large',
    says: /^f: "c"/,
  },
  {
    title: 'a public key',
    bytes: leaf.keys.publicKey.export({ type: 'spki', format: 'pem' }),
    code: 'material-public-key',
    says: /PUBLIC KEY/,
  },
]

describe('material is refused whole, with a name and a reason', () => {
  for (const { title, bytes, options, code, says } of refusals) {
    it(title, async () => assertRefused(bytes, options, code, says))
  }

  it('a certificate that has expired, and one among others', () => {
    const now = Date.now()
    const [bad, good] = [parseCertificate(expired.certificate), parseCertificate(leaf.certificate)]
    assert.throws(() => refuseExpired([good, bad], now, 'f'), {
      code: 'material-expired',
      message: 'f: the certificate "CN=expired.test" expired on 2021-01-01T00:00:00.000Z',
    })
    refuseExpired([good], now, 'f')
    refuseExpired([bad], bad.notAfter, 'f')
  })
})

describe('material by openssl is refused', { skip: hasOpenssl ? false : 'skipped: no openssl' }, () => {
  const shop = workshop()
  after(() => shop[Symbol.dispose]())
  writeFileSync(shop.file('leaf.pem'), certificate)
  writeFileSync(shop.file('leaf.key'), key, { mode: 0o600 })
  writeFileSync(shop.file('stranger.pem'), stranger.certificatePem)
  writeFileSync(shop.file('issuing.pem'), issuing.certificatePem)
  writeFileSync(shop.file('issuing.key'), issuing.keyPem, { mode: 0o600 })

  it('a certificate request', async () => {
    for (const form of ['PEM', 'DER']) {
      const args = ['req', '-new', '-key', 'leaf.key', '-subj', '/CN=x', '-outform', form, '-out', 'r']
      await assertRefused(shop.run('openssl', args, 'r'), {}, 'material-request', /request/i)
    }
  })

  it('a revocation list', async () => {
    writeFileSync(shop.file('index'), '')
    writeFileSync(
      shop.file('ca.cnf'),
      '[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_md=sha256\ndefault_crl_days=9\n',
    )
    const signer = ['-cert', 'issuing.pem', '-keyfile', 'issuing.key']
    shop.run('openssl', ['ca', '-config', 'ca.cnf', '-gencrl', ...signer, '-out', 'crl.pem'], 'crl.pem')
    for (const form of ['PEM', 'DER']) {
      const list = shop.run('openssl', ['crl', '-in', 'crl.pem', '-outform', form, '-out', 'crl'], 'crl')
      await assertRefused(list, {}, 'material-crl', /CRL|revocation list/)
    }
  })

  it('PKCS#12 with a key and no certificate', async () => {
    const made = ['pkcs12', '-export', '-inkey', 'leaf.key', '-passout', 'pass:opensesame', '-out', 'a.p12']
    const alone = shop.run('openssl', [...made, '-nocerts'], 'a.p12')
    await assertRefused(alone, { password: 'opensesame' }, 'material-no-certificate', /private key and no certificate/)
  })

  it('PKCS#7 that is cut off', async () => {
    const args = ['crl2pkcs7', '-nocrl', '-certfile', 'leaf.pem', '-outform', 'DER', '-out', 'a.p7b']
    const bytes = shop.run('openssl', args, 'a.p7b')
    await assertRefused(bytes.subarray(0, 200), {}, 'material-truncated', /announced/)
  })
})

describe('any change of a store', () => {
  for (const file of ['openssl-legacy.p12', 'trust-java.p12', 'key.jks', 'trust.jks']) {
    it(`is refused by name, or does no harm: ${file}`, async () => {
      const whole = fixture(file)
      for (let at = 0; at < whole.length; at += 1 + (at >> 4)) {
        for (const value of [0, 0x80, 0xff]) {
          const bytes = Buffer.from(whole)
          bytes[at] = value
          await harmless(bytes)
          if (value === 0) await harmless(whole.subarray(0, at))
        }
      }
    })
  }
})

async function harmless(bytes: Uint8Array): Promise<void> {
  try {
    await readMaterial(bytes, { label: 'f', password, keyAmongCertificates: true })
  } catch (error) {
    assert.match(codeOf(error), /^(?:material|zip)-/, inspect(error))
  }
}

async function assertRefused(
  bytes: Uint8Array | string,
  options: Partial<MaterialOptions> = {},
  code: string,
  says: RegExp,
): Promise<void> {
  const input = Buffer.from(bytes as string)
  await assert.rejects(readMaterial(input, { label: 'f', ...options }), (error: unknown) => {
    assert.equal(codeOf(error), code, inspect(error))
    assert.match((error as Error).message, says)
    assertSilent(error, options.password)
    return true
  })
}

/** No byte of a key and no password is in what may reach a log (I7). */
function assertSilent(error: unknown, secret: string | undefined): void {
  const shown = inspect(error, { depth: 9 })
  for (const pem of [leaf.keyPem, stranger.keyPem]) {
    for (const line of pem.split('\n').slice(1, -2)) assert.ok(!shown.includes(line.slice(0, 20)))
  }
  if (secret !== undefined) assert.ok(!shown.includes(secret))
}

function secretKeyStore(): Buffer {
  const number = (value: number): Buffer => Buffer.from([0, 0, 0, value])
  const entry = Buffer.concat([number(3), Buffer.from([0, 1, 0x73]), Buffer.alloc(8), Buffer.from('sealed')])
  return Buffer.concat([Buffer.from('feedfeed', 'hex'), number(2), number(1), entry, Buffer.alloc(20)])
}
