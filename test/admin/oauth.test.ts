import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openAccess } from '../../src/admin/access/access.ts'
import { accessRoutes } from '../../src/admin/access/routes.ts'
import { type ApiRoute, json } from '../../src/admin/api.ts'
import { basic, makeUser, password, readJson, startAdmin } from './support.ts'

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly token_type: string
  readonly expires_in: number
  readonly scope: string
  readonly jti: string
}

const organization: ApiRoute = {
  method: 'GET',
  path: '/v1/organizations/:org',
  role: 'viewer',
  handle: async (call) => json(200, { via: call.principal.via, properties: { property: [] } }),
}

const start = async (clock: () => number = Date.now) => {
  const server = await startAdmin((access) => [...accessRoutes(access), organization], { clock })
  await makeUser(server.services, 'ann', { acme: 'viewer' })
  await makeUser(server.services, 'root', { '*': 'admin' })
  return server
}

/** As a form, with the credentials of the client that everybody knows, or none. */
const token = (
  origin: string,
  form: Record<string, string>,
  authorization: string | null = 'Basic ZWRnZWNsaTplZGdlY2xpc2VjcmV0',
) =>
  fetch(`${origin}/oauth/token`, {
    method: 'POST',
    headers: authorization === null ? {} : { authorization },
    body: new URLSearchParams(form),
  })
const login = async (origin: string) =>
  readJson<Tokens>(await token(origin, { grant_type: 'password', username: 'ann', password }))
const refresh = (origin: string, refresh_token: string) => token(origin, { grant_type: 'refresh_token', refresh_token })
const see = async (origin: string, bearer: string) =>
  (await fetch(`${origin}/v1/o/acme`, { headers: { authorization: `Bearer ${bearer}` } })).status

test('apigee-edge-js logs in, works, and refreshes its token when that has ended', async () => {
  const home = await mkdtemp(join(tmpdir(), 'postern-home-'))
  const homeBefore = process.env['HOME']
  process.env['HOME'] = home
  try {
    await using server = await start()
    const edge = createRequire(import.meta.url)('apigee-edge-js').edge as EdgeClient
    const oauth = { via: 'oauth', properties: { property: [] } }
    const options = { mgmtServer: server.origin, ssoUrl: server.origin, org: 'acme', user: 'ann' }
    const org = await edge.connect({ ...options, password })
    assert.deepEqual(await org.get(), oauth)
    const stash = JSON.parse(await readFile(join(home, '.apigee-edge-tokens'), 'utf8')) as Record<string, Tokens>
    const [kept] = Object.values(stash)
    assert.equal(kept?.expires_in, 1799)
    await org.conn.refreshToken(null)
    assert.deepEqual(await org.get(), oauth)
    await assert.rejects(edge.connect({ ...options, password: 'wrong', forcenew: true }), /bad status: 401/)
    await assert.rejects(edge.connect({ ...options, user: 'nobody', password, forcenew: true }), /bad status: 401/)
    const plain = await edge.connect({ ...options, password, no_token: true })
    assert.deepEqual(await plain.get(), { ...oauth, via: 'password' })
  } finally {
    process.env['HOME'] = homeBefore
    await rm(home, { recursive: true, force: true })
  }
})

interface EdgeClient {
  connect(options: object): Promise<{
    get(): Promise<unknown>
    readonly conn: { refreshToken(token: null): Promise<unknown> }
  }>
}

test('the answer is what clients expect, with the public client credentials, others, or none', async () => {
  await using server = await start()
  for (const authorization of ['Basic ZWRnZWNsaTplZGdlY2xpc2VjcmV0', basic('other', 'client'), null]) {
    const answer = await token(server.origin, { grant_type: 'password', username: 'ann', password }, authorization)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('cache-control'), 'no-store')
    const body = await readJson<Tokens>(answer)
    assert.deepEqual(Object.keys(body).sort(), [
      'access_token',
      'expires_in',
      'jti',
      'refresh_token',
      'scope',
      'token_type',
    ])
    assert.equal(body.token_type, 'bearer')
    const claims = claimsOf(body.access_token)
    assert.equal(claims.exp - claims.iat, 1799)
    assert.deepEqual([claims.sub, claims.jti], ['ann', body.jti])
    assert.equal(await see(server.origin, body.access_token), 200)
  }
})

