import { ApiError, json, type ApiRoute } from '../api.ts'
import { aliasRoutes } from './aliases.ts'
import { beanOf } from './bean.ts'
import { certRoutes } from './certs.ts'
import { deleting, reading } from './crud.ts'
import { environmentPath } from './entity-scope.ts'
import { keystoreBean, keystoreOf } from './keystore-store.ts'
import { checkName, scopeOf, stamps } from './scope.ts'
import { refuseIfUsed } from './usage.ts'

const collection = `${environmentPath}/keystores`
const item = `${collection}/:keystore`

/** Key stores and trust stores, their aliases, certificates and keys (apigee-edge.md 1.6). */
export const keystoreRoutes: readonly ApiRoute[] = [
  reading(collection, async (view, call) => view.names('keystore', await scopeOf(view, call.params))),
  {
    method: 'POST',
    path: collection,
    role: 'operator',
    async handle(call) {
      // Old clients send `<KeyStore name="ks1"/>`.
      const name = checkName('keystore', (await beanOf(call, 'KeyStore'))['name'])
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        if ((await tx.get('keystore', scope, name)) !== null) {
          throw new ApiError(
            409,
            'messaging.config.beans.KeyStoreAlreadyExists',
            `Keystore ${name} already exists in environment ${call.params['env']}`,
          )
        }
        await tx.put('keystore', scope, name, { body: { ...stamps(call, call.services.clock), generation: 1 } })
        return json(201, keystoreBean(name, []))
      })
    },
  },
  reading(item, async (view, call) => {
    const place = await keystoreOf(view, call)
    return keystoreBean(place.name, await view.list('alias', place.aliases))
  }),
  deleting(item, async (tx, call) => {
    const { scope, name, aliases } = await keystoreOf(tx, call)
    await refuseIfUsed(tx, scope, { kind: 'keystore', name }, 'messaging.config.beans.KeyStoreInUse')
    const bean = keystoreBean(name, await tx.list('alias', aliases))
    await tx.deleteBelow('alias', aliases)
    await tx.delete('keystore', scope, name)
    return bean
  }),
  ...aliasRoutes,
  ...certRoutes,
]
