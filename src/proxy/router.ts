import { hidesDotSegment } from './path.ts'

export interface RouteEntry<T> {
  /** Lower case; exact or `*.suffix`; empty for any host. */
  readonly hosts: readonly string[]
  /** `/`, or segments without a trailing slash; a segment may be `*`. */
  readonly basePath: string
  readonly value: T
}

/**
 * Host first (exact, then the longest `*.suffix`, then any), then the longest base path, segment by segment. The cost of
 * a look-up is one map access a path segment, whatever the number of proxies.
 */
export class Router<T> {
  readonly #exact = new Map<string, Node<T>>()
  readonly #suffixes = new Map<string, Node<T>>()
  readonly #any = new Node<T>()
  /** Where the last match ended; saves an object per request. */
  #matched = 0

  constructor(entries: readonly RouteEntry<T>[]) {
    for (const entry of entries) {
      if (entry.hosts.length === 0) insert(this.#any, entry)
      for (const host of entry.hosts) {
        const wildcard = host.startsWith('*.')
        const table = wildcard ? this.#suffixes : this.#exact
        const key = wildcard ? host.slice(1) : host
        const root = table.get(key) ?? new Node<T>()
        table.set(key, root)
        insert(root, entry)
      }
    }
  }

  /**
   * @param host Host of the request, any case, with or without port
   * @param path request target in origin form; a query is not looked at
   */
  find(host: string, path: string): T | null {
    const query = path.indexOf('?')
    const end = query === -1 ? path.length : query
    if (this.#exact.size !== 0 || this.#suffixes.size !== 0) {
      const name = hostName(host)
      const exact = this.#exact.get(name)
      if (exact !== undefined) {
        const found = this.#walk(exact, path, 0, end)
        if (found !== null) return found
      }
      if (this.#suffixes.size !== 0) {
        for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
          const suffix = this.#suffixes.get(name.slice(dot))
          if (suffix === undefined) continue
          const found = this.#walk(suffix, path, 0, end)
          if (found !== null) return found
        }
      }
    }
    return this.#walk(this.#any, path, 0, end)
  }

  /** Length of the path that the last successful `find` matched. */
  get matched(): number {
    return this.#matched
  }

  #walk(node: Node<T>, path: string, at: number, end: number): T | null {
    let best: T | null = null
    if (node.value !== null) {
      best = node.value
      this.#matched = at
    }
    if (at >= end) return best
    const slash = path.indexOf('/', at + 1)
    const segmentEnd = slash === -1 || slash > end ? end : slash
    if (node.children !== null) {
      const child = node.children.get(path.slice(at + 1, segmentEnd))
      if (child !== undefined) {
        const deeper = this.#walk(child, path, segmentEnd, end)
        if (deeper !== null) return deeper
      }
    }
    // `*` stands for one name. Were it to stand for `..`, /tenants/../admin would be a path of /tenants/*.
    if (node.wildcard !== null && segmentEnd > at + 1 && !hidesDotSegment(path.slice(at + 1, segmentEnd))) {
      const deeper = this.#walk(node.wildcard, path, segmentEnd, end)
      if (deeper !== null) return deeper
    }
    if (best !== null) this.#matched = at
    return best
  }
}

class Node<T> {
  value: T | null = null
  children: Map<string, Node<T>> | null = null
  wildcard: Node<T> | null = null
}

function insert<T>(root: Node<T>, entry: RouteEntry<T>): void {
  let node = root
  const segments = entry.basePath === '/' ? [] : entry.basePath.slice(1).split('/')
  for (const segment of segments) {
    if (segment === '*') {
      node = node.wildcard ??= new Node<T>()
    } else {
      node.children ??= new Map()
      const child = node.children.get(segment) ?? new Node<T>()
      node.children.set(segment, child)
      node = child
    }
  }
  node.value ??= entry.value
}

function hostName(host: string): string {
  const colon = host.charCodeAt(0) === 0x5b ? host.indexOf(':', host.indexOf(']')) : host.indexOf(':')
  const name = (colon === -1 ? host : host.slice(0, colon)).toLowerCase()
  return name.charCodeAt(name.length - 1) === 0x2e ? name.slice(0, -1) : name
}
