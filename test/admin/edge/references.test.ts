import assert from 'node:assert/strict'
import { test } from 'node:test'
import { usersOf } from '../../../src/admin/edge/usage.ts'
import { type EntityClient, entityClient, putApi, putKeystore } from './entity-support.ts'

const reference = { name: 'r', refers: 'ks1', resourceType: 'KeyStore' }

async function withStores(): Promise<EntityClient> {
  const client = await entityClient()
  await client.put(async (tx) => {
    await putKeystore(tx, 'ks1')
    await putKeystore(tx, 'ks2')
  })
  return client
}

const codeOf = (answer: { readonly json: unknown }): unknown => (answer.json as Record<string, unknown>)['code']

test('a reference is made, read, pointed elsewhere and deleted', async () => {
  await using client = await withStores()
  const made = await client.send('POST E/references', reference)
  assert.deepEqual([made.status, made.json], [201, reference])
  assert.deepEqual((await client.send('GET E/references')).json, ['r'])
  assert.deepEqual((await client.send('GET E/references/r')).json, reference)
  const put = await client.send('PUT E/references/r', { ...reference, refers: 'ks2' })
  assert.deepEqual([put.status, put.json], [200, { ...reference, refers: 'ks2' }])
  assert.deepEqual((await client.send('GET E/references/r')).json, { ...reference, refers: 'ks2' })
  assert.equal((await client.send('DELETE E/references/r')).status, 200)
  assert.equal((await client.send('DELETE E/references/r')).status, 404)
  assert.deepEqual((await client.send('GET E/references')).json, [])
})

test('XML makes the same reference as JSON', async () => {
  await using client = await withStores()
  const xml =
    '<ResourceReference name="r"><Refers>ks1</Refers><ResourceType>KeyStore</ResourceType></ResourceReference>'
  assert.deepEqual((await client.send('POST E/references', xml, 'application/xml')).json, reference)
})

const refused: readonly (readonly [title: string, what: string, body: unknown, status: number, code: string])[] = [
  [
    'a reference to an unknown keystore',
    'POST E/references',
    { ...reference, refers: 'none' },
    400,
    'messaging.config.beans.InvalidKeyStoreReference',
  ],
  [
    'pointing one at an unknown keystore',
    'PUT E/references/there',
    { name: 'there', refers: 'none' },
    400,
    'messaging.config.beans.InvalidKeyStoreReference',
  ],
  [
    'reading an unknown one',
    'GET E/references/none',
    undefined,
    404,
    'messaging.config.beans.ResourceReferenceDoesNotExist',
  ],
  [
    'changing an unknown one, which makes none',
    'PUT E/references/none',
    { ...reference, name: 'none' },
    404,
    'messaging.config.beans.ResourceReferenceDoesNotExist',
  ],
  [
    'deleting an unknown one',
    'DELETE E/references/none',
    undefined,
    404,
    'messaging.config.beans.ResourceReferenceDoesNotExist',
  ],
  [
    'making one again',
    'POST E/references',
    { ...reference, name: 'there' },
    409,
    'messaging.config.beans.ResourceReferenceAlreadyExists',
  ],
  ['one that refers to nothing', 'POST E/references', { name: 'r' }, 400, 'bad-value'],
  ['one without a name', 'POST E/references', { refers: 'ks1' }, 400, 'bad-name'],
  ['one of another type', 'POST E/references', { ...reference, resourceType: 'Cache' }, 400, 'bad-value'],
  ['a body that names another', 'PUT E/references/there', { ...reference, name: 'r' }, 400, 'bad-value'],
  ['a body that is a list', 'POST E/references', [reference], 400, 'bad-value'],
]

for (const [title, what, body, status, code] of refused) {
  test(`${title} is refused`, async () => {
    await using client = await withStores()
    await client.send('POST E/references', { ...reference, name: 'there' })
    const answer = await client.send(what, body)
    assert.deepEqual([answer.status, codeOf(answer)], [status, code])
    assert.deepEqual((await client.send('GET E/references')).json, ['there'])
    assert.equal(((await client.send('GET E/references/there')).json as Record<string, unknown>)['refers'], 'ks1')
  })
}

test('a reference in use is not deleted, and the answer names who uses it', async () => {
  await using client = await withStores()
  await client.send('POST E/references', reference)
  await client.send('POST E/references', { ...reference, name: 'r2' })
  const sSLInfo = { enabled: true, trustStore: 'ref://r' }
  await client.send('POST E/targetservers', { name: 'backend', host: 'b.example', port: 443, sSLInfo })
  const answer = await client.send('DELETE E/references/r')
  assert.equal(answer.status, 409)
  assert.match((answer.json as { message: string }).message, /target server backend/)
  assert.equal((await client.send('DELETE E/references/r2')).status, 200, 'the one that nobody uses')
  await client.send('DELETE E/targetservers/backend')
  assert.equal((await client.send('DELETE E/references/r')).status, 200)
})

test('users of a store are references, target servers, virtual hosts and deployed bundles, each by what it names', async () => {
  await using client = await withStores()
  await client.put(async (tx) => {
    const target = (store: string): Record<string, string> => ({
      'apiproxy/targets/default.xml': `<TargetEndpoint><!-- <TrustStore>ks2</TrustStore> --><SSLInfo><TrustStore>\n ${store}\n</TrustStore></SSLInfo></TargetEndpoint>`,
    })
    await putApi(tx, 'direct', target('ks1'), true)
    await putApi(tx, 'referred', target('ref://r'), true)
    await putApi(tx, 'resting', target('ks1'), false)
  })
  await client.send('POST E/references', reference)
  await client.send('POST E/targetservers', { name: 't1', host: 'b', sSLInfo: { keyStore: 'ks1', keyAlias: 'a' } })
  await client.send('POST E/targetservers', { name: 't2', host: 'b', sSLInfo: { trustStore: 'ref://r' } })
  await client.send('POST E/targetservers', { name: 't3', host: 'b' })
  const users = (kind: 'keystore' | 'reference', name: string, alias?: string) =>
    client.services.read((view) =>
      usersOf(view, 'acme/test', { kind, name, ...(alias === undefined ? {} : { alias }) }),
    )
  assert.deepEqual(await users('keystore', 'ks1'), [
    { kind: 'reference', name: 'r' },
    { kind: 'target-server', name: 't1' },
    { kind: 'api-deployment', name: 'direct/1' },
  ])
  assert.deepEqual(await users('reference', 'r'), [
    { kind: 'target-server', name: 't2' },
    { kind: 'api-deployment', name: 'referred/1' },
  ])
  assert.deepEqual(await users('keystore', 'ks1', 'a'), [{ kind: 'target-server', name: 't1' }])
  assert.deepEqual(await users('keystore', 'ks1', 'b'), [])
  await client.send('POST E/targetservers', { name: 't4', host: 'b', sSLInfo: { keyStore: 'ref://r', keyAlias: 'b' } })
  assert.deepEqual(
    await users('keystore', 'ks1', 'b'),
    [{ kind: 'target-server', name: 't4' }],
    'by way of a reference',
  )
  assert.deepEqual(await users('keystore', 'ks2'), [], 'a comment uses nothing')
})
