import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { writeLabFiles } from '../../src/lab/files.ts'
import { labConfig, labConfigFiles } from '../../src/lab/gateway-config.ts'
import { startLab } from '../../src/lab/lab.ts'

interface Config {
  readonly trustStores: Record<string, { sources: unknown[]; intermediates?: unknown[] }>
  readonly targets: Record<string, { tls: Record<string, unknown> }>
}

describe('what a gateway in front of the lab is given', () => {
  it('is a store of its own for a backend whose fault takes more than the root', async () => {
    await using lab = await startLab({ scenarios: ['ok', 'missing-root-rolled', 'stored-intermediate'] })
    const options = { port: 0, managementPort: null, trustFile: '/lab/ca.pem', logs: [] }
    const { trustStores, targets } = parse(labConfig(lab, options)) as Config
    assert.deepEqual(Object.keys(trustStores), ['lab', 'lab-missing-root-rolled', 'lab-stored-intermediate'])
    assert.deepEqual(trustStores['lab'], { sources: [{ file: '/lab/ca.pem' }] })
    assert.equal(trustStores['lab-missing-root-rolled']?.sources.length, 2)
    assert.equal(trustStores['lab-stored-intermediate']?.intermediates?.length, 1)
    assert.deepEqual(targets['ok']?.tls, { trust: ['lab'], serverName: 'ok.lab.test' })
    assert.deepEqual(targets['stored-intermediate']?.tls['trust'], ['lab-stored-intermediate'])
  })

  it('is the identity, the names and the versions that the scenario asks for', async () => {
    const scenarios = ['client-certificate-rejected', 'name-mismatch-address', 'protocol-version-tls13'] as const
    await using lab = await startLab({ scenarios })
    const options = { port: 0, managementPort: null, trustFile: '/lab/ca.pem', logs: [] }
    const { targets } = parse(labConfig(lab, options)) as Config
    assert.deepEqual(targets['client-certificate-rejected']?.tls['clientCertificate'], {
      certificate: '/lab/client-certificate-rejected-client.crt',
      key: '/lab/client-certificate-rejected-client.key',
    })
    assert.deepEqual(targets['name-mismatch-address']?.tls['subjectAltNames'], ['127.0.0.1'])
    assert.equal(targets['protocol-version-tls13']?.tls['maxVersion'], 'TLSv1.2')
    const files = labConfigFiles(lab)
    assert.deepEqual(Object.keys(files), [
      'client-certificate-rejected-client.crt',
      'client-certificate-rejected-client.key',
    ])
    const shown = new X509Certificate(files['client-certificate-rejected-client.crt'] ?? '')
    assert.equal(shown.issuer.split('\n').at(-1), 'CN=Elsewhere Root CA')
  })

  it('is in the files of `postern lab --out` too, keys for their owner only', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'postern-lab-files-'))
    try {
      await using lab = await startLab({
        scenarios: ['missing-root-rolled', 'stored-intermediate', 'client-certificate-expired'],
      })
      await writeLabFiles(directory, lab)
      const further = (await readdir(directory)).filter((name) => /^(?:missing|stored|client-)/.test(name)).sort()
      assert.deepEqual(further, [
        'client-certificate-expired-client.crt',
        'client-certificate-expired-client.key',
        'missing-root-rolled-anchors.crt',
        'stored-intermediate-intermediates.crt',
      ])
      assert.equal((await stat(join(directory, 'client-certificate-expired-client.key'))).mode & 0o777, 0o600)
      const anchors = await readFile(join(directory, 'missing-root-rolled-anchors.crt'), 'utf8')
      assert.match(new X509Certificate(anchors).subject, /Postern Lab Rolled Root CA/)
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
