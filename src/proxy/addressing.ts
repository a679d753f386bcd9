/** What of a path is left behind the base path that matched. */
export function suffixOf(target: string, matched: number): string {
  return matched === 0 ? target : target.slice(matched)
}

/** Target path and suffix, byte for byte: `/v2` and `/x?y` is `/v2/x?y`, '' and '' is `/`. */
export function joinPath(prefix: string, suffix: string): string {
  // OPTIONS * asks the server as a whole, and stays that to the last hop (RFC 9112 section 3.2.4).
  if (suffix === '*') return suffix
  const path = prefix + suffix
  return path.charCodeAt(0) === 0x2f ? path : `/${path}`
}

/** Without the query. */
export function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}
