import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createLeaf, createRoot, pemOf } from '../../../src/pki/make.ts'
import { oneTarget } from '../../support/admin-client.ts'
import { type ManagedTestGateway, startManagedGateway } from '../../support/managed-gateway.ts'
import { startTlsBackend } from '../../support/tls-backend.ts'
import { nativeClient } from './native-client.ts'

const oldRoot = await createRoot({ commonName: 'Old Root' })
const newRoot = await createRoot({ commonName: 'New Root' })
const oldLeaf = await createLeaf(oldRoot, { names: ['127.0.0.1'] })
const newLeaf = await createLeaf(newRoot, { names: ['127.0.0.1'] })
const rollovers = '/api/organizations/acme/environments/test/rollovers'

/** Stores `old`, `both` and `new`, a reference `trust` to the old one, and two proxies by it, one of them of the file. */
async function rig(running: ManagedTestGateway, port: number): Promise<void> {
  const { api } = running
  for (const store of ['old', 'both', 'new', 'empty']) await api.keystore(store)
  await api.alias('old', 'root', oldRoot.certificatePem)
  await api.alias('new', 'root', newRoot.certificatePem)
  await api.alias('both', 'old', oldRoot.certificatePem)
  await api.alias('both', 'new', newRoot.certificatePem)
  await api.reference('trust', 'old')
  const inside = `<URL>https://127.0.0.1:${port}</URL><SSLInfo><Enabled>true</Enabled><TrustStore>ref://trust</TrustStore></SSLInfo>`
  await api.importBundle('orders', oneTarget('orders', inside))
  await api.deploy('orders', 1)
  await running.reconfigure({
    trustStores: { corp: { sources: [{ managed: 'ref://trust' }] } },
    targets: { native: { url: `https://127.0.0.1:${port}`, tls: { trust: ['corp'] } } },
    proxies: { native: { basePath: '/native', target: 'native' } },
  })
}

