import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { aliasBean, certBean } from '../../../src/admin/edge/certificate-bean.ts'
import { createLeaf, createRoot, createSelfSigned } from '../../../src/pki/make.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'

describe('a certificate as Edge shows it', () => {
  it('has the serial number with its sign octet', async () => {
    for (const [serialNumber, shown] of [
      ['009285f7e53bc53026', '00:92:85:f7:e5:3b:c5:30:26'],
      ['01', '01'],
      ['7f00', '7f:00'],
    ] as const) {
      const { certificate } = await createSelfSigned({ names: ['a.test'], serialNumber })
      assert.equal(infoOf(certificate)['serialNumber'], shown)
    }
  })

  it('has names of algorithms as Java has them', async () => {
    const rsa = await createRoot({ commonName: 'Root', key: 'rsa-2048' })
    for (const [key, hash, sigAlgName, publicKey] of [
      ['rsa-2048', 'SHA-256', 'SHA256withRSA', 'RSA Public Key, 2048 bits'],
      ['rsa-3072', 'SHA-512', 'SHA512withRSA', 'RSA Public Key, 3072 bits'],
      ['rsa-1024', 'SHA-1', 'SHA1withRSA', 'RSA Public Key, 1024 bits'],
      ['ec-p256', 'SHA-256', 'SHA256withECDSA', 'EC Public Key, 256 bits'],
      ['ec-p384', 'SHA-384', 'SHA384withECDSA', 'EC Public Key, 384 bits'],
      ['ed25519', undefined, 'Ed25519', 'Ed25519 Public Key, 256 bits'],
    ] as const) {
      const made = await createSelfSigned({ names: ['a.test'], key, ...(hash === undefined ? {} : { hash }) })
      const info = infoOf(made.certificate)
      assert.deepEqual([info['sigAlgName'], info['publicKey']], [sigAlgName, publicKey])
    }
    const leaf = await createLeaf(rsa, { names: ['a.test'] })
    assert.equal(infoOf(leaf.certificate)['sigAlgName'], 'SHA256withRSA')
  })

  it('is valid from the first to the last moment of its validity', async () => {
    const [notBefore, notAfter] = [new Date('2030-01-01T00:00:00Z'), new Date('2031-01-01T00:00:00Z')]
    const { certificate } = await createSelfSigned({ names: ['a.test'], notBefore, notAfter })
    const at = (time: number) => infoOf(certificate, time)['isValid']
    const times = [notBefore.getTime() - 1, notBefore.getTime(), notAfter.getTime(), notAfter.getTime() + 1]
    assert.deepEqual(times.map(at), ['No', 'Yes', 'Yes', 'No'])
  })

  it('has a key where the alias has one', async () => {
    const { certificate } = await createSelfSigned({ names: ['a.test'] })
    const chain = [parseCertificate(certificate)]
    assert.deepEqual(Object.keys(aliasBean('a', { certName: 'a-cert', keyName: 'a-key' }, chain, 0)), [
      'alias',
      'certsInfo',
      'keyName',
    ])
    assert.deepEqual(Object.keys(aliasBean('a', { certName: 'a-cert', keyName: null }, chain, 0)), [
      'alias',
      'certsInfo',
    ])
  })
})

function infoOf(der: Buffer, now = 0): Record<string, unknown> {
  const { certInfo } = certBean('c', [parseCertificate(der)], now)
  return (certInfo as Record<string, unknown>[])[0] ?? {}
}
