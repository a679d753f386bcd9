import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateKeySync } from 'node:crypto'
import { ensureAdmin } from '../../src/admin/access/first-admin.ts'
import { accessRoutes } from '../../src/admin/access/routes.ts'
import { openState } from '../../src/state/open.ts'
import { basic, memoryServices, startAdmin } from './support.ts'

test('no answer, log line, audit entry or file has a password or a token, and no answer has a hash (I7)', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-secrets-'))
  const key = generateKeySync('aes', { length: 256 })
  const empty = await memoryServices()
  await empty.store.close()
  const store = await openState({ directory, key })
  const services = {
    ...empty,
    store,
    read: store.read.bind(store),
    change: async (_: unknown, work: (tx: never) => Promise<never>) => {
      const tx = await store.begin()
      try {
        const result = await work(tx as never)
        await tx.commit()
        return result
      } catch (error) {
        await tx.rollback()
        throw error
      }
    },
  } as typeof empty
  const secrets = new Set<string>()
  const secret = (text: string): string => {
    secrets.add(text)
    return text
  }
  const given = secret('the-first-password')
  await ensureAdmin(store, { password: given, clock: Date.now })
  const server = await startAdmin(accessRoutes, { services })
  const sent: string[] = []
  const ask = async (method: string, path: string, authorization: string | null, body?: string | URLSearchParams) => {
    const headers = authorization === null ? {} : { authorization }
    const answer = await fetch(`${server.origin}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
    const text = await answer.text()
    return { text, all: `${JSON.stringify([...answer.headers])} ${text}` }
  }
  /** Everything but the answers that hand out a token; what those hand out is a secret from then on. */
  const seen = async (...call: Parameters<typeof ask>) => void sent.push((await ask(...call)).all)
  try {
    const root = basic('admin', given)
    const one = secret('password-of-ann')
    const two = secret('second-of-ann')
    await seen('POST', '/api/users', root, JSON.stringify({ name: 'ann', password: one, roles: { acme: 'viewer' } }))
    await seen('POST', '/api/users', root, JSON.stringify({ name: 'ann', password: one }))
    await seen('POST', '/api/users', root, JSON.stringify({ name: one, password: { nested: one } }))
    await seen('POST', '/api/users', root, `{"password": "${one}", nonsense`)
    await seen('POST', `/api/users?password=${one}&access_token=${one}`, root, '{}')
    await seen('GET', '/api/session', basic('ann', secret('mistaken-password')))
    await seen('GET', '/api/session', basic(secret('password-as-user-name'), 'x'))
    const form = new URLSearchParams({ grant_type: 'password', username: 'ann', password: one })
    await seen('POST', `/oauth/token?${form.toString()}`, null)
    await seen(
      'POST',
      '/oauth/token',
      null,
      new URLSearchParams({ grant_type: 'password', username: one, password: one }),
    )
    const login = JSON.parse((await ask('POST', '/oauth/token', null, form)).text) as Record<string, string>
    const access = secret(login['access_token'] ?? '')
    const refresh = secret(login['refresh_token'] ?? '')
    secrets.add(access.split('.')[2] ?? '')
    await seen('GET', '/api/session', `Bearer ${access}`)
    await seen('GET', '/api/session', `Bearer ${access}x`)
    await seen(
      'POST',
      '/oauth/token',
      null,
      new URLSearchParams({ grant_type: 'refresh_token', refresh_token: `${refresh}x` }),
    )
    await seen('POST', '/oauth/revoke', null, new URLSearchParams({ token: refresh }))
    const made = JSON.parse((await ask('POST', '/api/tokens', basic('ann', one), '{}')).text) as Record<string, string>
    const token = secret(made['token'] ?? '')
    await seen('GET', '/api/tokens', `Bearer ${token}`)
    await seen('POST', '/api/tokens', `Bearer ${token}`, '{}')
    await seen('GET', '/api/users/ann/tokens', root)
    await seen('PUT', '/api/session/password', basic('ann', one), JSON.stringify({ password: 'no', newPassword: two }))
    await seen('PUT', '/api/session/password', basic('ann', one), JSON.stringify({ password: one, newPassword: two }))
    await seen('GET', '/api/users', root)
    await seen('DELETE', `/api/tokens/${made['id'] ?? ''}`, basic('ann', two))
    await seen('GET', '/api/audit?rows=1000', root)
    await seen('DELETE', '/api/users/ann', root)
    const logged = JSON.stringify(server.errors.map(String))
    assert.equal(sent.length, 20 + 2)
    for (const text of [...sent, logged]) {
      for (const one of secrets) assert.ok(!text.includes(one), `${one} in ${text}`)
      assert.doesNotMatch(text, /scrypt|"sha256"|[0-9a-f]{64}/)
    }
    await server.admin.close(0)
    await store.backup(join(directory, 'copy.db'))
    for (const file of await readdir(directory)) {
      const bytes = await readFile(join(directory, file)).catch(() => Buffer.alloc(0))
      for (const one of secrets) assert.equal(bytes.indexOf(one), -1, `${one} in ${file}`)
    }
  } finally {
    await server[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
})
