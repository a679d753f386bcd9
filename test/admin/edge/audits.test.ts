import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRoot } from '../../../src/pki/make.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { adminPassword, startManagedGateway } from '../../support/managed-gateway.ts'
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

test('a switched reference and a changed alias say what became what, over both halves of the API', async () => {
  await using running = await startManagedGateway()
  const { api } = running
  const [one, other] = await Promise.all(['one', 'other'].map((commonName) => createRoot({ commonName })))
  assert.ok(one !== undefined && other !== undefined)
  for (const store of ['partners-2026', 'partners-2027']) await api.keystore(store)
  await api.reference('trust', 'partners-2026')
  await api.switchReference('trust', 'partners-2027')
  await api.alias('partners-2026', 'a', one.certificatePem, one.keyPem)
  await api.alias('partners-2027', 'a', one.certificatePem)
  await api.replaceAlias('partners-2027', 'a', other.certificatePem)
  await api.removeAlias('partners-2027', 'a')
  await assert.rejects(api.switchReference('trust', 'nowhere'))
  const [first, second] = [one, other].map(({ certificate }, at) => {
    return `"CN=${['one', 'other'][at]}" (sha256 ${parseCertificate(certificate).sha256})`
  })
  const expected = [
    undefined,
    `alias a: ${second} -> nothing`,
    `alias a: ${first} -> ${second}`,
    `alias a: nothing -> ${first}`,
    `alias a: nothing -> ${first}`,
    'refers partners-2026 -> partners-2027',
    'refers partners-2026',
    undefined,
    undefined,
  ]
  const authorization = `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`
  const read = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${running.gateway.managementPort}${path}`, { headers: { authorization } })).text()
  const edge = await read('/v1/audits/organizations/acme')
  const native = await read('/api/audit?organization=acme')
  type Entry = { readonly detail?: string }
  const detailsOf = (all: readonly Entry[]) => all.map(({ detail }) => detail)
  assert.deepEqual(detailsOf(JSON.parse(edge) as Entry[]), expected)
  assert.deepEqual(detailsOf((JSON.parse(native) as { entries: Entry[] }).entries), expected)
  assert.doesNotMatch(edge + native, /PRIVATE KEY|BEGIN/)
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
