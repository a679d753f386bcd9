import type { SslInfo, VirtualHostBody } from '../../state/kinds.ts'
import type { StateTransaction, StateView } from '../../state/types.ts'
import { ApiError, json, type ApiCall, type ApiRoute } from '../api.ts'
import { beanOf, checkSameName, portOf, propertiesOf, textsOf, type Bean } from './bean.ts'
import { checkName, scopeOf, stamps } from './scope.ts'
import { sslInfoOf } from './ssl-info-bean.ts'
import { checkStores } from './ssl-info-stores.ts'
import { hostAliasesOf, propagationOf, virtualHostBean } from './virtual-host-bean.ts'

const collection = '/v1/organizations/:org/environments/:env/virtualhosts'
const item = `${collection}/:virtualhost`

/** Ports, host names and server certificates that proxies are reached by (apigee-edge.md 1.6). */
export const virtualHostRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: collection,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) =>
        json(200, await view.names('virtual-host', await scopeOf(view, call.params))),
      )
    },
  },
  {
    method: 'POST',
    path: collection,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, 'VirtualHost')
      const name = checkName('virtual host', bean['name'])
      const body = bodyOf(call, bean)
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        if ((await tx.get('virtual-host', scope, name)) !== null) {
          throw new ApiError(
            409,
            'messaging.config.beans.VirtualHostAlreadyExists',
            `Virtual host ${name} already exists in environment ${call.params['env']}`,
          )
        }
        return json(201, await kept(tx, scope, name, body, call))
      })
    },
  },
  {
    method: 'GET',
    path: item,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) => {
        const { name, body } = await virtualHostOf(view, await scopeOf(view, call.params), call)
        return json(200, virtualHostBean(name, body))
      })
    },
  },
  {
    method: 'PUT',
    path: item,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, 'VirtualHost')
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        const { name, body: previous } = await virtualHostOf(tx, scope, call)
        checkSameName(bean, name)
        return json(200, await kept(tx, scope, name, bodyOf(call, bean, previous), call))
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
        const { name, body } = await virtualHostOf(tx, scope, call)
        await tx.delete('virtual-host', scope, name)
        return json(200, virtualHostBean(name, body))
      })
    },
  },
  {
    // Deprecated by Edge in favour of PUT of the whole.
    method: 'POST',
    path: `${item}/sslinfo`,
    role: 'operator',
    operation: 'UPDATE',
    async handle(call) {
      const sslInfo = sslInfoOf(await beanOf(call, 'SSLInfo'), 'virtual host')
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        const { name, body } = await virtualHostOf(tx, scope, call)
        const changed = { ...body, ...stamps(call, call.services.clock, body), sslInfo }
        return json(200, await kept(tx, scope, name, changed, call))
      })
    },
  },
]

async function kept(
  tx: StateTransaction,
  scope: string,
  name: string,
  body: VirtualHostBody,
  call: ApiCall,
): Promise<Bean> {
  if (body.sslInfo !== null) await checkStores(tx, scope, body.sslInfo, call.services.clock())
  await tx.put('virtual-host', scope, name, { body })
  return virtualHostBean(name, body)
}

async function virtualHostOf(view: StateView, scope: string, call: ApiCall) {
  const name = call.params['virtualhost'] ?? ''
  const found = await view.get('virtual-host', scope, name)
  if (found !== null) return found
  throw new ApiError(
    404,
    'messaging.config.beans.VirtualHostDoesNotExist',
    `Virtual host ${name} does not exist in environment ${call.params['env']}`,
  )
}

/** PUT replaces: what the client left out is as in a new one. */
function bodyOf(call: ApiCall, bean: Bean, previous?: VirtualHostBody): VirtualHostBody {
  const sslInfo = sslInfoOf(bean['sSLInfo'], 'virtual host')
  return {
    ...stamps(call, call.services.clock, previous),
    port: portOf(bean['port'], 'port') ?? defaultPort(sslInfo),
    hostAliases: hostAliasesOf(bean['hostAliases']),
    interfaces: textsOf(bean['interfaces'], 'interfaces'),
    sslInfo,
    properties: propertiesOf(bean['properties'], 'properties'),
    propagateTlsInformation: propagationOf(bean['propagateTLSInformation']),
  }
}

const defaultPort = (sslInfo: SslInfo | null): number => (sslInfo?.enabled === true ? 443 : 80)
