import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { StateStore } from '../../state/types.ts'

/** Claims of an access token. Times in seconds, as RFC 7519 has them. */
export interface AccessClaims {
  readonly iss: 'postern'
  readonly sub: string
  readonly iat: number
  readonly exp: number
  readonly jti: string
  readonly scope: string
  /** Version of the user: a token ends with any change of it. */
  readonly ver: number
  /** Name of the refresh token that came with it: a token ends with that, too. */
  readonly fam: string
}

const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url')

export function signAccessToken(claims: AccessClaims, key: Buffer): string {
  const signed = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
  return `${signed}.${mac(signed, key).toString('base64url')}`
}

/**
 * One algorithm, and one spelling of the header: what the token says of itself is not asked (RFC 8725, section 3.1).
 * @returns null for what this key has not signed, and for what has expired
 */
export function readAccessToken(token: string, key: Buffer, now: number): AccessClaims | null {
  const parts = token.split('.')
  if (parts.length !== 3 || parts[0] !== header) return null
  const signature = Buffer.from(parts[2] ?? '', 'base64url')
  const expected = mac(`${parts[0]}.${parts[1]}`, key)
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return null
  const claims = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8')) as AccessClaims
  return claims.exp * 1000 > now ? claims : null
}

/** Made at the first start and kept encrypted, so that a restart ends no session. */
export async function accessTokenKey(store: StateStore): Promise<Buffer> {
  const kept = await store.read((view) => view.secret('setting', '', keyName))
  if (kept !== null) return kept
  const tx = await store.begin()
  try {
    const made = await tx.secret('setting', '', keyName)
    const key = made ?? randomBytes(32)
    if (made === null) await tx.put('setting', '', keyName, { body: { value: null }, secret: key })
    await tx.commit()
    return key
  } catch (error) {
    await tx.rollback()
    throw error
  }
}

const keyName = 'access-token-key'

function mac(text: string, key: Buffer): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
