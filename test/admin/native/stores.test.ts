import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createIntermediate, createLeaf, createRoot, pemOf } from '../../../src/pki/make.ts'
import { oneTarget } from '../../support/admin-client.ts'
import { startManagedGateway } from '../../support/managed-gateway.ts'
import { nativeClient } from './native-client.ts'

const soon = new Date(Date.now() + 5 * 86_400_000)
const root = await createRoot({ commonName: 'Root', organization: 'Acme' })
const issuing = await createIntermediate(root, { commonName: 'Issuing CA', notAfter: soon })
const leaf = await createLeaf(root, { names: ['client'], commonName: 'client', purposes: ['clientAuth'] })
const environment = '/api/organizations/acme/environments/test'

describe('stores and references over the native API', { timeout: 30_000 }, () => {
  it('stores come page by page, in order of their names', async () => {
    await using running = await startManagedGateway()
    const native = nativeClient(running)
    for (const store of ['c', 'a', 'b', 'B']) await running.api.keystore(store)
    const list = async (query: string): Promise<readonly [readonly string[], string | null]> => {
      const { stores, next } = (await native.send(`GET ${environment}/stores${query}`)).json
      return [stores.map(({ name }: { name: string }) => name), next]
    }
    assert.deepEqual(await list(''), [['B', 'a', 'b', 'c'], null])
    assert.deepEqual(await list('?limit=2'), [['B', 'a'], 'a'])
    assert.deepEqual(await list('?limit=2&after=a'), [['b', 'c'], null])
    assert.deepEqual(await list('?after=aa'), [['b', 'c'], null])
    assert.deepEqual(await list('?after=c'), [[], null])
    for (const bad of ['0', '-1', 'x', '1001', '1e3']) {
      assert.equal((await native.send(`GET ${environment}/stores?limit=${bad}`)).status, 400, bad)
    }
  })

  it('a store tells what it holds, what is wrong with it, and everybody who uses it', async () => {
    await using running = await startManagedGateway()
    const { api, gateway } = running
    const native = nativeClient(running)
    for (const store of ['partners', 'keys', 'empty']) await api.keystore(store)
    await api.alias('partners', 'root', root.certificatePem)
    await api.alias('partners', 'issuing', issuing.certificatePem)
    await api.alias('keys', 'me', pemOf(leaf.certificate, root.certificate), leaf.keyPem)
    await api.reference('trust', 'partners')
    const sSLInfo = { enabled: 'true', trustStore: 'ref://trust' }
    await api.targetServer('one', { host: 'one.test', port: 443, isEnabled: true, sSLInfo })
    const ssl = `<URL>https://direct.test</URL><SSLInfo><Enabled>true</Enabled><TrustStore>partners</TrustStore><ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>keys</KeyStore><KeyAlias>me</KeyAlias></SSLInfo>`
    await api.importBundle('direct', oneTarget('direct', ssl))
    await api.importBundle('balanced', oneTarget('balanced', '<LoadBalancer><Server name="one"/></LoadBalancer>'))
    for (const name of ['direct', 'balanced']) await api.deploy(name, 1)
    await running.reconfigure({
      trustStores: { corp: { sources: [{ managed: 'ref://trust' }] } },
      targets: { native: { url: 'https://native.test', tls: { trust: ['corp'] } } },
      proxies: { native: { basePath: '/native', target: 'native' } },
    })

    const { stores } = (await native.send(`GET ${environment}/stores`)).json
    assert.deepEqual(
      stores.map(({ name, kind, certificates, keys, anchors, usedBy }: Record<string, unknown>) => {
        return [name, kind, certificates, keys, anchors, usedBy]
      }),
      [
        ['empty', 'empty', 0, 0, 0, 0],
        ['keys', 'key', 2, 1, 0, 1],
        ['partners', 'trust', 2, 0, 1, 5],
      ],
    )
    assert.equal(stores[2].soonestExpiry, `${soon.toISOString().slice(0, 19)}.000Z`)

    const partners = (await native.send(`GET ${environment}/stores/partners`)).json
    assert.equal(partners.generation, 3)
    const roles = partners.entries.map(
      (entry: { alias: string; holdsKey: boolean; certificates: { role: string }[] }) => {
        return [entry.alias, entry.holdsKey, entry.certificates.map(({ role }) => role)]
      },
    )
    assert.deepEqual(roles, [
      ['issuing', false, ['intermediate']],
      ['root', false, ['anchor']],
    ])
    assert.ok(partners.findings.some(({ code }: { code: string }) => code === 'expires-soon'))
    assert.deepEqual(
      partners.uses.map(({ kind, name, via }: Record<string, string>) => `${kind} ${name} ${via}`).sort(),
      [
        'api-deployment direct/1 ',
        'config-store corp trust',
        'config-target native trust',
        'reference trust ',
        'target-server one trust',
      ],
    )
    assert.deepEqual(partners.targets.map(({ target }: { target: string }) => target).sort(), [
      'acme/test/balanced/1/default',
      'acme/test/direct/1/default',
      'native',
    ])
    const snapshots = new Set(gateway.plan.targets.flatMap(({ servers }) => servers.map(({ tls }) => tls?.snapshotId)))
    for (const { snapshot } of partners.targets) assert.ok(snapshots.has(snapshot))

    const keys = (await native.send(`GET ${environment}/stores/keys`)).json
    assert.deepEqual(
      keys.entries[0].certificates.map(({ role }: { role: string }) => role),
      ['identity', 'identity'],
    )
    assert.equal(keys.uses[0].alias, 'me')
    assert.deepEqual(keys.targets, [])
    assert.match(keys.lacks, /./)

    const { references } = (await native.send(`GET ${environment}/references`)).json
    assert.equal(references.length, 1)
    assert.deepEqual(references[0].leadsTo, { exists: true, generation: 3, kind: 'trust' })
    assert.equal(references[0].uses.length, 3)
    assert.doesNotMatch(native.heard(), /PRIVATE KEY/)
  })

  it('what is not there is 404, also where only its neighbour is', async () => {
    await using running = await startManagedGateway()
    await running.api.keystore('partners')
    const native = nativeClient(running)
    const cases = [
      ['stores/nobody', 'store-unknown'],
      ['references/nobody', 'reference-unknown'],
    ] as const
    for (const [path, code] of cases) {
      const { status, json } = await native.send(`GET ${environment}/${path}`)
      assert.deepEqual([status, json.error.code], [404, code])
    }
    const elsewhere = await native.send('GET /api/organizations/acme/environments/prod/stores')
    assert.equal(elsewhere.json.error.code, 'environment-unknown')
  })
})
