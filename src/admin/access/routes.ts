import type { ApiRoute } from '../api.ts'
import type { Access } from './access.ts'
import { auditRoutes } from './audit-routes.ts'
import { sessionRoutes } from './session-routes.ts'
import { tokenRoutes } from './token-routes.ts'
import { userRoutes } from './user-routes.ts'

export function accessRoutes(access: Access): readonly ApiRoute[] {
  return [...sessionRoutes(access), ...userRoutes, ...tokenRoutes, ...auditRoutes]
}
