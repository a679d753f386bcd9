import { hiddenAs } from './hidden-variables.ts'

/*
 * What is hidden in every transaction, whatever is configured: whoever holds it is taken for its owner. Unset means safe; an
 * administrator may start a session that shows it.
 */

const headers: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'cookie2',
  'set-cookie',
  'set-cookie2',
  'x-api-key',
  'apikey',
  'api-key',
  'ocp-apim-subscription-key',
  'x-amz-security-token',
])

/** The end of a name says what the value is: `X-Auth-Token`, `client_secret`, `oauth.accessToken`. */
const tellingEnd =
  /(?:token|secret|passw(?:or)?d|passphrase|api[-_]?key|subscription[-_]?key|session[-_]?id|credentials?|(?:^|[-_.])(?:auth|authorization|pwd|sig|signature|assertion|jwt))$/i

export function isCredentialHeader(name: string): boolean {
  return headers.has(name.toLowerCase()) || tellingEnd.test(name)
}

/** Of a query or a form. `key` is what many services call theirs. */
export function isCredentialParameter(name: string): boolean {
  return tellingEnd.test(name) || /^key$/i.test(name)
}

/**
 * `a=b` pairs of a request target, a reference or a form, with the values of some hidden; nothing else is touched.
 * Also behind `#`, where some grants put tokens, and user names of URLs.
 */
export function hideParameters(text: string, hides: (name: string) => boolean, form = false): string {
  const pairs = form
    ? text.replace(/(^|&)([^=&]*)=([^&]*)/g, replaced)
    : text.replace(/([?&;#])([^=&;#?]*)=([^&;#]*)/g, replaced)
  return form ? pairs : pairs.replace(/^([a-z][\w+.-]*:\/\/)[^/?#@]*@/i, `$1${hiddenAs}@`)

  function replaced(whole: string, before: string, name: string): string {
    return hides(decoded(name)) ? `${before}${name}=${hiddenAs}` : whole
  }
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}
