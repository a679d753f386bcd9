/*
 * Text of the file where somebody may have put user and password before an `@`. What problems say of it goes to terminals and
 * logs, so neither the text nor the advice may repeat them (I7). A password that was not encoded may hold any character, `/`
 * and `@` among them: all before the last `@` counts as secret.
 */

const secretPart = /^([a-z][a-z0-9+.-]*:\/\/)?.*@/is

/** The text as it may be shown: `http://***@proxy.internal:3128`. */
export function maskUserinfo(text: string): string {
  return text.replace(secretPart, '$1***@')
}

/** The text as somebody may have meant it: `http://proxy.internal:3128`. */
export function withoutUserinfo(text: string): string {
  return text.replace(secretPart, '$1')
}

/** For values of any field: an `@` alone is in every mail address; behind a colon it may end a password, or a URL's user. */
export function maskCredentials(text: string): string {
  return /:.*@/s.test(text) ? maskUserinfo(text) : text
}
