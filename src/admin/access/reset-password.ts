import { randomBytes } from 'node:crypto'
import type { Clock } from '../../core/clock.ts'
import type { StateStore } from '../../state/types.ts'
import { hashPassword } from './passwords.ts'
import { replaceUser, userOf } from './user-routes.ts'

/**
 * A new password for somebody who has lost his, by whoever holds the state and its key. Ends what he is logged in with.
 *
 * @returns the password, to be shown once; throws ApiError `user-unknown`
 */
export async function resetPassword(store: StateStore, name: string, clock: Clock): Promise<string> {
  const password = randomBytes(18).toString('base64url')
  const hash = await hashPassword(password)
  const tx = await store.begin()
  try {
    const at = clock()
    await replaceUser(tx, await userOf(tx, name), 'postern', at, { password: hash })
    const uri = `/api/users/${encodeURIComponent(name)}`
    await tx.audit({
      at,
      user: 'postern',
      from: '',
      operation: 'UPDATE',
      method: 'PATCH',
      uri,
      status: 200,
      organization: '',
    })
    await tx.commit()
  } finally {
    await tx.rollback()
  }
  return password
}
