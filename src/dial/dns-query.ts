import { ADDRCONFIG, Resolver as DnsClient, type LookupAddress, lookup, type RecordWithTtl } from 'node:dns'

/** What one question brought. */
export interface Answer {
  /** Without repetitions, best first as far as the resolver has an order. Never empty. */
  readonly addresses: readonly LookupAddress[]
  /** How long the resolver lets it be used; Infinity where it does not tell. */
  readonly ttlMs: number
  /** The family whose addresses could not be learnt, which is not the same as that there are none; null: both are known. */
  readonly unknown: 4 | 6 | null
}

/** Calls back once; `answered` a second time when one family came late (RFC 8305 section 3). */
export interface AnswerSink {
  answered(answer: Answer): void
  failed(error: Error): void
}

/** Addresses of each family that are used of one answer; a name can have thousands. (I10) */
const maxAddresses = 16
/** How long the other family is waited for once one has answered (RFC 8305 section 3, Resolution Delay). */
const resolutionDelayMs = 50

/** Asks the system (`getaddrinfo`), which honours its hosts file, search list and order (RFC 6724). */
export function askSystem(host: string, sink: AnswerSink): void {
  // The hint is what `net.connect` would give: no IPv6 addresses on a machine that has no IPv6.
  lookup(host, { all: true, hints: ADDRCONFIG }, (error, addresses) => {
    if (error !== null) sink.failed(error)
    else if (addresses.length === 0) sink.failed(noAddress(host))
    else sink.answered({ addresses: distinct(addresses), ttlMs: Number.POSITIVE_INFINITY, unknown: null })
  })
}

/** A client of the given name servers, each `IP:port`. Its questions share no thread with anything. */
export function dnsClient(servers: readonly string[]): DnsClient {
  const client = new DnsClient({ timeout: 1000, tries: 3 })
  client.setServers(servers)
  return client
}

/** Asks for A and AAAA at once. The name is taken as fully qualified: no search list, no hosts file. */
export function askServers(client: DnsClient, host: string, sink: AnswerSink): void {
  const found: Record<4 | 6, Found | null> = { 4: null, 6: null }
  let late: NodeJS.Timeout | null = null
  const settled = (family: 4 | 6, error: NodeJS.ErrnoException | null, records: readonly RecordWithTtl[]): void => {
    found[family] = { error, records }
    const other = found[family === 4 ? 6 : 4]
    if (other === null && records.length > 0) late = setTimeout(tell, resolutionDelayMs).unref()
    if (other === null) return
    if (late !== null) clearTimeout(late)
    tell()
  }
  const tell = (): void => {
    const answer = answerOf(found[6], found[4])
    if (answer !== null) sink.answered(answer)
    else sink.failed(worse(found[6], found[4]) ?? noAddress(host))
  }
  client.resolve4(host, { ttl: true }, (error, records) => settled(4, error, error === null ? records : []))
  client.resolve6(host, { ttl: true }, (error, records) => settled(6, error, error === null ? records : []))
}

interface Found {
  readonly error: NodeJS.ErrnoException | null
  readonly records: readonly RecordWithTtl[]
}

/** IPv6 first, as RFC 6724 has it where nothing else is known. */
function answerOf(six: Found | null, four: Found | null): Answer | null {
  const addresses = distinct([...addressesOf(six, 6), ...addressesOf(four, 4)])
  if (addresses.length === 0) return null
  const ttls = [...(six?.records ?? []), ...(four?.records ?? [])].map(({ ttl }) => ttl)
  return {
    addresses,
    ttlMs: Math.min(...ttls) * 1000,
    unknown: unknown(six) ? 6 : unknown(four) ? 4 : null,
  }
}

function addressesOf(found: Found | null, family: 4 | 6): LookupAddress[] {
  return (found?.records ?? []).map(({ address }) => ({ address, family }))
}

function unknown(found: Found | null): boolean {
  return found === null || (found.error !== null && !isNone(found.error))
}

/** That there is no address, or no name, is an answer; a server that failed has given none. */
function isNone(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ENODATA' || error.code === 'ENOTFOUND'
}

/** The failure that explains more: the one that is no answer at all. */
function worse(six: Found | null, four: Found | null): Error | null {
  const errors = [four?.error, six?.error].filter((error) => error != null)
  return errors.find((error) => !isNone(error)) ?? errors[0] ?? null
}

function noAddress(host: string): Error {
  return Object.assign(new Error(`${host} has no address`), { code: 'ENODATA' })
}

function distinct(addresses: readonly LookupAddress[]): readonly LookupAddress[] {
  const kept = new Map<string, LookupAddress>()
  const room: Record<number, number> = { 4: maxAddresses, 6: maxAddresses }
  for (const each of addresses) {
    if (kept.has(each.address) || (room[each.family] ?? 0) === 0) continue
    room[each.family] = (room[each.family] ?? 0) - 1
    kept.set(each.address, each)
  }
  return [...kept.values()]
}
