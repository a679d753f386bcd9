/**
 * Values of the lines of one name, trimmed. `lines` have been validated and end in CRLF each.
 *
 * @param name lower case
 */
export function headerValues(lines: string, name: string): readonly string[] {
  const values: string[] = []
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf('\r\n', at)
    const stop = end === -1 ? lines.length : end
    const colon = at + name.length
    if (lines.charCodeAt(colon) === 0x3a && lines.slice(at, colon).toLowerCase() === name) {
      values.push(lines.slice(colon + 1, stop).trim())
    }
    at = stop + 2
  }
  return values
}

/** The values of a list (RFC 9110 section 5.6.1); a comma inside a quoted string is none between two. */
export function listElements(value: string): readonly string[] {
  if (value.indexOf(',') === -1) return [value]
  const elements: string[] = []
  let start = 0
  let quoted = false
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code === 0x22) quoted = !quoted
    else if (code === 0x5c && quoted) at++
    else if (code === 0x2c && !quoted) {
      elements.push(value.slice(start, at).trim())
      start = at + 1
    }
  }
  elements.push(value.slice(start).trim())
  return elements.filter((element) => element !== '')
}

/** Fields whose values have commas and are no lists. */
export const singular: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'date',
  'if-modified-since',
  'if-range',
  'if-unmodified-since',
  'user-agent',
])
