import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiRoute } from '../../src/admin/api.ts'
import { operationOf } from '../../src/admin/audit-entry.ts'
import { allRoutes } from '../../src/admin/routes.ts'
import { basic, idleAlerts, idleNative, makeUser, password, readJson, root, startAdmin } from './support.ts'

/*
 * The table of who may do what, cell by cell, over real HTTP: each operation of the API as each kind of caller. Who may not is
 * answered 401 or 403; who may is answered anything else, whatever the operation makes of names that are not there.
 */

const organization = 'acme'
const operated = { ready: true, metricsText: () => '', status: () => ({}), inventory: () => ({}) }

type Level = 'nobody' | 'user' | 'viewer' | 'operator' | 'admin'
const levels: readonly Level[] = ['nobody', 'user', 'viewer', 'operator', 'admin']

interface Caller {
  readonly name: string
  /** In the organization of the path. */
  readonly here: Level
  /** Where the path has none. */
  readonly everywhere: Level
  readonly via: 'nothing' | 'password' | 'token' | 'oauth'
  readonly user?: string
  readonly cap?: 'viewer' | 'operator'
}

const callers: readonly Caller[] = [
  { name: 'nobody', here: 'nobody', everywhere: 'nobody', via: 'nothing' },
  { name: 'a user without roles', here: 'user', everywhere: 'user', via: 'password', user: 'none' },
  { name: 'a viewer of the organization', here: 'viewer', everywhere: 'user', via: 'password', user: 'viewer' },
  { name: 'an operator of the organization', here: 'operator', everywhere: 'user', via: 'password', user: 'operator' },
  { name: 'an admin of the organization', here: 'admin', everywhere: 'user', via: 'password', user: 'admin' },
  { name: 'an admin of another organization', here: 'user', everywhere: 'user', via: 'password', user: 'other' },
  { name: 'a viewer of all', here: 'viewer', everywhere: 'viewer', via: 'password', user: 'viewer-all' },
  { name: 'an operator of all', here: 'operator', everywhere: 'operator', via: 'oauth', user: 'operator-all' },
  { name: 'an admin of all', here: 'admin', everywhere: 'admin', via: 'oauth', user: 'admin-all' },
  { name: "an admin of all's token", here: 'admin', everywhere: 'admin', via: 'token', user: 'admin-all' },
  {
    name: 'its token capped to viewer',
    here: 'viewer',
    everywhere: 'viewer',
    via: 'token',
    user: 'admin-all',
    cap: 'viewer',
  },
  {
    name: 'its token capped to operator',
    here: 'operator',
    everywhere: 'operator',
    via: 'token',
    user: 'admin-all',
    cap: 'operator',
  },
]

const roles: Readonly<Record<string, Readonly<Record<string, 'admin' | 'operator' | 'viewer'>>>> = {
  none: {},
  viewer: { acme: 'viewer' },
  operator: { acme: 'operator' },
  admin: { acme: 'admin' },
  other: { elsewhere: 'admin' },
  'viewer-all': { '*': 'viewer' },
  'operator-all': { '*': 'operator' },
  'admin-all': { '*': 'admin' },
}

/** What a token may not do whatever its user may: it would outlive its end or its cap. */
const forPeople: ReadonlySet<string> = new Set([
  'POST /api/users',
  'PATCH /api/users/:user',
  'DELETE /api/users/:user',
  'DELETE /api/users/:user/tokens/:token',
  'POST /api/tokens',
  'DELETE /api/tokens/:token',
  'PUT /api/session/password',
])

/** They write their entries themselves, or change nothing. */
const unaudited: ReadonlySet<string> = new Set([
  'POST /oauth/token',
  'POST /oauth/revoke',
  'POST /v1/organizations/:org/apis/:name/revisions/:revision/npm',
])

/** Refuses with 401 what it is sent, not who sends it. */
const logins: ReadonlySet<string> = new Set(['POST /oauth/token'])

