import { isIP } from 'node:net'
import { z } from 'zod'
import { type Fault, hostAdvice, isDnsName } from './addresses.ts'
import { refuse } from './scalars.ts'
import { maskUserinfo, withoutUserinfo } from './userinfo.ts'

/* Host and port without a URL around them: servers of a target, name servers, the proxy on the way out. */

export interface Endpoint {
  /** DNS name or IP literal without brackets, lower case. */
  readonly host: string
  /** null: none was written. */
  readonly port: number | null
}

export const ServerAddress = z
  .string()
  .transform((text, context): Endpoint => {
    const endpoint = parseEndpoint(text)
    if (endpoint !== null) return endpoint
    const fault = endpointFault(text)
    refuse(context, `${shown(text)} ${fault.message}`, fault.instead)
    return z.NEVER
  })
  .meta({
    id: 'ServerAddress',
    title: 'host, or host:port',
    description: "DNS name or IP address (IPv6 in brackets), with a port where it is not the URL's.",
    examples: ['a.internal:8443', '10.0.0.7', '"[2001:db8::7]:8443"'],
  })

export const ResolverAddress = z
  .string()
  .transform((text, context) => {
    const endpoint = parseEndpoint(text)
    const family = endpoint === null ? 0 : isIP(endpoint.host)
    if (endpoint !== null && family !== 0) {
      return endpointText({ host: endpoint.host, port: endpoint.port ?? 53 })
    }
    // asking for the address of who is asked for addresses
    const fault =
      endpoint === null ? endpointFault(text) : { message: 'is a name, and it takes an address', instead: '10.0.0.53' }
    refuse(context, `${shown(text)} ${fault.message}`, fault.instead)
    return z.NEVER
  })
  .meta({
    id: 'ResolverAddress',
    title: 'IP address, or address:port',
    description: 'IP address of a name server (IPv6 in brackets), with a port where it is not 53.',
    examples: ['10.0.0.53', '10.0.0.53:5353', '"[fd00::53]:5353"'],
  })

export const EgressUrl = z
  .string()
  .transform((text, context): Endpoint & { readonly port: number } => {
    const match = /^http:\/\/([^/?#@\\\s]+)\/?$/i.exec(text)
    const endpoint = parseEndpoint(match?.[1] ?? '')
    if (endpoint !== null && endpoint.port !== null) return { host: endpoint.host, port: endpoint.port }
    const fault = egressUrlFault(text)
    refuse(context, `${shown(text)} ${fault.message}`, fault.instead)
    return z.NEVER
  })
  .meta({
    id: 'EgressUrl',
    title: 'URL of a proxy',
    description: '`http`, host and port. No user, no path.',
    examples: ['http://proxy.internal:3128'],
  })

/** The value of a `Host` header: what a URL has between `//` and `/`. */
export const HostValue = z
  .string()
  .superRefine((text, context) => {
    if (parseEndpoint(text) !== null) return
    const fault = endpointFault(text)
    refuse(context, `${shown(text)} ${fault.message}`, fault.instead)
  })
  .meta({
    id: 'HostValue',
    title: 'host, or host:port',
    description: 'DNS name or IP address (IPv6 in brackets), and a port if needed.',
    examples: ['billing.internal'],
  })

export function parseEndpoint(text: string): Endpoint | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^[\]:/?#@\\\s]+))(?::(\d{1,5}))?$/i.exec(text)
  if (!match) return null
  const host = (match[1] ?? match[2] ?? '').toLowerCase()
  const port = match[3] === undefined ? null : Number(match[3])
  const valid = match[1] === undefined ? isIP(host) === 4 || isDnsName(host) : isIP(host) === 6
  return valid && (port === null || (port >= 1 && port <= 65_535)) ? { host, port } : null
}

/** As it stands in a URL. */
export function endpointText({ host, port }: Endpoint): string {
  const name = isIP(host) === 6 ? `[${host}]` : host
  return port === null ? name : `${name}:${port}`
}

function endpointFault(text: string): Fault {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0] ?? ''
  const bare = withoutUserinfo(text)
    .slice(scheme.length)
    .replace(/[/?#].*$/s, '')
  if (scheme !== '') return { message: 'is a URL, and only host and port belong here', instead: bare }
  if (text.includes('@')) return { message: 'carries a user or password', instead: bare }
  // 2001:db8::1:8443 is an address as much as an address with a port (I8)
  if (isIP(text) === 6) return { message: 'is an IPv6 address without brackets', instead: `"[${text}]"` }
  if (text.includes('/')) return { message: 'has a path; only host and port belong here', instead: bare }
  const port = /:([^:\]\s]*)$/.exec(text)?.[1]
  if (port !== undefined && parseEndpoint(text.slice(0, -port.length - 1)) !== null) {
    return { message: `has the port "${port}"`, instead: 'a port from 1 to 65535' }
  }
  return { message: 'is not a host, or host and port', instead: hostAdvice(text) ?? 'billing.internal:8443' }
}

function egressUrlFault(text: string): Fault {
  const example = 'http://proxy.internal:3128'
  // of host and port only: whatever else stands in the text is not for a log (I7)
  const authority = withoutUserinfo(text)
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, '')
    .replace(/[/?#].*$/s, '')
  const endpoint = parseEndpoint(authority)
  const meant = endpoint === null ? example : `http://${endpointText({ ...endpoint, port: endpoint.port ?? 3128 })}`
  if (text.includes('@')) {
    const instead = `${meant}, with user and password beside it, the password by env or file`
    return { message: 'carries a user or password', instead }
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]
  if (scheme === undefined) return { message: 'has no scheme', instead: meant }
  if (scheme.toLowerCase() === 'https') {
    return { message: 'is https; connections to the proxy itself are plain', instead: meant }
  }
  if (scheme.toLowerCase() !== 'http') {
    return { message: `has the scheme "${scheme}"; an HTTP proxy is what can be used`, instead: example }
  }
  if (endpoint !== null && endpoint.port === null) {
    // curl takes 1080, others 80 or 3128
    return { message: 'has no port, and there is none that every proxy has', instead: meant }
  }
  return { message: 'is not http, host and port', instead: meant }
}

/** On one line, and without a password: it must not reach the log that prints the fault (I7). */
function shown(text: string): string {
  return JSON.stringify(maskUserinfo(text))
}
