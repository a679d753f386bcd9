import type { SslInfo, Stamps, VirtualHostBody } from '../../state/kinds.ts'
import { ApiError, json, type ApiRoute } from '../api.ts'
import { beanOf, portOf, propertiesOf, textsOf, type Bean } from './bean.ts'
import { storedEntity, type EntityChange } from './crud.ts'
import { environmentPath } from './entity-scope.ts'
import { sslInfoOf } from './ssl-info-bean.ts'
import { checkStores } from './ssl-info-stores.ts'
import { hostAliasesOf, propagationOf, virtualHostBean } from './virtual-host-bean.ts'

const virtualHost = storedEntity({
  kind: 'virtual-host',
  path: `${environmentPath}/virtualhosts`,
  param: 'virtualhost',
  noun: 'virtual host',
  root: 'VirtualHost',
  missing: (name, { env }) =>
    new ApiError(
      404,
      'messaging.config.beans.VirtualHostDoesNotExist',
      `Virtual host ${name} does not exist in environment ${env}`,
    ),
  exists: (name, { env }) =>
    new ApiError(
      409,
      'messaging.config.beans.VirtualHostAlreadyExists',
      `Virtual host ${name} already exists in environment ${env}`,
    ),
  fields(bean) {
    const fields = fieldsOf(bean)
    return (change) => checked(change, fields)
  },
  bean: virtualHostBean,
})

/** Ports, host names and server certificates that proxies are reached by (apigee-edge.md 1.6). */
export const virtualHostRoutes: readonly ApiRoute[] = [
  ...virtualHost.routes,
  {
    // Deprecated by Edge in favour of PUT of the whole.
    method: 'POST',
    path: `${virtualHost.item}/sslinfo`,
    role: 'operator',
    operation: 'UPDATE',
    async handle(call) {
      const sslInfo = sslInfoOf(await beanOf(call, 'SSLInfo'), 'virtual host')
      return call.services.change(call, async (tx) => {
        const { scope, name, body: previous } = await virtualHost.find(tx, call)
        const change = { tx, call, scope, previous }
        return json(200, await virtualHost.keep(change, name, await checked(change, { ...previous, sslInfo })))
      })
    },
  },
]

type Fields = Omit<VirtualHostBody, keyof Stamps>

async function checked({ tx, scope, call }: EntityChange<'virtual-host'>, fields: Fields): Promise<Fields> {
  if (fields.sslInfo !== null) await checkStores(tx, scope, fields.sslInfo, call.services.clock())
  return fields
}

/** PUT replaces: what the client left out is as in a new one. */
function fieldsOf(bean: Bean): Fields {
  const sslInfo = sslInfoOf(bean['sSLInfo'], 'virtual host')
  return {
    port: portOf(bean['port'], 'port') ?? defaultPort(sslInfo),
    hostAliases: hostAliasesOf(bean['hostAliases']),
    interfaces: textsOf(bean['interfaces'], 'interfaces'),
    sslInfo,
    properties: propertiesOf(bean['properties'], 'properties'),
    propagateTlsInformation: propagationOf(bean['propagateTLSInformation']),
  }
}

const defaultPort = (sslInfo: SslInfo | null): number => (sslInfo?.enabled === true ? 443 : 80)
