/**
 * The parameters of a request target's query, in their order, names and values decoded (`+` is a space). What is not
 * properly encoded stays as it came: a gateway that corrected it would see another value than the backend.
 */
export function queryParameters(target: string): ReadonlyMap<string, readonly string[]> {
  const parameters = new Map<string, string[]>()
  const start = target.indexOf('?')
  if (start === -1) return parameters
  for (const part of target.slice(start + 1).split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = decoded(equals === -1 ? part : part.slice(0, equals))
    const value = equals === -1 ? '' : decoded(part.slice(equals + 1))
    const values = parameters.get(name)
    if (values === undefined) parameters.set(name, [value])
    else values.push(value)
  }
  return parameters
}

function decoded(text: string): string {
  if (text.indexOf('%') === -1 && text.indexOf('+') === -1) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    // Half an escape, or bytes that are no UTF-8.
    return text
  }
}