test('every operation is open to whom it is for, and to nobody else', async () => {
  let routes: readonly ApiRoute[] = []
  await using server = await startAdmin(
    (access) =>
      (routes = allRoutes({
        access,
        gateway: operated,
        native: idleNative,
        alerts: idleAlerts,
        monitoringPrefix: '/monitoring',
      })),
  )
  for (const [name, of] of Object.entries(roles)) await makeUser(server.services, name, of)
  const authorizations = new Map<Caller, string | null>()
  for (const caller of callers) authorizations.set(caller, await authorizationOf(server.origin, caller))
  const wrong: string[] = []
  let cells = 0
  for (const route of routes) {
    for (const caller of callers) {
      const answer = await fetch(`${server.origin}${pathOf(route)}`, {
        method: route.method,
        headers: headersOf(authorizations.get(caller) ?? null),
      })
      // One that does not end by itself is given up.
      if (answer.headers.get('content-type') === 'text/event-stream') await answer.body?.cancel()
      else await answer.arrayBuffer()
      const refused = answer.status === 401 || answer.status === 403
      const operation = `${route.method} ${route.path}`
      cells++
      if (!logins.has(operation) && refused === mayUse(caller, route)) {
        wrong.push(`${operation} (${route.role}) as ${caller.name}: ${answer.status}`)
      }
      if (refused && caller.via === 'nothing' && answer.status !== 401)
        wrong.push(`${operation}: ${answer.status}, not 401`)
      if (answer.status >= 500) wrong.push(`${operation} as ${caller.name}: ${answer.status}`)
    }
    await restore(server.services)
  }
  assert.deepEqual(wrong, [])
  assert.deepEqual(server.errors, [])
  assert.ok(cells >= 12 * 150, `${cells} cells`)
})

test('what changes something takes more than a viewer, and has an entry in the audit trail', async () => {
  await using server = await startAdmin([])
  for (const route of allRoutes({
    access: server.access,
    gateway: operated,
    native: idleNative,
    alerts: idleAlerts,
    monitoringPrefix: '/monitoring',
  })) {
    const operation = `${route.method} ${route.path}`
    if (route.method === 'GET') continue
    if (route.role === 'anyone') assert.match(route.path, /^\/oauth\//, operation)
    else if (route.role === 'user') assert.ok(forPeople.has(operation), operation)
    else assert.notEqual(route.role, 'viewer', operation)
    if (!unaudited.has(operation)) assert.notEqual(operationOf(route), '', operation)
  }
})

test('what is open to anyone is a short list', async () => {
  await using server = await startAdmin([])
  const open = allRoutes({
    access: server.access,
    gateway: operated,
    native: idleNative,
    alerts: idleAlerts,
    monitoringPrefix: '/monitoring',
  }).filter((route) => route.role === 'anyone')
  assert.deepEqual(open.map((route) => route.path).sort(), [
    '/healthz',
    '/metrics',
    '/oauth/revoke',
    '/oauth/token',
    '/readyz',
  ])
})

function mayUse(caller: Caller, route: ApiRoute): boolean {
  if (route.role === 'anyone') return true
  if (caller.via === 'token' && forPeople.has(`${route.method} ${route.path}`)) return false
  const has = route.path.includes('/:org') ? caller.here : caller.everywhere
  return levels.indexOf(has) >= levels.indexOf(route.role)
}

/** Users of the path are nobody; tokens of it, too. */
function pathOf(route: ApiRoute): string {
  return route.path.replaceAll(/:(\w+)/g, (_, name: string) => (name === 'org' ? organization : `no-${name}`))
}

function headersOf(authorization: string | null): Record<string, string> {
  return authorization === null ? {} : { authorization }
}

async function authorizationOf(origin: string, { via, user = '', cap }: Caller): Promise<string | null> {
  if (via === 'nothing') return null
  if (via === 'password') return basic(user)
  if (via === 'token') {
    const body = JSON.stringify({ role: cap ?? null })
    const headers = { authorization: basic(user) }
    const answer = await fetch(`${origin}/api/tokens`, { method: 'POST', headers, body })
    return `Bearer ${(await readJson<{ token: string }>(answer)).token}`
  }
  const form = new URLSearchParams({ grant_type: 'password', username: user, password })
  const answer = await fetch(`${origin}/oauth/token`, { method: 'POST', body: form })
  return `Bearer ${(await readJson<{ access_token: string }>(answer)).access_token}`
}

/** So that an operation that was let through finds the organization there, whatever was done to it. */
async function restore(services: Parameters<typeof makeUser>[0]): Promise<void> {
  await services.change({ principal: root }, async (tx) => {
    const stamps = { createdAt: 1, createdBy: 'test', lastModifiedAt: 1, lastModifiedBy: 'test' }
    const body = { ...stamps, displayName: '', type: 'paid', properties: {} } as const
    await tx.put('organization', '', organization, { body })
  })
}
