import type { StateView } from '../../state/types.ts'
import { ApiError, json, type ApiCall, type ApiRoute } from '../api.ts'
import { beanOf, checkSameName } from './bean.ts'
import { environmentPath } from './entity-scope.ts'
import { checkName, scopeOf, stamps } from './scope.ts'

const collection = `${environmentPath}/caches`
const item = `${collection}/:cache`

/** Caches as they were described; nothing is held in them yet, so that clearing one is soon done. */
export const cacheRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: collection,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) => json(200, await view.names('cache', await scopeOf(view, call.params))))
    },
  },
  {
    method: 'POST',
    path: collection,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, 'Cache')
      // apigee-edge-js names it in the query, apigeetool in the body.
      const name = checkName('cache', call.query.get('name') ?? bean['name'])
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        if ((await tx.get('cache', scope, name)) !== null) {
          throw new ApiError(409, 'messaging.config.beans.CacheAlreadyExists', `Cache ${name} already exists`)
        }
        const entity = { ...bean, name }
        await tx.put('cache', scope, name, { body: { ...stamps(call, call.services.clock), entity } })
        return json(201, entity)
      })
    },
  },
  {
    method: 'GET',
    path: item,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) =>
        json(200, (await cacheOf(view, await scopeOf(view, call.params), call)).body.entity),
      )
    },
  },
  {
    method: 'PUT',
    path: item,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, 'Cache')
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        const { name, body } = await cacheOf(tx, scope, call)
        checkSameName(bean, name)
        const entity = { ...bean, name }
        await tx.put('cache', scope, name, { body: { ...stamps(call, call.services.clock, body), entity } })
        return json(200, entity)
      })
    },
  },
  {
    method: 'DELETE',
    path: item,
    role: 'operator',
    async handle(call) {
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        const { name, body } = await cacheOf(tx, scope, call)
        await tx.delete('cache', scope, name)
        return json(200, body.entity)
      })
    },
  },
  ...[`${item}/entries`, `${item}/entries/:entry`].map(
    (path): ApiRoute => ({
      method: 'POST',
      path,
      role: 'operator',
      operation: 'UPDATE',
      async handle(call) {
        if (call.query.get('action') !== 'clear') {
          throw new ApiError(400, 'bad-value', 'action must be clear')
        }
        return call.services.read(async (view) =>
          json(200, (await cacheOf(view, await scopeOf(view, call.params), call)).body.entity),
        )
      },
    }),
  ),
]

async function cacheOf(view: StateView, scope: string, call: ApiCall) {
  const name = call.params['cache'] ?? ''
  const found = await view.get('cache', scope, name)
  if (found !== null) return found
  throw new ApiError(
    404,
    'messaging.config.beans.CacheDoesNotExist',
    `Cache ${name} does not exist in environment ${call.params['env']}`,
  )
}
