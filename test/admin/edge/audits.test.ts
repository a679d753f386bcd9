import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entityClient, type EntityClient } from './entity-support.ts'

async function withEntries(): Promise<EntityClient> {
  const client = await entityClient()
  const common = { user: 'eve', from: '::1', method: 'POST', status: 201 }
  for (const [at, organization] of [
    [100, 'acme'],
    [200, 'acme'],
    [300, 'acme'],
    [150, 'other'],
  ] as const) {
    const uri = `/v1/organizations/${organization}/${at}`
    await client.services.store.audit({ ...common, at, operation: 'CREATE', uri, organization })
  }
  return client
}

const timesOf = (json: unknown): readonly number[] => (json as { timestamp: number }[]).map((each) => each.timestamp)

test('records of the organization come newest first, in the shape that clients read', async () => {
  await using client = await withEntries()
  const { status, json } = await client.send('GET /v1/audits/organizations/acme?expand=true')
  assert.equal(status, 200)
  assert.deepEqual(timesOf(json), [300, 200, 100])
  assert.deepEqual((json as unknown[])[0], {
    operation: 'CREATE',
    request: 'POST /v1/organizations/acme/300',
    requestUri: '/v1/organizations/acme/300',
    responseCode: '201',
    timestamp: 300,
    user: 'eve',
  })
})

for (const [query, times] of [
  ['startTime=200', [300, 200]],
  ['endTime=200', [200, 100]],
  ['startTime=101&endTime=299', [200]],
  ['rows=1', [300]],
  ['startTime=400', []],
] as const) {
  test(`${query} leaves ${times.length}`, async () => {
    await using client = await withEntries()
    assert.deepEqual(timesOf((await client.send(`GET /v1/audits/organizations/acme?${query}`)).json), times)
  })
}

test('what is no number is refused, and an unknown organization has no records', async () => {
  await using client = await withEntries()
  assert.equal((await client.send('GET /v1/audits/organizations/acme?startTime=yesterday')).status, 400)
  assert.equal((await client.send('GET /v1/audits/organizations/none')).status, 404)
})
