import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answered, type EntityClient, entityClient } from './entity-support.ts'

const developer = { email: 'ann@example.com', firstName: 'Ann', lastName: 'Lee', userName: 'ann' }
const D = 'P/developers/ann@example.com'

/** Products p1 to p3, and Ann with the app `a1` for p1. */
async function withApp(): Promise<EntityClient & { readonly key: string }> {
  const client = await entityClient()
  for (const name of ['p1', 'p2', 'p3']) await client.send('POST P/apiproducts', { name, approvalType: 'auto' })
  await client.send('POST P/developers', developer)
  const made = await client.send(`POST ${D}/apps`, { name: 'a1', apiProducts: ['p1'], keyExpiresIn: -1 })
  return { ...client, key: credentials(made)[0]?.consumerKey ?? '' }
}

interface Credential {
  readonly consumerKey: string
  readonly consumerSecret: string
  readonly expiresAt: number
  readonly status: string
  readonly apiProducts: readonly { readonly apiproduct: string; readonly status: string }[]
  readonly attributes: readonly unknown[]
}

const credentials = (answer: Answered): readonly Credential[] =>
  (answer.json as { credentials: readonly Credential[] }).credentials
const errorOf = ({ status, json }: Answered): readonly unknown[] => {
  const { code, message } = json as { code: string; message: string }
  return [status, code, message]
}
const field = (answer: Answered, name: string): unknown => (answer.json as Record<string, unknown>)[name]

test('a developer is found by e-mail and by id, changed, switched off and deleted with all apps', async () => {
  await using client = await withApp()
  const found = await client.send(`GET ${D}`)
  assert.deepEqual(field(found, 'apps'), ['a1'])
  assert.equal(field(found, 'status'), 'active')
  const id = String(field(found, 'developerId'))
  assert.equal(field(await client.send(`GET P/developers/${id}`), 'email'), developer.email)
  assert.deepEqual((await client.send('GET P/developers')).json, [developer.email])
  assert.equal((await client.send('POST P/developers', developer)).status, 409)
  assert.equal((await client.send(`POST ${D}?action=inactive`, '', 'application/octet-stream')).status, 204)
  assert.equal(field(await client.send(`GET ${D}`), 'status'), 'inactive')
  assert.equal((await client.send(`POST ${D}?action=gone`)).status, 400)
  const renamed = await client.send(`PUT ${D}`, { ...developer, email: 'ann@new.example', lastName: 'Wu' })
  assert.deepEqual([renamed.status, field(renamed, 'lastName'), field(renamed, 'developerId')], [200, 'Wu', id])
  assert.equal((await client.send(`GET ${D}`)).status, 404)
  assert.equal(
    (await client.send('GET P/developers/ann@new.example/apps/a1')).status,
    200,
    'apps stay with the developer',
  )
  assert.equal(field(await client.send('DELETE P/developers/ann@new.example'), 'email'), 'ann@new.example')
  assert.deepEqual((await client.send('GET P/apps')).json, [])
})

for (const missing of ['email', 'firstName', 'lastName', 'userName']) {
  test(`a developer without ${missing} is refused`, async () => {
    await using client = await entityClient()
    assert.equal((await client.send('POST P/developers', { ...developer, [missing]: undefined })).status, 400)
    assert.deepEqual((await client.send('GET P/developers')).json, [])
  })
}

test('what is unknown is missed in the words that clients compare', async () => {
  await using client = await withApp()
  assert.deepEqual(errorOf(await client.send('GET P/developers/none')), [
    404,
    'developer.service.DeveloperIdDoesNotExist',
    'DeveloperId none does not exist in organization acme',
  ])
  assert.equal((await client.send('GET P/developers/none/apps')).status, 404)
  const noApp = [404, 'developer.service.AppDoesNotExist', `App named none does not exist under ${developer.email}`]
  assert.deepEqual(errorOf(await client.send(`GET ${D}/apps/none`)), noApp)
  assert.deepEqual(errorOf(await client.send(`DELETE ${D}/apps/none`)), noApp)
  assert.deepEqual(errorOf(await client.send(`DELETE ${D}/apps/none/keys/k`)), noApp)
  const noKey = [404, 'keymanagement.service.InvalidClientIdForGivenApp', 'Invalid consumer key for Given App']
  for (const method of ['GET', 'PUT', 'POST', 'DELETE']) {
    assert.deepEqual(errorOf(await client.send(`${method} ${D}/apps/a1/keys/none`, {})), noKey, method)
  }
  assert.deepEqual(errorOf(await client.send(`POST ${D}/apps`, { name: 'a1' })).slice(0, 3), [
    409,
    'developer.service.AppAlreadyExists',
    'App with name a1 already exists',
  ])
  const noProduct = await client.send(`POST ${D}/apps`, { name: 'a2', apiProducts: ['none'] })
  assert.deepEqual(errorOf(noProduct), [
    404,
    'keymanagement.service.apiproduct_doesnot_exist',
    'API Product [none] does not exist',
  ])
  assert.deepEqual((await client.send(`GET ${D}/apps`)).json, ['a1'])
})

