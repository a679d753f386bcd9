import { type ApiCall, ApiError } from '../api.ts'

/**
 * Users, passwords and tokens are changed by people alone. A token may be capped or expire; it must make nothing that is not,
 * change nobody who is, and end none of its siblings.
 */
export function expectPerson({ principal }: Pick<ApiCall, 'principal'>): void {
  if (principal.via !== 'token') return
  throw new ApiError(403, 'needs-password', 'this takes a login with user and password; a token may not do it')
}
