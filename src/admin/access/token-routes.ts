import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { StoredObject } from '../../state/types.ts'
import { ApiError, type ApiCall, type ApiRoute, json } from '../api.ts'
import { parseBody } from '../parse-body.ts'
import { roleNames } from '../roles.ts'
import { newApiToken, sha256 } from './api-tokens.ts'
import { expectPerson } from './person.ts'
import { userOf } from './user-routes.ts'

/** Of one user (I10). */
const mostTokens = 100

const NewToken = z.strictObject({
  description: z.string().max(255).default(''),
  expiresAt: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .meta({ description: 'Milliseconds since the epoch; null: never.' }),
  role: z
    .enum(roleNames)
    .nullable()
    .default(null)
    .meta({ description: 'What it may at most, beside what its user may; null: the same.' }),
})
const Token = z.object({
  id: z.string(),
  description: z.string(),
  expiresAt: z.number().nullable(),
  role: z.enum(roleNames).nullable(),
  createdAt: z.number(),
})
const Tokens = z.object({ tokens: z.array(Token) })

export const tokenRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: '/api/tokens',
    role: 'user',
    doc: { summary: 'List your own API tokens', answer: Tokens },
    handle: (call) => list(call, call.principal.user),
  },
  {
    method: 'POST',
    path: '/api/tokens',
    role: 'user',
    doc: {
      summary: 'Make an API token; this answer is the only place it is ever shown',
      body: NewToken,
      answer: Token.extend({ token: z.string() }),
    },
    async handle(call) {
      const wanted = await parseBody(call, NewToken)
      expectPerson(call)
      const token = newApiToken()
      return call.services.change(call, async (tx) => {
        const user = call.principal.user
        await userOf(tx, user)
        const now = call.services.clock()
        if (wanted.expiresAt !== null && wanted.expiresAt <= now) {
          throw new ApiError(400, 'bad-body', 'expiresAt is in the past')
        }
        if ((await tx.list('token', user)).filter(isApi).length >= mostTokens) {
          throw new ApiError(409, 'too-many-tokens', `a user has at most ${mostTokens} tokens`)
        }
        const stamps = { createdAt: now, createdBy: user, lastModifiedAt: now, lastModifiedBy: user }
        const id = randomUUID()
        await tx.put('token', user, id, { body: { ...stamps, ...wanted, sha256: sha256(token), kind: 'api' } })
        return json(201, { id, ...wanted, createdAt: now, token })
      })
    },
  },
  {
    method: 'DELETE',
    path: '/api/tokens/:token',
    role: 'user',
    doc: { summary: 'Revoke one of your own API tokens, at once', answer: Token },
    async handle(call) {
      expectPerson(call)
      return revoke(call, call.principal.user)
    },
  },
  {
    method: 'GET',
    path: '/api/users/:user/tokens',
    role: 'admin',
    doc: { summary: "List a user's API tokens", answer: Tokens },
    handle: (call) => list(call, call.params['user'] ?? ''),
  },
  {
    method: 'DELETE',
    path: '/api/users/:user/tokens/:token',
    role: 'admin',
    doc: { summary: "Revoke a user's API token, at once", answer: Token },
    async handle(call) {
      expectPerson(call)
      return revoke(call, call.params['user'] ?? '')
    },
  },
]

function list(call: ApiCall, user: string) {
  return call.services.read(async (view) => {
    await userOf(view, user)
    return json(200, { tokens: (await view.list('token', user)).filter(isApi).map(shown) })
  })
}

function revoke(call: ApiCall, user: string) {
  return call.services.change(call, async (tx) => {
    const id = call.params['token'] ?? ''
    const token = await tx.get('token', user, id)
    if (token === null || !isApi(token)) throw new ApiError(404, 'token-unknown', `${user} has no token ${id}`)
    await tx.delete('token', user, id)
    return json(200, shown(token))
  })
}

const isApi = ({ body }: StoredObject<'token'>): boolean => body.kind === 'api'

/** Everything but the token's hash. */
function shown({ name, body }: StoredObject<'token'>): unknown {
  const { description, expiresAt, role, createdAt } = body
  return { id: name, description, expiresAt, role, createdAt }
}
