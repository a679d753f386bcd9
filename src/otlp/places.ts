/** Host and port of an authority, without brackets; port null where there is none. */
export function hostPort(authority: string): { readonly host: string; readonly port: number | null } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(authority) ?? []
  const host = bracketed ?? plain
  // An IPv6 address without brackets, or nothing that can be told apart.
  if (host === undefined) return { host: authority, port: null }
  return { host, port: digits === undefined ? null : Number(digits) }
}

/** `https://host:port/path?query` in its parts. */
export interface UrlParts {
  readonly scheme: string
  readonly authority: string
  readonly path: string
  /** Without `?`; '' for none. */
  readonly query: string
}

/** Of an absolute URL or the target of a request (RFC 9112 section 3.2); never throws, whatever the client sent. */
export function urlParts(target: string): UrlParts {
  const [, scheme = '', authority = '', rest = ''] = /^(?:([a-z][a-z0-9+.-]*):\/\/([^/?#]*))?(.*)$/is.exec(target) ?? []
  const mark = rest.indexOf('?')
  const path = mark === -1 ? rest : rest.slice(0, mark)
  return {
    scheme: scheme.toLowerCase(),
    authority: authority.slice(authority.lastIndexOf('@') + 1),
    path: path === '' ? '/' : path,
    query: mark === -1 ? '' : rest.slice(mark + 1),
  }
}

/** `network.protocol.version`: `HTTP/1.1` is 1.1, `HTTP/2.0` and `h2` are 2. */
export function httpVersion(protocol: string): string {
  const version = /^(?:HTTP\/|h)(\d(?:\.\d)?)/i.exec(protocol)?.[1] ?? ''
  return version === '2.0' ? '2' : version
}

/** `tls.protocol.version`: `TLSv1.3` is 1.3. */
export function tlsVersion(protocol: string): string {
  return /(\d(?:\.\d)?)$/.exec(protocol)?.[1] ?? ''
}
