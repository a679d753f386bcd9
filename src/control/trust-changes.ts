import { createHash } from 'node:crypto'
import type { TargetOrigin } from '../config/managed-view.ts'
import type { GenerationPlan } from '../proxy/plan.ts'
import type { TrustStore } from '../trust/store.ts'

export interface TrustChange {
  readonly store: string
  /** SHA-256 of certificates, upper-case hex. */
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** What two generations trust differently, store by store. */
export function trustChanges(
  before: ReadonlyMap<string, TrustStore>,
  after: ReadonlyMap<string, TrustStore>,
): readonly TrustChange[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((store) => {
    const had = fingerprints(before.get(store))
    const has = fingerprints(after.get(store))
    const added = [...has].filter((sha256) => !had.has(sha256))
    const removed = [...had].filter((sha256) => !has.has(sha256))
    return added.length + removed.length === 0 ? [] : [{ store, added, removed }]
  })
}

/** What a generation trusts by way of stored objects. */
export interface StoredTrust {
  readonly plan: GenerationPlan
  readonly origins: ReadonlyMap<string, TargetOrigin>
}

/**
 * The same for the stores of the management API, by the words that targets name them with: `ORG/ENV/STORE`, or
 * `ref://ORG/ENV/REFERENCE`, which changes with what it leads to as well.
 */
export function storedTrustChanges(before: StoredTrust, after: StoredTrust): readonly TrustChange[] {
  const had = namedTrust(before)
  return [...namedTrust(after)].flatMap(([store, list]) => {
    const earlier = had.get(store)
    if (earlier === undefined || earlier.every((certificates, index) => certificates === list[index])) return []
    const [old, now] = [hashes(earlier), hashes(list)]
    const added = [...now].filter((sha256) => !old.has(sha256))
    const removed = [...old].filter((sha256) => !now.has(sha256))
    return added.length + removed.length === 0 ? [] : [{ store, added, removed }]
  })
}

/** Anchors and intermediates by name; lists of an unchanged store are the same object. */
export function namedTrust({ plan, origins }: StoredTrust): ReadonlyMap<string, readonly (readonly string[])[]> {
  const named = new Map<string, readonly (readonly string[])[]>()
  for (const target of plan.targets) {
    const origin = origins.get(target.name)
    for (const server of target.servers) {
      const { trustStore = null } = origin?.servers.get(server.name) ?? {}
      if (origin === undefined || trustStore === null || server.tls === null) continue
      const { organization, environment } = origin
      const isReference = trustStore.written.startsWith('ref://')
      const name = isReference
        ? `ref://${organization}/${environment}/${trustStore.written.slice('ref://'.length)}`
        : trustStore.store
      if (!named.has(name)) named.set(name, [server.tls.anchors, server.tls.intermediates])
    }
  }
  return named
}

function hashes(lists: readonly (readonly string[])[]): ReadonlySet<string> {
  return new Set(
    lists.flat().map((pem) => {
      const der = Buffer.from(pem.replaceAll(/-----[A-Z ]+-----/g, ''), 'base64')
      return createHash('sha256').update(der).digest('hex').toUpperCase()
    }),
  )
}

function fingerprints(store: TrustStore | undefined): ReadonlySet<string> {
  return new Set([...(store?.anchors ?? []), ...(store?.intermediates ?? [])].map((certificate) => certificate.sha256))
}
