import type { Stamps, VirtualHostBody } from '../state/kinds.ts'
import type { StateStore, StateTransaction } from '../state/types.ts'
import { defaultProperties } from './edge/organizations.ts'
import { checkName } from './edge/scope.ts'

export interface Seed {
  readonly organization: string
  readonly environments: readonly string[]
  /** Of the configuration, in its order. `tls` is null or missing for a plain one. */
  readonly listeners: readonly { readonly port: number; readonly tls?: unknown }[]
}

/**
 * What clients need to find before they can do anything: the organization, its environments, and in each environment
 * the virtual hosts `default` and `secure`. What is there already stays as it is, and nothing is ever removed.
 */
export async function seedState(store: StateStore, seed: Seed, clock: () => number): Promise<void> {
  const organization = checkName('organization', seed.organization)
  const environments = seed.environments.map((name) => checkName('environment', name))
  const tx = await store.begin()
  try {
    const stamps = seededBy(clock())
    if ((await tx.get('organization', '', organization)) === null) {
      const body = { ...stamps, displayName: organization, type: 'paid', properties: defaultProperties } as const
      await tx.put('organization', '', organization, { body })
    }
    for (const environment of new Set(environments.length === 0 ? ['test'] : environments)) {
      if ((await tx.get('environment', organization, environment)) !== null) continue
      const body = { ...stamps, description: '', properties: {} }
      await tx.put('environment', organization, environment, { body })
      await seedVirtualHosts(tx, `${organization}/${environment}`, seed, stamps)
    }
    await (tx.changed.size === 0 ? tx.rollback() : tx.commit())
  } catch (error) {
    await tx.rollback()
    throw error
  }
}

async function seedVirtualHosts(tx: StateTransaction, scope: string, seed: Seed, stamps: Stamps): Promise<void> {
  const isTls = (listener: Seed['listeners'][number]): boolean => listener.tls !== undefined && listener.tls !== null
  const ports = [
    ['default', seed.listeners.find((listener) => !isTls(listener))?.port],
    ['secure', seed.listeners.find(isTls)?.port],
  ] as const
  for (const [name, port] of ports) {
    if (port === undefined) continue
    const body: VirtualHostBody = {
      ...stamps,
      port,
      hostAliases: [],
      interfaces: [],
      // The listener's own certificates serve.
      sslInfo: null,
      properties: {},
      propagateTlsInformation: { connectionProperties: false, clientProperties: false },
    }
    await tx.put('virtual-host', scope, name, { body })
  }
}

const seededBy = (at: number): Stamps => ({
  createdAt: at,
  createdBy: 'system',
  lastModifiedAt: at,
  lastModifiedBy: 'system',
})