test('what is no login is refused and says why', async () => {
  await using server = await start()
  for (const [form, status, error] of [
    [{ grant_type: 'password', username: 'ann', password: 'wrong' }, 401, 'unauthorized'],
    [{ grant_type: 'password', username: 'nobody', password }, 401, 'unauthorized'],
    [{ grant_type: 'password' }, 401, 'unauthorized'],
    [{ grant_type: 'password', response_type: 'token', passcode: 'abc' }, 400, 'unsupported_grant_type'],
    [{ grant_type: 'client_credentials' }, 400, 'unsupported_grant_type'],
    [{}, 400, 'unsupported_grant_type'],
    [{ grant_type: 'refresh_token' }, 401, 'invalid_token'],
    [{ grant_type: 'refresh_token', refresh_token: 'psr_x.y.z' }, 401, 'invalid_token'],
  ] as const) {
    const answer = await token(server.origin, form)
    assert.equal(answer.status, status, JSON.stringify(form))
    assert.equal((await readJson<{ error: string }>(answer)).error, error)
  }
  const query = `grant_type=password&username=ann&password=${encodeURIComponent(password)}`
  const inQuery = await fetch(`${server.origin}/oauth/token?${query}`, { method: 'POST' })
  assert.equal(inQuery.status, 400, 'no password is taken from an address')
})

