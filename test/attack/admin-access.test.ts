import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { accessRoutes } from '../../src/admin/access/routes.ts'
import type { ApiRoute } from '../../src/admin/api.ts'
import { json } from '../../src/admin/api.ts'
import { basic, makeUser, memoryServices, readJson, startAdmin } from '../admin/support.ts'

/** Services that count what strangers make the one writer, and the table of tokens, do. */
async function counting() {
  const services = await memoryServices()
  const seen = { transactions: 0, scans: 0 }
  const { store } = services
  const counted = {
    ...store,
    begin: () => (seen.transactions++, store.begin()),
    read: <T>(work: Parameters<typeof store.read<T>>[0]) =>
      store.read((view) => work({ ...view, below: (kind, scope) => (seen.scans++, view.below(kind, scope)) })),
  }
  return { seen, services: { ...services, store: counted } }
}

const form = (fields: Record<string, string>): RequestInit => ({ method: 'POST', body: new URLSearchParams(fields) })
const strangeRefresh = `psr_${Buffer.from('root').toString('base64url')}.${'0'.repeat(32)}.${'A'.repeat(43)}`

describe('Strangers', () => {
  test('do not take the turn of the one writer with tokens that nobody has given out', async () => {
    const { seen, services } = await counting()
    await using server = await startAdmin(accessRoutes, { services })
    seen.transactions = 0
    for (let i = 0; i < 20; i++) {
      await fetch(`${server.origin}/oauth/revoke`, form({ token: strangeRefresh }))
      await fetch(`${server.origin}/oauth/token`, form({ grant_type: 'refresh_token', refresh_token: strangeRefresh }))
    }
    assert.equal(seen.transactions, 0)
  })

  test('do not have all tokens looked through more often than they have attempts', async () => {
    const { seen, services } = await counting()
    await using server = await startAdmin(accessRoutes, { services })
    const statuses: number[] = []
    for (let i = 0; i < 40; i++) {
      const headers = { authorization: `Bearer pst_${i}` }
      statuses.push((await fetch(`${server.origin}/api/session`, { headers })).status)
    }
    assert.ok(seen.scans <= 12, `${seen.scans} looks for 40 tokens that do not exist`)
    assert.equal(statuses.at(-1), 429)
  })
})

test('many requests at once with a token that is new are one attempt, and all of them pass', async () => {
  await using server = await startAdmin(accessRoutes)
  await makeUser(server.services, 'root', { '*': 'admin' })
  const made = await fetch(`${server.origin}/api/tokens`, {
    method: 'POST',
    headers: { authorization: basic('root') },
    body: '{}',
  })
  const { token } = await readJson<{ token: string }>(made)
  const headers = { authorization: `Bearer ${token}` }
  const answers = await Promise.all(
    Array.from({ length: 60 }, async () => (await fetch(`${server.origin}/api/session`, { headers })).status),
  )
  assert.deepEqual(new Set(answers), new Set([200]))
})

test('a user who is refused again and again leaves entries of it, and not one for each time', async () => {
  const routes: readonly ApiRoute[] = [
    { method: 'POST', path: '/v1/organizations/:org/x', role: 'operator', handle: async () => json(200, {}) },
  ]
  await using server = await startAdmin(routes, { clock: () => 1_000 })
  await makeUser(server.services, 'vic', { acme: 'viewer' })
  for (let i = 0; i < 300; i++) {
    const call = { method: 'POST', headers: { authorization: basic('vic') } }
    assert.equal((await fetch(`${server.origin}/v1/o/acme/x`, call)).status, 403)
  }
  const entries = await server.services.store.audits({ rows: 1_000 })
  assert.ok(entries.length >= 50 && entries.length <= 150, `${entries.length} entries of 300 refusals`)
})
