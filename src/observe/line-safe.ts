/**
 * Text that a client or a backend chose must not end a log line, start a new one or move a terminal's cursor (log
 * injection). That means C0, DEL, C1 (NEL is a line end to some viewers) and Unicode's two separators, everywhere.
 */
// oxlint-disable-next-line no-control-regex
const unsafeInJson = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029]/
// oxlint-disable-next-line no-control-regex
const unsafeInText = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g
// oxlint-disable-next-line no-control-regex
const unsafeInColumn = /["\\\u0000-\u001f\u007f-\u{10ffff}]/gu

/** A string as JSON. The test is the hot path: nearly every value is returned as it came. */
export function jsonString(value: string): string {
  return unsafeInJson.test(value) ? jsonSafe(value) : `"${value}"`
}

/** Any plain data as one line of JSON. JSON.stringify alone leaves DEL, C1 and the separators as they are. */
export function jsonSafe(value: unknown): string {
  return JSON.stringify(value, jsonReplacer).replace(unsafeInText, unicodeEscape)
}

/** Free text in a line that has no quoting; a line break becomes a visible `\n`. */
export function plainText(value: string): string {
  return value.replace(unsafeInText, (c) => shortEscapes[c] ?? unicodeEscape(c))
}

/** One column of the router's log, escaped as NGINX does (\xHH per byte); '' becomes '-'. */
export function column(value: string): string {
  if (value === '') return '-'
  return value.replace(unsafeInColumn, (c) => {
    // Text from the wire is latin1, one byte a character; a name of ours beyond that is written as UTF-8.
    const bytes = c > '\u00ff' ? [...new TextEncoder().encode(c)] : [c.charCodeAt(0)]
    return bytes.map((byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
  })
}

const shortEscapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function unicodeEscape(c: string): string {
  return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function jsonReplacer(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
