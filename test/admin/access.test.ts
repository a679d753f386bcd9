import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ensureAdmin } from '../../src/admin/access/first-admin.ts'
import { hashPassword, verifyPassword } from '../../src/admin/access/passwords.ts'
import { accessRoutes } from '../../src/admin/access/routes.ts'
import { type ApiRoute, json } from '../../src/admin/api.ts'
import { operatorRoutes } from '../../src/admin/operator-routes.ts'
import { roleIn } from '../../src/admin/roles.ts'
import { basic, makeOrganization, makeUser, memoryServices, password, readJson, startAdmin } from './support.ts'

interface Session {
  readonly user: string
  readonly via: string
  readonly roles: Readonly<Record<string, string>>
}
interface Token {
  readonly id: string
  readonly token: string
}
interface Entry {
  readonly operation: string
  readonly user: string
  readonly uri: string
  readonly status: number
  readonly method: string
  readonly organization: string
}

const ask = (origin: string, method: string, path: string, authorization: string | null, body?: unknown) =>
  fetch(`${origin}${path}`, {
    method,
    headers: { ...(authorization === null ? {} : { authorization }), 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

const start = async (options: Parameters<typeof startAdmin>[1] = {}) => {
  const server = await startAdmin(accessRoutes, options)
  await makeOrganization(server.services, 'acme')
  await makeUser(server.services, 'root', { '*': 'admin' })
  await makeUser(server.services, 'ann', { acme: 'operator', other: 'viewer' })
  return server
}

test('a password is known again, and its hash carries what it was made with', async () => {
  const hash = await hashPassword('Gr\u00fc\u00dfe 1')
  assert.match(hash, /^scrypt\$32768\$8\$1\$[\w-]{22}\$[\w-]{43}$/)
  assert.notEqual(hash, await hashPassword('Gr\u00fc\u00dfe 1'))
  assert.equal(await verifyPassword('Gr\u00fc\u00dfe 1', hash), true)
  assert.equal(await verifyPassword('Gru\u0308\u00dfe 1', hash), true, 'however the keyboard puts it together')
  assert.equal(await verifyPassword('Gr\u00fc\u00dfe 2', hash), false)
  assert.equal(await verifyPassword('x', null), false)
  const older = 'scrypt$1024$8$1$' + hash.split('$').slice(4).join('$')
  assert.equal(await verifyPassword('Gr\u00fc\u00dfe 1', older), false, 'parameters are taken from the hash')
})

test('many logins at once wait for each other, and too many are sent away', async () => {
  const hash = await hashPassword('x')
  const all = await Promise.allSettled(Array.from({ length: 80 }, () => verifyPassword('x', hash)))
  assert.equal(all.filter((one) => one.status === 'fulfilled' && one.value).length, 66)
  assert.equal(all.filter((one) => one.status === 'rejected' && one.reason.status === 503).length, 14)
})

test('the first start makes an admin, once', async () => {
  const services = await memoryServices()
  const clock = () => 5
  const made = await ensureAdmin(services.store, { clock })
  assert.match(made?.password ?? '', /^[\w-]{24}$/)
  const hash = await services.read(async (view) => (await view.get('user', '', 'admin'))?.body.password ?? null)
  assert.equal(await verifyPassword(made?.password ?? '', hash), true)
  assert.equal(await ensureAdmin(services.store, { clock, password: 'another one' }), null)
  await services.store.close()
  const others = await memoryServices()
  assert.deepEqual(await ensureAdmin(others.store, { clock, password: 'given by hand' }), {
    user: 'admin',
    password: null,
  })
  await others.store.close()
  const weak = await memoryServices()
  await assert.rejects(ensureAdmin(weak.store, { clock, password: 'short' }), { code: 'bad-password' })
  await weak.store.close()
})

test('Basic, and what is not: 401 says how to log in, and the same of nobody and of a wrong password', async () => {
  await using server = await start()
  const session = (authorization: string | null) => ask(server.origin, 'GET', '/api/session', authorization)
  assert.deepEqual(await readJson<Session>(await session(basic('ann'))), {
    user: 'ann',
    via: 'password',
    roles: { acme: 'operator', other: 'viewer' },
  })
  const none = await session(null)
  assert.equal(none.status, 401)
  assert.match(none.headers.get('www-authenticate') ?? '', /^Basic realm="postern", charset="UTF-8", Bearer /)
  const texts = new Set<string>()
  for (const authorization of [
    basic('ann', 'wrong'),
    basic('nobody', 'wrong'),
    basic('ann', ''),
    basic('', password),
  ]) {
    const answer = await session(authorization)
    assert.equal(answer.status, 401)
    texts.add(`${answer.headers.get('www-authenticate')} ${await answer.text()}`)
  }
  assert.equal(texts.size, 1)
  for (const authorization of ['Basic', 'Basic !!!', 'Basic YQ==', 'Digest x', 'Bearer x', 'Bearer a.b.c', 'x']) {
    assert.equal((await session(authorization)).status, 401, authorization)
  }
})

test('an unknown user takes as long as a known one', async () => {
  const hash = await hashPassword(password)
  const time = async (stored: string | null) => {
    const started = performance.now()
    await verifyPassword('wrong', stored)
    return performance.now() - started
  }
  const least = async (stored: string | null) => Math.min(await time(stored), await time(stored), await time(stored))
  const [known, unknown] = [await least(hash), await least(null)]
  assert.ok(unknown > known / 2 && unknown < known * 2, `${known} ms, ${unknown} ms`)
})

test('a user who is changed or deleted is another one with the next request', async () => {
  await using server = await start()
  const status = async (authorization: string) =>
    (await ask(server.origin, 'GET', '/api/session', authorization)).status
  const root = basic('root')
  assert.equal(await status(basic('ann')), 200)
  const change = { password: 'another password', roles: { '*': 'viewer' } }
  assert.equal((await ask(server.origin, 'PATCH', '/api/users/ann', root, change)).status, 200)
  assert.equal(await status(basic('ann')), 401)
  const now = await ask(server.origin, 'GET', '/api/session', basic('ann', 'another password'))
  assert.deepEqual((await readJson<Session>(now)).roles, { '*': 'viewer' })
  assert.equal((await ask(server.origin, 'DELETE', '/api/users/ann', root)).status, 200)
  assert.equal(await status(basic('ann', 'another password')), 401)
})

test('users are made, shown without their hash, and refused where they make no sense', async () => {
  await using server = await start()
  const root = basic('root')
  const make = (body: unknown) => ask(server.origin, 'POST', '/api/users', root, body)
  const made = await make({ name: 'bob@example.com', password: 'long enough', roles: { acme: 'admin' } })
  assert.equal(made.status, 201)
  assert.doesNotMatch(await made.text(), /scrypt|long enough/)
  const all = await ask(server.origin, 'GET', '/api/users', root)
  assert.doesNotMatch(await all.clone().text(), /scrypt|\$/)
  const { users } = await readJson<{ users: { name: string }[] }>(all)
  assert.deepEqual(
    users.map((user) => user.name),
    ['ann', 'bob@example.com', 'root'],
  )
  assert.equal((await make({ name: 'bob@example.com', password: 'long enough' })).status, 409)
  for (const body of [
    { name: 'a/b', password: 'long enough' },
    { name: '', password: 'long enough' },
    { name: 'x', password: 'short' },
    { name: 'x' },
    { name: 'x', password: 'long enough', roles: { acme: 'owner' } },
    { name: 'x', password: 'long enough', roles: { 'a b': 'admin' } },
    { name: 'x', password: 'long enough', unknown: 1 },
    [],
  ]) {
    const answer = await make(body)
    assert.equal(answer.status, 400, JSON.stringify(body))
    assert.doesNotMatch(await answer.text(), /long enough|"short"/)
  }
  assert.equal((await ask(server.origin, 'GET', '/api/users/nobody', root)).status, 404)
})

test('a role is in an organization that there is, or in all of them', async () => {
  await using server = await start()
  const root = basic('root')
  const send = async (method: string, path: string, body: unknown): Promise<string> => {
    const answer = await ask(server.origin, method, path, root, body)
    const { error } = await readJson<{ error?: { code: string } }>(answer)
    return `${answer.status} ${error?.code ?? ''}`
  }
  const bob = { name: 'bob', password: 'long enough', roles: { acme: 'viewer', acmee: 'admin' } }
  assert.equal(await send('POST', '/api/users', bob), '400 organization-unknown')
  assert.equal(await send('POST', '/api/users', { ...bob, roles: { '*': 'viewer', acme: 'admin' } }), '201 ')
  assert.equal(await send('PATCH', '/api/users/bob', { roles: { constructor: 'viewer' } }), '400 organization-unknown')
  assert.equal(await send('PATCH', '/api/users/bob', { roles: { acme: 'viewer' } }), '200 ')
  // An organization that is gone may stay among his: what he has is not being given.
  await makeUser(server.services, 'old', { gone: 'viewer' })
  assert.equal(await send('PATCH', '/api/users/old', { roles: { gone: 'viewer', acme: 'viewer' } }), '200 ')
})

test('the last admin stays one', async () => {
  await using server = await start()
  const root = basic('root')
  assert.equal((await ask(server.origin, 'DELETE', '/api/users/root', root)).status, 409)
  assert.equal((await ask(server.origin, 'PATCH', '/api/users/root', root, { roles: { acme: 'admin' } })).status, 409)
  await makeUser(server.services, 'second', { '*': 'admin' })
  assert.equal((await ask(server.origin, 'DELETE', '/api/users/root', root)).status, 200)
})

test('whoever knows his password may change it', async () => {
  await using server = await start()
  const change = (authorization: string, body: unknown) =>
    ask(server.origin, 'PUT', '/api/session/password', authorization, body)
  const wrong = await change(basic('ann'), { password: 'wrong', newPassword: 'a newer one' })
  assert.equal(wrong.status, 400)
  assert.equal((await change(basic('ann'), { password, newPassword: 'short' })).status, 400)
  assert.equal((await change(basic('ann'), { password, newPassword: 'a newer one' })).status, 204)
  assert.equal((await ask(server.origin, 'GET', '/api/session', basic('ann'))).status, 401)
  assert.equal((await ask(server.origin, 'GET', '/api/session', basic('ann', 'a newer one'))).status, 200)
})

test('an API token does what its user may, up to its cap, until it ends or is revoked', async () => {
  let now = 1_000_000
  await using server = await start({ clock: () => now })
  const make = async (body: unknown) =>
    readJson<Token>(await ask(server.origin, 'POST', '/api/tokens', basic('ann'), body))
  const session = (token: string) => ask(server.origin, 'GET', '/api/session', `Bearer ${token}`)
  const plain = await make({})
  assert.match(plain.token, /^pst_[\w-]{43}$/)
  assert.deepEqual(await readJson<Session>(await session(plain.token)), {
    user: 'ann',
    via: 'token',
    roles: { acme: 'operator', other: 'viewer' },
  })
  const asPassword = await ask(server.origin, 'GET', '/api/session', basic('ann', plain.token))
  assert.equal((await readJson<Session>(asPassword)).via, 'token')
  assert.equal((await ask(server.origin, 'GET', '/api/session', basic('root', plain.token))).status, 401)
  const limited = await make({ role: 'viewer', description: 'ci', expiresAt: now + 1000 })
  assert.deepEqual((await readJson<Session>(await session(limited.token))).roles, { acme: 'viewer', other: 'viewer' })
  const stronger = await make({ role: 'admin' })
  assert.deepEqual((await readJson<Session>(await session(stronger.token))).roles['acme'], 'operator')
  for (const [method, path, body] of [
    ['POST', '/api/tokens', {}],
    ['DELETE', `/api/tokens/${plain.id}`, undefined],
    ['PUT', '/api/session/password', { password, newPassword: 'a newer one' }],
  ] as const) {
    const answer = await ask(server.origin, method, path, `Bearer ${limited.token}`, body)
    assert.equal(answer.status, 403, `a token may not: ${method} ${path}`)
  }
  now += 1000
  assert.equal((await session(limited.token)).status, 401, 'ended')
  const list = await (await ask(server.origin, 'GET', '/api/tokens', basic('ann'))).text()
  assert.doesNotMatch(list, /pst_|sha256/)
  assert.equal((await ask(server.origin, 'DELETE', `/api/tokens/${plain.id}`, basic('root'))).status, 404, 'not hers')
  assert.equal((await ask(server.origin, 'DELETE', `/api/tokens/${plain.id}`, basic('ann'))).status, 200)
  assert.equal((await session(plain.token)).status, 401, 'revoked')
  const byAdmin = `/api/users/ann/tokens/${stronger.id}`
  assert.equal((await ask(server.origin, 'DELETE', byAdmin, basic('root'))).status, 200)
  assert.equal((await session(stronger.token)).status, 401)
  assert.equal((await ask(server.origin, 'POST', '/api/tokens', basic('ann'), { expiresAt: 5 })).status, 400)
})

test('a user of the same name has nothing of the one before', async () => {
  await using server = await start()
  const { token } = await readJson<Token>(await ask(server.origin, 'POST', '/api/tokens', basic('ann'), {}))
  const root = basic('root')
  const status = async () => (await ask(server.origin, 'GET', '/api/session', `Bearer ${token}`)).status
  assert.equal(await status(), 200)
  await ask(server.origin, 'DELETE', '/api/users/ann', root)
  assert.equal(await status(), 401)
  await ask(server.origin, 'POST', '/api/users', root, { name: 'ann', password })
  assert.equal(await status(), 401)
})

test('fifty requests at once with a new token or password are one attempt', async () => {
  await using server = await start()
  const { token } = await readJson<Token>(await ask(server.origin, 'POST', '/api/tokens', basic('root'), {}))
  for (const authorization of [`Bearer ${token}`, basic('ann')]) {
    const all = Array.from({ length: 50 }, () => ask(server.origin, 'GET', '/api/session', authorization))
    assert.deepEqual(new Set((await Promise.all(all)).map((answer) => answer.status)), new Set([200]))
  }
})

test('failed logins run out, by user and by address, and come back with time', async () => {
  let now = 1_000_000
  const rates = { userAndAddress: { burst: 3, every: 10_000 }, address: { burst: 5, every: 1_000 } }
  await using server = await start({ clock: () => now, rates })
  const status = async (authorization: string) => {
    const answer = await ask(server.origin, 'GET', '/api/session', authorization)
    return answer.status === 429 ? `429 after ${answer.headers.get('retry-after')}` : answer.status
  }
  assert.equal(await status(basic('root')), 200)
  for (let i = 0; i < 3; i++) assert.equal(await status(basic('ann', `wrong ${i}`)), 401)
  assert.equal(await status(basic('ann', 'wrong')), '429 after 10')
  assert.equal(await status(basic('ann')), '429 after 10', 'the right one is not told from the wrong one')
  assert.equal(await status(basic('nobody', 'wrong')), 401, 'the address has some left')
  assert.equal(await status(basic('nobody', 'wrong')), 401)
  assert.equal(await status(basic('nobody', 'wrong')), '429 after 1')
  assert.equal(await status('Bearer pst_wrong'), '429 after 1', 'tokens are guesses, too')
  assert.equal(await status(basic('root')), 200, 'whoever was verified goes on')
  now += 10_000
  assert.equal(await status(basic('ann')), 200)
  for (let i = 0; i < 20; i++) assert.equal(await status(basic('ann')), 200, 'what succeeds costs nothing')
})

test('strangers who guess a user from everywhere do not lock out who is let in already', async () => {
  let now = 1_000_000
  const rates = {
    userAndAddress: { burst: 100, every: 10_000 },
    address: { burst: 100, every: 1_000 },
    user: { burst: 3, every: 10_000_000 },
  }
  await using server = await start({ clock: () => now, rates })
  const status = async (authorization: string) =>
    (await ask(server.origin, 'GET', '/api/session', authorization)).status
  const made = await ask(server.origin, 'POST', '/api/tokens', basic('ann'), {})
  const { token } = await readJson<Token>(made)
  const guess = (at: number) => server.access.login('ann', `wrong ${at}`, `198.51.100.${at}`)
  for (let at = 0; at < 3; at++) await assert.rejects(guess(at), { code: 'unauthorized' })
  await assert.rejects(guess(4), { code: 'too-many-logins' })
  now += 600_000
  assert.equal(await status(basic('ann')), 200, 'long after what was verified was to be asked again')
  await server.access.login('ann', password, '203.0.113.1')
  assert.equal(await status(`Bearer ${token}`), 200)
  assert.equal(await status(basic('ann', 'wrong')), 429)
  assert.equal(await status(basic('root')), 200, 'another user')
  await ask(server.origin, 'PATCH', '/api/users/ann', basic('root'), { displayName: 'Ann' })
  assert.equal(await status(basic('ann')), 429, 'a user who was changed is another one')
})

test('a token makes no users and changes none, its own user least of all', async () => {
  await using server = await start()
  const made = await ask(server.origin, 'POST', '/api/tokens', basic('root'), {})
  const bearer = `Bearer ${(await readJson<Token>(made)).token}`
  const annToken = await readJson<Token>(await ask(server.origin, 'POST', '/api/tokens', basic('ann'), {}))
  const changes: readonly (readonly [method: string, path: string, body?: unknown])[] = [
    ['POST', '/api/users', { name: 'eve', password: 'one of her own', roles: { '*': 'admin' } }],
    ['PATCH', '/api/users/root', { password: 'one of her own' }],
    ['PATCH', '/api/users/ann', { roles: { '*': 'admin' } }],
    ['DELETE', `/api/users/ann/tokens/${annToken.id}`],
    ['DELETE', '/api/users/ann'],
  ]
  for (const [method, path, body] of changes) {
    const refused = await ask(server.origin, method, path, bearer, body)
    assert.equal(refused.status, 403, `${method} ${path}`)
    assert.equal((await readJson<{ error: { code: string } }>(refused)).error.code, 'needs-password')
  }
  assert.equal((await ask(server.origin, 'GET', '/api/session', basic('root'))).status, 200)
  assert.equal((await ask(server.origin, 'GET', '/api/users', bearer)).status, 200, 'it may look')
  for (const [method, path, body] of changes) {
    const allowed = await ask(server.origin, method, path, basic('root'), body)
    assert.ok(allowed.ok, `${method} ${path}`)
    if (path === '/api/users/root') await makeUser(server.services, 'root', { '*': 'admin' })
  }
})

test('what changes something is in the audit trail, once, and so are refused logins; no secret is', async () => {
  await using server = await startAdmin((access) => [...accessRoutes(access), ...auditedRoutes])
  await makeUser(server.services, 'root', { '*': 'admin' })
  await makeUser(server.services, 'ann', { acme: 'viewer' })
  const root = basic('root')
  await ask(server.origin, 'POST', '/api/users?password=s3cret&x=1', root, { name: 'bob', password: 'hidden password' })
  await ask(server.origin, 'POST', '/api/users', root, { name: 'bob', password: 'hidden password' })
  await ask(server.origin, 'POST', '/v1/o/acme/e/test/things', basic('ann'), {})
  await ask(server.origin, 'POST', '/v1/o/acme/e/test/things', root, {})
  await ask(server.origin, 'POST', '/v1/o/acme/e/test/things', null, {})
  await ask(server.origin, 'GET', '/api/session', basic('ann', 'mistaken'))
  await ask(server.origin, 'GET', '/api/session', basic('mistaken', 'mistaken'))
  await ask(server.origin, 'GET', '/api/session', null)
  const answer = await ask(server.origin, 'GET', '/api/audit', root)
  const text = await answer.clone().text()
  assert.doesNotMatch(text, /s3cret|hidden|mistaken|scrypt|correct horse/)
  const { entries } = await readJson<{ entries: Entry[] }>(answer)
  const lines = entries.toReversed().map((one) => `${one.user} ${one.operation} ${one.method} ${one.uri} ${one.status}`)
  assert.deepEqual(lines, [
    'root CREATE POST /api/users?password=***&x=1 201',
    'root CREATE POST /api/users 409',
    'ann DEPLOY POST /v1/organizations/acme/environments/test/things 403',
    'root DEPLOY POST /v1/organizations/acme/environments/test/things 200',
    ' DEPLOY POST /v1/organizations/acme/environments/test/things 401',
    'ann LOGIN GET /api/session 401',
    ' LOGIN GET /api/session 401',
  ])
  const ofAcme = await ask(server.origin, 'GET', '/api/audit?organization=acme&user=root&rows=5', root)
  assert.equal((await readJson<{ entries: Entry[] }>(ofAcme)).entries.length, 1)
  assert.equal((await ask(server.origin, 'GET', '/api/audit?start=x', root)).status, 400)
})

test('a change that fails after its work leaves one entry, of the failure', async () => {
  const services = await memoryServices()
  const refusing = {
    ...services,
    change: (call: never, work: Parameters<typeof services.change>[1]) =>
      services.change(call, async (tx) => {
        await work(tx)
        throw new Error('does not run')
      }),
  } as unknown as typeof services
  await using server = await startAdmin(accessRoutes, { services: refusing })
  await makeUser(services, 'root', { '*': 'admin' })
  await ask(server.origin, 'POST', '/api/users', basic('root'), { name: 'bob', password: 'long enough' })
  const entries = await services.store.audits({})
  assert.deepEqual(
    entries.map((one) => one.status),
    [500],
  )
})

const auditedRoutes: readonly ApiRoute[] = [
  {
    method: 'POST',
    path: '/v1/organizations/:org/environments/:env/things',
    role: 'operator',
    operation: 'DEPLOY',
    handle: async () => json(200, {}),
  },
]

test('an organization that is there and one that is not look alike to who may see neither', async () => {
  await using server = await startAdmin((access) => [
    ...operatorRoutes(gateway),
    ...accessRoutes(access),
    ...organizations,
  ])
  await makeUser(server.services, 'ann', { other: 'admin' })
  await makeUser(server.services, 'root', { '*': 'viewer' })
  const see = async (org: string, user: string) => {
    const answer = await ask(server.origin, 'GET', `/v1/o/${org}`, basic(user))
    return `${answer.status} ${(await answer.text()).replaceAll(org, 'ORG')}`
  }
  assert.equal(await see('acme', 'ann'), await see('nothing', 'ann'))
  assert.match(await see('acme', 'ann'), /^403 /)
  assert.match(await see('constructor', 'ann'), /^403 /, 'names of the language are no roles')
  assert.match(await see('__proto__', 'ann'), /^403 /)
  assert.equal(roleIn({ roles: {} }, 'constructor'), null)
  assert.match(await see('acme', 'root'), /^200 /)
  assert.match(await see('nothing', 'root'), /^404 /)
})

const gateway = { ready: true, metricsText: () => '', status: () => ({}), inventory: () => ({}) }
const organizations: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: '/v1/organizations/:org',
    role: 'viewer',
    handle: async ({ params }) => (params['org'] === 'acme' ? json(200, {}) : json(404, {})),
  },
]
