import { hideParameters, isCredentialParameter } from '../observe/credentials.ts'

/*
 * URLs without their credentials (semantic conventions, `url.query` and `url.full`): the value becomes REDACTED, the name
 * stays. Names are those that are hidden everywhere; the ones that the conventions list are among them.
 */

const as = 'REDACTED'

/** A query without its `?`. */
export function redactQuery(query: string): string {
  return redactPath(`?${query}`).slice(1)
}

/** Its parameters (`;jsessionid=`). */
export function redactPath(path: string): string {
  return hideParameters(path, isCredentialParameter, { as })
}

/** Userinfo goes, too. */
export function redactUrl(url: string): string {
  return redactPath(url).replace(/^([a-z][a-z0-9+.-]*:\/\/)REDACTED@/i, `$1${as}:${as}@`)
}
