import { PosternError } from '../core/errors.ts'
import { parseTargetUrl } from '../config/addresses.ts'
import { parseEndpoint } from '../config/endpoints.ts'
import { nearest } from '../config/nearest.ts'

/** What a person may name to be checked. */
export type EndpointSpec =
  | { readonly kind: 'target'; readonly name: string }
  | { readonly kind: 'address'; readonly host: string; readonly port: number }

/** The names of the targets that may be meant, and the file they stand in; null where there is no configuration. */
export interface KnownTargets {
  readonly names: ReadonlySet<string>
  readonly file: string
}

/**
 * Reads a target's name, `host:port`, `[v6]:port` or `https://host[:port]/...`. A name without a port is a target, never a
 * host: which of two things is checked must not depend on what else is in the file.
 */
export function readEndpoint(text: string, targets: KnownTargets | null): EndpointSpec {
  if (text.includes('://')) return readUrl(text)
  if (targets?.names.has(text)) return { kind: 'target', name: text }
  const endpoint = parseEndpoint(text)
  if (endpoint?.port != null) return { kind: 'address', host: endpoint.host, port: endpoint.port }
  if (endpoint === null && /^$|[:@/[\]]/.test(text)) {
    throw usage(`"${text}" is not an endpoint; write host:port, [v6]:port, https://host[:port] or the name of a target`)
  }
  throw usage(noSuchTarget(text, endpoint?.host ?? text, targets))
}

/** Whether a text can only be the name of a target, so that a configuration is needed to understand it. */
export function needsConfig(text: string): boolean {
  return !text.includes('://') && parseEndpoint(text)?.port == null
}

/** `a, b, c and 7 more`; `none` where there are none. */
export function listedSome(names: readonly string[], most = 10): string {
  const shown = names.slice(0, most).join(', ')
  return names.length > most ? `${shown} and ${names.length - most} more` : shown || 'none'
}

export function usage(message: string): PosternError {
  return new PosternError('usage', message)
}

function readUrl(text: string): EndpointSpec {
  // What follows the host says nothing about the connection, so it is not read.
  const origin = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(text)?.[0] ?? text
  const address = parseTargetUrl(origin)
  if (address?.scheme === 'https') return { kind: 'address', host: address.host, port: address.port }
  if (address?.scheme === 'http')
    throw usage(`"${text}" is plain HTTP: it shows no certificate, so nothing can be checked`)
  if (origin.includes('@')) throw usage('a URL with a user or password is not an endpoint; leave them out')
  throw usage(`"${text}" is not a URL that can be checked; write https://host or https://host:port`)
}

function noSuchTarget(text: string, host: string, targets: KnownTargets | null): string {
  const asHost = `for a host write ${host}:443`
  if (targets === null) {
    return `"${text}" has no port, so it is a target, and there is no configuration: name one with -c FILE, or ${asHost}`
  }
  const close = nearest(text, targets.names)
  const hint = close === null ? `there are ${listedSome([...targets.names])}` : `did you mean ${close}?`
  return `"${text}" is no target of ${targets.file} (${hint}); ${asHost}`
}
