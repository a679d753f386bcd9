import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkName, type NameKind, stamps } from '../../../src/admin/edge/scope.ts'
import { seedState } from '../../../src/admin/seed.ts'
import { memoryServices, root } from '../support.ts'
import { entityClient } from './entity-support.ts'

const goodNames: readonly (readonly [NameKind, string])[] = [
  ['organization', 'acme'],
  ['keystore', 'ks-1.new_one'],
  ['environment', 'test$1%'],
  ['virtual host', 'v%h$'],
  ['alias', 'my alias @ acme, 2026'],
  ['API product', 'Gold (EU)'],
  ['developer', "o'neil+x@example.com"],
]

for (const [kind, name] of goodNames) {
  test(`${JSON.stringify(name)} is a name of a ${kind}`, () => assert.equal(checkName(kind, name), name))
}

const badNames: readonly (readonly [NameKind, unknown])[] = [
  ['organization', ''],
  ['organization', undefined],
  ['organization', 7],
  ['keystore', 'a b'],
  ['keystore', 'a/b'],
  ['keystore', 'a$'],
  ['keystore', '..'],
  ['keystore', 'é'],
  ['keystore', 'a'.repeat(256)],
  ['environment', 'apis'],
  ['environment', 'sharedflows'],
  ['alias', 'a'.repeat(129)],
  ['alias', 'a/b'],
  ['alias', ' a'],
  ['alias', 'a\n'],
  ['app', 'a\u0000b'],
]

for (const [kind, name] of badNames) {
  test(`${JSON.stringify(name)?.slice(0, 20)} is no name of a ${kind}`, () => {
    assert.throws(() => checkName(kind, name), { name: 'ApiError', status: 400, code: 'bad-name' })
  })
}

test('stamps keep when and by whom something was created', () => {
  const call = { principal: { ...root, user: 'eve' } }
  const first = stamps(call, () => 5)
  assert.deepEqual(first, { createdAt: 5, createdBy: 'eve', lastModifiedAt: 5, lastModifiedBy: 'eve' })
  assert.deepEqual(
    stamps({ principal: { ...root, user: 'bob' } }, () => 9, first),
    { createdAt: 5, createdBy: 'eve', lastModifiedAt: 9, lastModifiedBy: 'bob' },
  )
})

const below = [
  'GET E/references',
  'GET E/references/r',
  'DELETE E/references/r',
  'GET E/targetservers',
  'GET E/virtualhosts',
  'GET E/flowhooks',
  'DELETE E/flowhooks/PreProxyFlowHook',
  'GET E/keyvaluemaps',
  'GET E/keyvaluemaps/m/entries/e',
  'GET E/caches',
  'GET E/resourcefiles',
  'GET E',
]

test('whatever is below an unknown environment or organization is not found, by the code of the outer one', async () => {
  await using client = await entityClient()
  for (const what of below) {
    const inEnvironment = await client.send(what.replace(/ E/, ' P/environments/nowhere'))
    assert.equal(inEnvironment.status, 404, what)
    assert.deepEqual(
      inEnvironment.json,
      {
        code: 'messaging.config.beans.EnvironmentDoesNotExist',
        message: 'Environment nowhere does not exist in organization acme',
        contexts: [],
      },
      what,
    )
    const inOrganization = await client.send(what.replace(/ E/, ' /v1/organizations/other/environments/test'))
    assert.equal(inOrganization.status, 404, what)
    assert.equal((inOrganization.json as { code: string }).code, 'organizations.OrganizationDoesNotExist', what)
  }
})

test('a first start makes the organization, its environments and virtual hosts for the first listener of each sort', async () => {
  await using client = await entityClient()
  const org = await client.send('GET P')
  assert.equal(org.status, 200)
  const { properties, ...rest } = org.json as Record<string, unknown> & { properties: { property: { name: string }[] } }
  assert.deepEqual(rest, {
    createdAt: 1_700_000_000_000,
    createdBy: 'system',
    lastModifiedAt: 1_700_000_000_000,
    lastModifiedBy: 'system',
    displayName: 'acme',
    environments: ['prod', 'test'],
    name: 'acme',
    type: 'paid',
  })
  assert.ok(properties.property.length >= 2)
  assert.ok(properties.property.some(({ name }) => name === 'features.isCpsEnabled'))
  assert.deepEqual((await client.send('GET E/virtualhosts')).json, ['default', 'secure'])
  assert.deepEqual((await client.send('GET E/virtualhosts/secure')).json, {
    hostAliases: [],
    interfaces: [],
    name: 'secure',
    port: '8443',
    propagateTLSInformation: { clientProperties: false, connectionProperties: false },
    properties: { property: [] },
    sSLInfo: {
      ciphers: [],
      clientAuthEnabled: 'false',
      enabled: 'true',
      ignoreValidationErrors: false,
      protocols: [],
    },
  })
  const second = (await client.send('GET /v1/o/acme/e/prod/virtualhosts/default')).json as { hostAliases: string[] }
  assert.deepEqual(second.hostAliases, ['acme-prod.postern.internal'], 'not in the way of the first environment')
})

test('a later start adds environments and changes nothing else', async () => {
  const services = await memoryServices(() => 7)
  const { store } = services
  const clock = (): number => 7
  try {
    await seedState(store, { organization: 'o', environments: [], listeners: [{ port: 1, tls: null }] }, clock)
    assert.deepEqual(await store.read((view) => view.names('virtual-host', 'o/test')), ['default', 'secure'])
    assert.equal(
      await store.read(async (view) => (await view.get('virtual-host', 'o/test', 'secure'))?.body.port),
      443,
      'stored, and served by none',
    )
    const tx = await store.begin()
    await tx.delete('virtual-host', 'o/test', 'default')
    await tx.commit()
    await seedState(store, { organization: 'o', environments: ['test', 'new'], listeners: [{ port: 2 }] }, clock)
    await store.read(async (view) => {
      assert.deepEqual(await view.names('environment', 'o'), ['new', 'test'])
      assert.deepEqual(await view.names('virtual-host', 'o/test'), ['secure'], 'what was deleted stays deleted')
      assert.equal((await view.get('virtual-host', 'o/new', 'default'))?.body.port, 2)
    })
  } finally {
    await store.close()
  }
})
