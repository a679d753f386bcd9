import type { Clock } from '../../core/clock.ts'

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
  readonly #byUser: Buckets
  readonly #byAddress: Buckets

  constructor(clock: Clock, rates: AttemptRates = defaultRates) {
    this.#byUser = new Buckets(rates.userAndAddress, clock)
    this.#byAddress = new Buckets(rates.address, clock)
  }

  /** @returns 0, or seconds to wait */
  begin(user: string, address: string): number {
    const place = network(address)
    const wait = this.#byAddress.take(place)
    if (wait > 0) return Math.ceil(wait / 1000)
    const waitOfUser = this.#byUser.take(keyOf(place, user))
    if (waitOfUser > 0) this.#byAddress.giveBack(place)
    return Math.ceil(waitOfUser / 1000)
  }

  giveBack(user: string, address: string): void {
    const place = network(address)
    this.#byAddress.giveBack(place)
    this.#byUser.giveBack(keyOf(place, user))
  }
}

export interface AttemptRates {
  readonly userAndAddress: Rate
  readonly address: Rate
}

const defaultRates: AttemptRates = {
  userAndAddress: { burst: 10, every: 30_000 },
  address: { burst: 50, every: 6_000 },
}

/** No user has a longer name, and what is kept of others is bounded. */
const keyOf = (place: string, user: string): string => `${place} ${user.slice(0, 128)}`

/** One customer of an IPv6 provider has a /64 to choose addresses from. */
function network(address: string): string {
  if (!address.includes(':')) return address
  const [head, tail] = (address.split('%', 1)[0] ?? '').split('::') as [string, string?]
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const last = tail === '' ? [] : tail.split(':')
    while (groups.length + last.length < 8) groups.push('0')
    groups.push(...last)
  }
  return groups.slice(0, 4).join(':')
}
