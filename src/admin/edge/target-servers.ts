import { isIP, isIPv6 } from 'node:net'
import { isDnsName } from '../../config/addresses.ts'
import type { Stamps, TargetServerBody } from '../../state/kinds.ts'
import { ApiError } from '../api.ts'
import { badValue, flagOf, portOf, textOf, type Bean } from './bean.ts'
import { storedEntity } from './crud.ts'
import { environmentPath } from './entity-scope.ts'
import { sslInfoBean, sslInfoOf } from './ssl-info-bean.ts'

/** Backends with a name of their own, for the LoadBalancers of bundles (apigee-edge.md 1.6, 7.3). */
export const { routes: targetServerRoutes } = storedEntity({
  kind: 'target-server',
  path: `${environmentPath}/targetservers`,
  param: 'targetserver',
  noun: 'target server',
  root: 'TargetServer',
  missing: (name, { env }) =>
    new ApiError(
      404,
      'messaging.config.beans.TargetServerDoesNotExist',
      // Clients compare this text (apigee-edge.md 1.5).
      `Target server ${name} does not exist in environment ${env}`,
    ),
  exists: (name, { env }) =>
    new ApiError(
      409,
      'messaging.config.beans.TargetServerAlreadyExists',
      `Target server ${name} already exists in environment ${env}`,
    ),
  fields(bean) {
    const fields = fieldsOf(bean)
    return () => fields
  },
  bean: targetServerBean,
})

/** PUT replaces: what the client left out is as in a new one. */
function fieldsOf(bean: Bean): Omit<TargetServerBody, keyof Stamps> {
  const sslInfo = sslInfoOf(bean['sSLInfo'], 'target')
  return {
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
