import type { Config } from './schema.ts'

/* Which parts of a configuration are in stores of the management API, and so in no file. */

/** Any of it. */
export function namesManagedStores(config: Config): boolean {
  if (Object.keys(config.trustStores).some((store) => managedSource(config, store) !== null)) return true
  return Object.values(config.targets).some(showsManaged)
}

/** What a target trusts or shows. */
export function targetIsManaged(config: Config, name: string): boolean {
  const target = config.targets[name]
  if (target === undefined) return false
  return showsManaged(target) || (target.tls?.trust ?? []).some((store) => managedSource(config, store) !== null)
}

/** The first managed source of a trust store, as it is written; null: it has none. */
export function managedSource(config: Config, store: string): string | null {
  const { sources = [], intermediates = [] } = config.trustStores[store] ?? {}
  for (const source of [...sources, ...intermediates]) if ('managed' in source) return source.managed
  return null
}

function showsManaged({ tls }: Config['targets'][string]): boolean {
  return tls?.clientCertificate !== undefined && 'keyStore' in tls.clientCertificate
}