test('an access token that another key, another algorithm or nobody signed is refused', async () => {
  await using server = await start()
  const { access_token } = await login(server.origin)
  const [header, payload, signature] = access_token.split('.') as [string, string, string]
  const forge = (head: object, claims: object, key: Buffer | string) => {
    const text = [head, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
  }
  const claims = claimsOf(access_token)
  const { tokenKey } = server.access
  assert.equal(await see(server.origin, forge({ alg: 'HS256', typ: 'JWT' }, claims, tokenKey)), 200)
  for (const [what, forged] of [
    ['no signature', `${header}.${payload}.`],
    ['half a signature', `${header}.${payload}.${signature.slice(0, 20)}`],
    ['another key', forge({ alg: 'HS256', typ: 'JWT' }, claims, 'key')],
    ['alg none', `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`],
    ['another header, signed well', forge({ alg: 'HS256' }, claims, tokenKey)],
    [
      'another user',
      `${header}.${Buffer.from(JSON.stringify({ ...claims, sub: 'root' })).toString('base64url')}.${signature}`,
    ],
    ['a user that is not there', forge({ alg: 'HS256', typ: 'JWT' }, { ...claims, sub: 'nobody' }, tokenKey)],
    ['the refresh token', (await login(server.origin)).refresh_token],
  ] as const) {
    assert.equal(await see(server.origin, forged), 401, what)
  }
})

test('an access token ends after 1799 seconds, and with any change of its user', async () => {
  let now = 1_700_000_000_000
  await using server = await start(() => now)
  const first = await login(server.origin)
  now += 1_798_000
  assert.equal(await see(server.origin, first.access_token), 200)
  now += 1_000
  assert.equal(await see(server.origin, first.access_token), 401)
  const second = await login(server.origin)
  assert.equal(await see(server.origin, second.access_token), 200)
  const change = (body: object) =>
    fetch(`${server.origin}/api/users/ann`, {
      method: 'PATCH',
      headers: { authorization: basic('root') },
      body: JSON.stringify(body),
    })
  await change({ roles: { acme: 'operator' } })
  assert.equal(await see(server.origin, second.access_token), 401, 'roles are other ones')
  const third = await readJson<Tokens>(await refresh(server.origin, second.refresh_token))
  assert.equal(await see(server.origin, third.access_token), 200)
  await change({ password: 'another password' })
  assert.equal(await see(server.origin, third.access_token), 401)
  assert.equal((await refresh(server.origin, third.refresh_token)).status, 401, 'a new password ends sessions')
})

test('a refresh token is good once; used again, it ends all that came of it', async () => {
  await using server = await start()
  const first = await login(server.origin)
  const other = await login(server.origin)
  const second = await readJson<Tokens>(await refresh(server.origin, first.refresh_token))
  assert.notEqual(second.refresh_token, first.refresh_token)
  assert.equal(await see(server.origin, second.access_token), 200)
  assert.equal((await refresh(server.origin, first.refresh_token)).status, 401)
  assert.equal((await refresh(server.origin, second.refresh_token)).status, 401)
  assert.equal(await see(server.origin, second.access_token), 401)
  assert.equal(await see(server.origin, other.access_token), 200, 'another login of the same user goes on')
})

test('two refreshes at once: one is given a token', async () => {
  await using server = await start()
  const { refresh_token } = await login(server.origin)
  const answers = await Promise.all([refresh(server.origin, refresh_token), refresh(server.origin, refresh_token)])
  assert.deepEqual(
    answers.map((answer) => answer.status).sort((a, b) => a - b),
    [200, 401],
  )
})

test('a session ends by revoking its refresh token, and after a day without use', async () => {
  let now = 1_700_000_000_000
  await using server = await start(() => now)
  const { access_token, refresh_token } = await login(server.origin)
  const revoke = () =>
    fetch(`${server.origin}/oauth/revoke`, { method: 'POST', body: new URLSearchParams({ token: refresh_token }) })
  assert.equal((await revoke()).status, 200)
  assert.equal(await see(server.origin, access_token), 401)
  assert.equal((await refresh(server.origin, refresh_token)).status, 401)
  assert.equal((await revoke()).status, 200)
  const idle = await login(server.origin)
  now += 24 * 60 * 60 * 1000
  assert.equal((await refresh(server.origin, idle.refresh_token)).status, 401)
})

test('a restart ends no session', async () => {
  await using server = await start()
  const { access_token } = await login(server.origin)
  const again = await openAccess({ store: server.services.store, clock: Date.now })
  assert.equal((await again.authenticate(`Bearer ${access_token}`, '127.0.0.1')).via, 'oauth')
})

test('sessions of a user have an end', async () => {
  let now = 1_700_000_000_000
  await using server = await start(() => now)
  const first = await login(server.origin)
  for (let i = 0; i < 200; i++) {
    now++
    await login(server.origin)
  }
  const kept = await server.services.read((view) => view.names('token', 'ann'))
  assert.equal(kept.length, 200)
  assert.equal(await see(server.origin, first.access_token), 401, 'the oldest went')
})

test('logins by this way are in the audit trail, and run out like any other', async () => {
  const rates = { userAndAddress: { burst: 2, every: 10_000 }, address: { burst: 9, every: 1_000 } }
  await using server = await startAdmin(accessRoutes, { clock: () => 5, rates })
  await makeUser(server.services, 'ann', { acme: 'viewer' })
  await login(server.origin)
  const wrong = () => token(server.origin, { grant_type: 'password', username: 'ann', password: 'mistaken' })
  assert.deepEqual([(await wrong()).status, (await wrong()).status], [401, 401])
  const limited = await wrong()
  assert.deepEqual([limited.status, limited.headers.get('retry-after')], [429, '10'])
  const entries = await server.services.store.audits({})
  assert.deepEqual(
    entries.toReversed().map((entry) => `${entry.user} ${entry.operation} ${entry.uri} ${entry.status}`),
    ['ann LOGIN /oauth/token 200', 'ann LOGIN /oauth/token 401', 'ann LOGIN /oauth/token 401'],
  )
})

function claimsOf(jwt: string): {
  readonly iat: number
  readonly exp: number
  readonly sub: string
  readonly jti: string
} {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as never
}
