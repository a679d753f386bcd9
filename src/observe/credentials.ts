/*
 * What is taken for a credential wherever requests are shown or sent away: debug sessions, samples of monitoring, alerts,
 * spans, support bundles. Whoever holds one is taken for its owner. The one vocabulary: what is hidden in one place is
 * nowhere to be seen. Lines of the access log hold the request target as it came.
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
  /(?:token|secret|passw(?:or)?d|passphrase|passcode|api[-_.]?key|access[-_.]?key(?:[-_]?id)?|subscription[-_.]?key|session[-_.]?id|credentials?|(?:^|[-_.])(?:auth|authorization|pwd|sig|signature|assertion|jwt))$/i

/** In parameters also where it does not end so: `token[]`, `password1`, `AWSAccessKeyId`; `max_tokens` is a number. */
const tellingPart =
  /token(?!s|iz)|secret(?!ar)|passw(?:or)?d|passphrase|passcode|credential|signature|assertion|api[-_.]?key|access[-_.]?key|subscription[-_.]?key|session[-_.]?id/i

/** `key` is what many services call theirs; `code` and the SAML messages are those of logins. */
const parameters = /^(?:key|code|saml(?:request|response))$/i

export function isCredentialHeader(name: string): boolean {
  return headers.has(name.toLowerCase()) || tellingEnd.test(name)
}

/** Of a query or a form. */
export function isCredentialParameter(name: string): boolean {
  return tellingEnd.test(name) || tellingPart.test(name) || parameters.test(name)
}

/** What stands in the place of a hidden value, as Edge shows it. */
export const hiddenAs = '*****'

export interface HideOptions {
  /** The text is a form, not a URL or the target of a request. */
  readonly form?: boolean
  readonly as?: string
}

/**
 * `a=b` pairs of a request target, a reference or a form, with the values of some hidden; nothing else is touched.
 * Also behind `#`, where some grants put tokens, and user names of URLs. Linear in the text: whoever sends it has made it.
 */
export function hideParameters(text: string, hides: (name: string) => boolean, options: HideOptions = {}): string {
  const { form = false, as = hiddenAs } = options
  const pairs = form
    ? text.replace(/(^|&)([^=&]*)=([^&]*)/g, replaced)
    : text.replace(/([?&;#])([^=&;#?]*)=([^&;#]*)/g, replaced)
  return form ? pairs : pairs.replace(/^([a-z][\w+.-]*:\/\/)[^/?#@]*@/i, `$1${as}@`)

  function replaced(whole: string, before: string, name: string, value: string): string {
    return value !== '' && hides(decoded(name)) ? `${before}${name}=${as}` : whole
  }
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    // Not UTF-8, or a lone percent sign: it is compared as it stands.
    return name
  }
}
