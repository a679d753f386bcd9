import { isIPv4 } from 'node:net'
import { isDnsName } from '../../config/addresses.ts'
import type { VirtualHostBody } from '../../state/kinds.ts'
import { badValue, flagOf, objectOf, propertiesBean, textsOf, type Bean } from './bean.ts'
import { sslInfoBean } from './ssl-info-bean.ts'

/** As Edge shows it: the port is text here, though a number in a target server (apigee-edge.md 1.3, rule 3). */
export function virtualHostBean(name: string, body: VirtualHostBody): Bean {
  return {
    hostAliases: body.hostAliases,
    interfaces: body.interfaces,
    name,
    port: String(body.port),
    propagateTLSInformation: body.propagateTlsInformation,
    properties: propertiesBean(body.properties),
    ...(body.sslInfo === null ? {} : { sSLInfo: sslInfoBean(body.sslInfo) }),
  }
}

/** Private Cloud writes `host:port`; requests are matched by their host alone, so that the port is left out. */
export function hostAliasesOf(value: unknown): readonly string[] {
  const aliases = textsOf(value, 'hostAliases').map((alias, index) => {
    const host = alias.replace(/:\d{1,5}$/, '').toLowerCase()
    if (isIPv4(host) || isDnsName(host.startsWith('*.') ? host.slice(2) : host)) return host
    throw badValue(`hostAliases[${index}]`, `is ${JSON.stringify(alias)}: neither a host name nor *. before one`)
  })
  return [...new Set(aliases)]
}

export function propagationOf(value: unknown): VirtualHostBody['propagateTlsInformation'] {
  const bean = value === undefined || value === null ? {} : objectOf(value, 'propagateTLSInformation')
  const flag = (name: string): boolean => flagOf(bean[name], `propagateTLSInformation.${name}`, false)
  return { connectionProperties: flag('connectionProperties'), clientProperties: flag('clientProperties') }
}