test('an app has a key from the start, and gets more that are generated', async () => {
  await using client = await withApp()
  const app = `${D}/apps/a1`
  const first = credentials(await client.send(`GET ${app}`))
  assert.equal(first.length, 1)
  assert.deepEqual(first[0]?.apiProducts, [{ apiproduct: 'p1', status: 'approved' }])
  assert.equal(first[0]?.expiresAt, -1)
  const more = await client.send(`POST ${app}`, { apiProducts: ['p2'], keyExpiresIn: 3_600_000 })
  assert.equal(more.status, 200)
  assert.equal(credentials(more).length, 2)
  assert.equal(credentials(more)[1]?.expiresAt, 1_700_003_600_000)
  assert.notEqual(credentials(more)[1]?.consumerKey, first[0]?.consumerKey)
  await client.services.read(async (view) => {
    const secret = String(first[0]?.consumerSecret)
    assert.equal(JSON.stringify(await view.below('app', 'acme')).includes(secret), false, 'secrets are not in clear')
  })
})

test('an app is changed and switched off, and its attributes are replaced', async () => {
  await using client = await withApp()
  const app = `${D}/apps/a1`
  const attributes = [{ name: 'a', value: '1' }]
  assert.deepEqual(
    field(await client.send(`PUT ${app}`, { name: 'a1', attributes, callbackUrl: 'https://c' }), 'attributes'),
    attributes,
  )
  assert.equal(field(await client.send(`GET ${app}`), 'callbackUrl'), 'https://c')
  assert.deepEqual(field(await client.send(`PUT ${app}`, { attributes: [] }), 'attributes'), [])
  assert.equal(credentials(await client.send(`GET ${app}`)).length, 1, 'keys stay')
  assert.equal((await client.send(`POST ${app}?action=revoke`)).status, 204)
  assert.equal(field(await client.send(`GET ${app}`), 'status'), 'revoked')
  assert.equal((await client.send(`POST ${app}?action=approve`)).status, 204)
  assert.equal(field(await client.send(`GET ${app}`), 'status'), 'approved')
  assert.equal((await client.send(`POST ${app}?action=hide`)).status, 400)
})

test('a key that is brought along is made, used for products and deleted', async () => {
  await using client = await withApp()
  const keys = `${D}/apps/a1/keys`
  const made = await client.send(`POST ${keys}/create`, { consumerKey: 'mine', consumerSecret: 's3cret' })
  assert.deepEqual([made.status, field(made, 'consumerSecret')], [201, 's3cret'])
  assert.equal((await client.send(`POST ${keys}/create`, { consumerKey: 'mine', consumerSecret: 'x' })).status, 409)
  assert.equal((await client.send(`POST ${keys}/create`, { consumerKey: 'other' })).status, 400)
  const attributes = [{ name: 'a', value: '1' }]
  const products = (answer: Answered): readonly string[] =>
    (answer.json as Credential).apiProducts.map(({ apiproduct }) => apiproduct)
  const added = await client.send(`POST ${keys}/mine`, { apiProducts: ['p1'], attributes })
  assert.deepEqual([added.status, products(added), (added.json as Credential).attributes], [200, ['p1'], attributes])
  const more = await client.send(`PUT ${keys}/mine`, { apiProducts: ['p1', 'p2'] })
  assert.deepEqual([products(more), (more.json as Credential).attributes], [['p1', 'p2'], attributes])
  assert.equal((await client.send(`PUT ${keys}/mine`, { apiProducts: ['none'] })).status, 404)
  assert.equal((await client.send(`POST ${keys}/mine/apiproducts/p2?action=revoke`)).status, 204)
  assert.equal((await client.send(`POST ${keys}/mine?action=revoke`)).status, 204)
  const shown = (await client.send(`GET ${keys}/mine`)).json as Credential
  assert.deepEqual([shown.status, shown.apiProducts.map(({ status }) => status)], ['revoked', ['approved', 'revoked']])
  assert.deepEqual(products(await client.send(`DELETE ${keys}/mine/apiproducts/p2`)), ['p1'])
  const absent = await client.send(`DELETE ${keys}/mine/apiproducts/p3`)
  assert.deepEqual([absent.status, errorOf(absent)[2]], [500, 'APIProduct is not associated with consumer key'])
  assert.equal(field(await client.send(`DELETE ${keys}/mine`), 'consumerKey'), 'mine')
  assert.equal((await client.send(`GET ${keys}/mine`)).status, 404)
  assert.equal((await client.send(`GET ${keys}/${client.key}`)).status, 200, 'the other key stays')
})

