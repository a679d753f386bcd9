import type { StateView } from '../../state/types.ts'
import { ApiError, json, type ApiCall, type ApiRoute } from '../api.ts'
import { beanOf, checkSameName, flagOf, pairsOf, type Bean } from './bean.ts'
import { deleting, reading } from './crud.ts'
import { apiPath, entityScope, environmentPath, organizationPath, revisionPath } from './entity-scope.ts'
import { pageOf } from './entity-page.ts'
import { entryRoutes } from './key-value-entries.ts'
import { entriesOf, keepEntries, mapBean, mapOf } from './key-value-store.ts'
import { checkName, stamps } from './scope.ts'

/** Key value maps, kept for clients: no policy of a bundle reads them yet (apigee-edge.md 1.10). */
export const keyValueMapRoutes: readonly ApiRoute[] = [organizationPath, environmentPath, apiPath, revisionPath]
  .map((base) => `${base}/keyvaluemaps`)
  .flatMap((collection) => [...mapRoutes(collection), ...entryRoutes(`${collection}/:map`)])

function mapRoutes(collection: string): readonly ApiRoute[] {
  const item = `${collection}/:map`
  return [
    reading(collection, async (view, call) =>
      view.names('key-value-map', await entityScope(view, call.params), pageOf(call.query)),
    ),
    { method: 'POST', path: collection, role: 'operator', handle: create },
    reading(item, async (view, call) => {
      const map = await mapOf(view, call)
      return mapBean(map, await entriesOf(view, map))
    }),
    // Merges entries, as clients of organizations without CPS do it.
    { method: 'POST', path: item, role: 'operator', operation: 'UPDATE', handle: (call) => update(call, false) },
    { method: 'PUT', path: item, role: 'operator', handle: (call) => update(call, true) },
    deleting(item, async (tx, call) => {
      const map = await mapOf(tx, call)
      const bean = mapBean(map, await entriesOf(tx, map))
      await tx.delete('key-value-map', map.scope, map.name)
      return bean
    }),
  ]
}

async function create(call: ApiCall) {
  const bean = await beanOf(call, 'KeyValueMap')
  const name = checkName('key value map', bean['name'])
  const encrypted = flagOf(bean['encrypted'], 'encrypted', false)
  const entries = entriesIn(bean)
  return call.services.change(call, async (tx) => {
    const scope = await entityScope(tx, call.params)
    await refuseExisting(tx, scope, name)
    const map = { scope, name, body: { ...stamps(call, call.services.clock), entity: { name, encrypted } } }
    await keepEntries(tx, map, entries)
    return json(201, mapBean(map, entries))
  })
}

async function update(call: ApiCall, replace: boolean) {
  const bean = await beanOf(call, 'KeyValueMap')
  const given = entriesIn(bean)
  return call.services.change(call, async (tx) => {
    const map = await mapOf(tx, call)
    checkSameName(bean, map.name)
    const entries = replace ? given : new Map([...(await entriesOf(tx, map)), ...given])
    const changed = { ...map, body: { ...map.body, ...stamps(call, call.services.clock, map.body) } }
    await keepEntries(tx, changed, entries)
    return json(200, mapBean(changed, entries))
  })
}

async function refuseExisting(view: StateView, scope: string, name: string): Promise<void> {
  if ((await view.get('key-value-map', scope, name)) === null) return
  throw new ApiError(409, 'keyvaluemap.service.keyvaluemap_already_exists', `KeyValueMap ${name} already exists`)
}

const entriesIn = (bean: Bean): ReadonlyMap<string, string> => new Map(Object.entries(pairsOf(bean['entry'], 'entry')))
