import { isIP, isIPv6 } from 'node:net'
import { isDnsName } from '../../config/addresses.ts'
import type { TargetServerBody } from '../../state/kinds.ts'
import type { StateView } from '../../state/types.ts'
import { ApiError, json, type ApiCall, type ApiRoute } from '../api.ts'
import { badValue, beanOf, checkSameName, flagOf, portOf, textOf, type Bean } from './bean.ts'
import { checkName, scopeOf, stamps } from './scope.ts'
import { sslInfoBean, sslInfoOf } from './ssl-info-bean.ts'

const collection = '/v1/organizations/:org/environments/:env/targetservers'
const item = `${collection}/:targetserver`

/** Backends with a name of their own, for the LoadBalancers of bundles (apigee-edge.md 1.6, 7.3). */
export const targetServerRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: collection,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) =>
        json(200, await view.names('target-server', await scopeOf(view, call.params))),
      )
    },
  },
  {
    method: 'POST',
    path: collection,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, 'TargetServer')
      const name = checkName('target server', bean['name'])
      const body = bodyOf(call, bean)
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        if ((await tx.get('target-server', scope, name)) !== null) {
          throw new ApiError(
            409,
            'messaging.config.beans.TargetServerAlreadyExists',
            `Target server ${name} already exists in environment ${call.params['env']}`,
          )
        }
        await tx.put('target-server', scope, name, { body })
        return json(201, targetServerBean(name, body))
      })
    },
  },
  {
    method: 'GET',
    path: item,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) => {
        const { name, body } = await targetServerOf(view, await scopeOf(view, call.params), call)
        return json(200, targetServerBean(name, body))
      })
    },
  },
  {
    method: 'PUT',
    path: item,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, 'TargetServer')
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        const { name, body: previous } = await targetServerOf(tx, scope, call)
        checkSameName(bean, name)
        const body = bodyOf(call, bean, previous)
        await tx.put('target-server', scope, name, { body })
        return json(200, targetServerBean(name, body))
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
        const { name, body } = await targetServerOf(tx, scope, call)
        await tx.delete('target-server', scope, name)
        return json(200, targetServerBean(name, body))
      })
    },
  },
]

async function targetServerOf(view: StateView, scope: string, call: ApiCall) {
  const name = call.params['targetserver'] ?? ''
  const found = await view.get('target-server', scope, name)
  if (found !== null) return found
  throw new ApiError(
    404,
    'messaging.config.beans.TargetServerDoesNotExist',
    // Clients compare this text (apigee-edge.md 1.5).
    `Target server ${name} does not exist in environment ${call.params['env']}`,
  )
}

/** PUT replaces: what the client left out is as in a new one. */
function bodyOf(call: ApiCall, bean: Bean, previous?: TargetServerBody): TargetServerBody {
  const sslInfo = sslInfoOf(bean['sSLInfo'], 'target')
  return {
    ...stamps(call, call.services.clock, previous),
    host: hostOf(bean['host']),
    port: portOf(bean['port'], 'port') ?? (sslInfo?.enabled === true ? 443 : 80),
    isEnabled: flagOf(bean['isEnabled'], 'isEnabled', true),
    description: textOf(bean['description'], 'description'),
    protocol: protocolOf(bean['protocol']),
    sslInfo,
  }
}

/** Without a scheme, a port and a path: what a dialer takes. */
function hostOf(value: unknown): string {
  const host = textOf(value, 'host').trim()
  if (host === '') throw badValue('host', 'is needed')
  const literal = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  if (isIPv6(literal)) return literal
  if (isIP(host) !== 0 || isDnsName(host)) return host
  throw badValue('host', 'must be a DNS name or an IP address, without scheme, port and path')
}

function protocolOf(value: unknown): TargetServerBody['protocol'] {
  const protocol = textOf(value, 'protocol', 'HTTP').toUpperCase()
  switch (protocol) {
    case 'HTTP':
    case 'HTTP2':
    case 'GRPC':
      return protocol
    default:
      throw badValue('protocol', 'must be HTTP, HTTP2 or GRPC')
  }
}

function targetServerBean(name: string, body: TargetServerBody): Bean {
  return {
    ...(body.description === '' ? {} : { description: body.description }),
    host: body.host,
    isEnabled: body.isEnabled,
    name,
    port: body.port,
    ...(body.protocol === 'HTTP' ? {} : { protocol: body.protocol }),
    ...(body.sslInfo === null ? {} : { sSLInfo: sslInfoBean(body.sslInfo) }),
  }
}
