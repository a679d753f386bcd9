/*
 * Queries of URLs without their credentials (semantic conventions, `url.query` and `url.full`): the value becomes REDACTED,
 * the name stays. Beyond the names that the conventions list, those that say so themselves.
 */

/** As the conventions list them; case matters. */
const signatures = new Set([
  'X-Amz-Signature',
  'X-Amz-Credential',
  'X-Amz-Security-Token',
  'AWSAccessKeyId',
  'Signature',
  'sig',
  'X-Goog-Signature',
])

const credential =
  /^(?:key|auth|authorization|jwt|code|assertion|(?:client_)?assertion|saml(?:request|response))$|token|secret|passw(?:or)?d|passphrase|passcode|credential|signature|api[-_.]?key|access[-_.]?key|subscription[-_.]?key|session[-_.]?id/i

const redacted = 'REDACTED'

/** A query without its `?`. */
export function redactQuery(query: string): string {
  if (!query.includes('=')) return query
  return query.replaceAll(/([^&;=]+)=([^&;]*)/g, (pair, name: string, value: string) =>
    value !== '' && isCredential(name) ? `${name}=${redacted}` : pair,
  )
}

/** Userinfo goes, too, and a fragment is not sent anyway. */
export function redactUrl(url: string): string {
  const [, scheme = '', userinfo, rest = ''] = /^([a-z][a-z0-9+.-]*:\/\/)(?:([^/?#@]*)@)?(.*)$/is.exec(url) ?? []
  if (scheme === '') return url
  const mark = rest.indexOf('?')
  const query = mark === -1 ? '' : `?${redactQuery(rest.slice(mark + 1))}`
  const who = userinfo === undefined ? '' : `${redacted}:${redacted}@`
  return `${scheme}${who}${mark === -1 ? rest : rest.slice(0, mark)}${query}`
}

function isCredential(name: string): boolean {
  const plain = decoded(name)
  return signatures.has(plain) || credential.test(plain)
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    // Not UTF-8, or a lone percent sign: it is compared as it stands.
    return name
  }
}
