import { z } from 'zod'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { configContext } from '../diagnosis/config-context.ts'
import { present } from '../diagnosis/diagnose.ts'
import { openDiagnoser } from '../diagnosis/diagnoser.ts'
import { type FetchIssuers, issuerFetcher } from '../diagnosis/fetch-issuers.ts'
import { trustMaterial } from '../diagnosis/trust-material.ts'
import type { SeenServer } from '../diagnosis/what-if.ts'
import type { Presented } from '../judge/types.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import { readRegularFile } from '../trust/read-file.ts'
import type { Certificate } from '../x509/certificate.ts'
import { authorizationIn, credentialVariables } from './admin-client.ts'
import { agoText } from './ago-text.ts'
import { commandName } from './command-name.ts'
import type { LoadedConfig } from './tls-config.ts'
import { forEach } from './tls-each.ts'
import { usage } from './tls-endpoint.ts'

/** A server that trusts the store in question. */
export type Asked = Pick<SeenServer, 'server' | 'trust'>

export interface SeenServers {
  readonly seen: readonly SeenServer[]
  /** What is to be known about where the chains come from. */
  readonly notes: readonly string[]
}

/** What each server serves now: one probe of each, by the dialer of traffic (I4). */
export async function seenByProbes(
  asked: readonly Asked[],
  { resolved, file }: LoadedConfig,
  { concurrency, fetchIssuers }: { readonly concurrency: number; readonly fetchIssuers: boolean },
  signal: AbortSignal,
): Promise<readonly SeenServer[]> {
  const seen: SeenServer[] = []
  const fetcher = fetchIssuers ? issuerFetcher(signal) : null
  const diagnoser = openDiagnoser({ known: [], fetchIssuers: false, mode: 'runtime', time: null, signal })
  const where = { configFile: file, posternCommand: commandName(process.env) }
  try {
    await forEach(
      asked.entries(),
      concurrency,
      async ([index, { server, trust }]) => {
        const target = resolved.plan.targets.find(({ name }) => name === server.target)
        if (target === undefined) throw new TypeError(`the plan has no target ${server.target}`)
        const { probe, verdict } = await diagnoser.diagnose(server, configContext(resolved, target, server, where))
        const served = (probe.handshake?.served ?? []).map(present)
        const at = new Date().toISOString()
        seen[index] =
          served.length > 0
            ? { server, trust, served, fetched: await pointedTo(served, server, fetcher), seen: at, problem: '' }
            : { server, trust, served: null, fetched: [], seen: '', problem: `${verdict.code}: ${verdict.summary}` }
      },
      signal,
    )
  } finally {
    diagnoser.close()
  }
  if (signal.aborted) throw new PosternError('interrupted', 'interrupted; nothing can be said without all servers')
  return seen
}

/** I10: pointers that are followed of one chain. */
const maxFetches = 4

/** Issuers that neither the server sent nor a store of its target holds, from where the certificates say they are. */
async function pointedTo(
  served: readonly Presented[],
  { tls }: ServerPlan,
  fetchIssuers: FetchIssuers | null,
): Promise<readonly Certificate[]> {
  if (fetchIssuers === null || tls === null) return []
  const { anchors, intermediates } = trustMaterial(tls)
  const sent = served.flatMap(({ certificate }) => certificate ?? [])
  const held = new Set([...sent, ...anchors, ...intermediates].map(({ subject }) => subject.canonical))
  const fetched: Certificate[] = []
  const waiting = [...sent]
  for (let fetches = 0; fetches < maxFetches && waiting.length > 0; ) {
    const { issuer, aiaUrls } = waiting.shift() as Certificate
    const [url] = aiaUrls.caIssuers
    if (url === undefined || held.has(issuer.canonical)) continue
    fetches += 1
    const { certificates } = await fetchIssuers(url)
    fetched.push(...certificates)
    waiting.push(...certificates)
    held.add(issuer.canonical)
  }
  return fetched
}

/**
 * The chains that a gateway saw, from `GET /inventory` or a file with its answer. What comes from traffic is the path as the
 * runtime has it, where an intermediate may be the store's and not the server's: one that is to be removed is left out of it.
 */
