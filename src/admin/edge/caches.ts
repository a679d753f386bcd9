import { ApiError, json, type ApiRoute } from '../api.ts'
import { storedEntity } from './crud.ts'
import { environmentPath } from './entity-scope.ts'

const cache = storedEntity({
  kind: 'cache',
  path: `${environmentPath}/caches`,
  param: 'cache',
  noun: 'cache',
  root: 'Cache',
  // apigee-edge-js names it in the query, apigeetool in the body.
  newName: (call, bean) => call.query.get('name') ?? bean['name'],
  missing: (name, { env }) =>
    new ApiError(404, 'messaging.config.beans.CacheDoesNotExist', `Cache ${name} does not exist in environment ${env}`),
  exists: (name) => new ApiError(409, 'messaging.config.beans.CacheAlreadyExists', `Cache ${name} already exists`),
  fields: (bean, name) => () => ({ entity: { ...bean, name } }),
  bean: (_, { entity }) => entity,
})

/** Caches as they were described; nothing is held in them yet, so that clearing one is soon done. */
export const cacheRoutes: readonly ApiRoute[] = [
  ...cache.routes,
  ...[`${cache.item}/entries`, `${cache.item}/entries/:entry`].map(
    (path): ApiRoute => ({
      method: 'POST',
      path,
      role: 'operator',
      operation: 'UPDATE',
      async handle(call) {
        if (call.query.get('action') !== 'clear') {
          throw new ApiError(400, 'bad-value', 'action must be clear')
        }
        return call.services.read(async (view) => json(200, (await cache.find(view, call)).body.entity))
      },
    }),
  ),
]
