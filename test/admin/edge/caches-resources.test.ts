import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type EntityClient, entityClient, putApi } from './entity-support.ts'

const octets = 'application/octet-stream'

test('a cache is named by the query or the body, changed, cleared and deleted', async () => {
  await using client = await entityClient()
  const made = await client.send('POST E/caches?name=c1', { description: 'd' })
  assert.deepEqual([made.status, made.json], [201, { description: 'd', name: 'c1' }])
  assert.equal((await client.send('POST E/caches', { name: 'c2' })).status, 201)
  assert.equal((await client.send('POST E/caches', { description: 'd' })).status, 400)
  assert.equal((await client.send('POST E/caches?name=', {})).status, 400)
  assert.equal((await client.send('POST E/caches', { name: 'c1' })).status, 409)
  assert.deepEqual((await client.send('GET E/caches')).json, ['c1', 'c2'])
  assert.deepEqual((await client.send('PUT E/caches/c2', { persistent: false })).json, {
    persistent: false,
    name: 'c2',
  })
  assert.equal((await client.send('POST E/caches/c1/entries?action=clear', '', octets)).status, 200)
  assert.equal((await client.send('POST E/caches/c1/entries/e?action=clear', '""', 'application/json')).status, 200)
  assert.equal((await client.send('POST E/caches/c1/entries', '', octets)).status, 400)
  const gone = await client.send('DELETE E/caches/c1')
  assert.deepEqual([gone.status, gone.json], [200, { description: 'd', name: 'c1' }])
})

for (const what of [
  'GET E/caches/none',
  'PUT E/caches/none',
  'DELETE E/caches/none',
  'POST E/caches/none/entries?action=clear',
]) {
  test(`${what} misses the cache`, async () => {
    await using client = await entityClient()
    const { status, json } = await client.send(what, {})
    assert.deepEqual([status, (json as { code: string }).code], [404, 'messaging.config.beans.CacheDoesNotExist'])
  })
}

async function withApi(): Promise<EntityClient> {
  const client = await entityClient()
  await client.put((tx) => putApi(tx, 'orders', { 'apiproxy/resources/jsc/old.js': 'old' }))
  return client
}

const bytes = Buffer.from([0, 1, 2, 0xff, 0x0d, 0x0a])

for (const base of ['P', 'E', 'P/apis/orders/revisions/1']) {
  test(`a resource file of ${base} comes back byte for byte, is changed and deleted`, async () => {
    await using client = await withApi()
    const files = `${base}/resourcefiles`
    const before = ((await client.send(`GET ${files}`)).json as { resourceFile: unknown[] }).resourceFile
    const made = await client.send(`POST ${files}?type=jsc&name=x.js`, bytes, octets)
    assert.deepEqual([made.status, made.json], [201, { name: 'x.js', type: 'jsc' }])
    assert.equal((await client.send(`POST ${files}?type=jsc&name=x.js`, bytes, octets)).status, 409)
    await client.send(`POST ${files}?type=xsl&name=x.js`, 'other', octets)
    assert.deepEqual((await client.send(`GET ${files}`)).json, {
      resourceFile: [...before, { name: 'x.js', type: 'jsc' }, { name: 'x.js', type: 'xsl' }],
    })
    assert.deepEqual((await client.send(`GET ${files}/xsl`)).json, { resourceFile: [{ name: 'x.js', type: 'xsl' }] })
    assert.deepEqual((await client.send(`GET ${files}/jsc/x.js`)).bytes, bytes)
    assert.equal((await client.send(`PUT ${files}/jsc/x.js`, 'new', octets)).status, 200)
    assert.equal((await client.send(`GET ${files}/jsc/x.js`)).bytes.toString(), 'new')
    assert.equal((await client.send(`GET ${files}/xsl/x.js`)).bytes.toString(), 'other')
    assert.equal((await client.send(`DELETE ${files}/jsc/x.js`)).status, 200)
    for (const method of ['GET', 'PUT', 'DELETE']) {
      assert.equal((await client.send(`${method} ${files}/jsc/x.js`, 'y', octets)).status, 404, method)
    }
    assert.equal((await client.send(`POST ${files}?name=x.js`, 'y', octets)).status, 400, 'no type')
    assert.equal((await client.send(`POST ${files}?type=jsc`, 'y', octets)).status, 400, 'no name')
    assert.equal((await client.send(`POST ${files}?type=jsc&name=..`, 'y', octets)).status, 400, 'no name of a file')
  })
}

test('resource files of a revision are those of its bundle, and stay as they are while it is deployed', async () => {
  await using client = await withApi()
  const files = 'P/apis/orders/revisions/1/resourcefiles'
  assert.deepEqual((await client.send(`GET ${files}`)).json, { resourceFile: [{ name: 'old.js', type: 'jsc' }] })
  assert.equal((await client.send(`GET ${files}/jsc/old.js`)).bytes.toString(), 'old')
  await client.put((tx) => putApi(tx, 'orders', {}, true))
  assert.equal((await client.send(`PUT ${files}/jsc/old.js`, 'new', octets)).status, 400)
  assert.equal((await client.send(`DELETE ${files}/jsc/old.js`)).status, 400)
  assert.equal((await client.send(`POST ${files}?type=jsc&name=n.js`, 'new', octets)).status, 400)
  assert.equal((await client.send(`GET ${files}/jsc/old.js`)).bytes.toString(), 'old')
})
