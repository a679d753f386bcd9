import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { certificateFacts } from '../../src/admin/monitoring/certificate-facts.ts'
import type { NativeGateway } from '../../src/admin/gateway-view.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { idleNative } from './support.ts'

test('leaves, anchors and our own certificates are told once, each with whose it is', async () => {
  const notAfter = new Date('2027-03-01T00:00:00Z')
  const root = await createRoot({ commonName: 'Partner Root', notAfter })
  const client = await createLeaf(root, { names: ['gateway.example.com'], notAfter: new Date('2026-12-01T00:00:00Z') })
  const tls = { anchors: [root.certificatePem], clientCertificate: { chain: client.chainPem } }
  const server = (name: string) => ({ name, tls })
  const stored = { trustStore: { written: 'ref://p', store: 'acme/test/partners' } }
  const origin = {
    organization: 'acme',
    environment: 'test',
    servers: new Map([
      ['a', stored],
      ['b', stored],
    ]),
  }
  const gateway = {
    plan: {
      ...idleNative.plan,
      targets: [
        { name: 'orders', servers: [server('a'), server('b')] },
        { name: 'of-file', servers: [{ name: 'c', tls: { ...tls, clientCertificate: null } }] },
        { name: 'system', servers: [{ name: 'd', tls: { ...tls, clientCertificate: null } }] },
        { name: 'plain', servers: [{ name: 'e', tls: null }] },
      ],
    },
    resolved: {
      ...idleNative.resolved,
      config: { targets: { 'of-file': { tls: { trust: ['roots'] } }, system: { tls: {} } } },
      origins: new Map([['orders', origin]]),
    },
    inventory: () => ({
      at: '',
      servers: [
        {
          target: 'orders',
          server: 'a',
          chains: [
            {
              leaf: { subject: 'CN=backend' },
              leafEnds: '2026-10-01T00:00:00.000Z',
              anchor: { sha256: new X509Certificate(root.certificatePem).fingerprint256.replaceAll(':', '') },
            },
          ],
        },
        { target: 'orders', server: 'b', chains: [] },
      ],
    }),
  } as unknown as NativeGateway
  const facts = certificateFacts(gateway)
  assert.deepEqual(
    facts().map(({ kind, organization, target, store, subject, notAfter: ends, isInUse }) => {
      return [kind, organization, target, store, subject, new Date(ends).toISOString().slice(0, 10), isInUse]
    }),
    [
      ['leaf', 'acme', 'orders', null, 'CN=backend', '2026-10-01', true],
      ['anchor', 'acme', null, 'acme/test/partners', 'CN=Partner Root', '2027-03-01', true],
      ['client', 'acme', 'orders', null, 'CN=gateway.example.com', '2026-12-01', true],
      ['anchor', 'default', null, 'roots', 'CN=Partner Root', '2027-03-01', false],
    ],
  )
  assert.ok(facts().every((fact) => !JSON.stringify(fact).includes('PRIVATE')))
})
