import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../../core/clock.ts'

/**
 * Pairs of user and password that were verified a short while ago, known by a MAC with a key of this process. Each is good
 * for one version of the user: a new password or a new user of the same name is another version.
 */
export class VerifiedPasswords {
  readonly #key = randomBytes(32)
  readonly #clock: Clock
  readonly #kept = new Map<string, { readonly version: number; readonly until: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  idOf(user: string, password: string): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([user, password]))
      .digest('base64')
  }

  has(id: string, version: number): boolean {
    const entry = this.#kept.get(id)
    return entry !== undefined && entry.version === version && entry.until > this.#clock()
  }

  /** Whether it was verified before, and is only not known to be good without asking anymore. */
  hadBeen(id: string, version: number): boolean {
    return this.#kept.get(id)?.version === version
  }

  add(id: string, version: number): void {
    this.#kept.delete(id)
    this.#kept.set(id, { version, until: this.#clock() + keepFor })
    if (this.#kept.size <= most) return
    for (const oldest of this.#kept.keys()) {
      this.#kept.delete(oldest)
      break
    }
  }
}

const keepFor = 60_000
const most = 1_000
