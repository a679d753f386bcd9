import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { renewalRequest } from '../../src/pki/request.ts'
import { selfSignedDer } from '../../src/pki/self-signed.ts'
import { parseCertificate, toPem } from '../../src/x509/certificate.ts'
import { hasOpenssl } from './openssl.ts'

const kinds: readonly (readonly [title: string, ...make: readonly string[]])[] = [
  ['RSA', '-newkey', 'rsa:2048'],
  ['RSA-PSS', '-newkey', 'rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048'],
  ['ECDSA P-256', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  ['ECDSA P-521', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  ['ECDSA secp256k1', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
  ['Ed25519', '-newkey', 'ed25519'],
  ['Ed448', '-newkey', 'ed448'],
]

describe('a request for a new certificate', { skip: hasOpenssl ? false : 'skipped: no openssl' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-request-'))
  after(() => rmSync(folder, { recursive: true }))

  for (const [title, ...make] of kinds) {
    it(`is one that openssl verifies, with the same names: ${title}`, () => {
      const names = ['-subj', '/C=DE/O=Größe/CN=a.test', '-utf8', '-addext', 'subjectAltName=DNS:a.test,IP:::1']
      openssl(['req', '-x509', ...make, '-nodes', '-days', '30', ...names, '-keyout', 'key.pem', '-out', 'a.pem'])
      const der = new X509Certificate(readFileSync(join(folder, 'a.pem'))).raw
      const key = createPrivateKey(readFileSync(join(folder, 'key.pem')))
      writeFileSync(join(folder, 'a.csr'), renewalRequest(parseCertificate(der), key))
      const text = openssl(['req', '-in', 'a.csr', '-verify', '-noout', '-text', '-nameopt', 'utf8,sep_comma_plus'])
      assert.match(text, /C=DE,O=Größe,CN=a\.test/)
      assert.match(text, /DNS:a\.test, IP Address:0:0:0:0:0:0:0:1/)
      const damaged = renewalRequest(parseCertificate(der), generateKeyPairSync('ed25519').privateKey)
      writeFileSync(join(folder, 'b.csr'), damaged)
      assert.deepEqual([verifies('a.csr'), verifies('b.csr')], [true, false])
    })
  }

  it('has a sibling that signs itself, which openssl takes for a server', () => {
    const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const der = selfSignedDer({
      subject: { commonName: 'self.test', countryCode: 'DE' },
      names: ['self.test', '::1'],
      keys,
      notBefore: new Date(Date.now() - 1000),
      notAfter: new Date('2060-01-01T00:00:00Z'),
      digest: 'sha512',
    })
    writeFileSync(join(folder, 'self.pem'), toPem(der))
    const args = ['-x509_strict', '-purpose', 'sslserver', '-verify_hostname', 'self.test']
    assert.match(openssl(['verify', ...args, '-partial_chain', '-trusted', 'self.pem', 'self.pem']), /OK/)
    assert.deepEqual(parseCertificate(der).defects, [])
  })

  /** Its exit code tells nothing before OpenSSL 3.2. */
  function verifies(file: string): boolean {
    const { stderr } = spawnSync('openssl', ['req', '-in', file, '-verify', '-noout'], { cwd: folder })
    return stderr.includes('verify OK')
  }

  function openssl(args: readonly string[]): string {
    return execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  }
})
