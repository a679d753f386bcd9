import type { ApiRoute } from '../api.ts'
import { assetRoutes } from './apis.ts'
import { sharedFlow } from './asset.ts'
import { deploymentRoutes } from './deployments.ts'
import { partRoutes } from './revision-parts.ts'
import { revisionRoutes } from './revisions.ts'

/** Shared flows are kept, exported and deployed like API proxies; no traffic runs through them yet. */
export const sharedFlowRoutes: readonly ApiRoute[] = [
  ...assetRoutes(sharedFlow),
  ...revisionRoutes(sharedFlow),
  ...partRoutes(sharedFlow),
  ...deploymentRoutes(sharedFlow),
]
