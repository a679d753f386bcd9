import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entityClient, putApi } from './entity-support.ts'

const mask = {
  name: 'default',
  xPathsRequest: ['/emp:employee/emp:name'],
  namespaces: [{ value: 'https://example.com', prefix: 'emp' }],
  jSONPathsFault: ['$.a'],
}

for (const base of ['P', 'P/apis/orders']) {
  test(`a mask configuration of ${base} is set with 200 and comes back with its properties in order`, async () => {
    await using client = await entityClient()
    await client.put((tx) => putApi(tx, 'orders'))
    assert.deepEqual((await client.send(`GET ${base}/maskconfigs`)).json, [])
    const missing = await client.send(`GET ${base}/maskconfigs/default`)
    assert.deepEqual(
      [missing.status, (missing.json as { code: string }).code],
      [404, 'distribution.DebugMaskConfigurationNotFound'],
    )
    assert.equal((await client.send(`POST ${base}/maskconfigs`, mask)).status, 200)
    assert.deepEqual((await client.send(`GET ${base}/maskconfigs`)).json, ['default'])
    assert.equal(JSON.stringify((await client.send(`GET ${base}/maskconfigs/default`)).json), JSON.stringify(mask))
    for (const what of ['PUT maskconfigs/default', 'PUT maskconfigs', 'POST maskconfigs/default', 'POST maskconfigs']) {
      const changed = { name: 'default', variables: [what] }
      assert.equal((await client.send(what.replace(' ', ` ${base}/`), changed)).status, 200, what)
      assert.deepEqual((await client.send(`GET ${base}/maskconfigs/default`)).json, changed, what)
    }
    assert.equal((await client.send(`DELETE ${base}/maskconfigs/default`)).status, 200)
    assert.equal((await client.send(`DELETE ${base}/maskconfigs/default`)).status, 404)
  })
}

test('the mask configuration of one API proxy is not that of another, nor of the organization', async () => {
  await using client = await entityClient()
  await client.put(async (tx) => {
    await putApi(tx, 'orders')
    await putApi(tx, 'billing')
  })
  await client.send('POST P/apis/orders/maskconfigs', mask)
  assert.deepEqual((await client.send('GET P/apis/billing/maskconfigs')).json, [])
  assert.deepEqual((await client.send('GET P/maskconfigs')).json, [])
  assert.equal((await client.send('GET P/apis/none/maskconfigs')).status, 404)
  assert.equal((await client.send('POST P/apis/none/maskconfigs', mask)).status, 404)
})

test('XML sets the same mask configuration as JSON', async () => {
  await using client = await entityClient()
  const xml = `<MaskDataConfiguration name="default">
    <XPathsRequest><XPathRequest>/emp:employee/emp:name</XPathRequest></XPathsRequest>
    <Namespaces><Namespace prefix="emp">https://example.com</Namespace></Namespaces>
    <JSONPathsFault><JSONPathFault>$.a</JSONPathFault></JSONPathsFault>
  </MaskDataConfiguration>`
  assert.equal((await client.send('POST P/maskconfigs', xml, 'application/xml')).status, 200)
  assert.deepEqual((await client.send('GET P/maskconfigs/default')).json, mask)
})
