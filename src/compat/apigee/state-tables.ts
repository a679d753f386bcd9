import type { Kind } from '../../state/kinds.ts'
import type { StateView, StoredObject } from '../../state/types.ts'

/** Everything of one kind, each with the version it was read at. The same object as before when nothing has changed. */
export interface Table<T> {
  readonly versions: ReadonlyMap<string, number>
  /** By scope and name: `ORG/ENV/NAME`. */
  readonly entries: ReadonlyMap<string, T>
}

export interface ReadFrom {
  readonly view: StateView
  /** Kinds that may differ from what was read before; null: any. */
  readonly changed: ReadonlySet<Kind> | null
}

/** @param make is asked for what is new or has another version than in `before` */
export async function readTable<K extends Kind, T>(
  { view, changed }: ReadFrom,
  kind: K,
  before: Table<T> | undefined,
  make: (stored: StoredObject<K>) => Promise<T>,
): Promise<Table<T>> {
  if (before !== undefined && changed?.has(kind) === false) return before
  const versions = new Map<string, number>()
  const entries = new Map<string, T>()
  let kept = 0
  for (const stored of await view.below(kind, '')) {
    const key = stored.scope === '' ? stored.name : `${stored.scope}/${stored.name}`
    const isKept = before?.versions.get(key) === stored.version
    if (isKept) kept += 1
    versions.set(key, stored.version)
    entries.set(key, isKept ? (before.entries.get(key) as T) : await make(stored))
  }
  return before !== undefined && kept === entries.size && kept === before.entries.size ? before : { versions, entries }
}
