import type { ApiBody, RevisionBody } from '../../state/kinds.ts'
import type { StateView, StoredObject } from '../../state/types.ts'
import { ApiError } from '../api.ts'
import { requireOrganization } from './scope.ts'

/** API proxies and shared flows are kept, imported and deployed alike; what differs between them stands here. */
export interface Asset {
  /** In paths of the API and in scopes of stored objects. */
  readonly collection: 'apis' | 'sharedflows'
  readonly kind: 'api' | 'shared-flow'
  readonly revisionKind: 'api-revision' | 'shared-flow-revision'
  readonly fileKind: 'api-file' | 'shared-flow-file'
  readonly deploymentKind: 'api-deployment' | 'shared-flow-deployment'
  /** Root folder of a bundle. */
  readonly root: 'apiproxy' | 'sharedflowbundle'
  /** Of the document in the root folder. */
  readonly rootElement: 'APIProxy' | 'SharedFlowBundle'
  /** Its name in deployment beans. */
  readonly field: 'aPIProxy' | 'sharedFlow'
  /** In messages, as Edge writes them. */
  readonly label: 'APIProxy' | 'SharedFlow'
  /** As checkName calls it. */
  readonly noun: 'API proxy' | 'shared flow'
}

export const apiProxy: Asset = {
  collection: 'apis',
  kind: 'api',
  revisionKind: 'api-revision',
  fileKind: 'api-file',
  deploymentKind: 'api-deployment',
  root: 'apiproxy',
  rootElement: 'APIProxy',
  field: 'aPIProxy',
  label: 'APIProxy',
  noun: 'API proxy',
}

export const sharedFlow: Asset = {
  collection: 'sharedflows',
  kind: 'shared-flow',
  revisionKind: 'shared-flow-revision',
  fileKind: 'shared-flow-file',
  deploymentKind: 'shared-flow-deployment',
  root: 'sharedflowbundle',
  rootElement: 'SharedFlowBundle',
  field: 'sharedFlow',
  label: 'SharedFlow',
  noun: 'shared flow',
}

/** One revision, named by the route's parameters. */
export interface RevisionId {
  readonly asset: Asset
  readonly org: string
  readonly name: string
  readonly revision: string
}

/** Of the parameters `:org`, `:name` and `:revision`. */
export function revisionId(asset: Asset, params: Readonly<Record<string, string>>): RevisionId {
  return { asset, org: params['org'] ?? '', name: params['name'] ?? '', revision: params['revision'] ?? '' }
}

/** Where the revisions of it are. */
export const assetScope = (asset: Asset, org: string, name: string): string => `${org}/${asset.collection}/${name}`

/** Where the files of it are. */
export const filesScope = (id: RevisionId): string => `${assetScope(id.asset, id.org, id.name)}/${id.revision}`

/** Throws 404 where the organization or the asset is unknown; apigeetool needs the 404 to create revision 1. */
export async function requireAsset(
  view: StateView,
  asset: Asset,
  org: string,
  name: string,
): Promise<StoredObject & { readonly body: ApiBody }> {
  await requireOrganization(view, org)
  const found = await view.get(asset.kind, org, name)
  if (found !== null) return found
  throw new ApiError(
    404,
    'messaging.config.beans.ApplicationDoesNotExist',
    `${asset.label} named ${name} does not exist in organization ${org}`,
  )
}

/** Throws 404 where the organization, the asset or its revision is unknown. */
export async function requireRevision(
  view: StateView,
  id: RevisionId,
): Promise<StoredObject & { readonly body: RevisionBody }> {
  await requireAsset(view, id.asset, id.org, id.name)
  const found = await view.get(id.asset.revisionKind, assetScope(id.asset, id.org, id.name), id.revision)
  if (found !== null) return found
  throw new ApiError(
    404,
    'messaging.config.beans.ApplicationRevisionDoesNotExist',
    `Revision ${id.revision} of ${id.asset.label} ${id.name} does not exist in organization ${id.org}`,
  )
}

/** Ascending. */
export async function revisionNumbers(
  view: StateView,
  asset: Asset,
  org: string,
  name: string,
): Promise<readonly number[]> {
  const names = await view.names(asset.revisionKind, assetScope(asset, org, name))
  return names.map(Number).sort((one, other) => one - other)
}
