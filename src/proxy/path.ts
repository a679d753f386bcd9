/**
 * Whether the dot segments of a path lead out of its first `matched` characters, the base path. Paths are forwarded byte
 * for byte; a backend that resolves `/billing/../admin` would serve what another proxy guards. Encoded dots count, since
 * backends decode before they resolve (RFC 3986 section 6.2.2), and so do encoded slashes next to them.
 */
export function leavesBasePath(target: string, matched: number): boolean {
  // Nearly every path has neither, and is done here.
  if (target.indexOf('.', matched) === -1 && target.indexOf('%2', matched) === -1) return false
  const query = target.indexOf('?')
  const suffix = query === -1 ? target.slice(matched) : target.slice(matched, query)
  let depth = 0
  for (const segment of suffix
    .replace(/%2f|%5c/gi, '/')
    .replace(/%2e/gi, '.')
    .replace(/%3b/gi, ';')
    .split('/')) {
    // Path parameters are dropped by some backends before they resolve: `..;x` climbs there, `.;x` and `;x` stay.
    const semicolon = segment.indexOf(';')
    const name = semicolon === -1 ? segment : segment.slice(0, semicolon)
    if (name === '' || name === '.') continue
    if (name === '..') {
      if (--depth < 0) return true
    } else {
      depth++
    }
  }
  return false
}
