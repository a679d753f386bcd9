import type { StateView } from '../../state/types.ts'
import { ApiError, type ApiCall, type ApiRoute } from '../api.ts'
import { appBean, appsOf, loadApp, type App } from './app-store.ts'
import { deleting, reading } from './crud.ts'
import { organizationPath } from './entity-scope.ts'
import { requireOrganization } from './scope.ts'

const collection = `${organizationPath}/apps`
const item = `${collection}/:appid`

/** All apps of an organization, by their ids (apigee-edge.md 1.10). */
export const appRoutes: readonly ApiRoute[] = [
  reading(collection, async (view, call) => {
    const org = await requireOrganization(view, call.params['org'] ?? '')
    if (call.query.get('expand') === 'true') return { app: (await appsOf(view, org)).map(appBean) }
    const found = await view.below('app', org)
    return found.map(({ body }) => body.entity['appId'])
  }),
  reading(item, async (view, call) => appBean(await appById(view, call))),
  deleting(item, async (tx, call) => {
    const app = await appById(tx, call)
    await tx.delete('app', app.scope, app.entity.name)
    return appBean(app)
  }),
]

async function appById(view: StateView, call: ApiCall): Promise<App> {
  const org = await requireOrganization(view, call.params['org'] ?? '')
  const id = call.params['appid'] ?? ''
  const found = (await view.below('app', org)).find(({ body }) => body.entity['appId'] === id)
  if (found !== undefined) return loadApp(view, found)
  throw new ApiError(
    404,
    'developer.service.AppDoesNotExist',
    `App with id ${id} does not exist in organization ${org}`,
  )
}
