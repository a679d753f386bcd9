import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { revocationList, type RevocationListOptions } from '../../src/lab/revocation-list.ts'
import { createIntermediate, createLeaf, createRoot, type Identity } from '../../src/pki/make.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { startTlsBackend, type TlsBackend } from '../support/tls-backend.ts'
import { get } from './lab-gateway.ts'

const root = await createRoot({ commonName: 'Corp Root' })
const issuing = await createIntermediate(root, { commonName: 'Corp Issuing' })
const leaf = await createLeaf(issuing, { names: ['billing.test'] })

const listOf = (issuer: Identity, change: Partial<RevocationListOptions> = {}): string =>
  revocationList(issuer, { now: new Date(), ...change })
const files = { 'root.pem': root.certificatePem, 'root.crl': listOf(root), 'issuing.crl': listOf(issuing) }

function startGateway(backend: TlsBackend, further: object = {}, more: Record<string, string> = {}) {
  return startTestGateway(
    {
      trustStores: { corp: { sources: [{ file: './root.pem' }] } },
      crlStores: { corp: { sources: [{ file: './root.crl' }, { file: './issuing.crl' }] } },
      targets: {
        billing: {
          url: backend.url,
          tls: { trust: ['corp'], serverName: 'billing.test', revocation: 'crl', crls: ['corp'], ...further },
        },
      },
      drain: { timeout: '200ms' },
      proxies: { billing: { basePath: '/', target: 'billing' } },
    },
    { files: { ...files, ...more }, workers: 2 },
  )
}

async function replace({ directory }: TestGateway, file: string, text: string): Promise<void> {
  await writeFile(join(directory, `${file}.next`), text)
  await rename(join(directory, `${file}.next`), join(directory, file))
}

async function outcome({ gateway }: TestGateway): Promise<string> {
  const { status, body } = await get(gateway.ports['http'] ?? 0, '/')
  return status === 200 ? 'ok' : (JSON.parse(body) as { code: string }).code
}

/** Asks until the answer is another one; every answer until then is `before`. */
async function outcomeAfter(gateway: TestGateway, before: string): Promise<string> {
  for (let turn = 0; turn < 200; turn++) {
    const now = await outcome(gateway)
    if (now !== before) return now
    await sleep(20)
  }
  return before
}

describe('revocation lists of a gateway with traffic', () => {
  it('a certificate that is put on a list is refused as soon as the file has changed, on pooled connections too', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    await using gateway = await startGateway(backend)
    for (let turn = 0; turn < 8; turn++) assert.equal(await outcome(gateway), 'ok')
    const pooled = backend.connections
    assert.ok(pooled <= 2, `${pooled} connections for 8 requests of 2 workers`)
    await replace(gateway, 'issuing.crl', listOf(issuing, { revoked: [leaf.certificate] }))
    assert.equal(await outcomeAfter(gateway, 'ok'), 'revoked')
    const seen = backend.seen.length
    for (let turn = 0; turn < 8; turn++) assert.equal(await outcome(gateway), 'revoked')
    // I1, I2: nothing went over a connection of the old lists, nor over one that was refused.
    assert.equal(backend.seen.length, seen)
    const [line] = await gateway.logLines('postern.log', (text) => text.includes('"revoked"'))
    assert.ok(line !== undefined)
    const told = JSON.stringify(await gateway.logLines('postern.log', (text) => text.includes('was revoked by')))
    assert.match(told, /was revoked by \\{2,}"Corp Issuing/)
    // Back again: what was refused is no memory of the gateway.
    await replace(gateway, 'issuing.crl', listOf(issuing, { number: 2 }))
    assert.equal(await outcomeAfter(gateway, 'revoked'), 'ok')
  })

  it('a list that ends takes its connections with it, and the next request is refused', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    const ends = 2.2 / 3600
    await using gateway = await startGateway(backend, {}, { 'issuing.crl': listOf(issuing, { until: ends }) })
    assert.equal(await outcome(gateway), 'ok')
    const before = backend.seen.length
    assert.equal(await outcomeAfter(gateway, 'ok'), 'revocation-unknown')
    assert.ok(backend.seen.length > before)
    for (let wait = 0; backend.open > 0 && wait < 100; wait++) await sleep(20)
    assert.equal(backend.open, 0)
    const lines = await gateway.logLines('postern.log', (text) => text.includes('"stale"'))
    assert.ok(lines.some((text) => text.includes('Corp Issuing') && text.includes('"party":"gateway"')))
  })

  it('a file that is no list any more changes nothing, and the report names it', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    await using gateway = await startGateway(backend)
    assert.equal(await outcome(gateway), 'ok')
    await replace(gateway, 'issuing.crl', '-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n')
    await gateway.gateway.reload()
    assert.equal(await outcome(gateway), 'ok')
    assert.match(JSON.stringify(gateway.events), /crlStores\.corp\.sources\[1\].*issuing\.crl/)
  })

  it('a target that requires a staple gets no answer from a backend without', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    await using gateway = await startGateway(backend, { revocation: 'staple-required', crls: [] })
    for (let turn = 0; turn < 3; turn++) assert.equal(await outcome(gateway), 'revocation-unknown')
    assert.equal(backend.seen.length, 0)
  })
})
