import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type EntityClient, entityClient, putApi } from './entity-support.ts'

async function withApi(): Promise<EntityClient> {
  const client = await entityClient()
  await client.put((tx) => putApi(tx, 'orders'))
  return client
}

const entry = [
  { name: 'k1', value: 'v1' },
  { name: 'k2', value: 'v2' },
]

for (const base of ['P', 'E', 'P/apis/orders', 'P/apis/orders/revisions/1']) {
  test(`a key value map of ${base} lives through all that clients do to one`, async () => {
    await using client = await withApi()
    const maps = `${base}/keyvaluemaps`
    const made = await client.send(`POST ${maps}`, { name: 'm', encrypted: 'false', entry })
    assert.deepEqual([made.status, made.json], [201, { encrypted: 'false', entry, name: 'm' }])
    assert.deepEqual((await client.send(`GET ${maps}`)).json, ['m'])
    assert.equal((await client.send(`POST ${maps}`, { name: 'm' })).status, 409)
    assert.equal((await client.send(`POST ${maps}`, {})).status, 400)
    // with CPS
    assert.equal((await client.send(`GET ${maps}/m/entries/k3`)).status, 404)
    assert.equal((await client.send(`POST ${maps}/m/entries`, { name: 'k3', value: 'v3' })).status, 201)
    assert.equal((await client.send(`POST ${maps}/m/entries`, { name: 'k3', value: 'v4' })).status, 409)
    assert.equal((await client.send(`POST ${maps}/m/entries/k3`, { name: 'k3', value: 'v4' })).status, 200)
    assert.equal((await client.send(`POST ${maps}/m/entries/k5`, { name: 'k5', value: 'v' })).status, 404)
    assert.deepEqual((await client.send(`GET ${maps}/m/entries/k3`)).json, { name: 'k3', value: 'v4' })
    assert.deepEqual((await client.send(`GET ${maps}/m/keys`)).json, ['k1', 'k2', 'k3'])
    assert.deepEqual((await client.send(`GET ${maps}/m/keys?startkey=k2&count=1`)).json, ['k2'])
    assert.equal((await client.send(`DELETE ${maps}/m/entries/k1`)).status, 200)
    assert.equal((await client.send(`DELETE ${maps}/m/entries/k1`)).status, 404)
    // without
    const merged = await client.send(`POST ${maps}/m`, { name: 'm', entry: [{ name: 'k2', value: 'new' }] })
    assert.equal(merged.status, 200)
    assert.deepEqual((await client.send(`GET ${maps}/m/entries`)).json, [
      { name: 'k2', value: 'new' },
      { name: 'k3', value: 'v4' },
    ])
    const replaced = await client.send(`PUT ${maps}/m`, { entry: [{ name: 'only', value: '1' }] })
    assert.deepEqual(replaced.json, { encrypted: 'false', entry: [{ name: 'only', value: '1' }], name: 'm' })
    assert.equal((await client.send(`DELETE ${maps}/m`)).status, 200)
    assert.equal((await client.send(`DELETE ${maps}/m`)).status, 404)
    assert.equal((await client.send(`GET ${maps}/m`)).status, 404)
  })
}

test('maps of different places are different maps', async () => {
  await using client = await withApi()
  await client.send('POST P/keyvaluemaps', { name: 'm' })
  for (const base of ['E', 'P/environments/prod', 'P/apis/orders', 'P/apis/orders/revisions/1']) {
    assert.deepEqual((await client.send(`GET ${base}/keyvaluemaps`)).json, [], base)
  }
  assert.equal((await client.send('GET P/apis/none/keyvaluemaps')).status, 404)
  assert.equal((await client.send('GET P/apis/orders/revisions/2/keyvaluemaps')).status, 404)
})

test('the values of an encrypted map are neither shown nor on disk in clear', async () => {
  await using client = await withApi()
  const made = await client.send('POST E/keyvaluemaps', { name: 'm', encrypted: true, entry })
  const hidden = entry.map(({ name }) => ({ name, value: '*****' }))
  assert.deepEqual(made.json, { encrypted: 'true', entry: hidden, name: 'm' })
  assert.deepEqual((await client.send('GET E/keyvaluemaps/m')).json, made.json)
  assert.deepEqual((await client.send('GET E/keyvaluemaps/m/entries/k1')).json, hidden[0])
  await client.services.read(async (view) => {
    const found = await view.get('key-value-map', 'acme/test', 'm')
    assert.equal(JSON.stringify(found).includes('v1'), false)
    assert.equal(await view.blob('key-value-map', 'acme/test', 'm'), null)
    assert.match((await view.secret('key-value-map', 'acme/test', 'm'))?.toString() ?? '', /v1/)
  })
})

test('a map grows no further than its bound, and a key has one too', async () => {
  await using client = await withApi()
  await client.send('POST P/keyvaluemaps', { name: 'm' })
  const value = 'x'.repeat(1024 * 1024)
  for (const name of ['a', 'b', 'c']) {
    assert.equal((await client.send('POST P/keyvaluemaps/m/entries', { name, value })).status, 201)
  }
  assert.equal((await client.send('POST P/keyvaluemaps/m/entries', { name: 'd', value })).status, 400)
  assert.deepEqual((await client.send('GET P/keyvaluemaps/m/keys')).json, ['a', 'b', 'c'])
  assert.equal((await client.send('POST P/keyvaluemaps/m/entries', { name: 'k'.repeat(2049), value: '' })).status, 400)
})

test('names that JavaScript gives a meaning are names of entries like any other', async () => {
  await using client = await withApi()
  for (const name of ['__proto__', 'constructor', '1']) {
    await client.send('POST P/keyvaluemaps', { name: `m${name}`, entry: [{ name, value: 'v' }] })
    assert.deepEqual((await client.send(`GET P/keyvaluemaps/m${name}/entries/${name}`)).json, { name, value: 'v' })
    assert.equal((await client.send(`GET P/keyvaluemaps/m${name}/entries/toString`)).status, 404)
  }
})
