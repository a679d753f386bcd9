import { randomBytes, randomUUID } from 'node:crypto'
import type { Clock } from '../../core/clock.ts'
import type { TokenBody } from '../../state/kinds.ts'
import type { StateStore, StateTransaction, StoredObject } from '../../state/types.ts'
import { signAccessToken } from './access-token.ts'
import { sameHash, sha256 } from './api-tokens.ts'

/** The answer of the token endpoint (apigee-edge.md 1.11). */
export interface TokenAnswer {
  readonly access_token: string
  readonly token_type: 'bearer'
  readonly expires_in: number
  readonly refresh_token: string
  readonly scope: string
  readonly jti: string
}

/** Seconds, as Edge has it. */
const accessFor = 1799
const refreshFor = 24 * 60 * 60 * 1000
/** Of one user; the one that was used longest ago ends first (I10). */
const mostSessions = 200
const scope = 'postern.manage'

interface Context {
  readonly store: StateStore
  readonly clock: Clock
  readonly key: Buffer
}

/** A session is a refresh token that is replaced with every use, and the access tokens that came of it. */
export async function beginSession(context: Context, user: StoredObject<'user'>): Promise<TokenAnswer> {
  return inTransaction(context.store, async (tx) => {
    await endOldSessions(tx, context.clock(), user.name)
    return issue(context, tx, user, randomBytes(16).toString('hex'), null)
  })
}

/**
 * One use: a token that was used before is in two hands, and which of them is the thief's cannot be known, so the session
 * ends (RFC 9700, section 4.14.2). @returns null where it is not good, and whose it was
 */
export async function refreshSession(
  context: Context,
  token: string,
): Promise<{ readonly answer: TokenAnswer | null; readonly user: string }> {
  const parts = readRefreshToken(token)
  if (parts === null || !(await isThere(context.store, parts))) return { answer: null, user: '' }
  return inTransaction(context.store, async (tx) => {
    const user = await tx.get('user', '', parts.user)
    const session = await tx.get('token', parts.user, parts.family)
    if (user === null || session === null || session.body.kind !== 'refresh') return { answer: null, user: '' }
    const good = sameHash(session.body.sha256, sha256(token)) && (session.body.expiresAt ?? 0) > context.clock()
    if (!good) {
      await tx.delete('token', parts.user, parts.family)
      return { answer: null, user: user.name }
    }
    return { answer: await issue(context, tx, user, parts.family, session.body), user: user.name }
  })
}

/** RFC 7009: whoever has the token, old or new, may end what it stands for. */
export async function endSession(store: StateStore, token: string): Promise<void> {
  const parts = readRefreshToken(token)
  if (parts === null || !(await isThere(store, parts))) return
  await inTransaction(store, async (tx) => {
    const session = await tx.get('token', parts.user, parts.family)
    if (session?.body.kind === 'refresh') await tx.delete('token', parts.user, parts.family)
  })
}

/** Strangers ask, too: what names no session must not wait for the one writer, nor have others wait for it. */
function isThere(store: StateStore, { user, family }: { user: string; family: string }): Promise<boolean> {
  return store.read(async (view) => (await view.get('token', user, family))?.body.kind === 'refresh')
}

export async function endSessionsOf(tx: StateTransaction, user: string): Promise<void> {
  for (const { name, body } of await tx.list('token', user)) {
    if (body.kind === 'refresh') await tx.delete('token', user, name)
  }
}

async function issue(
  { clock, key }: Context,
  tx: StateTransaction,
  user: StoredObject<'user'>,
  family: string,
  previous: TokenBody | null,
): Promise<TokenAnswer> {
  const now = clock()
  const secret = randomBytes(32).toString('base64url')
  const refresh = `${refreshPrefix}${Buffer.from(user.name).toString('base64url')}.${family}.${secret}`
  await tx.put('token', user.name, family, {
    body: {
      createdAt: previous?.createdAt ?? now,
      createdBy: user.name,
      lastModifiedAt: now,
      lastModifiedBy: user.name,
      sha256: sha256(refresh),
      description: '',
      expiresAt: now + refreshFor,
      role: null,
      kind: 'refresh',
    },
  })
  const iat = Math.floor(now / 1000)
  const jti = randomUUID()
  const claims = { iss: 'postern', sub: user.name, iat, exp: iat + accessFor, jti, scope } as const
  return {
    access_token: signAccessToken({ ...claims, ver: user.version, fam: family }, key),
    token_type: 'bearer',
    expires_in: accessFor,
    refresh_token: refresh,
    scope,
    jti,
  }
}

async function endOldSessions(tx: StateTransaction, now: number, user: string): Promise<void> {
  const sessions = (await tx.list('token', user)).filter(({ body }) => body.kind === 'refresh')
  const live = sessions.filter(({ body }) => (body.expiresAt ?? 0) > now)
  const oldestFirst = live.toSorted((a, b) => a.body.lastModifiedAt - b.body.lastModifiedAt)
  const over = sessions.filter((session) => !live.includes(session))
  for (const { name } of [...over, ...oldestFirst.slice(0, Math.max(0, live.length - mostSessions + 1))]) {
    await tx.delete('token', user, name)
  }
}

const refreshPrefix = 'psr_'

function readRefreshToken(token: string): { readonly user: string; readonly family: string } | null {
  const match = /^psr_([\w-]{1,400})\.([0-9a-f]{32})\.[\w-]{43}$/.exec(token)
  if (match === null) return null
  return { user: Buffer.from(match[1] as string, 'base64url').toString('utf8'), family: match[2] as string }
}

async function inTransaction<T>(store: StateStore, work: (tx: StateTransaction) => Promise<T>): Promise<T> {
  const tx = await store.begin()
  try {
    const result = await work(tx)
    await tx.commit()
    return result
  } catch (error) {
    await tx.rollback()
    throw error
  }
}
