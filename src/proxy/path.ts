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
  for (const name of segmentNames(suffix)) {
    if (name === '' || name === '.') continue
    if (name === '..') {
      if (--depth < 0) return true
    } else {
      depth++
    }
  }
  return false
}

/** Whether one segment of a path, as it came, is or hides a dot segment: `..`, `%2e`, `a%2f..`, `..;x`. */
export function hidesDotSegment(segment: string): boolean {
  if (segment.indexOf('.') === -1 && segment.indexOf('%2') === -1) return false
  return segmentNames(segment).some((name) => name === '.' || name === '..')
}

/** Segments as the most eager of backends sees them. */
function segmentNames(path: string): readonly string[] {
  const decoded = path
    .replace(/%2f|%5c/gi, '/')
    .replace(/%2e/gi, '.')
    .replace(/%3b/gi, ';')
  // Path parameters are dropped by some backends before they resolve: `..;x` climbs there, `.;x` and `;x` stay.
  return decoded.split('/').map((segment) => segment.split(';', 1)[0] ?? '')
}
