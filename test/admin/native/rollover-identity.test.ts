import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createLeaf, createRoot } from '../../../src/pki/make.ts'
import { oneTarget } from '../../support/admin-client.ts'
import { type ManagedTestGateway, startManagedGateway } from '../../support/managed-gateway.ts'
import { startTlsBackend } from '../../support/tls-backend.ts'
import { nativeClient } from './native-client.ts'

const root = await createRoot({ commonName: 'Backend Root' })
const clients = await createRoot({ commonName: 'Client Root' })
const strangers = await createRoot({ commonName: 'Stranger Root' })
const leaf = await createLeaf(root, { names: ['127.0.0.1'] })
const clientOf = (issuer: typeof clients) =>
  createLeaf(issuer, { names: ['me'], commonName: 'me', purposes: ['clientAuth'] })
const first = await clientOf(clients)
const second = await clientOf(clients)
const stranger = await clientOf(strangers)
const rollovers = '/api/organizations/acme/environments/test/rollovers'

/** Proxy /mtls, which shows alias `me` of `ref://me`: store `keys`, beside which there are `next` and `strange`. */
async function rig({ api }: ManagedTestGateway, port: number): Promise<void> {
  await api.keystore('trust')
  await api.alias('trust', 'root', root.certificatePem)
  for (const [store, { chainPem, keyPem }] of Object.entries({ keys: first, next: second, strange: stranger })) {
    await api.keystore(store)
    await api.alias(store, 'me', chainPem, keyPem)
  }
  await api.reference('me', 'keys', 'KeyStore')
  const inside = `<URL>https://127.0.0.1:${port}</URL><SSLInfo><Enabled>true</Enabled><TrustStore>trust</TrustStore><ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>ref://me</KeyStore><KeyAlias>me</KeyAlias></SSLInfo>`
  await api.importBundle('mtls', oneTarget('mtls', inside))
  await api.deploy('mtls', 1)
}

