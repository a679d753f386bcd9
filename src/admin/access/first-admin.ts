import { randomBytes } from 'node:crypto'
import type { Clock } from '../../core/clock.ts'
import { messageOf, PosternError } from '../../core/errors.ts'
import type { StateStore } from '../../state/types.ts'
import { checkNewPassword, hashPassword } from './passwords.ts'

export interface FirstAdmin {
  readonly user: string
  /** To be printed once and kept nowhere; null where it was given. */
  readonly password: string | null
}

/** What the operator gave for the first user. Throws `bad-password`, which names the variable. */
export function checkAdminPassword(password: string): void {
  try {
    checkNewPassword(password)
  } catch (error) {
    throw new PosternError('bad-password', `POSTERN_ADMIN_PASSWORD: ${messageOf(error)}`, { cause: error })
  }
}

export async function hasUsers(store: StateStore): Promise<boolean> {
  return store.read(async (view) => (await view.names('user', '', { limit: 1 })).length > 0)
}

/** At the first start there is nobody who could make users. @returns null where there are users */
export async function ensureAdmin(
  store: StateStore,
  options: { readonly password?: string; readonly clock: Clock },
): Promise<FirstAdmin | null> {
  if (await hasUsers(store)) return null
  const given = options.password === undefined || options.password === '' ? null : checkNewPassword(options.password)
  const password = given ?? randomBytes(18).toString('base64url')
  const hash = await hashPassword(password)
  const tx = await store.begin()
  try {
    if ((await tx.names('user', '', { limit: 1 })).length > 0) {
      await tx.rollback()
      return null
    }
    const at = options.clock()
    const stamps = { createdAt: at, createdBy: 'postern', lastModifiedAt: at, lastModifiedBy: 'postern' }
    const body = { ...stamps, displayName: '', password: hash, roles: { '*': 'admin' } as const }
    await tx.put('user', '', firstUser, { body })
    await tx.commit()
  } catch (error) {
    await tx.rollback()
    throw error
  }
  return { user: firstUser, password: given === null ? password : null }
}

const firstUser = 'admin'