describe('guided rollover', { timeout: 30_000 }, () => {
  it('goes from store to store: prepared, switched, proved, finished; requests never fail', async () => {
    await using backend = await startTlsBackend({ identity: oldLeaf })
    await using running = await startManagedGateway()
    await rig(running, backend.port)
    const native = nativeClient(running)
    const ask = async (): Promise<readonly number[]> =>
      Promise.all(
        ['/orders', '/native'].map(async (path) => (await fetch(`http://127.0.0.1:${running.port}${path}`)).status),
      )
    assert.deepEqual(await ask(), [200, 200])

    const begun = await native.send(`POST ${rollovers}`, { reference: 'trust', to: 'both' })
    assert.equal(begun.status, 201)
    const { id, ready, servers, users, state } = begun.json
    assert.deepEqual([ready, state], [true, 'prepared'])
    assert.deepEqual(
      servers.map(({ target, proved, from, change }: Record<string, unknown>) => [target, proved, from, change]).sort(),
      [
        ['acme/test/orders/1/default', true, 'probe', 'none'],
        ['native', true, 'probe', 'none'],
      ],
    )
    assert.deepEqual(users.map(({ kind }: { kind: string }) => kind).sort(), [
      'api-deployment',
      'config-store',
      'config-target',
    ])
    assert.equal(
      (await native.send(`POST ${rollovers}`, { reference: 'trust', to: 'new' })).json.error.code,
      'rollover-open',
    )
    assert.equal((await native.send(`POST ${rollovers}/${id}/finish`)).json.error.code, 'rollover-state')

    assert.equal((await native.send(`POST ${rollovers}/${id}/switch`)).json.state, 'switched')
    assert.deepEqual(await ask(), [200, 200])
    assert.equal((await native.send(`POST ${rollovers}/${id}/finish`)).json.error.code, 'rollover-not-proved')
    backend.serve(newLeaf)
    const proved = (await native.send(`POST ${rollovers}/${id}/prove`)).json
    assert.deepEqual([proved.proof.servers, proved.proof.failed], [2, 0])
    assert.match(proved.next.join('\n'), /^finish: old is deleted/)
    await running.api.reference('archive', 'old')
    assert.equal((await native.send(`POST ${rollovers}/${id}/finish`)).json.error.code, 'store-in-use')
    await running.api.send('DELETE', '/e/test/references/archive')
    const finished = (await native.send(`POST ${rollovers}/${id}/finish`)).json
    assert.deepEqual([finished.state, finished.next], ['finished', []])
    await assert.rejects(running.api.send('GET', '/e/test/keystores/old'), /404/)
    assert.deepEqual(await ask(), [200, 200])
    const listed = (await native.send(`GET ${rollovers}`)).json.rollovers
    assert.deepEqual(
      listed[0].notes.map(({ text }: { text: string }) => text.split(/[ :;]/)[0]),
      ['prepared', 'switched', 'proved', 'finished'],
    )
  })

  it('is not switched while a server does not verify, unless somebody answers for it, and can go back', async () => {
    await using backend = await startTlsBackend({ identity: oldLeaf })
    await using running = await startManagedGateway()
    await rig(running, backend.port)
    const native = nativeClient(running)
    const { id, ready, servers, next } = (await native.send(`POST ${rollovers}`, { reference: 'trust', to: 'new' }))
      .json
    assert.equal(ready, false)
    for (const server of servers) assert.deepEqual([server.change, server.after.code], ['breaks', 'missing-root'])
    assert.match(next[0], /mend/)
    const refused = await native.send(`POST ${rollovers}/${id}/switch`, {})
    assert.deepEqual(
      [refused.status, refused.json.error.code, refused.json.error.servers.length],
      [409, 'rollover-not-proved', 2],
    )
    assert.match(await running.api.send('GET', '/e/test/references/trust').then(({ body }) => body), /"old"/)
    assert.equal((await native.send(`POST ${rollovers}/${id}/switch`, { force: true })).status, 400)
    const forced = (
      await native.send(`POST ${rollovers}/${id}/switch`, { force: true, reason: 'the backend moves now' })
    ).json
    assert.match(forced.notes.at(-1).text, /forced: the backend moves now/)
    const failing = (await native.send(`POST ${rollovers}/${id}/prove`)).json
    assert.deepEqual([failing.proof.servers, failing.proof.failed], [2, 2])
    assert.equal((await native.send(`POST ${rollovers}/${id}/finish`)).json.error.code, 'rollover-not-proved')
    assert.equal((await native.send(`POST ${rollovers}/${id}/cancel`)).json.state, 'cancelled')
    assert.equal((await fetch(`http://127.0.0.1:${running.port}/orders`)).status, 200)
    assert.equal((await native.send(`POST ${rollovers}/${id}/cancel`)).json.error.code, 'rollover-state')
  })

  it('an empty store, a missing one, the same one, and a key that the new store lacks stand against it', async () => {
    await using backend = await startTlsBackend({ identity: oldLeaf })
    await using running = await startManagedGateway()
    await rig(running, backend.port)
    const native = nativeClient(running)
    const wrong = [
      [{ reference: 'trust', to: 'old' }, 409, 'rollover-same'],
      [{ reference: 'trust', to: 'nobody' }, 404, 'store-unknown'],
      [{ reference: 'nobody', to: 'new' }, 404, 'reference-unknown'],
      [{ reference: 'trust' }, 400, 'bad-body'],
    ] as const
    for (const [body, status, code] of wrong) {
      const answer = await native.send(`POST ${rollovers}`, body)
      assert.deepEqual([answer.status, answer.json.error.code], [status, code], JSON.stringify(body))
    }
    const empty = (await native.send(`POST ${rollovers}`, { reference: 'trust', to: 'empty' })).json
    assert.match(empty.refused, /holds no certificate/)
    assert.equal(empty.ready, false)
    await native.send(`POST ${rollovers}/${empty.id}/cancel`)
    const me = await createLeaf(oldRoot, { names: ['me'], purposes: ['clientAuth'] })
    for (const store of ['keys', 'other-keys']) await running.api.keystore(store)
    await running.api.alias('keys', 'me', pemOf(me.certificate), me.keyPem)
    await running.api.alias('other-keys', 'you', pemOf(me.certificate), me.keyPem)
    await running.api.reference('me', 'keys', 'KeyStore')
    const inside = `<URL>https://127.0.0.1:${backend.port}</URL><SSLInfo><Enabled>true</Enabled><TrustStore>old</TrustStore><ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>ref://me</KeyStore><KeyAlias>me</KeyAlias></SSLInfo>`
    await running.api.importBundle('mutual', oneTarget('mutual', inside))
    await running.api.deploy('mutual', 1)
    const keys = (await native.send(`POST ${rollovers}`, { reference: 'me', to: 'other-keys' })).json
    assert.equal(keys.ready, false)
    assert.match(keys.identities[0].why, /no alias "me"/)
    await running.api.alias('other-keys', 'me', pemOf(me.certificate), me.keyPem)
    const shown = (await native.send(`GET ${rollovers}/${keys.id}`)).json
    assert.equal(shown.ready, false)
    assert.match(shown.servers[0].why, /has not been shown the new certificate: check asks it/)
    assert.match(shown.next.join('\n'), /^check: /m)
    const asked = (await native.send(`POST ${rollovers}/${keys.id}/check`, {})).json
    assert.deepEqual([asked.ready, asked.servers[0].why], [true, 'The server did not ask for a client certificate.'])
  })

  it('a reference that somebody else has moved meanwhile is left alone', async () => {
    await using backend = await startTlsBackend({ identity: oldLeaf })
    await using running = await startManagedGateway()
    await rig(running, backend.port)
    const native = nativeClient(running)
    const { id } = (await native.send(`POST ${rollovers}`, { reference: 'trust', to: 'both' })).json
    await running.api.keystore('third')
    await running.api.alias('third', 'root', oldRoot.certificatePem)
    await running.api.switchReference('trust', 'third')
    assert.equal((await native.send(`POST ${rollovers}/${id}/switch`)).json.error.code, 'reference-moved')
    assert.match(await running.api.send('GET', '/e/test/references/trust').then(({ body }) => body), /"third"/)
  })
})
