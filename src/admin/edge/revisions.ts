import { writeZip } from '../../core/zip.ts'
import { type ApiAnswer, type ApiCall, type ApiRoute, json } from '../api.ts'
import {
  requireAsset,
  requireRevision,
  revisionId,
  revisionNumbers,
  assetScope,
  type Asset,
  type RevisionId,
} from './asset.ts'
import { bundleBytes, uploadedBundle } from './bundle-upload.ts'
import { flagOf } from './bean.ts'
import { redeploy, runnable } from './deploy.ts'
import { requireNotDeployed } from './deployed.ts'
import { revisionBean } from './revision-bean.ts'
import { deleteFiles, putFiles, revisionContent, revisionFiles } from './revision-files.ts'
import { stamps } from './scope.ts'

/** `P/apis/{api}/revisions` and one of them (apigee-edge.md 1.7). */
export function revisionRoutes(asset: Asset): readonly ApiRoute[] {
  const all = `/v1/organizations/:org/${asset.collection}/:name/revisions`
  const path = `${all}/:revision`
  return [
    { method: 'GET', path: all, role: 'viewer', handle: (call) => list(call, asset) },
    { method: 'GET', path, role: 'viewer', handle: (call) => read(call, asset) },
    {
      method: 'POST',
      path,
      role: 'operator',
      operation: 'UPDATE',
      maxBody: bundleBytes,
      handle: (call) => replace(call, asset),
    },
    { method: 'DELETE', path, role: 'operator', handle: (call) => remove(call, asset) },
  ]
}

async function list(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const { org = '', name = '' } = call.params
  const numbers = await call.services.read(async (view) => {
    await requireAsset(view, asset, org, name)
    return revisionNumbers(view, asset, org, name)
  })
  return json(200, numbers.map(String))
}

async function read(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const id = revisionId(asset, call.params)
  if (call.query.get('format') === 'bundle') return exportBundle(call, id)
  const { services } = call
  return json(
    200,
    await services.read(async (view) => {
      const { body } = await requireRevision(view, id)
      return revisionBean(id, body, await revisionContent(services.store, view, id))
    }),
  )
}

/** Clients ask for it with `Accept: application/json` and write what comes to a file (apigee-edge.md 1.3, rule 5). */
async function exportBundle(call: ApiCall, id: RevisionId): Promise<ApiAnswer> {
  const { root, rootElement } = id.asset
  const files = await call.services.read(async (view) => {
    await requireRevision(view, id)
    return revisionFiles(view, id)
  })
  const document = new RegExp(`^${root}/[^/]+\\.xml$`)
  if (![...files.keys()].some((path) => document.test(path))) {
    // Names have no character that means something in XML; see checkName.
    const text = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<${rootElement} revision="${id.revision}" name="${id.name}"/>\n`
    files.set(`${root}/${id.name}.xml`, Buffer.from(text))
  }
  const headers = { 'content-disposition': `attachment; filename="${id.name}_rev${id.revision}.zip"` }
  return { status: 200, bytes: await writeZip(files), type: 'application/octet-stream', headers }
}

/** All its files by those of a bundle. Where it is deployed, what runs is replaced with it, or nothing is. */
async function replace(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const id = revisionId(asset, call.params)
  const { services } = call
  await services.read((view) => requireRevision(view, id))
  const { files, bundle } = await uploadedBundle(call, asset, flagOf(call.query.get('validate'), 'validate', false))
  const bean = await runnable(id, () =>
    services.change(call, async (tx) => {
      const before = await requireRevision(tx, id)
      const body = {
        ...stamps(call, services.clock, before.body),
        displayName: bundle.displayName || before.body.displayName,
        description: bundle.description,
      }
      await deleteFiles(tx, id)
      await putFiles(tx, id, files)
      await tx.put(asset.revisionKind, assetScope(asset, id.org, id.name), id.revision, { body })
      await redeploy(call, tx, id)
      return revisionBean(id, body, await revisionContent(services.store, tx, id))
    }),
  )
  return json(200, bean)
}

async function remove(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const id = revisionId(asset, call.params)
  const { services } = call
  const bean = await services.change(call, async (tx) => {
    const { body } = await requireRevision(tx, id)
    await requireNotDeployed(tx, id, 'deleted')
    const before = revisionBean(id, body, await revisionContent(services.store, tx, id))
    const scope = assetScope(asset, id.org, id.name)
    await deleteFiles(tx, id)
    await tx.delete(asset.revisionKind, scope, id.revision)
    for (const kind of ['key-value-map', 'resource-file'] as const)
      await tx.deleteBelow(kind, `${scope}/${id.revision}`)
    return before
  })
  return json(200, bean)
}
