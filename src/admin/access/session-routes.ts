import { z } from 'zod'
import { type ApiAnswer, ApiError, type ApiCall, type ApiRoute, json } from '../api.ts'
import { parseBody } from '../parse-body.ts'
import { roleNames } from '../roles.ts'
import type { Access } from './access.ts'
import { LoginRefused } from './login-refused.ts'
import { checkNewPassword, hashPassword, passwordLength } from './passwords.ts'
import { expectPerson } from './person.ts'
import { beginSession, endSession, refreshSession, type TokenAnswer } from './sessions.ts'
import { replaceUser } from './user-routes.ts'

const NewPassword = z.strictObject({
  password: z.string().meta({ description: 'The one until now.' }),
  newPassword: z.string().min(passwordLength.least).max(passwordLength.most),
})
const Session = z.object({
  user: z.string(),
  via: z.enum(['password', 'token', 'oauth']),
  roles: z.record(z.string(), z.enum(roleNames)),
})

/** Who one is, and Edge's token endpoint (apigee-edge.md 1.11). */
export function sessionRoutes(access: Access): readonly ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/api/session',
      role: 'user',
      doc: { summary: 'Who you are and what you may', answer: Session },
      handle: async ({ principal: { user, via, roles } }) => json(200, { user, via, roles }),
    },
    {
      method: 'PUT',
      path: '/api/session/password',
      role: 'user',
      doc: { summary: 'Change your own password; ends every login by OAuth', body: NewPassword },
      async handle(call) {
        expectPerson(call)
        const { password, newPassword } = await parseBody(call, NewPassword)
        const { user: name, from } = call.principal
        const hash = await hashPassword(checkNewPassword(newPassword))
        const user = await access.login(name, password, from).catch((error: unknown) => {
          // 401 would have clients ask for the credentials that were right.
          if (!(error instanceof LoginRefused) || error.status !== 401) throw error
          throw new ApiError(400, 'wrong-password', 'the password until now is another one')
        })
        return call.services.change(call, async (tx) => {
          const now = await tx.get('user', '', name)
          if (now?.version !== user.version) throw new ApiError(409, 'user-changed', 'the user was changed meanwhile')
          await replaceUser(tx, now, name, call.services.clock(), { password: hash })
          return { status: 204, json: undefined }
        })
      },
    },
    {
      method: 'POST',
      path: '/oauth/token',
      role: 'anyone',
      maxBody: 16 * 1024,
      // Who logged in is known to the route alone.
      operation: '',
      handle: (call) => tokenEndpoint(access, call),
    },
    {
      method: 'POST',
      path: '/oauth/revoke',
      role: 'anyone',
      maxBody: 16 * 1024,
      operation: '',
      async handle(call) {
        const form = await bodyForm(call)
        await endSession(call.services.store, form.get('token') ?? '')
        // The same whether there was one or not (RFC 7009, section 2.2).
        return json(200, {})
      },
    },
  ]
}

/** The client's own credentials (`edgecli:edgeclisecret`) are a public constant and prove nothing; none are asked for. */
async function tokenEndpoint(access: Access, call: ApiCall): Promise<ApiAnswer> {
  const form = await bodyForm(call)
  const context = { store: call.services.store, clock: call.services.clock, key: access.tokenKey }
  const { from } = call.principal
  const grant = form.get('grant_type')
  if (form.has('passcode')) {
    const text = 'passcodes are given out by a single sign-on service, and there is none; use user and password'
    return refusal(400, 'unsupported_grant_type', text)
  }
  try {
    if (grant === 'password') {
      const user = await access.login(form.get('username') ?? '', form.get('password') ?? '', from)
      const answer = await beginSession(context, user)
      await audit(call, user.name, 200)
      return json(200, answer)
    }
    if (grant !== 'refresh_token') {
      return refusal(400, 'unsupported_grant_type', 'grant_type is password or refresh_token')
    }
    return await refreshed(access, call, await refreshSession(context, form.get('refresh_token') ?? ''))
  } catch (error) {
    if (!(error instanceof LoginRefused)) throw error
    if (error.status === 401 && access.auditRefusal(call.principal)) await audit(call, error.user, 401)
    const code = error.status === 401 ? 'unauthorized' : 'temporarily_unavailable'
    return { ...refusal(error.status, code, error.message), headers: error.headers }
  }
}

async function refreshed(
  access: Access,
  call: ApiCall,
  { answer, user }: { readonly answer: TokenAnswer | null; readonly user: string },
): Promise<ApiAnswer> {
  if (answer !== null) return json(200, answer)
  access.attempt('', call.principal.from)
  if (access.auditRefusal(call.principal)) await audit(call, user, 401)
  return refusal(401, 'invalid_token', 'the refresh token is unknown, expired, revoked or used before')
}

/** Not of the query: addresses end in logs of proxies and in histories. */
async function bodyForm(call: ApiCall): Promise<URLSearchParams> {
  return new URLSearchParams((await call.body()).toString('utf8'))
}

async function audit(call: ApiCall, user: string, status: number): Promise<void> {
  await call.services.store.audit({
    at: call.services.clock(),
    user,
    from: call.principal.from,
    operation: 'LOGIN',
    method: 'POST',
    uri: '/oauth/token',
    status,
    organization: '',
  })
}

/** RFC 6749, section 5.2. */
function refusal(status: number, error: string, description: string): ApiAnswer & { readonly json: unknown } {
  return { status, json: { error, error_description: description } }
}
