import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { StateStore, StoredObject } from '../../state/types.ts'

export const apiTokenPrefix = 'pst_'

export function newApiToken(): string {
  return `${apiTokenPrefix}${randomBytes(32).toString('base64url')}`
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Of two hashes in hexadecimal. */
export function sameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, 'hex'), Buffer.from(other, 'hex')]
  return a.length === b.length && timingSafeEqual(a, b)
}

/**
 * Finds tokens by their hash. What it remembers is where one was, never that it is still good: each is read from the store
 * again, so one that was revoked, here or by another process, is gone at once.
 */
export class ApiTokens {
  readonly #store: StateStore
  #places: ReadonlyMap<string, { readonly user: string; readonly id: string }> = new Map()
  #looking: Promise<void> | null = null

  constructor(store: StateStore) {
    this.#store = store
  }

  /** Whether this token was found before: else it takes a look at all of them. */
  knows(token: string): boolean {
    return this.#places.has(sha256(token))
  }

  /** @returns null for one that is unknown or revoked; the caller looks at its end */
  async find(token: string): Promise<StoredObject<'token'> | null> {
    const hash = sha256(token)
    if (!this.#places.has(hash)) await this.#look(hash)
    const place = this.#places.get(hash)
    if (place === undefined) return null
    const found = await this.#store.read((view) => view.get('token', place.user, place.id))
    return found !== null && found.body.kind === 'api' && sameHash(found.body.sha256, hash) ? found : null
  }

  /** One scan at a time, however many ask; one that began before the question may have missed the newest token. */
  async #look(hash: string): Promise<void> {
    await this.#looking
    if (this.#places.has(hash)) return
    this.#looking ??= this.#scan().finally(() => (this.#looking = null))
    await this.#looking
  }

  async #scan(): Promise<void> {
    const all = await this.#store.read((view) => view.below('token', ''))
    const places = new Map<string, { user: string; id: string }>()
    for (const { scope, name, body } of all) {
      if (body.kind === 'api') places.set(body.sha256, { user: scope, id: name })
    }
    this.#places = places
  }
}
