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

function fingerprints(store: TrustStore | undefined): ReadonlySet<string> {
  return new Set([...(store?.anchors ?? []), ...(store?.intermediates ?? [])].map((certificate) => certificate.sha256))
}
