import type { ApiRoute } from './api.ts'

/** Where a path leads. */
export type RouteMatch =
  | { readonly found: 'route'; readonly route: ApiRoute; readonly params: Readonly<Record<string, string>> }
  | { readonly found: 'other-methods'; readonly allow: readonly string[] }
  | { readonly found: 'nothing' }

export type RouteTable = (method: string, segments: readonly string[]) => RouteMatch

/**
 * Fixed segments win over parameters, whatever the order of the table; HEAD is served by GET. Throws where two routes
 * cannot be told apart.
 */
export function routeTable(routes: readonly ApiRoute[]): RouteTable {
  const top = newNode()
  for (const route of routes) add(top, route)
  return (method, segments) => {
    const ends = [...walk(top, segments, 0)]
    if (ends.length === 0) return { found: 'nothing' }
    const wanted = method === 'HEAD' ? 'GET' : method
    for (const end of ends) {
      const leaf = end.methods.get(wanted)
      if (leaf === undefined) continue
      return { found: 'route', route: leaf.route, params: paramsOf(leaf.names, segments) }
    }
    const allow = new Set(ends.flatMap((end) => [...end.methods.keys()]))
    if (allow.has('GET')) allow.add('HEAD')
    return { found: 'other-methods', allow: [...allow].sort() }
  }
}

interface Leaf {
  readonly route: ApiRoute
  /** Name of the parameter at each segment; null where it is fixed. */
  readonly names: readonly (string | null)[]
}

interface Node {
  readonly fixed: Map<string, Node>
  parameter: Node | null
  readonly methods: Map<string, Leaf>
}

function newNode(): Node {
  return { fixed: new Map(), parameter: null, methods: new Map() }
}

function add(top: Node, route: ApiRoute): void {
  const parts = route.path.split('/').slice(1)
  const names = parts.map((part) => (part.startsWith(':') ? part.slice(1) : null))
  let node = top
  for (const [index, part] of parts.entries()) {
    if (names[index] !== null) node = node.parameter ??= newNode()
    else {
      const next = node.fixed.get(part) ?? newNode()
      node.fixed.set(part, next)
      node = next
    }
  }
  if (node.methods.has(route.method)) throw new Error(`two routes for ${route.method} ${route.path}`)
  node.methods.set(route.method, { route, names })
}

/** Every node the path may end at, best first. */
function* walk(node: Node, segments: readonly string[], at: number): Generator<Node> {
  if (at === segments.length) {
    if (node.methods.size > 0) yield node
    return
  }
  const fixed = node.fixed.get(segments[at] as string)
  if (fixed !== undefined) yield* walk(fixed, segments, at + 1)
  if (node.parameter !== null) yield* walk(node.parameter, segments, at + 1)
}

function paramsOf(names: readonly (string | null)[], segments: readonly string[]): Readonly<Record<string, string>> {
  const params: Record<string, string> = {}
  for (const [index, name] of names.entries()) if (name !== null) params[name] = segments[index] as string
  return params
}
