import type { StateView } from '../../state/types.ts'
import { apiProxy, assetScope, filesScope, requireAsset, requireRevision, revisionId } from './asset.ts'
import { scopeOf } from './scope.ts'

/** Where entities can live: `P`, `E`, `P/apis/{api}` and `R` of apigee-edge.md 1. */
export const organizationPath = '/v1/organizations/:org'
export const environmentPath = `${organizationPath}/environments/:env`
export const apiPath = `${organizationPath}/apis/:name`
export const revisionPath = `${apiPath}/revisions/:revision`

/** Scope of the entities at one of the four; everything that the parameters name must be there. */
export async function entityScope(view: StateView, params: Readonly<Record<string, string>>): Promise<string> {
  const { org = '', name, revision } = params
  if (name === undefined) return scopeOf(view, params)
  if (revision === undefined) {
    await requireAsset(view, apiProxy, org, name)
    return assetScope(apiProxy, org, name)
  }
  const id = revisionId(apiProxy, params)
  await requireRevision(view, id)
  return filesScope(id)
}
