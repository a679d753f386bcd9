import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { it } from 'node:test'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { get } from './lab-gateway.ts'

for (const trusted of [true, false]) {
  it(`a ${trusted ? 'trusted' : 'refused'} certificate is logged with thumbprint, subject, CRL and AIA URLs`, async () => {
    const root = await createRoot({ commonName: 'Right Root' })
    const other = await createRoot({ commonName: 'Wrong Root' })
    const leaf = await createLeaf(trusted ? root : other, {
      names: ['127.0.0.1'],
      organization: 'Contoso, Ltd.',
      commonName: 'backend',
      crlUrl: 'http://pki.example.test/issuing.crl',
      issuerUrl: 'http://pki.example.test/issuing.cer',
    })
    await using backend = await startTlsBackend({ identity: leaf })
    await using gateway = await startTestGateway(
      {
        trustStores: { corp: { sources: [{ file: './root.pem' }] } },
        targets: { backend: { url: backend.url, tls: { trust: ['corp'] } } },
        proxies: { backend: { basePath: '/', target: 'backend', faults: 'apim' } },
        logs: ['apim-text', 'apim-json'].map((format) => ({ format, file: `${format}.log` })),
      },
      { files: { 'root.pem': root.certificatePem } },
    )
    const answer = await get(gateway.gateway.ports['http'] ?? 0, '/')
    assert.equal(answer.status, trusted ? 200 : 500)
    const id = answer.headers['x-request-id']
    const thumbprint = new X509Certificate(leaf.certificate).fingerprint.replaceAll(':', '')
    const message = `thumbprint: ${thumbprint}, subjectName: CN=backend, O="Contoso, Ltd." (CRL URLs: http://pki.example.test/issuing.crl; AIA URLs: http://pki.example.test/issuing.cer)`
    const isEvent = (line: string): boolean => line.includes('CertificateInfoVerificationScheduled')
    const [text = ''] = (await gateway.logLines('apim-text.log', isEvent)).filter(isEvent)
    assert.ok(text.includes(`, message: ${message}, `), text)
    assert.ok(text.includes(`, correlationId: ${id}, target: backend`), text)
    const [json = '{}'] = (await gateway.logLines('apim-json.log', isEvent)).filter(isEvent)
    const event = JSON.parse(json) as Record<string, unknown>
    assert.deepEqual([event['message'], event['correlationId']], [message, id])
  })
}
