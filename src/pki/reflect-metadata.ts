/**
 * `@peculiar/x509` is wired by a dependency-injection container (`tsyringe`) that refuses to load without the metadata
 * functions of a decorator proposal that never became part of the language. None of its classes here takes injected
 * constructor parameters, so three functions over a WeakMap are all it asks for; a package for them would be one more
 * thing in the supply chain of a tool that makes keys. Must be imported before `@peculiar/x509`.
 */
const byTarget = new WeakMap<object, Map<unknown, unknown>>()

function getOwnMetadata(key: unknown, target: object): unknown {
  return byTarget.get(target)?.get(key)
}

function getMetadata(key: unknown, target: object): unknown {
  for (let at: object | null = target; at !== null; at = Reflect.getPrototypeOf(at)) {
    const found = byTarget.get(at)
    if (found?.has(key)) return found.get(key)
  }
  return undefined
}

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const own = byTarget.get(target) ?? new Map<unknown, unknown>()
  byTarget.set(target, own.set(key, value))
}

// A real implementation that was loaded first stays in place.
for (const [name, value] of Object.entries({ getOwnMetadata, getMetadata, defineMetadata })) {
  if (!(name in Reflect)) Object.defineProperty(Reflect, name, { value, configurable: true, writable: true })
}
