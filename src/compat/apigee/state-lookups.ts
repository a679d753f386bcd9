import type { Home } from '../../config/managed-view.ts'
import type { ReferenceBody, TargetServerBody } from '../../state/kinds.ts'
import type { RuntimeKeystore, RuntimeState } from './runtime-state.ts'

/** Stores of one owner as they were when they were first looked up by their own name; by `ORG/ENV/NAME`. */
export type Pins = Map<string, RuntimeKeystore>

/**
 * Who has pinned what, from view to view. A compilation that is not taken up pins nothing for the one that is: each view has
 * a board of its own, begun with what was on the one before, and one view may be compiled under configurations that are
 * only tried.
 */
export class Pinboard {
  #kept: ReadonlyMap<string, Owned>
  readonly #compiled = new WeakMap<object, ReadonlyMap<string, Owned>>()
  #next = new Map<string, Owned>()
  #isOn = false

  constructor(previous: Pinboard | null) {
    this.#kept = previous === null ? new Map() : previous.#kept
  }

  begin(isOn: boolean): void {
    this.#isOn = isOn
    this.#next = new Map()
  }

  /** @param content of an owner whose name stays when it changes: other content is another owner */
  of(owner: string, content: unknown = null): Pins | null {
    if (!this.#isOn) return null
    const kept = this.#kept.get(owner)
    const pins: Pins = new Map(kept !== undefined && kept.content === content ? kept.pins : [])
    this.#next.set(owner, { content, pins })
    return pins
  }

  /** Owners that nobody asked for are gone, once what was compiled for this configuration is in force. */
  end(config: object): void {
    this.#compiled.set(config, this.#next)
  }

  inForce(config: object): void {
    this.#kept = this.#compiled.get(config) ?? this.#kept
  }
}

interface Owned {
  readonly content: unknown
  readonly pins: Pins
}

/** Whether another state answers as this one did. */
export type SameIn = (state: RuntimeState) => boolean

/** Looks stored objects up and keeps in mind which, so that a result is made again only when one of them has changed. */
export class StateLookups {
  readonly #state: RuntimeState
  /** null: a changed store takes effect at once. */
  readonly #pins: Pins | null
  readonly #uses: SameIn[] = []
  readonly #stores = new Set<RuntimeKeystore>()

  constructor(state: RuntimeState, pins: Pins | null) {
    this.#state = state
    this.#pins = pins
  }

  /** What was looked up; all true for another state means the same result. */
  get uses(): readonly SameIn[] {
    return this.#uses
  }

  /** Stores that were looked up, as they were given. */
  get stores(): ReadonlySet<RuntimeKeystore> {
    return this.#stores
  }

  reference(home: Home, name: string): ReferenceBody | null {
    return this.#look(({ references }) => references.get(keyOf(home, name)) ?? null)
  }

  targetServer(home: Home, name: string): TargetServerBody | null {
    return this.#look(({ targetServers }) => targetServers.get(keyOf(home, name)) ?? null)
  }

  /** `direct`: named by its own name and not by a reference. */
  keystore(home: Home, name: string, direct: boolean): RuntimeKeystore | null {
    const key = keyOf(home, name)
    const current = this.#look(({ keystores }) => keystores.get(key) ?? null)
    if (current === null) return null
    const store = this.#pinned(key, current, direct)
    this.#stores.add(store)
    return store
  }

  /** Names of all stores and references of an environment. */
  storeNames(home: Home): { readonly stores: readonly string[]; readonly references: readonly string[] } {
    const prefix = keyOf(home, '')
    const stores = namesBelow(this.#state.keystores, prefix)
    const references = namesBelow(this.#state.references, prefix)
    this.#uses.push((state) => sameList(namesBelow(state.keystores, prefix), stores))
    this.#uses.push((state) => sameList(namesBelow(state.references, prefix), references))
    return { stores, references }
  }

  #look<T>(of: (state: RuntimeState) => T): T {
    const found = of(this.#state)
    this.#uses.push((state) => of(state) === found)
    return found
  }

  #pinned(key: string, current: RuntimeKeystore, direct: boolean): RuntimeKeystore {
    if (this.#pins === null || !direct) return current
    const pinned = this.#pins.get(key) ?? current
    this.#pins.set(key, pinned)
    return pinned
  }
}

function keyOf({ organization, environment }: Home, name: string): string {
  return `${organization}/${environment}/${name}`
}

/** A store by what `KeyStore` or `TrustStore` says: a name, or `ref://` and the name of a reference. */
export type NamedStore =
  | { readonly found: true; readonly store: RuntimeKeystore }
  | { readonly found: false; readonly why: string }

export const referencePrefix = 'ref://'

export function findStore(lookups: StateLookups, home: Home, text: string): NamedStore {
  const { environment } = home
  if (!text.startsWith(referencePrefix)) {
    const store = lookups.keystore(home, text, true)
    return store === null
      ? missing(`there is no store "${text}" in environment ${environment}`)
      : { found: true, store }
  }
  const name = text.slice(referencePrefix.length)
  const reference = lookups.reference(home, name)
  if (reference === null) return missing(`there is no reference "${name}" in environment ${environment}`)
  const store = lookups.keystore(home, reference.refers, false)
  return store === null
    ? missing(
        `reference "${name}" names the store "${reference.refers}", which environment ${environment} does not have`,
      )
    : { found: true, store }
}

const missing = (why: string): NamedStore => ({ found: false, why })

const listed = new WeakMap<ReadonlyMap<string, unknown>, Map<string, readonly string[]>>()

/** Made once for a table: everything whose trust is named by variables asks. */
function namesBelow(table: ReadonlyMap<string, unknown>, prefix: string): readonly string[] {
  const lists = listed.get(table) ?? new Map<string, readonly string[]>()
  listed.set(table, lists)
  const names =
    lists.get(prefix) ??
    [...table.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length))
  lists.set(prefix, names)
  return names
}

const sameList = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((name, index) => name === other[index])
