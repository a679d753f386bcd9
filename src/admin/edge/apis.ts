import { checkRunnable } from '../../compat/apigee/bundle-runnable.ts'
import type { StateTransaction, StateView } from '../../state/types.ts'
import { ApiError, type ApiAnswer, type ApiCall, type ApiRoute, json } from '../api.ts'
import { apiProxy, assetScope, requireAsset, revisionNumbers, type Asset, type RevisionId } from './asset.ts'
import { bundleBytes, type UploadedBundle, uploadedBundle } from './bundle-upload.ts'
import { flagOf, objectOf } from './bean.ts'
import { deploymentRoutes } from './deployments.ts'
import { deployedIn } from './deployed.ts'
import { pageOf } from './entity-page.ts'
import { assetBean, revisionBean } from './revision-bean.ts'
import { partRoutes } from './revision-parts.ts'
import { putFiles, revisionContent } from './revision-files.ts'
import { revisionRoutes } from './revisions.ts'
import { checkName, requireOrganization, stamps } from './scope.ts'

/** API proxies, their revisions, parts and deployments (apigee-edge.md 1.7). */
export const proxyRoutes: readonly ApiRoute[] = [
  ...assetRoutes(apiProxy),
  ...revisionRoutes(apiProxy),
  ...partRoutes(apiProxy),
  ...deploymentRoutes(apiProxy),
]

/** `P/apis` and `P/apis/{api}`, and the same for shared flows. */
export function assetRoutes(asset: Asset): readonly ApiRoute[] {
  const path = `/v1/organizations/:org/${asset.collection}`
  return [
    { method: 'GET', path, role: 'viewer', handle: (call) => list(call, asset) },
    { method: 'POST', path, role: 'operator', maxBody: bundleBytes, handle: (call) => create(call, asset) },
    { method: 'GET', path: `${path}/:name`, role: 'viewer', handle: (call) => read(call, asset) },
    { method: 'DELETE', path: `${path}/:name`, role: 'operator', handle: (call) => remove(call, asset) },
  ]
}

async function list(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const names = await call.services.read(async (view) => {
    const org = await requireOrganization(view, call.params['org'] ?? '')
    return view.names(asset.kind, org, pageOf(call.query))
  })
  return json(200, names)
}

async function read(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  return json(200, await call.services.read((view) => beanOf(view, asset, call)))
}

async function beanOf(view: StateView, asset: Asset, call: ApiCall): Promise<unknown> {
  const { org = '', name = '' } = call.params
  const { body } = await requireAsset(view, asset, org, name)
  return assetBean(name, body, await revisionNumbers(view, asset, org, name))
}

/** `action=import` and `action=validate` of a bundle, or an empty one by its name. */
async function create(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const action = call.query.get('action')
  if (action === 'import') return importBundle(call, asset)
  if (action === 'validate') return validateBundle(call, asset)
  if (action !== null) {
    throw new ApiError(400, 'messaging.config.beans.InvalidAction', `the action ${action} is none of import, validate`)
  }
  if (call.contentType === 'application/octet-stream' || call.contentType === 'multipart/form-data') {
    throw new ApiError(400, 'messaging.config.beans.InvalidAction', 'a bundle is imported with action=import&name=NAME')
  }
  const bean = objectOf(await call.json(), 'the request body')
  const name = checkName(asset.noun, bean['name'])
  return json(201, await call.services.change(call, (tx) => addRevision(call, tx, asset, name, null)))
}

async function importBundle(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  // Who imports for somebody else's mistakes should hear of them before the bundle is read.
  await call.services.read((view) => requireOrganization(view, call.params['org'] ?? ''))
  const strict = flagOf(call.query.get('validate'), 'validate', false)
  const upload = await uploadedBundle(call, asset, strict)
  const name = checkName(asset.noun, call.query.get('name') ?? upload.bundle.name)
  return json(201, await call.services.change(call, (tx) => addRevision(call, tx, asset, name, upload)))
}

async function validateBundle(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  await call.services.read((view) => requireOrganization(view, call.params['org'] ?? ''))
  const { bundle } = await uploadedBundle(call, asset, true)
  const name = checkName(asset.noun, call.query.get('name') ?? bundle.name)
  return json(200, { name, problems: checkRunnable(bundle) })
}

/**
 * Clients compute the number of the new revision themselves, so it is the highest there is plus one, also after one was
 * deleted (apigee-edge.md 1.7). @param upload null: an asset that must not be there yet, with an empty revision
 */
async function addRevision(
  call: ApiCall,
  tx: StateTransaction,
  asset: Asset,
  name: string,
  upload: UploadedBundle | null,
): Promise<unknown> {
  const org = await requireOrganization(tx, call.params['org'] ?? '')
  const existing = await tx.get(asset.kind, org, name)
  if (upload === null && existing !== null) {
    throw new ApiError(
      409,
      'messaging.config.beans.ApplicationAlreadyExists',
      `${asset.label} named ${name} already exists in organization ${org}`,
    )
  }
  const number = Math.max(0, ...(await revisionNumbers(tx, asset, org, name))) + 1
  const id: RevisionId = { asset, org, name, revision: String(number) }
  const { clock, store } = call.services
  const lastRevision = Math.max(number, existing?.body.lastRevision ?? 0)
  await tx.put(asset.kind, org, name, { body: { ...stamps(call, clock, existing?.body), lastRevision } })
  const body = {
    ...stamps(call, clock),
    displayName: upload?.bundle.displayName || name,
    description: upload?.bundle.description ?? '',
  }
  await tx.put(asset.revisionKind, assetScope(asset, org, name), id.revision, { body })
  if (upload !== null) await putFiles(tx, id, upload.files)
  return revisionBean(id, body, await revisionContent(store, tx, id))
}

async function remove(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const { org = '', name = '' } = call.params
  const bean = await call.services.change(call, async (tx) => {
    const before = await beanOf(tx, asset, call)
    const [deployed] = await deployedIn(tx, asset, org, name)
    if (deployed !== undefined) {
      throw new ApiError(
        400,
        'messaging.config.beans.ApplicationDeployed',
        `${asset.label} ${name} cannot be deleted: revision ${deployed.revision} is deployed in environment ${deployed.env}`,
      )
    }
    const scope = assetScope(asset, org, name)
    await tx.delete(asset.kind, org, name)
    await tx.deleteBelow(asset.revisionKind, scope)
    await tx.deleteBelow(asset.fileKind, scope)
    for (const kind of ['key-value-map', 'resource-file', 'mask-config'] as const) await tx.deleteBelow(kind, scope)
    return before
  })
  return json(200, bean)
}
