import { z } from 'zod'
import type { UserBody } from '../../state/kinds.ts'
import type { StateTransaction, StateView, StoredObject } from '../../state/types.ts'
import { ApiError, type ApiRoute, json } from '../api.ts'
import { parseBody } from '../parse-body.ts'
import { roleNames } from '../roles.ts'
import { checkNewPassword, hashPassword, passwordLength } from './passwords.ts'
import { expectPerson } from './person.ts'
import { endSessionsOf } from './sessions.ts'

const Roles = z
  .record(z.string().regex(/^(\*|[A-Za-z0-9._-]{1,255})$/, 'is an organization, or *'), z.enum(roleNames))
  .meta({ description: 'By organization; `*` is every one, and what belongs to none.' })
const DisplayName = z.string().max(255)
const Password = z.string().min(passwordLength.least).max(passwordLength.most)

const NewUser = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9._@+-]{1,128}$/, 'has 1 to 128 of A-Z a-z 0-9 . _ @ + -'),
  password: Password,
  displayName: DisplayName.default(''),
  roles: Roles.default({}),
})
const UserChange = z.strictObject({
  password: Password.optional(),
  displayName: DisplayName.optional(),
  roles: Roles.optional(),
})
const User = z.object({
  name: z.string(),
  displayName: z.string(),
  roles: Roles,
  createdAt: z.number(),
  createdBy: z.string(),
  lastModifiedAt: z.number(),
  lastModifiedBy: z.string(),
})

export const userRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: '/api/users',
    role: 'admin',
    doc: { summary: 'List users', answer: z.object({ users: z.array(User) }) },
    handle: ({ services }) =>
      services.read(async (view) => json(200, { users: (await view.list('user', '')).map(shown) })),
  },
  {
    method: 'POST',
    path: '/api/users',
    role: 'admin',
    doc: { summary: 'Make a user', body: NewUser, answer: User },
    async handle(call) {
      expectPerson(call)
      const { name, password, displayName, roles } = await parseBody(call, NewUser)
      const hash = await hashPassword(checkNewPassword(password))
      return call.services.change(call, async (tx) => {
        if ((await tx.get('user', '', name)) !== null) {
          throw new ApiError(409, 'user-exists', `there is a user ${name}`)
        }
        const at = call.services.clock()
        const by = call.principal.user
        const stamps = { createdAt: at, createdBy: by, lastModifiedAt: at, lastModifiedBy: by }
        await expectOrganizations(tx, roles, {})
        // What a user of this name had before is nobody's.
        await tx.deleteBelow('token', name)
        await tx.put('user', '', name, { body: { ...stamps, displayName, roles, password: hash } })
        return json(201, shown(await userOf(tx, name)))
      })
    },
  },
  {
    method: 'GET',
    path: '/api/users/:user',
    role: 'admin',
    doc: { summary: 'One user', answer: User },
    handle: ({ services, params }) =>
      services.read(async (view) => json(200, shown(await userOf(view, params['user'] ?? '')))),
  },
  {
    method: 'PATCH',
    path: '/api/users/:user',
    role: 'admin',
    doc: {
      summary: 'Change roles, name or password of a user; whatever he is logged in with by OAuth ends',
      body: UserChange,
      answer: User,
    },
    async handle(call) {
      expectPerson(call)
      const { password, ...rest } = await parseBody(call, UserChange)
      const hash = password === undefined ? null : await hashPassword(checkNewPassword(password))
      return call.services.change(call, async (tx) => {
        const user = await userOf(tx, call.params['user'] ?? '')
        await expectOrganizations(tx, rest.roles ?? {}, user.body.roles)
        const change = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
        await replaceUser(tx, user, call.principal.user, call.services.clock(), {
          ...change,
          ...(hash === null ? {} : { password: hash }),
        })
        await expectAdmin(tx)
        return json(200, shown(await userOf(tx, user.name)))
      })
    },
  },
  {
    method: 'DELETE',
    path: '/api/users/:user',
    role: 'admin',
    doc: { summary: 'Delete a user with his tokens; both stop working at once', answer: User },
    async handle(call) {
      expectPerson(call)
      return call.services.change(call, async (tx) => {
        const user = await userOf(tx, call.params['user'] ?? '')
        await tx.deleteBelow('token', user.name)
        await tx.delete('user', '', user.name)
        await expectAdmin(tx)
        return json(200, shown(user))
      })
    },
  },
]

export async function userOf(view: StateView, name: string): Promise<StoredObject<'user'>> {
  const user = await view.get('user', '', name)
  if (user === null) throw new ApiError(404, 'user-unknown', `there is no user ${name}`)
  return user
}

/** A new password ends every session that the old one began. */
export async function replaceUser(
  tx: StateTransaction,
  user: StoredObject<'user'>,
  by: string,
  at: number,
  change: Partial<UserBody>,
): Promise<void> {
  if (change.password !== undefined) await endSessionsOf(tx, user.name)
  await tx.put('user', '', user.name, { body: { ...user.body, ...change, lastModifiedAt: at, lastModifiedBy: by } })
}

/** Without one nobody could ever make users again. */
async function expectAdmin(tx: StateTransaction): Promise<void> {
  for (const { body } of await tx.list('user', '')) if (body.roles['*'] === 'admin') return
  throw new ApiError(409, 'last-admin', 'one user must stay admin of every organization')
}

/** A mistyped name would be a role in nothing, until somebody makes an organization of that name. */
async function expectOrganizations(view: StateView, roles: UserBody['roles'], had: UserBody['roles']): Promise<void> {
  for (const name of Object.keys(roles)) {
    if (name === '*' || Object.hasOwn(had, name) || (await view.get('organization', '', name)) !== null) continue
    throw new ApiError(400, 'organization-unknown', `roles: there is no organization ${name}; make it first, or give *`)
  }
}

/** Everything but the password's hash. */
function shown({ name, body }: StoredObject<'user'>): unknown {
  const { password: _, ...rest } = body
  return { name, ...rest }
}
