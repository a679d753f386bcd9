import type { Role } from '../state/kinds.ts'
import type { ApiRoute, Principal } from './api.ts'

export const roleNames: readonly Role[] = ['admin', 'operator', 'viewer']

const rank: Readonly<Record<Role, number>> = { viewer: 1, operator: 2, admin: 3 }

/** What a caller may in an organization; in all of them, and outside of any, for `*`. */
export function roleIn(principal: Pick<Principal, 'roles'>, organization: string): Role | null {
  const everywhere = own(principal.roles, '*')
  const here = own(principal.roles, organization)
  if (everywhere === null || here === null) return everywhere ?? here
  return rank[everywhere] >= rank[here] ? everywhere : here
}

function atLeast(role: Role | null, least: Role): boolean {
  return role !== null && rank[role] >= rank[least]
}

/** Organizations, and `*`, with what is left of the role under the cap. */
export function capped(roles: Readonly<Record<string, Role>>, cap: Role | null): Readonly<Record<string, Role>> {
  if (cap === null) return roles
  return Object.fromEntries(Object.entries(roles).map(([name, role]) => [name, atLeast(role, cap) ? cap : role]))
}

/** Whether someone who is logged in may use a route. */
export function mayUse(principal: Principal, route: ApiRoute, params: Readonly<Record<string, string>>): boolean {
  if (route.role === 'anyone' || route.role === 'user') return true
  return atLeast(roleIn(principal, params['org'] ?? '*'), route.role)
}

/** `the role operator in organization acme, or on *`: what a caller lacks. */
export function roleNeeded(route: Pick<ApiRoute, 'role'>, params: Readonly<Record<string, string>>): string {
  const organization = params['org']
  const where = organization === undefined ? 'on * (every organization)' : `in organization ${organization}, or on *`
  return `the role ${route.role} ${where}`
}

/** A name such as `constructor` is no role. */
function own(roles: Readonly<Record<string, Role>>, name: string): Role | null {
  return Object.hasOwn(roles, name) ? (roles[name] ?? null) : null
}
