import type { Clock } from '../../core/clock.ts'
import type { StateStore, StoredObject } from '../../state/types.ts'
import type { Principal } from '../api.ts'
import { capped } from '../roles.ts'
import { accessTokenKey, readAccessToken } from './access-token.ts'
import { ApiTokens, apiTokenPrefix, sha256 } from './api-tokens.ts'
import { type AttemptRates, Attempts, Buckets } from './attempts.ts'
import { LoginRefused, noCredentials, tooManyFailures, wrongPassword, wrongToken } from './login-refused.ts'
import { verifyPassword } from './passwords.ts'
import { VerifiedPasswords } from './verified.ts'

/** Who may use the management API. */
export interface Access {
  /** @param authorization the header field; throws LoginRefused */
  authenticate(authorization: string | undefined, from: string): Promise<Principal>
  /** Throws LoginRefused; `from` and `user` decide how many attempts there are. */
  login(user: string, password: string, from: string): Promise<StoredObject<'user'>>
  /** Counts an attempt to use something that is no password of a user; throws where there were too many. */
  attempt(user: string, from: string): { readonly giveBack: () => void }
  /** Whether this refusal is worth an entry: so many in a time are, or they would fill the disk. */
  auditRefusal(principal: Principal): boolean
  readonly tokenKey: Buffer
}

export interface AccessOptions {
  readonly store: StateStore
  readonly clock: Clock
  readonly rates?: AttemptRates
}

/** Those of one who is logged in: a script that is refused again and again must not fill the disk either. */
const refusalsOfUser = { burst: 100, every: 1_000 }
const refusalsOfStrangers = { burst: 1_000, every: 1_000 }

export async function openAccess({ store, clock, rates }: AccessOptions): Promise<Access> {
  const tokenKey = await accessTokenKey(store)
  const attempts = new Attempts(clock, rates)
  const refusals = new Buckets(refusalsOfStrangers, clock)
  const refusalsByUser = new Buckets(refusalsOfUser, clock)
  const verified = new VerifiedPasswords(clock)
  const apiTokens = new ApiTokens(store)
  const underWay = new Map<string, Promise<StoredObject<'user'>>>()
  const looking = new Map<string, Promise<StoredObject<'token'> | null>>()
  const userOf = (name: string): Promise<StoredObject<'user'> | null> =>
    store.read((view) => view.get('user', '', name))

  const attempt = (user: string, from: string, everywhere = true): { readonly giveBack: () => void } => {
    const seconds = attempts.begin(user, from, everywhere)
    if (seconds > 0) throw new LoginRefused(tooManyFailures(seconds))
    return { giveBack: () => attempts.giveBack(user, from, everywhere) }
  }

  async function login(name: string, password: string, from: string): Promise<StoredObject<'user'>> {
    const user = await userOf(name)
    const id = verified.idOf(name, password)
    if (user !== null && verified.has(id, user.version)) return user
    // Clients send many requests at once: their password is verified once, and is one attempt.
    const key = `${from} ${id}`
    const running = underWay.get(key)
    if (running !== undefined) return running
    const started = verify(user, name, password, from, id).finally(() => underWay.delete(key))
    underWay.set(key, started)
    return started
  }

  async function verify(
    user: StoredObject<'user'> | null,
    name: string,
    password: string,
    from: string,
    id: string,
  ): Promise<StoredObject<'user'>> {
    // What was right before is no guess: those of strangers elsewhere must not lock its user out.
    const { giveBack } = attempt(name, from, user === null || !verified.hadBeen(id, user.version))
    const right = await verifyPassword(password, user?.body.password ?? null).catch((error: unknown) => {
      giveBack()
      throw error
    })
    if (!right || user === null) throw new LoginRefused(wrongPassword, user?.name)
    giveBack()
    verified.add(id, user.version)
    return user
  }

  /** One that is new here takes a look at all of them, so it is an attempt; many requests with it at once are one. */
  function findToken(token: string, from: string): Promise<StoredObject<'token'> | null> {
    if (apiTokens.knows(token)) return apiTokens.find(token)
    const key = `${from} ${sha256(token)}`
    const running = looking.get(key)
    if (running !== undefined) return running
    const look = async (): Promise<StoredObject<'token'> | null> => {
      const { giveBack } = attempt('', from)
      const found = await apiTokens.find(token)
      if (found !== null) giveBack()
      return found
    }
    const started = look().finally(() => looking.delete(key))
    looking.set(key, started)
    return started
  }

  async function byApiToken(token: string, from: string, expected: string | null): Promise<Principal> {
    const found = await findToken(token, from)
    const user = found === null ? null : await userOf(found.scope)
    if (
      found === null ||
      user === null ||
      (expected !== null && expected !== user.name) ||
      (found.body.expiresAt !== null && found.body.expiresAt <= clock())
    ) {
      throw new LoginRefused(wrongToken, user?.name)
    }
    return { user: user.name, roles: capped(user.body.roles, found.body.role), via: 'token', from }
  }

  async function byAccessToken(token: string, from: string): Promise<Principal> {
    const claims = readAccessToken(token, tokenKey, clock())
    const [user, family] =
      claims === null
        ? [null, null]
        : await store.read(async (view) => [
            await view.get('user', '', claims.sub),
            await view.get('token', claims.sub, claims.fam),
          ])
    if (user === null || family === null || user.version !== claims?.ver) {
      // An access token that has ended is what clients come with every half hour: it is signed, so it is no guess.
      if (claims === null) attempt('', from)
      throw new LoginRefused(wrongToken, user?.name)
    }
    return { user: user.name, roles: user.body.roles, via: 'oauth', from }
  }

  return {
    tokenKey,
    login,
    attempt: (user, from) => attempt(user, from),
    auditRefusal: ({ via, user }) => (via === 'anyone' ? refusals.take('strangers') : refusalsByUser.take(user)) === 0,
    async authenticate(authorization, from) {
      const [scheme, value] = credentialsOf(authorization)
      if (scheme === 'bearer') {
        return value.startsWith(apiTokenPrefix) ? byApiToken(value, from, null) : byAccessToken(value, from)
      }
      if (scheme !== 'basic') throw new LoginRefused(noCredentials)
      const pair = Buffer.from(value, 'base64').toString('utf8')
      const colon = pair.indexOf(':')
      if (colon < 0) throw new LoginRefused(wrongPassword)
      const [name, password] = [pair.slice(0, colon), pair.slice(colon + 1)]
      // Clients that know nothing but Basic may have a token, too.
      if (password.startsWith(apiTokenPrefix)) return byApiToken(password, from, name)
      const user = await login(name, password, from)
      return { user: user.name, roles: user.body.roles, via: 'password', from }
    },
  }
}

function credentialsOf(authorization: string | undefined): readonly [scheme: string, value: string] {
  const match = /^([A-Za-z]+) +([^ ]+) *$/.exec(authorization ?? '')
  return [match?.[1]?.toLowerCase() ?? '', match?.[2] ?? '']
}
