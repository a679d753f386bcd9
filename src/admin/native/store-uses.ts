import { isTemplate } from '../../flow/template.ts'
import type { Home, TargetOrigin } from '../../config/managed-view.ts'
import type { Config } from '../../config/schema.ts'
import type { RuntimeDeployment, RuntimeState } from '../../compat/apigee/runtime-state.ts'
import type { SslInfo } from '../../state/kinds.ts'

/** Somebody who names a store or a reference, in what runs. */
export interface StoreUse {
  readonly kind: 'reference' | 'target-server' | 'virtual-host' | 'api-deployment' | 'config-store' | 'config-target'
  /** Of a deployment: `orders/1`; of a target of the file, its name there. */
  readonly name: string
  /** Which endpoint of a deployment; '' elsewhere. */
  readonly endpoint: string
  readonly as: 'trust store' | 'key store' | 'either'
  /** The alias it shows; '' where it names none. */
  readonly alias: string
  /** The reference by which it comes to the store; '' where it names the store itself. */
  readonly via: string
}

export interface StoreUses {
  /** By `ORG/ENV/STORE`; uses by way of references are among them. */
  readonly stores: ReadonlyMap<string, readonly StoreUse[]>
  /** By `ORG/ENV/REFERENCE`. */
  readonly references: ReadonlyMap<string, readonly StoreUse[]>
}

interface InForce {
  readonly stored: RuntimeState
  readonly resolved: { readonly config: Config; readonly origins: ReadonlyMap<string, TargetOrigin> }
}

const made = new WeakMap<RuntimeState, { readonly of: object; readonly uses: StoreUses }>()

/** Who uses which store, of everything that runs; made once for a state of it. */
export function storeUses({ stored, resolved }: InForce): StoreUses {
  const known = made.get(stored)
  if (known?.of === resolved) return known.uses
  const uses = find(stored, resolved)
  made.set(stored, { of: resolved, uses })
  return uses
}

function find(state: RuntimeState, { config, origins }: InForce['resolved']): StoreUses {
  const stores = new Map<string, StoreUse[]>()
  const references = new Map<string, StoreUse[]>()
  const note = (home: Home, written: string, use: Omit<StoreUse, 'via'>): void => {
    const place = `${home.organization}/${home.environment}/`
    if (!written.startsWith(prefix)) {
      push(stores, `${place}${written}`, { ...use, via: '' })
      return
    }
    const name = written.slice(prefix.length)
    push(references, `${place}${name}`, { ...use, via: '' })
    const reference = state.references.get(`${place}${name}`)
    if (reference !== undefined) push(stores, `${place}${reference.refers}`, { ...use, via: name })
  }
  for (const [key, { refers }] of state.references) {
    const { home, name } = placeOf(key)
    note(home, refers, { kind: 'reference', name, endpoint: '', as: 'either', alias: '' })
  }
  for (const [kind, table] of [
    ['target-server', state.targetServers],
    ['virtual-host', state.virtualHosts],
  ] as const) {
    for (const [key, { sslInfo }] of table) {
      const { home, name } = placeOf(key)
      noteSslInfo(sslInfo, (written, as, alias) => note(home, written, { kind, name, endpoint: '', as, alias }))
    }
  }
  const chosen = originsByDeployment(origins)
  for (const deployment of state.deployments) noteDeployment(deployment, chosen, note)
  noteConfig(config, note)
  return { stores, references }
}

type Note = (home: Home, written: string, use: Omit<StoreUse, 'via'>) => void

const prefix = 'ref://'

function noteDeployment(
  { org, env, api, revision, bundle }: RuntimeDeployment,
  chosen: ReadonlyMap<string, readonly TargetOrigin[]>,
  note: Note,
): void {
  const home = { organization: org, environment: env }
  const common = { kind: 'api-deployment' as const, name: `${api}/${revision}` }
  for (const { name: endpoint, connection } of bundle.targetEndpoints) {
    if (connection.kind !== 'http') continue
    noteSslInfo(connection.sslInfo, (written, as, alias) => note(home, written, { ...common, endpoint, as, alias }))
  }
  // Stores that flow variables may choose: those that were compiled for it.
  for (const { endpoint, servers } of chosen.get(`${org}/${env}/${api}/${revision}`) ?? []) {
    if (!endpoint.endsWith(']')) continue
    for (const { trustStore, keyStore } of servers.values()) {
      if (trustStore !== null) note(home, trustStore.written, { ...common, endpoint, as: 'trust store', alias: '' })
      if (keyStore !== null)
        note(home, keyStore.written, { ...common, endpoint, as: 'key store', alias: keyStore.alias })
    }
  }
}

function originsByDeployment(origins: ReadonlyMap<string, TargetOrigin>): ReadonlyMap<string, readonly TargetOrigin[]> {
  const by = new Map<string, TargetOrigin[]>()
  for (const origin of origins.values()) {
    const { organization, environment, api, revision } = origin
    push(by, `${organization}/${environment}/${api}/${revision}`, origin)
  }
  return by
}

function noteConfig(config: Config, note: Note): void {
  for (const [name, { sources, intermediates }] of Object.entries(config.trustStores)) {
    for (const source of [...sources, ...intermediates]) {
      if (!('managed' in source)) continue
      const { home, written } = managedPlace(source.managed, config)
      note(home, written, { kind: 'config-store', name, endpoint: '', as: 'trust store', alias: '' })
    }
  }
  for (const [name, { tls }] of Object.entries(config.targets)) {
    for (const store of tls?.trust ?? []) {
      for (const source of config.trustStores[store]?.sources ?? []) {
        if (!('managed' in source)) continue
        const { home, written } = managedPlace(source.managed, config)
        note(home, written, { kind: 'config-target', name, endpoint: '', as: 'trust store', alias: '' })
      }
    }
    const identity = tls?.clientCertificate
    if (identity === undefined || !('keyStore' in identity)) continue
    const { home, written } = managedPlace(identity.keyStore, config)
    note(home, written, { kind: 'config-target', name, endpoint: '', as: 'key store', alias: identity.alias })
  }
}

/** Of `NAME`, `ENV/NAME` or `ORG/ENV/NAME`, also after `ref://`. */
export function managedPlace(text: string, base: Home): { readonly home: Home; readonly written: string } {
  const isReference = text.startsWith(prefix)
  const parts = (isReference ? text.slice(prefix.length) : text).split('/')
  const home = { organization: parts.at(-3) ?? base.organization, environment: parts.at(-2) ?? base.environment }
  return { home, written: `${isReference ? prefix : ''}${parts.at(-1) ?? ''}` }
}

function noteSslInfo(
  sslInfo: SslInfo | null,
  note: (written: string, as: StoreUse['as'], alias: string) => void,
): void {
  if (sslInfo === null) return
  const { trustStore, keyStore, keyAlias } = sslInfo
  if (trustStore !== null && !isTemplate(trustStore)) note(trustStore, 'trust store', '')
  if (keyStore !== null && !isTemplate(keyStore)) note(keyStore, 'key store', keyAlias ?? '')
}

function placeOf(key: string): { readonly home: Home; readonly name: string } {
  const [organization = '', environment = '', name = ''] = key.split('/')
  return { home: { organization, environment }, name }
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
