import type { AskedServer, NativeGateway } from '../gateway-view.ts'
import { userName } from './rollover-identity.ts'
import { managedPlace, type StoreUse } from './store-uses.ts'

export interface Asked extends AskedServer {
  /** Stores of the configuration that it trusts; null: a target of stored objects, which has the one of the reference. */
  readonly trust: readonly string[] | null
  /** It is trusted by what the reference leads to. */
  readonly trusts: boolean
  /** The alias of what the reference leads to that is shown to it; null: none. */
  readonly shows: string | null
}

/** https servers that are trusted by what the reference leads to, or are shown a certificate of it, in the plan in force. */
export function askedServers({ plan, resolved }: NativeGateway, place: string, reference: string): readonly Asked[] {
  const written = `ref://${reference}`
  const { config, origins } = resolved
  return plan.targets.flatMap((target) => {
    const origin = origins.get(target.name)
    return target.servers.flatMap((server): Asked[] => {
      if (server.tls === null) return []
      if (origin !== undefined) {
        if (`${origin.organization}/${origin.environment}` !== place) return []
        const { trustStore = null, keyStore = null } = origin.servers.get(server.name) ?? {}
        const trusts = trustStore?.written === written
        const shows = keyStore?.written === written ? keyStore.alias : null
        return trusts || shows !== null ? [{ target, server, trust: null, trusts, shows }] : []
      }
      const tls = config.targets[target.name]?.tls
      const trust = tls?.trust ?? []
      const trusts = trust.some((name) => leadsBy(config, name, place, reference))
      const identity = tls?.clientCertificate
      const isBy = identity !== undefined && 'keyStore' in identity && names(config, identity.keyStore, place, written)
      const shows = isBy ? identity.alias : null
      return trusts || shows !== null ? [{ target, server, trust, trusts, shows }] : []
    })
  })
}

type Config = NativeGateway['resolved']['config']

/** Whether a store of the configuration has what the reference leads to. */
export function leadsBy(config: Config, store: string, place: string, reference: string): boolean {
  const found = config.trustStores[store]
  return [...(found?.sources ?? []), ...(found?.intermediates ?? [])].some(
    (source) => 'managed' in source && names(config, source.managed, place, `ref://${reference}`),
  )
}

function names(config: Config, text: string, place: string, wanted: string): boolean {
  const { home, written } = managedPlace(text, config)
  return written === wanted && `${home.organization}/${home.environment}` === place
}

/** Users of the reference that no server stands for, and why nobody can be asked about them. */
export function notAsked(
  { resolved }: NativeGateway,
  users: readonly StoreUse[],
  asked: readonly Asked[],
): readonly { readonly user: string; readonly why: string }[] {
  const unasked = new Map<string, string>()
  for (const use of users) if (!stands(use)) unasked.set(userName(use), reasonFor(use))
  return [...unasked].map(([user, why]) => ({ user, why }))

  function stands({ kind, name, endpoint }: StoreUse): boolean {
    return asked.some(({ target, server, trust }) => {
      const origin = resolved.origins.get(target.name)
      switch (kind) {
        case 'api-deployment':
          return origin !== undefined && `${origin.api}/${origin.revision}` === name && origin.endpoint === endpoint
        case 'target-server':
          return origin?.servers.get(server.name)?.targetServer === name
        case 'config-target':
          return origin === undefined && target.name === name
        case 'config-store':
          return trust?.includes(name) === true
        default:
          return false
      }
    })
  }
}

function reasonFor({ kind, as }: StoreUse): string {
  switch (kind) {
    case 'virtual-host':
      return as === 'key store'
        ? 'not asked: it is shown to clients, and they come by themselves; look at its names and its end'
        : 'not asked: clients show their certificates to it, and they come by themselves; whoever has one of a root that goes is refused'
    case 'reference':
      return 'not asked: it leads on from this one, and nothing is reached through two references'
    case 'target-server':
      return 'not asked: nothing that is deployed uses it, or it is plain HTTP or disabled'
    case 'config-store':
      return 'not asked: no https target of the configuration trusts it'
    default:
      return 'not asked: it has no https server in what runs'
  }
}
