import { followsConfiguration } from '../compat/apigee/virtual-host-listeners.ts'
import { PosternError } from '../core/errors.ts'
import type { SslInfo, Stamps, VirtualHostBody } from '../state/kinds.ts'
import type { StateStore, StateTransaction } from '../state/types.ts'
import { defaultProperties } from './edge/organizations.ts'
import { checkName } from './edge/scope.ts'

export interface Seed {
  readonly organization: string
  readonly environments: readonly string[]
  /** Of the configuration, in its order. `tls` is null or missing for a plain one. */
  readonly listeners: readonly { readonly port: number; readonly tls?: unknown }[]
}

/** `seedInto`, kept at once. */
export async function seedState(store: StateStore, seed: Seed, clock: () => number): Promise<void> {
  const tx = await store.begin()
  try {
    await seedInto(tx, seed, clock)
    await (tx.changed.size === 0 ? tx.rollback() : tx.commit())
  } catch (error) {
    await tx.rollback()
    throw error
  }
}

/**
 * What clients need to find before they can do anything: the organization, its environments, and in each environment
 * the virtual hosts `default` and `secure`. What is there already stays as it is, except that those two take the ports of
 * the configuration as long as nobody changed them. Nothing is ever removed.
 * Throws `organization-unknown` where the state has others: a wrong name must not become an organization.
 */
export async function seedInto(tx: StateTransaction, seed: Seed, clock: () => number): Promise<void> {
  const organization = checkName('organization', seed.organization)
  const environments = seed.environments.map((name) => checkName('environment', name))
  const stamps = seededBy(clock())
  if ((await tx.get('organization', '', organization)) === null) {
    const others = await tx.names('organization', '', { limit: mostNamed + 1 })
    if (others.length > 0) throw unknownOrganization(organization, others)
    const body = { ...stamps, displayName: organization, type: 'paid', properties: defaultProperties } as const
    await tx.put('organization', '', organization, { body })
  }
  await followPorts(tx, seed)
  for (const environment of new Set(environments.length === 0 ? ['test'] : environments)) {
    if ((await tx.get('environment', organization, environment)) !== null) continue
    const body = { ...stamps, description: '', properties: {} }
    await tx.put('environment', organization, environment, { body })
    const isFirst = (await tx.names('environment', organization, { limit: 2 })).length === 1
    await seedVirtualHosts(tx, { organization, environment, isFirst }, seed, stamps)
  }
}

const mostNamed = 10

function unknownOrganization(organization: string, others: readonly string[]): PosternError {
  const named = others.slice(0, mostNamed).join(', ') + (others.length > mostNamed ? ', ...' : '')
  return new PosternError(
    'organization-unknown',
    `the state has no organization "${organization}"; it has ${named}. Start with one of those; another one is added with POST /v1/organizations`,
    { evidence: { organization, others: others.slice(0, mostNamed) } },
  )
}

/** What is shown of a virtual host that follows the configuration is where it is served now. */
async function followPorts(tx: StateTransaction, { listeners }: Seed): Promise<void> {
  for (const { scope, name, body } of await tx.below('virtual-host', '')) {
    if (!followsConfiguration(name, body)) continue
    const port = listeners.find((listener) => isTls(listener) === (name === 'secure'))?.port ?? body.port
    if (port !== body.port) await tx.put('virtual-host', scope, name, { body: { ...body, port } })
  }
}

function isTls({ tls }: Seed['listeners'][number]): boolean {
  return tls !== undefined && tls !== null
}

/**
 * Both of them always, as bundles name both: one that no listener has the port of is stored, and a finding says that it is
 * served by none. Environments after the first have a host alias each, as on Edge: without one the same base path in two
 * environments would be in each other's way.
 */
async function seedVirtualHosts(tx: StateTransaction, place: SeededPlace, seed: Seed, stamps: Stamps): Promise<void> {
  const { organization, environment, isFirst } = place
  const common = {
    ...stamps,
    hostAliases: isFirst ? [] : [`${organization}-${environment}.postern.internal`.toLowerCase()],
    interfaces: [],
    properties: {},
    propagateTlsInformation: { connectionProperties: false, clientProperties: false },
  }
  const plain: VirtualHostBody = {
    ...common,
    port: seed.listeners.find((listener) => !isTls(listener))?.port ?? 80,
    sslInfo: null,
  }
  const secure: VirtualHostBody = {
    ...common,
    port: seed.listeners.find(isTls)?.port ?? 443,
    sslInfo: listenersOwn,
  }
  const scope = `${organization}/${environment}`
  await tx.put('virtual-host', scope, 'default', { body: plain })
  await tx.put('virtual-host', scope, 'secure', { body: secure })
}

interface SeededPlace {
  readonly organization: string
  readonly environment: string
  /** Of its organization. */
  readonly isFirst: boolean
}

/** TLS with the certificates of the listener. */
const listenersOwn: SslInfo = {
  enabled: true,
  clientAuthEnabled: false,
  enforce: null,
  keyStore: null,
  keyAlias: null,
  trustStore: null,
  ignoreValidationErrors: false,
  ciphers: [],
  protocols: [],
  commonName: null,
  ignored: [],
}

const seededBy = (at: number): Stamps => ({
  createdAt: at,
  createdBy: 'system',
  lastModifiedAt: at,
  lastModifiedBy: 'system',
})
