import type { ApiRoute } from '../api.ts'
import { apiProductRoutes } from './api-products.ts'
import { appKeyRoutes } from './app-keys.ts'
import { appRoutes } from './apps.ts'
import { auditRoutes } from './audits.ts'
import { cacheRoutes } from './caches.ts'
import { developerAppRoutes } from './developer-apps.ts'
import { developerRoutes } from './developers.ts'
import { environmentRoutes } from './environments.ts'
import { flowHookRoutes } from './flow-hooks.ts'
import { keyValueMapRoutes } from './key-value-maps.ts'
import { maskConfigRoutes } from './mask-configs.ts'
import { organizationRoutes } from './organizations.ts'
import { referenceRoutes } from './references.ts'
import { resourceFileRoutes } from './resource-files.ts'
import { targetServerRoutes } from './target-servers.ts'
import { virtualHostRoutes } from './virtual-hosts.ts'

/** Everything of the Edge-compatible API that is neither trust material nor a bundle. */
export const edgeEntityRoutes: readonly ApiRoute[] = [
  ...organizationRoutes,
  ...environmentRoutes,
  ...referenceRoutes,
  ...targetServerRoutes,
  ...virtualHostRoutes,
  ...flowHookRoutes,
  ...maskConfigRoutes,
  ...auditRoutes,
  ...keyValueMapRoutes,
  ...cacheRoutes,
  ...resourceFileRoutes,
  ...apiProductRoutes,
  ...developerRoutes,
  ...developerAppRoutes,
  ...appKeyRoutes,
  ...appRoutes,
]
