import type { Access } from './access/access.ts'
import { accessRoutes } from './access/routes.ts'
import type { ApiRoute } from './api.ts'
import { proxyRoutes } from './edge/apis.ts'
import { edgeEntityRoutes } from './edge/entity-routes.ts'
import { keystoreRoutes } from './edge/keystores.ts'
import { sharedFlowRoutes } from './edge/shared-flows.ts'
import { type Operated, operatorRoutes } from './operator-routes.ts'

/** The whole management API: what is served, documented, and tested for access. */
export function allRoutes(parts: { readonly access: Access; readonly gateway: Operated }): readonly ApiRoute[] {
  return [
    ...operatorRoutes(parts.gateway),
    ...accessRoutes(parts.access),
    ...edgeEntityRoutes,
    ...keystoreRoutes,
    ...proxyRoutes,
    ...sharedFlowRoutes,
  ]
}