describe('guided rollover of a client certificate', { timeout: 30_000 }, () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`a backend that refuses the new one by ${version} stands against it at every step, and no key is lost`, async () => {
      await using backend = await startTlsBackend({
        identity: leaf,
        ca: clients.certificatePem,
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: version,
        maxVersion: version,
      })
      await using running = await startManagedGateway()
      await rig(running, backend.port)
      const native = nativeClient(running)
      const ask = (): Promise<number> => fetch(`http://127.0.0.1:${running.port}/mtls`).then(({ status }) => status)
      assert.equal(await ask(), 200)
      const bad = (await native.send(`POST ${rollovers}`, { reference: 'me', to: 'strange' })).json
      assert.equal(bad.ready, false)
      const [server] = bad.servers
      assert.deepEqual(
        [server.target, server.proved, server.identity.code, server.identity.acceptableIssuers],
        ['acme/test/mtls/1/default', false, 'client-certificate-rejected', ['CN=Client Root']],
      )
      assert.match(server.why, /^client-certificate-rejected: .*Stranger Root/)
      assert.match(bad.notes[0].text, /0 of 1 servers .*client-certificate-rejected/)
      const refused = await native.send(`POST ${rollovers}/${bad.id}/switch`, {})
      assert.deepEqual([refused.status, refused.json.error.code], [409, 'rollover-not-proved'])
      assert.equal(await ask(), 200)
      await native.send(`POST ${rollovers}/${bad.id}/switch`, { force: true, reason: 'to see it fail' })
      assert.ok((await ask()) >= 502)
      const failing = (await native.send(`POST ${rollovers}/${bad.id}/prove`)).json
      assert.deepEqual([failing.proof.servers, failing.proof.failed], [1, 1])
      assert.match(failing.servers[0].why, /client-certificate-rejected/)
      assert.equal((await native.send(`POST ${rollovers}/${bad.id}/finish`)).json.error.code, 'rollover-not-proved')
      await native.send(`POST ${rollovers}/${bad.id}/cancel`)
      assert.equal(await ask(), 200)

      const { id, ready } = (await native.send(`POST ${rollovers}`, { reference: 'me', to: 'next' })).json
      assert.equal(ready, true)
      assert.equal((await native.send(`POST ${rollovers}/${id}/switch`, {})).status, 200)
      const proved = (await native.send(`POST ${rollovers}/${id}/prove`)).json
      assert.deepEqual([proved.proof.servers, proved.proof.failed, proved.ready], [1, 0, true])
      assert.equal(await ask(), 200)
      const finished = (await native.send(`POST ${rollovers}/${id}/finish`, {})).json
      assert.match(finished.notes.at(-1).text, /^finished; keys is kept: it holds the private key of me$/)
      await running.api.send('GET', '/e/test/keystores/keys')
      assert.doesNotMatch(native.heard(), /PRIVATE KEY/)
    })
  }

  it('a backend that lets everybody shake hands, and names other issuers, is no proof', async () => {
    const options = { identity: leaf, ca: clients.certificatePem, requestCert: true, rejectUnauthorized: false }
    await using backend = await startTlsBackend(options)
    await using running = await startManagedGateway()
    await rig(running, backend.port)
    const native = nativeClient(running)
    const bad = (await native.send(`POST ${rollovers}`, { reference: 'me', to: 'strange' })).json
    assert.deepEqual([bad.ready, bad.servers[0].identity.code], [false, 'trusted'])
    assert.match(bad.servers[0].why, /issued by "CN=Stranger Root", none of which the server names/)
    await native.send(`POST ${rollovers}/${bad.id}/switch`, { force: true, reason: 'to see prove' })
    assert.equal((await native.send(`POST ${rollovers}/${bad.id}/prove`)).json.proof.failed, 1)
  })

  it('a target of the configuration file that shows a certificate of the reference is asked as well', async () => {
    const options = { identity: leaf, ca: clients.certificatePem, requestCert: true, rejectUnauthorized: true }
    await using backend = await startTlsBackend(options)
    await using running = await startManagedGateway()
    await rig(running, backend.port)
    const clientCertificate = { keyStore: 'ref://me', alias: 'me' }
    await running.reconfigure({
      trustStores: { corp: { sources: [{ inline: root.certificatePem }] } },
      targets: { native: { url: `https://127.0.0.1:${backend.port}`, tls: { trust: ['corp'], clientCertificate } } },
      proxies: { native: { basePath: '/native', target: 'native' } },
    })
    const native = nativeClient(running)
    for (const [to, code] of [
      ['strange', 'client-certificate-rejected'],
      ['next', 'trusted'],
    ] as const) {
      const { id, servers, unasked } = (await native.send(`POST ${rollovers}`, { reference: 'me', to })).json
      const found = servers.map((each: { target: string; identity: { code: string } }) => [
        each.target,
        each.identity.code,
      ])
      assert.deepEqual(found.sort(), [
        ['acme/test/mtls/1/default', code],
        ['native', code],
      ])
      assert.deepEqual(unasked, [])
      await native.send(`POST ${rollovers}/${id}/cancel`)
    }
  })

  it('a key store goes with its key when that is asked for, and never while the rollover could not be proved', async () => {
    await using backend = await startTlsBackend({ identity: leaf, ca: clients.certificatePem, requestCert: true })
    await using running = await startManagedGateway()
    await rig(running, backend.port)
    const native = nativeClient(running)
    const { id } = (await native.send(`POST ${rollovers}`, { reference: 'me', to: 'next' })).json
    await native.send(`POST ${rollovers}/${id}/switch`, {})
    await native.send(`POST ${rollovers}/${id}/prove`)
    const opposites = await native.send(`POST ${rollovers}/${id}/finish`, { deleteStore: true, keepStore: true })
    assert.equal(opposites.status, 400)
    const finished = (await native.send(`POST ${rollovers}/${id}/finish`, { deleteStore: true })).json
    assert.match(finished.notes.at(-1).text, /keys is deleted, the private key of me with it/)
    await assert.rejects(running.api.send('GET', '/e/test/keystores/keys'), /404/)
  })

  it('nobody asked is no proof: a reference without servers is moved by force alone, and its store stays', async () => {
    await using running = await startManagedGateway()
    const { api } = running
    for (const store of ['one', 'other']) {
      await api.keystore(store)
      await api.alias(store, 'me', first.chainPem, first.keyPem)
    }
    await api.reference('lonely', 'one', 'KeyStore')
    const native = nativeClient(running)
    const { id, ready, servers, next } = (await native.send(`POST ${rollovers}`, { reference: 'lonely', to: 'other' }))
      .json
    assert.deepEqual([ready, servers], [false, []])
    assert.match(next.join('\n'), /no server can be asked, which is no proof/)
    const refused = (await native.send(`POST ${rollovers}/${id}/switch`, {})).json.error
    assert.match(refused.message, /^not switched: no server was asked, and that is no proof/)
    await native.send(`POST ${rollovers}/${id}/switch`, { force: true, reason: 'not used yet' })
    const proof = (await native.send(`POST ${rollovers}/${id}/prove`)).json
    assert.deepEqual([proof.proof.servers, proof.proof.failed], [0, 0])
    assert.match(proof.next[0], /^finish with force and a reason/)
    const blocked = await native.send(`POST ${rollovers}/${id}/finish`, {})
    assert.deepEqual([blocked.status, blocked.json.error.code], [409, 'rollover-not-proved'])
    assert.equal((await native.send(`POST ${rollovers}/${id}/finish`, { force: true })).status, 400)
    const done = (await native.send(`POST ${rollovers}/${id}/finish`, { force: true, reason: 'not used' })).json
    assert.match(done.notes.at(-1).text, /forced: not used; one is kept/)
    await api.send('GET', '/e/test/keystores/one')
  })

  it('a virtual host is named with the reason why nobody was asked for it', async () => {
    await using backend = await startTlsBackend({ identity: leaf, ca: clients.certificatePem, requestCert: true })
    await using running = await startManagedGateway()
    await rig(running, backend.port)
    await running.api.send('POST', '/e/test/virtualhosts', {
      name: 'tls',
      port: '9443',
      hostAliases: ['api.example.com'],
      sSLInfo: { enabled: 'true', keyStore: 'ref://me', keyAlias: 'me' },
    })
    const { json } = await nativeClient(running).send(`POST ${rollovers}`, { reference: 'me', to: 'next' })
    assert.deepEqual([json.unasked.length, json.unasked[0].user], [1, 'virtual-host tls'])
    assert.match(json.unasked[0].why, /shown to clients/)
  })
})