export async function seenByInventory(
  asked: readonly Asked[],
  from: string,
  { removed, fetchIssuers, now }: InventoryOptions,
  signal: AbortSignal,
): Promise<SeenServers> {
  const fetcher = fetchIssuers ? issuerFetcher(signal) : null
  const document = parsed(from, /^https?:\/\//i.test(from) ? await fetched(from, signal) : fileText(from))
  const known = new Map(document.servers.map((each) => [`${each.target}\n${each.server}`, each]))
  const old: string[] = []
  let otherTrust = 0
  const seen: SeenServer[] = []
  for (const { server, trust } of asked) {
    const held = known.get(`${server.target}\n${server.name}`)
    const all = held?.chains ?? []
    if (held?.snapshot !== undefined && held.snapshot !== server.tls?.snapshotId) otherTrust += 1
    const newest = Math.max(...all.map(({ lastSeen }) => Date.parse(lastSeen)))
    const since = held?.snapshotSince === undefined ? Number.NEGATIVE_INFINITY : Date.parse(held.snapshotSince)
    if (all.length > 0 && (newest < since || now - newest > dayMs)) {
      const why = newest < since ? 'before its trust last changed' : 'more than a day ago'
      old.push(`${server.target} (${server.name}) was last seen ${agoText(now - newest)} ago, ${why}`)
    }
    if (all.length === 0) {
      const problem = 'no chain of it is in the inventory'
      seen.push({ server, trust, served: null, fetched: [], seen: '', problem })
    }
    // Several where servers stand behind one address: each of them counts.
    for (const { chain, lastSeen, source } of all) {
      const served = chain
        .map((pem) => present(derOf(pem)))
        .filter(({ certificate }, index) => {
          return index === 0 || source === 'probe' || certificate === null || !removed.has(certificate.sha256)
        })
      const fetched = await pointedTo(served, server, fetcher)
      seen.push({ server, trust, served, fetched, seen: lastSeen, problem: '' })
    }
  }
  const notes = [
    ...some(old, maxNotes).map((each) => `${each}: what it serves now may be another chain`),
    ...(otherTrust === 0
      ? []
      : [
          `the gateway runs with other trust than this configuration has, for ${otherTrust} of ${asked.length} servers`,
        ]),
  ]
  return { seen, notes }
}

interface InventoryOptions {
  /** SHA-256 of the certificates that the store would no longer have. */
  readonly removed: ReadonlySet<string>
  readonly fetchIssuers: boolean
  readonly now: number
}

const dayMs = 86_400_000
const maxNotes = 20

/** The first of them, and how many more there are. */
function some(all: readonly string[], most: number): readonly string[] {
  return all.length <= most ? all : [...all.slice(0, most), `and ${all.length - most} more, not seen for as long`]
}

const Inventory = z.object({
  servers: z.array(
    z.object({
      target: z.string(),
      server: z.string(),
      snapshot: z.string().optional(),
      snapshotSince: z.iso.datetime().optional(),
      chains: z.array(
        z.object({ chain: z.array(z.string()).min(1).max(64), lastSeen: z.iso.datetime(), source: z.string() }),
      ),
    }),
  ),
})

function parsed(from: string, text: string): z.output<typeof Inventory> {
  try {
    const read = Inventory.safeParse(JSON.parse(text))
    if (read.success) return read.data
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw usage(`--inventory ${from}: this is no inventory, as GET /inventory of the management listener answers it`)
}

function fileText(path: string): string {
  try {
    return readRegularFile(path).toString('utf8')
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    throw usage(`--inventory: ${error.message}`)
  }
}

/** I10. */
const maxBytes = 64 * 1024 * 1024
const timeoutMs = 10_000

async function fetched(url: string, signal: AbortSignal): Promise<string> {
  const parts = URL.canParse(url) ? new URL(url) : null
  // Before the text is shown: a password is in it.
  if (parts !== null && (parts.username !== '' || parts.password !== ''))
    throw usage(`--inventory has credentials in its URL; they come from ${credentialVariables}`)
  const authorization = authorizationIn(process.env, undefined)
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      // Whoever is redirected to must not get the credentials.
      redirect: 'error',
      ...(authorization === null ? {} : { headers: { authorization } }),
    })
    if (response.status === 401 && authorization === null)
      throw usage(`--inventory ${url}: it asks for credentials; set ${credentialVariables}`)
    if (!response.ok) throw usage(`--inventory ${url}: the answer is ${response.status}`)
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of response.body ?? []) {
      length += chunk.length
      if (length > maxBytes) throw usage(`--inventory ${url}: the answer is larger than 64 MiB`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  } catch (error) {
    if (codeOf(error) === 'usage' || signal.aborted) throw error
    const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : ''
    throw usage(`--inventory ${url}: ${messageOf(error)}${cause}`)
  }
}

const derOf = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64')
