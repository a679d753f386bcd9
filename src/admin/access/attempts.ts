import type { Clock } from '../../core/clock.ts'
import { networkOf } from '../connections.ts'

/** Tokens a bucket holds, and milliseconds until one comes back. */
export interface Rate {
  readonly burst: number
  readonly every: number
}

/** Token buckets by key, at most `size` of them: the one that was used longest ago goes first (I10). */
export class Buckets {
  readonly #rate: Rate
  readonly #clock: Clock
  readonly #size: number
  readonly #full = new Map<string, { tokens: number; at: number }>()

  constructor(rate: Rate, clock: Clock, size = 10_000) {
    this.#rate = rate
    this.#clock = clock
    this.#size = size
  }

  /** @returns milliseconds until there is one, 0 where one was taken */
  take(key: string): number {
    const tokens = this.#tokens(key)
    if (tokens < 1) return Math.ceil((1 - tokens) * this.#rate.every)
    this.#set(key, tokens - 1)
    return 0
  }

  giveBack(key: string): void {
    this.#set(key, this.#tokens(key) + 1)
  }

  #tokens(key: string): number {
    const bucket = this.#full.get(key)
    if (bucket === undefined) return this.#rate.burst
    // A clock that was set back brings nothing, and takes nothing.
    const passed = Math.max(0, this.#clock() - bucket.at)
    return Math.min(this.#rate.burst, bucket.tokens + passed / this.#rate.every)
  }

  #set(key: string, tokens: number): void {
    this.#full.delete(key)
    if (tokens >= this.#rate.burst) return
    this.#full.set(key, { tokens, at: this.#clock() })
    if (this.#full.size <= this.#size) return
    for (const oldest of this.#full.keys()) {
      this.#full.delete(oldest)
      break
    }
  }
}

/**
 * Attempts to log in. Each takes a token before it is looked at, so that many at once are counted too; one that succeeds
 * is given it back.
 */
export class Attempts {
  readonly #byUserAndAddress: Buckets
  readonly #byAddress: Buckets
  readonly #byUser: Buckets

  constructor(clock: Clock, rates: AttemptRates = defaultRates) {
    this.#byUserAndAddress = new Buckets(rates.userAndAddress, clock)
    this.#byAddress = new Buckets(rates.address, clock)
    this.#byUser = new Buckets(rates.user ?? defaultRates.user, clock)
  }

  /** @param everywhere false: what others have failed with elsewhere does not count @returns 0, or seconds to wait */
  begin(user: string, address: string, everywhere = true): number {
    const place = networkOf(address)
    const taken: (readonly [Buckets, string])[] = []
    for (const [buckets, key] of this.#bucketsOf(user, place, everywhere)) {
      const wait = buckets.take(key)
      if (wait > 0) {
        for (const [before, other] of taken) before.giveBack(other)
        return Math.ceil(wait / 1000)
      }
      taken.push([buckets, key])
    }
    return 0
  }

  giveBack(user: string, address: string, everywhere = true): void {
    for (const [buckets, key] of this.#bucketsOf(user, networkOf(address), everywhere)) buckets.giveBack(key)
  }

  #bucketsOf(user: string, place: string, everywhere: boolean): readonly (readonly [Buckets, string])[] {
    const both = [[this.#byAddress, place] as const, [this.#byUserAndAddress, keyOf(place, user)] as const]
    // Tokens are nobody's until they are found.
    return everywhere && user !== '' ? [...both, [this.#byUser, keyOf('', user)] as const] : both
  }
}

export interface AttemptRates {
  readonly userAndAddress: Rate
  readonly address: Rate
  /** Of all addresses together. */
  readonly user?: Rate
}

const defaultRates = {
  userAndAddress: { burst: 10, every: 30_000 },
  address: { burst: 50, every: 6_000 },
  user: { burst: 100, every: 10_000 },
}

/** No user has a longer name, and what is kept of others is bounded. */
const keyOf = (place: string, user: string): string => `${place} ${user.slice(0, 128)}`
