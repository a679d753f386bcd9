import { createHash } from 'node:crypto'
import type { ResolvedOk } from '../config/resolve.ts'
import { judge } from '../judge/judge.ts'
import { refOf } from '../judge/certificate-ref.ts'
import type { GenerationPlan, ServerPlan } from '../proxy/plan.ts'
import { toPem } from '../x509/certificate.ts'
import { judgeInput, present } from './diagnose.ts'
import type { InventoryChain, InventoryDocument, InventoryServer } from './inventory.ts'
import { trustMaterial } from './trust-material.ts'

/** I10: chains of one server; a farm behind one name seldom has more. */
const maxChains = 16

interface Seen {
  readonly chain: readonly Buffer[]
  source: InventoryChain['source']
  readonly firstSeen: number
  lastSeen: number
  /** When traffic verified it last, and under which snapshot; null: nobody has. */
  verified: { readonly at: number; readonly snapshot: string } | null
  /** What it hangs on under a snapshot; null: nobody has asked yet. */
  judged: Judged | null
}

type Judged = Pick<InventoryChain, 'leaf' | 'leafEnds' | 'chainEnds' | 'anchor' | 'stores'> & {
  readonly snapshot: string
}

/** The certificate that a server has shown last, DER. */
export interface LeafSeen {
  readonly target: string
  readonly server: string
  readonly leaf: Uint8Array
}

/** Which chains the servers of the running generation have shown. It holds what was sent; what it hangs on is found when asked. */
export class ChainsSeen {
  /** By target and server, then by the chain's hash, seen longest ago first. */
  readonly #servers = new Map<string, Map<string, Seen>>()
  /** By target and server, of the running generation. */
  #snapshots: ReadonlyMap<string, { readonly id: string; readonly since: number }> = new Map()

  record(
    { target, server, snapshot }: { readonly target: string; readonly server: string; readonly snapshot?: string },
    chain: readonly Uint8Array[],
    source: InventoryChain['source'],
    now = Date.now(),
  ): void {
    if (chain.length === 0 || chain.length > maxCertificates) return
    const key = keyOf(target, server)
    const chains = this.#servers.get(key) ?? new Map<string, Seen>()
    this.#servers.set(key, chains)
    const hash = createHash('sha256')
    for (const der of chain) hash.update(der)
    const id = hash.digest('hex')
    const known = chains.get(id)
    chains.delete(id)
    chains.set(id, {
      chain: known?.chain ?? chain.map((der) => Buffer.from(der)),
      source: known?.source === 'probe' ? 'probe' : source,
      firstSeen: known?.firstSeen ?? now,
      lastSeen: now,
      // Workers tell of connections that were verified, and of no others.
      verified: source === 'traffic' && snapshot !== undefined ? { at: now, snapshot } : (known?.verified ?? null),
      judged: known?.judged ?? null,
    })
    if (chains.size > maxChains) {
      for (const oldest of chains.keys()) {
        chains.delete(oldest)
        break
      }
    }
  }

  /** Servers that the generation no longer has are forgotten. */
  follow(plan: GenerationPlan, now = Date.now()): void {
    this.#snapshots = new Map(
      plan.targets.flatMap(({ name, servers }) =>
        servers.map((server) => {
          const key = keyOf(name, server.name)
          const id = server.tls?.snapshotId ?? ''
          const before = this.#snapshots.get(key)
          return [key, before?.id === id ? before : { id, since: now }] as const
        }),
      ),
    )
    for (const key of this.#servers.keys()) if (!this.#snapshots.has(key)) this.#servers.delete(key)
  }

  /** Nothing is judged for it. */
  leaves(): readonly LeafSeen[] {
    return [...this.#servers].flatMap(([key, chains]) => {
      const [target, server] = JSON.parse(key) as [string, string]
      const leaf = [...chains.values()].at(-1)?.chain[0]
      return leaf === undefined ? [] : [{ target, server, leaf }]
    })
  }

  document(resolved: ResolvedOk, plan: GenerationPlan, now = Date.now()): InventoryDocument {
    const servers = plan.targets.flatMap(({ servers: all }) => all).filter(({ tls }) => tls !== null)
    return {
      at: new Date(now).toISOString(),
      servers: servers.map((server): InventoryServer => {
        const key = keyOf(server.target, server.name)
        const seen = [...(this.#servers.get(key)?.values() ?? [])].reverse()
        return {
          target: server.target,
          server: server.name,
          snapshot: server.tls?.snapshotId ?? '',
          snapshotSince: new Date(this.#snapshots.get(key)?.since ?? now).toISOString(),
          chains: seen.flatMap((each) => inventoryChain(each, server, resolved, now) ?? []),
        }
      }),
    }
  }
}

const maxCertificates = 32

function inventoryChain(seen: Seen, server: ServerPlan, resolved: ResolvedOk, now: number): InventoryChain | null {
  if (seen.judged?.snapshot !== server.tls?.snapshotId) seen.judged = judgeSeen(seen, server, resolved, now)
  if (seen.judged === null) return null
  const { snapshot: _snapshot, ...judged } = seen.judged
  return {
    chain: seen.chain.map(toPem),
    source: seen.source,
    firstSeen: new Date(seen.firstSeen).toISOString(),
    lastSeen: new Date(seen.lastSeen).toISOString(),
    verified: seen.verified === null ? null : { ...seen.verified, at: new Date(seen.verified.at).toISOString() },
    ...judged,
  }
}

/** null where the leaf cannot be read. */
function judgeSeen(seen: Seen, server: ServerPlan, resolved: ResolvedOk, now: number): Judged | null {
  const { tls } = server
  const presented = seen.chain.map(present)
  const leaf = presented[0]?.certificate
  if (tls === null || leaf === null || leaf === undefined) return null
  // Also where an exception skips the chain: what it would hang on is what its owner wants to know.
  const trust = { skips: () => false }
  const { path, complete } = judge(
    judgeInput({ server, trust, material: trustMaterial(tls), known: [] }, presented, now),
  )
  const anchor = complete ? path.at(-1)?.certificate : undefined
  const ends = Math.min(leaf.notAfter, ...path.map(({ certificate }) => certificate.notAfter))
  const names = resolved.config.targets[server.target]?.tls?.trust ?? []
  const stored = resolved.origins.get(server.target)?.servers.get(server.name)?.trustStore ?? null
  return {
    snapshot: tls.snapshotId,
    leaf: refOf(leaf),
    leafEnds: new Date(leaf.notAfter).toISOString(),
    chainEnds: new Date(ends).toISOString(),
    anchor: anchor === undefined ? null : refOf(anchor),
    stores: storesOf(),
  }

  function storesOf(): readonly string[] {
    if (anchor === undefined) return []
    return stored === null ? names.filter((name) => holds(resolved, name, anchor.sha256)) : [stored.store]
  }
}

function holds(resolved: ResolvedOk, store: string, sha256: string): boolean {
  return resolved.input.stores.get(store)?.anchors.some((anchor) => anchor.sha256 === sha256) ?? false
}

const keyOf = (target: string, server: string): string => JSON.stringify([target, server])
