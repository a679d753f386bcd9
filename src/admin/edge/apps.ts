import type { StateView } from '../../state/types.ts'
import { ApiError, json, type ApiCall, type ApiRoute } from '../api.ts'
import { appBean, appsOf, loadApp, type App } from './app-store.ts'
import { organizationPath } from './entity-scope.ts'
import { requireOrganization } from './scope.ts'

const collection = `${organizationPath}/apps`
const item = `${collection}/:appid`

/** All apps of an organization, by their ids (apigee-edge.md 1.10). */
export const appRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: collection,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) => {
        const org = await requireOrganization(view, call.params['org'] ?? '')
        if (call.query.get('expand') === 'true') return json(200, { app: (await appsOf(view, org)).map(appBean) })
        const found = await view.below('app', org)
        return json(
          200,
          found.map(({ body }) => body.entity['appId']),
        )
      })
    },
  },
  {
    method: 'GET',
    path: item,
    role: 'viewer',
    handle: (call) => call.services.read(async (view) => json(200, appBean(await appById(view, call)))),
  },
  {
    method: 'DELETE',
    path: item,
    role: 'operator',
    async handle(call) {
      return call.services.change(call, async (tx) => {
        const app = await appById(tx, call)
        await tx.delete('app', app.scope, app.entity.name)
        return json(200, appBean(app))
      })
    },
  },
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
