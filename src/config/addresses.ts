import { isIP, isIPv4 } from 'node:net'
import { domainToASCII } from 'node:url'
import { z } from 'zod'
import { refuse } from './scalars.ts'
import { maskUserinfo, withoutUserinfo } from './userinfo.ts'

/* Names, addresses and paths: what a router, a dialer or a certificate check will compare byte for byte. */

export const ListenAddress = z
  .string()
  .refine((text) => text === '*' || isIP(text) !== 0)
  .meta({
    id: 'ListenAddress',
    title: 'address to listen on',
    description: 'An IP address, or `*` for every address: IPv4 and IPv6 where the system has both, else IPv4.',
    examples: ['*', '127.0.0.1', '::1'],
  })

export const DnsName = z
  .string()
  .superRefine((text, context) => {
    if (isIP(text) !== 0) {
      refuse(context, `"${text}" is an IP address; SNI carries DNS names only (RFC 6066 section 3)`, [
        `leave serverName out and accept the address with subjectAltNames: ["${text}"]`,
      ])
    } else if (!isDnsName(text)) refuse(context, `"${maskUserinfo(text)}" is not a DNS name`, dnsAdvice(text))
  })
  .transform((text) => text.toLowerCase())
  .meta({ id: 'DnsName', title: 'DNS name', examples: ['billing.internal'] })

/** A name the certificate must cover: no wildcard, because it is the name asked for and not the pattern that answers. */
export const CertificateName = z
  .string()
  .superRefine((text, context) => {
    if (isIP(text) === 0 && !isDnsName(text))
      refuse(context, `"${maskUserinfo(text)}" is not a DNS name or IP address`, dnsAdvice(text))
  })
  .transform((text) => text.toLowerCase())
  .meta({ id: 'CertificateName', title: 'DNS name or IP address', examples: ['billing.internal', '10.0.0.7'] })

export const HostPattern = z
  .string()
  .superRefine((text, context) => {
    if (isIPv4(text)) return
    const name = text.startsWith('*.') ? text.slice(2) : text
    const port = /^([^@]+):\d+$/.exec(name)
    if (text === '*') refuse(context, '"*" is not a host', 'no hosts at all, which means any')
    else if (port) refuse(context, `"${text}" carries a port; hosts are matched without one`, String(port[1]))
    else if (!isDnsName(name)) refuse(context, `"${maskUserinfo(text)}" is not a host`, dnsAdvice(name))
  })
  .transform((text) => text.toLowerCase())
  .meta({
    id: 'HostPattern',
    title: 'host',
    description: 'A DNS name, an IPv4 address, or `*.` before a DNS name for any name below it. Without a port.',
    examples: ['api.example.com', '*.example.com'],
  })

export const BasePath = z
  .string()
  .superRefine((text, context) => {
    const fault = basePathFault(text)
    if (fault !== null) refuse(context, `"${text}" ${fault.message}`, fault.instead)
  })
  .meta({
    id: 'BasePath',
    title: 'base path',
    description: 'Starts with `/`, has no trailing slash (`/` alone matches everything); a whole segment may be `*`.',
    examples: ['/billing', '/v1/*/orders', '/'],
  })

export const TargetUrl = z
  .string()
  .superRefine((text, context) => {
    const fault = targetUrlFault(text)
    // a password in the text must not reach the log that prints the fault (I7)
    if (fault !== null) refuse(context, `"${maskUserinfo(text)}" ${fault.message}`, maskUserinfo(fault.instead))
  })
  .meta({
    id: 'TargetUrl',
    title: 'URL',
    description: '`http` or `https`, host, and if needed port and path. No user, no query, no fragment.',
    examples: ['https://billing.internal:8443', 'http://127.0.0.1:9000/v1'],
  })

export const Cidr = z
  .string()
  .superRefine((text, context) => {
    if (isCidr(text)) return
    const bits = isIP(text) === 6 ? 128 : 32
    refuse(
      context,
      `"${maskUserinfo(text)}" is not a CIDR block`,
      isIP(text) === 0 ? ['10.0.0.0/8', 'fd00::/8'] : `${text}/${bits}`,
    )
  })
  .meta({ id: 'Cidr', title: 'CIDR block', examples: ['10.0.0.0/8', 'fd00::/8', '192.0.2.1/32'] })

export interface TargetAddress {
  readonly scheme: 'http' | 'https'
  /** DNS name or IP literal without brackets, lower case. */
  readonly host: string
  readonly port: number
  /** '' for the root. */
  readonly pathPrefix: string
}

