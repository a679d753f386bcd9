import assert from 'node:assert/strict'
import { test } from 'node:test'
import { organizationRoutes } from '../../../src/admin/edge/organizations.ts'
import { apiCall, jsonOf } from '../support.ts'
import { entityClient } from './entity-support.ts'

test('the list of organizations holds those the caller has a role in, and no other', async () => {
  await using client = await entityClient()
  await client.send('POST /v1/organizations', { name: 'umbrella' })
  const route = organizationRoutes.find(({ method, path }) => method === 'GET' && path === '/v1/organizations')
  const seenBy = async (roles: Readonly<Record<string, 'viewer' | 'admin'>>): Promise<unknown> => {
    const principal = { user: 'u', roles, via: 'password', from: '::1' } as const
    return route === undefined ? null : jsonOf(await route.handle(apiCall({ principal, services: client.services })))
  }
  assert.deepEqual(await seenBy({ '*': 'viewer' }), ['acme', 'umbrella'])
  assert.deepEqual(await seenBy({ umbrella: 'viewer' }), ['umbrella'])
  assert.deepEqual(await seenBy({ elsewhere: 'admin' }), [])
  assert.equal(route?.role, 'user')
})

test('an organization is made once, from JSON or from XML', async () => {
  await using client = await entityClient()
  const made = await client.send('POST /v1/organizations', { name: 'one', displayName: 'One', type: 'trial' })
  assert.equal(made.status, 201)
  assert.deepEqual((({ displayName, environments, type }) => ({ displayName, environments, type }))(made.json), {
    displayName: 'One',
    environments: [],
    type: 'trial',
  })
  assert.equal((await client.send('POST /v1/organizations', { name: 'one' })).status, 409)
  assert.equal((await client.send('POST /v1/organizations', '<Organization name="two"/>', 'text/xml')).status, 201)
  assert.equal((await client.send('GET /v1/organizations/two')).status, 200)
  assert.equal((await client.send('POST /v1/organizations', '<Environment name="x"/>', 'text/xml')).status, 400)
  assert.equal((await client.send('POST /v1/organizations', {})).status, 400)
  assert.equal((await client.send('POST /v1/organizations', { name: 'x', type: 'free' })).status, 400)
})

test('properties of an organization are changed with PUT, and never with POST', async () => {
  await using client = await entityClient()
  const properties = { property: [{ name: 'a', value: 42 }] }
  assert.equal((await client.send('POST P', { properties })).status, 405)
  const put = await client.send('PUT P', { name: 'acme', displayName: 'Acme Inc.', properties })
  assert.equal(put.status, 200)
  const got = (await client.send('GET P')).json as Record<string, unknown>
  assert.deepEqual(got['properties'], { property: [{ name: 'a', value: '42' }] })
  assert.equal(got['displayName'], 'Acme Inc.')
  assert.equal((await client.send('PUT P', { name: 'other' })).status, 400)
  assert.equal((await client.send('PUT /v1/organizations/nobody', {})).status, 404)
})

test('an environment is made once and shown alone and in lists', async () => {
  await using client = await entityClient()
  assert.deepEqual((await client.send('GET P/environments')).json, ['prod', 'test'])
  assert.equal((await client.send('POST P/environments', { name: 'qa', description: 'for tests' })).status, 201)
  assert.equal((await client.send('POST P/environments', { name: 'qa' })).status, 409)
  assert.equal((await client.send('POST P/environments', { name: 'apis' })).status, 400)
  assert.equal((await client.send('POST /v1/organizations/nobody/environments', { name: 'qa' })).status, 404)
  assert.deepEqual((await client.send('GET P/environments')).json, ['prod', 'qa', 'test'])
  const { name, description, properties } = (await client.send('GET P/environments/qa')).json as Record<string, unknown>
  assert.deepEqual([name, description, properties], ['qa', 'for tests', { property: [] }])
  const put = await client.send('PUT P/environments/qa', { properties: { property: [{ name: 'p', value: 'v' }] } })
  assert.deepEqual((put.json as Record<string, unknown>)['properties'], { property: [{ name: 'p', value: 'v' }] })
  assert.equal((put.json as Record<string, unknown>)['description'], 'for tests', 'what was left out stays')
})