test('apps of an organization are listed by id and whole, and found and deleted by id', async () => {
  await using client = await withApp()
  const [id] = (await client.send('GET P/apps')).json as unknown as string[]
  const { app } = (await client.send('GET P/apps?expand=true')).json as unknown as { app: Record<string, unknown>[] }
  assert.deepEqual([app.length, app[0]?.['appId'], app[0]?.['name']], [1, id, 'a1'])
  assert.ok(Array.isArray(app[0]?.['credentials']))
  assert.equal(field(await client.send(`GET P/apps/${id}`), 'name'), 'a1')
  assert.equal((await client.send('GET P/apps/none')).status, 404)
  assert.equal((await client.send(`DELETE P/apps/${id}`)).status, 200)
  assert.equal((await client.send(`GET ${D}/apps/a1`)).status, 404)
})

test('an API product is made, listed, changed and deleted', async () => {
  await using client = await entityClient()
  const made = await client.send('POST P/apiproducts', { name: 'Gold (EU)', proxies: ['a'], quota: 10 })
  assert.equal(made.status, 201)
  const { approvalType, displayName, proxies, quota, scopes } = made.json as Record<string, unknown>
  assert.deepEqual([approvalType, displayName, proxies, quota, scopes], ['auto', 'Gold (EU)', ['a'], '10', []])
  assert.equal((await client.send('POST P/apiproducts', { name: 'Gold (EU)' })).status, 409)
  assert.equal((await client.send('POST P/apiproducts', { displayName: 'x' })).status, 400)
  assert.equal((await client.send('POST P/apiproducts', { name: 'x', approvalType: 'never' })).status, 400)
  assert.deepEqual((await client.send('GET P/apiproducts')).json, ['Gold (EU)'])
  assert.equal((field(await client.send('GET P/apiproducts?expand=true'), 'apiProduct') as unknown[]).length, 1)
  for (const method of ['PUT', 'POST']) {
    const changed = await client.send(`${method} P/apiproducts/Gold%20(EU)`, { description: method })
    assert.deepEqual([changed.status, field(changed, 'description')], [200, method])
  }
  assert.equal((await client.send('GET P/apiproducts/none')).status, 404)
  assert.equal((await client.send('DELETE P/apiproducts/Gold%20(EU)')).status, 200)
  assert.equal((await client.send('DELETE P/apiproducts/Gold%20(EU)')).status, 404)
})

for (const entity of ['P/apiproducts/p1', D, `${D}/apps/a1`]) {
  test(`attributes of ${entity} are set, read and deleted one by one and together`, async () => {
    await using client = await withApp()
    assert.equal((await client.send(`GET ${entity}/attributes/a`)).status, 404)
    assert.deepEqual((await client.send(`POST ${entity}/attributes/a`, { name: 'a', value: '1' })).json, {
      name: 'a',
      value: '1',
    })
    assert.deepEqual((await client.send(`GET ${entity}/attributes/a`)).json, { name: 'a', value: '1' })
    await client.send(`POST ${entity}/attributes/a`, { value: '2' })
    await client.send(`POST ${entity}/attributes/b`, { value: '3' })
    const both = {
      attribute: [
        { name: 'a', value: '2' },
        { name: 'b', value: '3' },
      ],
    }
    assert.deepEqual((await client.send(`GET ${entity}/attributes`)).json, both)
    assert.deepEqual((await client.send(`DELETE ${entity}/attributes/a`)).json, { name: 'a', value: '2' })
    assert.equal((await client.send(`DELETE ${entity}/attributes/a`)).status, 404)
    assert.deepEqual((await client.send(`POST ${entity}/attributes`, both)).json, both)
    assert.deepEqual(field(await client.send(`GET ${entity}`), 'attributes'), both.attribute)
  })
}

test('long lists are read in pages', async () => {
  await using client = await entityClient()
  for (const name of ['a', 'b', 'c', 'd']) await client.send('POST P/apiproducts', { name })
  assert.deepEqual((await client.send('GET P/apiproducts?count=2')).json, ['a', 'b'])
  assert.deepEqual((await client.send('GET P/apiproducts?count=2&startKey=b')).json, ['b', 'c'])
  assert.equal((await client.send('GET P/apiproducts?count=0')).status, 400)
  assert.equal((await client.send('GET P/apiproducts?count=all')).status, 400)
})
