import type { Resolver as DnsClient, LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import type { DnsPlan } from '../proxy/plan.ts'
import { type Answer, askServers, askSystem, dnsClient } from './dns-query.ts'

export type LookupDone = (error: Error | null, addresses: readonly LookupAddress[]) => void

/** What is known of one name at one set of servers. Whatever is asked for or watched stays; the rest may be forgotten. */
interface Entry {
  readonly host: string
  readonly servers: readonly string[]
  /** The last good answer; empty: none, or none that may still be used. */
  addresses: readonly LookupAddress[]
  ttlMs: number
  answeredAt: number
  /** When the addresses of each family were learnt; of one of them that can be earlier. */
  readonly learntAt: Record<number, number>
  /** Why the last question failed; null when it did not. */
  error: Error | null
  failedAt: number
  /** Failures in a row. */
  failures: number
  /** Number of the last question, so that a late part of an answer to an earlier one is known as that. */
  question: number
  asking: boolean
  readonly waiting: Set<LookupDone>
  readonly watchers: Set<Watcher>
  timer: NodeJS.Timeout | null
  /** Dials so far; turns the addresses. */
  turn: number
  /** The family that connected last since the answer; 0: none. */
  reached: number
}

interface Watcher {
  readonly refreshMs: number
  readonly changed: (addresses: ReadonlySet<string>) => void
}

/** How long a failure is believed where nothing better is known. */
const negativeMs = 1000
/** A last good answer outlives its time this often while asking again fails, or nobody asked. */
const staleTimes = 10
const maxEntries = 1024
const maxClients = 32

/**
 * Addresses of host names, for one worker.
 *
 * `getaddrinfo` blocks one of the few threads that the whole process shares for as long as a name server is silent. So there
 * is one question at a time for a name however many dials wait for it, an answer is used while the next one is fetched, and
 * the last good one stays in use when that fails.
 */
export class Resolver {
  readonly #entries = new Map<string, Entry>()
  readonly #clients = new Map<string, DnsClient>()
  readonly #firstTurn: number
  #closed = false

  /** @param firstTurn where turns begin: several resolvers with the same answers are not to begin with the same address */
  constructor(firstTurn = 0) {
    this.#firstTurn = firstTurn
  }

  /**
   * All addresses of `host` in the order to try them: another one first each time, families in turn (RFC 8305 section 4).
   * Calls back once, possibly before it returns. @returns what makes it not call back
   */
  lookup(host: string, dns: DnsPlan, done: LookupDone): () => void {
    const family = isIP(host)
    if (family !== 0) {
      done(null, [{ address: host, family }])
      return nothing
    }
    const now = performance.now()
    const entry = this.#entry(host, dns.servers)
    const age = now - entry.answeredAt
    const freshMs = freshFor(entry, dns.refreshMs)
    if (entry.addresses.length > 0 && age < freshMs * staleTimes) {
      if (age >= freshMs && now >= retryAt(entry)) this.#ask(entry)
      done(null, inTurn(entry))
      return nothing
    }
    if (this.#closed || (entry.error !== null && now < entry.failedAt + negativeMs)) {
      done(entry.error ?? new Error('the resolver is closed'), [])
      return nothing
    }
    entry.waiting.add(done)
    this.#ask(entry)
    return () => entry.waiting.delete(done)
  }

  /** A connection to an address of this family came about: its like are tried first until the name is asked for again. */
  reached(host: string, dns: DnsPlan, family: number): void {
    const entry = this.#entries.get(keyOf(host, dns.servers))
    if (entry !== undefined) entry.reached = family
  }

  /**
   * Keeps the answer fresh until the returned function is called. `changed` gets every set of addresses (without ports)
   * that differs from the one before; a failure to ask is none.
   */
  watch(host: string, dns: DnsPlan, changed: (addresses: ReadonlySet<string>) => void): () => void {
    if (isIP(host) !== 0 || this.#closed) return nothing
    const entry = this.#entry(host, dns.servers)
    const watcher: Watcher = { refreshMs: dns.refreshMs, changed }
    entry.watchers.add(watcher)
    this.#schedule(entry)
    return () => {
      entry.watchers.delete(watcher)
      this.#schedule(entry)
    }
  }

  /** Ends all questions and watches; who waits gets an error. */
  close(): void {
    this.#closed = true
    for (const client of this.#clients.values()) client.cancel()
    for (const entry of this.#entries.values()) {
      entry.watchers.clear()
      this.#schedule(entry)
      const waiting = [...entry.waiting]
      entry.waiting.clear()
      for (const done of waiting) done(new Error('the resolver is closed'), [])
    }
    this.#entries.clear()
  }

  #entry(host: string, servers: readonly string[]): Entry {
    const key = keyOf(host, servers)
    const known = this.#entries.get(key)
    if (known !== undefined) return known
    this.#forget()
    const entry: Entry = {
      host,
      servers,
      addresses: [],
      ttlMs: Number.POSITIVE_INFINITY,
      answeredAt: Number.NEGATIVE_INFINITY,
      learntAt: { 4: Number.NEGATIVE_INFINITY, 6: Number.NEGATIVE_INFINITY },
      error: null,
      failedAt: Number.NEGATIVE_INFINITY,
      failures: 0,
      question: 0,
      asking: false,
      waiting: new Set(),
      watchers: new Set(),
      timer: null,
      turn: this.#firstTurn,
      reached: 0,
    }
    if (!this.#closed) this.#entries.set(key, entry)
    return entry
  }

  /** Makes room (I10): the oldest goes that nobody needs. Those that somebody does are as many as are configured. */
  #forget(): void {
    if (this.#entries.size < maxEntries) return
    for (const [key, entry] of this.#entries) {
      if (entry.asking || entry.watchers.size > 0) continue
      this.#entries.delete(key)
      return
    }
  }

  #ask(entry: Entry): void {
    if (entry.asking || this.#closed) return
    entry.asking = true
    const question = ++entry.question
    const sink = {
      answered: (answer: Answer) => {
        if (question === entry.question) this.#answered(entry, answer)
      },
      failed: (error: Error) => this.#failed(entry, error),
    }
    if (entry.servers.length === 0) askSystem(entry.host, sink)
    else askServers(this.#client(entry.servers), entry.host, sink)
  }

  #answered(entry: Entry, answer: Answer): void {
    if (this.#closed) return
    const now = performance.now()
    const before = entry.addresses
    entry.ttlMs = Math.max(answer.ttlMs, 1000)
    // Addresses of a family whose server did not answer this time have not gone away; not for ever, though.
    const kept = before.filter(
      ({ family }) => family === answer.unknown && now - (entry.learntAt[family] as number) < entry.ttlMs * staleTimes,
    )
    entry.addresses = kept.length === 0 ? answer.addresses : [...answer.addresses, ...kept]
    entry.answeredAt = now
    for (const family of [4, 6]) if (family !== answer.unknown) entry.learntAt[family] = now
    entry.asking = false
    entry.error = null
    entry.failures = 0
    entry.reached = 0
    this.#schedule(entry)
    const waiting = [...entry.waiting]
    entry.waiting.clear()
    for (const done of waiting) done(null, inTurn(entry))
    if (sameAddresses(before, entry.addresses)) return
    const addresses = new Set(entry.addresses.map(({ address }) => address))
    for (const watcher of [...entry.watchers]) watcher.changed(addresses)
  }

  #failed(entry: Entry, error: Error): void {
    if (this.#closed) return
    entry.asking = false
    entry.error = error
    entry.failedAt = performance.now()
    entry.failures++
    this.#schedule(entry)
    const waiting = [...entry.waiting]
    entry.waiting.clear()
    for (const done of waiting) done(error, [])
  }

  /** Sets the clock for the next question of a watched name; stops it for others. */
  #schedule(entry: Entry): void {
    if (entry.timer !== null) clearTimeout(entry.timer)
    entry.timer = null
    if (entry.watchers.size === 0 || this.#closed || entry.asking) return
    const refreshMs = Math.min(...[...entry.watchers].map((watcher) => watcher.refreshMs))
    const at = Math.max(entry.answeredAt + freshFor(entry, refreshMs), retryAt(entry))
    entry.timer = setTimeout(() => this.#ask(entry), Math.max(at - performance.now(), 0)).unref()
  }

  #client(servers: readonly string[]): DnsClient {
    const key = servers.join()
    const known = this.#clients.get(key)
    if (known !== undefined) return known
    const [oldest] = this.#clients.keys()
    if (this.#clients.size >= maxClients && oldest !== undefined) this.#clients.delete(oldest) // I10
    const client = dnsClient(servers)
    this.#clients.set(key, client)
    return client
  }
}

function keyOf(host: string, servers: readonly string[]): string {
  return `${host.toLowerCase()} ${servers.join()}`
}

/** A name server in trouble is not helped by being asked again and again, and with a good answer there is no hurry. */
function retryAt({ failedAt, failures }: Entry): number {
  return failedAt + negativeMs * 2 ** Math.min(Math.max(failures - 1, 0), 5)
}

function freshFor(entry: Entry, refreshMs: number): number {
  return Math.min(entry.ttlMs, refreshMs)
}

/** The first family's addresses and the other's alternate, each list turned by one from dial to dial. */
function inTurn(entry: Entry): readonly LookupAddress[] {
  const { addresses } = entry
  if (addresses.length === 1) return addresses
  const turn = entry.turn++
  const first = entry.reached === 0 ? addresses[0]?.family : entry.reached
  const one = turned(
    addresses.filter(({ family }) => family === first),
    turn,
  )
  const other = turned(
    addresses.filter(({ family }) => family !== first),
    turn,
  )
  const mixed: LookupAddress[] = []
  for (let i = 0; i < Math.max(one.length, other.length); i++) {
    mixed.push(...one.slice(i, i + 1), ...other.slice(i, i + 1))
  }
  return mixed
}

function turned<T>(list: readonly T[], by: number): readonly T[] {
  const at = list.length === 0 ? 0 : by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}

function sameAddresses(one: readonly LookupAddress[], other: readonly LookupAddress[]): boolean {
  const known = new Set(one.map(({ address }) => address))
  return one.length === other.length && other.every(({ address }) => known.has(address))
}

function nothing(): void {
  // Nothing is under way.
}