const urlShape = /^(https?):\/\/(?:\[([0-9a-f:.]+)\]|([^[\]/?#@\\\s:]+))(?::(\d{1,5}))?(\/[!-~]*)?$/i

/** Taken apart by hand: `new URL` repairs (`https:\\x`, `0x7f.1`, tabs), and a gateway must not dial what it guessed. */
export function parseTargetUrl(text: string): TargetAddress | null {
  const match = urlShape.exec(text)
  if (!match) return null
  const scheme = match[1]?.toLowerCase() === 'https' ? 'https' : 'http'
  const host = (match[2] ?? match[3] ?? '').toLowerCase()
  const port = match[4] === undefined ? (scheme === 'https' ? 443 : 80) : Number(match[4])
  const valid = match[2] === undefined ? isIPv4(host) || isDnsName(host) : isIP(host) === 6
  if (!valid || port < 1 || port > 65_535) return null
  const path = match[5] ?? ''
  // Visible ASCII only: a head is written as latin1, and of other letters only the low byte would be left.
  if (/[?#\\]/.test(path)) return null
  return { scheme, host, port, pathPrefix: path.endsWith('/') ? path.slice(0, -1) : path }
}

/** What is wrong with a text, to be printed after it, and what to write instead. */
export interface Fault {
  readonly message: string
  readonly instead: string
}

/** Letters, digits, hyphen, underscore (common in container networks); the last label not a number (RFC 1123 2.1). */
export function isDnsName(text: string): boolean {
  if (text.length === 0 || text.length > 253) return false
  const labels = text.split('.')
  return (
    labels.every((label) => /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/i.test(label)) &&
    !/^(\d+|0x[0-9a-f]*)$/i.test(labels.at(-1) ?? '')
  )
}

/** The host that somebody may have meant, or null. */
export function hostAdvice(text: string): string | null {
  const advice = dnsAdvice(text)[0] ?? ''
  return isDnsName(advice) ? advice : null
}

function dnsAdvice(written: string): string[] {
  const text = withoutUserinfo(written)
  if (text.endsWith('.') && isDnsName(text.slice(0, -1))) return [text.slice(0, -1)]
  if (text.startsWith('*.')) return [`the name itself, such as www.${text.slice(2)}`]
  const ascii = domainToASCII(text)
  if (ascii !== text && isDnsName(ascii)) return [ascii]
  const host = /^https?:\/\/([^/:]+)/.exec(text)?.[1]
  return host !== undefined && isDnsName(host) ? [host] : ['a name such as billing.internal']
}

function basePathFault(text: string): Fault | null {
  const fault = (message: string, instead: string): Fault => ({ message, instead })
  if (!text.startsWith('/')) return fault('does not start with a slash', `/${text.replace(/\/+$/, '')}`)
  if (text === '/') return null
  if (text.endsWith('/')) return fault('ends with a slash', text.replace(/\/+$/, '') || '/')
  if (text.includes('//')) return fault('has an empty segment', text.replaceAll(/\/+/g, '/'))
  if (/[?#]/.test(text)) return fault('has a query or fragment; a base path is a path', text.replace(/[?#].*$/, ''))
  // %2F, %5C and %00 are read as a separator or an end by some backends and not by others: never part of a route (I8)
  if (/%(?:2f|5c|00)/i.test(text))
    return fault('has an encoded slash, backslash or NUL', 'literal slashes between segments')
  for (const segment of text.slice(1).split('/')) {
    if (/^(?:\.|%2e){1,2}(?:;|$)/i.test(segment)) return fault('has a dot segment', 'the path without "." and ".."')
    if (segment.includes('*') && segment !== '*') {
      return fault('has "*" inside a segment; it stands for one whole segment', text.replace(segment, '*'))
    }
    const illegal = /(?:%(?![0-9a-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@%-])/i.exec(segment)?.[0]
    if (illegal !== undefined)
      return fault(`has ${JSON.stringify(illegal)}, which no path may carry (RFC 3986 section 3.3)`, encodeURI(text))
  }
  return null
}

function targetUrlFault(text: string): Fault | null {
  const fault = (message: string, instead: string): Fault => ({ message, instead })
  if (parseTargetUrl(text) !== null) {
    const path = parseTargetUrl(text)?.pathPrefix ?? ''
    if (/(?:^|\/)(?:\.|%2e){1,2}(?:[/;]|$)/i.test(path))
      return fault('has a dot segment', 'the path without "." and ".."')
    return null
  }
  if (text.includes('@') && !hasSoundHost(text)) {
    const bare = withoutUserinfo(text)
    const url = /^https?:\/\//i.test(bare) ? bare : `https://${bare.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '')}`
    const instead = parseTargetUrl(url) === null ? 'https://billing.internal:8443' : url
    return fault('carries a user or password', instead)
  }
  if (/^https?:[\\\s]/i.test(text)) return fault('has a backslash or white space', text.replace(/[\\\s]+/, '//'))
  if (!/^https?:\/\//i.test(text)) {
    const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]
    if (scheme !== undefined) return fault(`has the scheme "${scheme}"`, `https://${text.slice(scheme.length + 3)}`)
    return fault('has no scheme', `https://${text}`)
  }
  if (text.includes('?')) return fault('carries a query', text.replace(/\?.*$/, ''))
  if (text.includes('#')) return fault('carries a fragment', text.replace(/#.*$/, ''))
  if (/[\\\s]/.test(text)) return fault('has a backslash or white space', text.replaceAll(/[\\\s]/g, ''))
  const host = /^https?:\/\/([^/]*)/i.exec(text)?.[1] ?? ''
  const port = /:(\d*)$/.exec(host)?.[1]
  if (
    port !== undefined &&
    !host.includes('[') &&
    !/:.*:/.test(host) &&
    !(Number(port) >= 1 && Number(port) <= 65_535)
  ) {
    return fault(`has the port "${port}"`, 'a port from 1 to 65535')
  }
  const bare = host.replace(/:\d*$/, '')
  if (isIP(host) === 6) return fault('has an IPv6 address without brackets', text.replace(host, `[${host}]`))
  const advice = dnsAdvice(bare)[0] ?? ''
  return fault(
    `has no valid host`,
    isDnsName(advice) ? text.replace(host, host.replace(bare, advice)) : 'https://billing.internal:8443',
  )
}

/** An `@` of such a URL stands in its path or query. */
function hasSoundHost(text: string): boolean {
  const origin = /^https?:\/\/[^/?#@\\\s]+/i.exec(text)?.[0]
  return origin !== undefined && parseTargetUrl(origin) !== null && text[origin.length] !== '@'
}

function isCidr(text: string): boolean {
  const match = /^(.+)\/(\d{1,3})$/.exec(text)
  const family = isIP(match?.[1] ?? '')
  return family !== 0 && Number(match?.[2]) <= (family === 4 ? 32 : 128)
}
