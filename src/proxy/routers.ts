import type { ProxyRuntime } from './generation.ts'
import { Router } from './router.ts'

/** The routers of one generation. Listeners with the same proxies share one. */
export interface Routers {
  /** Of a listener by its name. Not for the request path: a listener asks once in a generation. */
  of(listener: string): Router<ProxyRuntime>
}

/** A proxy that names listeners is found through those alone; one that names none, through every one. */
export function buildRouters(listeners: readonly string[], proxies: readonly ProxyRuntime[]): Routers {
  // Proxies that name the same listeners are a group; groups are few, proxies may be many.
  const keys = new Set<string>()
  const groupOf = proxies.map(({ plan: { listeners } }) => {
    if (listeners === null) return null
    const key = JSON.stringify([...new Set(listeners)].sort())
    keys.add(key)
    return key
  })
  const groups = [...keys].map((key) => ({ key, names: new Set(JSON.parse(key) as string[]) }))
  const made = new Map<string, Router<ProxyRuntime>>()
  const of = (listener: string): Router<ProxyRuntime> => {
    const included = groups.filter(({ names }) => names.has(listener)).map(({ key }) => key)
    const key = included.join()
    const known = made.get(key)
    if (known !== undefined) return known
    const here = new Set<string | null>([null, ...included])
    const router = new Router(
      proxies
        .filter((_, index) => here.has(groupOf[index] ?? null))
        .map((proxy) => ({ hosts: proxy.plan.hosts, basePath: proxy.plan.basePath, value: proxy })),
    )
    made.set(key, router)
    return router
  }
  for (const listener of listeners) of(listener)
  // Any other name is that of a listener that has left the configuration, and still serves what it had begun.
  return { of }
}
