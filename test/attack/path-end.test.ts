import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Dialed, dial } from '../../src/dial/dial.ts'
import { Resolver } from '../../src/dial/resolver.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import { serverPlan } from '../support/server-plan.ts'
import { createIntermediate, createLeaf, createRoot, type Identity } from '../../src/pki/make.ts'
import { toPem } from '../../src/x509/certificate.ts'
import { startTestGateway } from '../support/gateway.ts'
import { exchangeRaw } from '../support/raw-client.ts'
import { startTlsBackend } from '../support/tls-backend.ts'

/*
 * I2: a connection ends with the first certificate of its path. Its path is the one that OpenSSL has verified, up to an
 * anchor of the store; not what the peer served beside it, and not without what the store contributed.
 */

const day = 86_400_000
const past = { notBefore: new Date(Date.now() - 3000 * day), notAfter: new Date(Date.now() - 10 * day) }
const soon = new Date(Math.ceil(Date.now() / 1000) * 1000 + 60_000)

const oldRoot = await createRoot({ commonName: 'Old Root', ...past })
const root = await createRoot({ commonName: 'New Root' })
const crossSign = await createIntermediate(oldRoot, { commonName: 'New Root', key: root.keys, ...past })
const issuing = await createIntermediate(root, { commonName: 'Issuing' })
const leaf = await createLeaf(issuing, { names: ['127.0.0.1'] })
/** What Let's Encrypt's customers served after September 2021: every client with the new root took it. */
const withCrossSign = { chainPem: leaf.chainPem + toPem(crossSign.certificate), keyPem: leaf.keyPem }

async function dialed(identity: Pick<Identity, 'chainPem' | 'keyPem'>, anchors: string[], intermediates: string[]) {
  await using backend = await startTlsBackend({ identity })
  const trust = new TargetTrust({
    snapshotId: '0',
    anchors,
    intermediates,
    partialChain: false,
    serverName: null,
    verifyNames: ['127.0.0.1'],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: null,
    alpn: ['http/1.1'],
    clientCertificate: null,
    skipChain: false,
    skipName: false,
    exceptions: [],
    resumption: false,
    revocation: { mode: 'off' },
    onTrustChange: 'drain',
  })
  const server = serverPlan({ port: backend.port, tls: trust.plan })
  const resolver = new Resolver()
  const connection = await new Promise<Dialed>((resolve, reject) => {
    dial({
      server,
      trust,
      resolver,
      onread: { buffer: Buffer.alloc(4096), callback: () => true },
      observer: { resolving() {}, offering() {}, presented() {} },
      failed: (fault) => reject(new Error(fault.summary)),
      opened: resolve,
    })
  })
  connection.socket.destroy()
  return connection.validUntil
}

describe('the end of a verified path', () => {
  it('counts the anchor, which servers seldom send', async () => {
    const shortRoot = await createRoot({ commonName: 'Short Root', notAfter: soon })
    const identity = await createLeaf(shortRoot, { names: ['127.0.0.1'], notAfter: new Date(Date.now() + day) })
    assert.equal(await dialed(identity, [shortRoot.certificatePem], []), soon.getTime())
  })
  it('counts an intermediate that the store contributes', async () => {
    const shortIssuer = await createIntermediate(root, { commonName: 'Short Issuing', notAfter: soon })
    const own = await createLeaf(shortIssuer, { names: ['127.0.0.1'], notAfter: new Date(Date.now() + day) })
    const served = { chainPem: own.certificatePem, keyPem: own.keyPem }
    assert.equal(await dialed(served, [root.certificatePem], [shortIssuer.certificatePem]), soon.getTime())
  })
  it('does not count what was served beyond the anchor', async () => {
    assert.ok((await dialed(withCrossSign, [root.certificatePem], [])) > Date.now())
  })
})

it('a backend that still serves an expired cross-sign is verified once and answers', async () => {
  await using backend = await startTlsBackend({ identity: withCrossSign })
  await using gateway = await startTestGateway(
    {
      trustStores: { corp: { sources: [{ file: 'ca.pem' }] } },
      targets: { b: { url: backend.url, tls: { trust: ['corp'] } } },
      proxies: { p: { basePath: '/', target: 'b' } },
    },
    { files: { 'ca.pem': root.certificatePem } },
  )
  const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  const answer = await Promise.race([
    exchangeRaw(gateway.gateway.ports['http'] ?? 0, request, (received) => received.includes('\r\n\r\n')),
    sleep(1500, 'no answer'),
  ])
  const dials = gateway.gateway
    .metricsText()
    .match(/postern_upstream_connections_opened_total\{target="b"\} (\d+)/)?.[1]
  assert.deepEqual({ answer: answer.slice(0, 12), dials }, { answer: 'HTTP/1.1 200', dials: '1' })
})
