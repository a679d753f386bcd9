import type { StateView } from '../../state/types.ts'
import { ApiError, json, type ApiAnswer, type ApiCall, type ApiRoute } from '../api.ts'
import { beanOf, checkSameName, type Bean } from './bean.ts'
import { deleting, reading } from './crud.ts'
import { apiPath, entityScope, organizationPath } from './entity-scope.ts'
import { checkName, stamps } from './scope.ts'

/** What is hidden in traces (apigee-edge.md 1.8): of the organization, and of one API proxy. */
export const maskConfigRoutes: readonly ApiRoute[] = [
  `${organizationPath}/maskconfigs`,
  `${apiPath}/maskconfigs`,
].flatMap(routesBelow)

function routesBelow(collection: string): readonly ApiRoute[] {
  const item = `${collection}/:mask`
  // Clients want 200 of a POST, whether it makes one or changes it (apigee-edge.md 1.2).
  const post = { method: 'POST', role: 'operator', success: 200, handle: set } as const
  return [
    reading(collection, async (view, call) => view.names('mask-config', await entityScope(view, call.params))),
    { ...post, path: collection },
    { ...post, path: item },
    { method: 'PUT', path: collection, role: 'operator', handle: set },
    { method: 'PUT', path: item, role: 'operator', handle: set },
    reading(item, async (view, call) => (await maskOf(view, call)).body.entity),
    deleting(item, async (tx, call) => {
      const { scope, name, body } = await maskOf(tx, call)
      await tx.delete('mask-config', scope, name)
      return body.entity
    }),
  ]
}

/** The object is given back as it came, property order included. */
async function set(call: ApiCall): Promise<ApiAnswer> {
  const bean: Bean = await beanOf(call, 'MaskDataConfiguration')
  const named = call.params['mask']
  if (named !== undefined) checkSameName(bean, named)
  const name = checkName('mask configuration', named ?? bean['name'] ?? 'default')
  return call.services.change(call, async (tx) => {
    const scope = await entityScope(tx, call.params)
    const previous = await tx.get('mask-config', scope, name)
    const entity = bean['name'] === undefined ? { name, ...bean } : bean
    await tx.put('mask-config', scope, name, { body: { ...stamps(call, call.services.clock, previous?.body), entity } })
    return json(200, entity)
  })
}

async function maskOf(view: StateView, call: ApiCall) {
  const scope = await entityScope(view, call.params)
  const name = call.params['mask'] ?? ''
  const found = await view.get('mask-config', scope, name)
  if (found !== null) return found
  throw new ApiError(
    404,
    'distribution.DebugMaskConfigurationNotFound',
    `Debug mask configuration ${name} does not exist`,
  )
}
