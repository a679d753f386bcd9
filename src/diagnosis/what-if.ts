import { messageOf, PosternError } from '../core/errors.ts'
import { refOf } from '../judge/certificate-ref.ts'
import { judge } from '../judge/judge.ts'
import type { Presented } from '../judge/types.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import { type ComposedTrust, composeTrust } from '../trust/snapshot.ts'
import type { TrustStore } from '../trust/store.ts'
import type { VerdictCode } from '../verdict/codes.ts'
import type { CertificateRef } from '../verdict/model.ts'
import type { Certificate } from '../x509/certificate.ts'
import { judgeInput } from './diagnose.ts'

/** A server whose target trusts the store in question, and the chain it was seen with. */
export interface SeenServer {
  readonly server: ServerPlan
  /** The stores of its target, in that order. */
  readonly trust: readonly string[]
  /** null: no chain was seen. */
  readonly served: readonly Presented[] | null
  /** ISO 8601; '' where no chain was seen. */
  readonly seen: string
  /** Why no chain was seen; '' where one was. */
  readonly problem: string
}

/** What the gateway would say of a server under one set of stores. */
export interface Outcome {
  readonly code: VerdictCode
  readonly summary: string
  /** What its path hangs on, whatever else is wrong; null where it reaches none. */
  readonly anchor: CertificateRef | null
  /** When the first certificate of that path ends, ISO 8601; null likewise. */
  readonly until: string | null
}

/**
 * `breaks`: trusted now and not then. `mends`: the other way round. `moves`: trusted both times, through another anchor.
 * `differs`: refused both times, for another reason. `unknown`: no chain was seen, so nothing can be said.
 */
export type Change = 'none' | 'breaks' | 'mends' | 'moves' | 'differs' | 'unknown'

export interface ServerChange {
  readonly target: string
  readonly server: string
  readonly seen: string
  readonly problem: string
  readonly change: Change
  readonly before: Outcome | null
  readonly after: Outcome | null
}

/** A server whose path hangs on an anchor. */
export interface Dependent {
  readonly target: string
  readonly server: string
  /** What the gateway says of it under the stores as they are. */
  readonly code: VerdictCode
  readonly until: string | null
  /** The anchor of another path that the server would be trusted by; null: there is none, so it depends on this one. */
  readonly otherwise: CertificateRef | null
}

export interface AnchorUse {
  readonly anchor: CertificateRef
  readonly removed: boolean
  readonly added: boolean
  /** Under the stores as they are, and for an added one as they would be. */
  readonly hanging: readonly Dependent[]
  /** Nobody needs it: whoever hangs on it has another path, and a chain of every server was seen. */
  readonly safeToRemove: boolean
}

export interface WhatIf {
  readonly servers: readonly ServerChange[]
  readonly anchors: readonly AnchorUse[]
  /** Why no gateway would take up such a configuration; '' where it would. */
  readonly refused: string
}

export type Stores = ReadonlyMap<string, TrustStore>

/** Judges what every server was seen with, under the stores as they are and as they would be. */
export function whatIf(store: string, seen: readonly SeenServer[], before: Stores, after: Stores, now: number): WhatIf {
  const was = before.get(store)?.anchors ?? []
  const will = after.get(store)?.anchors ?? []
  const refused = refusalOf(store, seen, after)
  const servers = seen.map((one) => changeOf(one, before, refused === '' ? after : before, now))
  const everySeen = seen.every(({ served }) => served !== null)
  const has = (list: readonly Certificate[], { sha256 }: Certificate): boolean =>
    list.some((each) => each.sha256 === sha256)
  const anchors = [...was, ...will.filter((anchor) => !has(was, anchor))].map((anchor): AnchorUse => {
    const added = !has(was, anchor)
    const hanging = dependentsOf(anchor, seen, added ? after : before, after, now)
    const safeToRemove = everySeen && hanging.every(({ otherwise }) => otherwise !== null)
    return { anchor: refOf(anchor), removed: !has(will, anchor), added, hanging, safeToRemove }
  })
  return { servers, anchors, refused }
}

/** What the gateway would say of the chain that a server was seen with. */
function outcomeOf(
  server: ServerPlan,
  served: readonly Presented[],
  trust: ComposedTrust,
  now: number,
  exceptions: 'heeded' | 'ignored' = 'heeded',
): Outcome {
  const { tls } = server
  if (tls === null) throw new TypeError(`${server.target} is plain HTTP and trusts no store`)
  const skips = (check: 'chain' | 'name'): boolean =>
    exceptions === 'heeded' && (check === 'chain' ? tls.skipChain : tls.skipName)
  const input = judgeInput({ server, trust: { skips }, material: trust, known: [] }, served, now)
  const { code, path, complete, findings } = judge({ ...input, partialChain: trust.partialChain })
  const anchor = complete ? path.at(-1) : undefined
  return {
    code,
    summary: code === 'trusted' ? '' : (findings[0]?.summary ?? ''),
    anchor: anchor === undefined ? null : refOf(anchor.certificate),
    until: anchor === undefined ? null : endOf(path.map(({ certificate }) => certificate)),
  }
}

function changeOf(one: SeenServer, before: Stores, after: Stores, now: number): ServerChange {
  const { server, served, seen, problem, trust } = one
  const common = { target: server.target, server: server.name, seen, problem }
  if (served === null) return { ...common, change: 'unknown', before: null, after: null }
  const was = outcomeOf(server, served, composed(trust, before), now)
  const will = outcomeOf(server, served, composed(trust, after), now)
  return { ...common, change: kindOf(was, will), before: was, after: will }
}

function kindOf(was: Outcome, will: Outcome): Change {
  if (was.code === 'trusted' && will.code !== 'trusted') return 'breaks'
  if (was.code !== 'trusted' && will.code === 'trusted') return 'mends'
  if (was.code !== will.code) return 'differs'
  // Without an anchor it is an exception that lets it pass.
  if (was.code !== 'trusted' || was.anchor === null || will.anchor === null) return 'none'
  return was.anchor.sha256 === will.anchor.sha256 ? 'none' : 'moves'
}

/**
 * Whose paths end in the anchor. Exceptions are left aside, as they end, and so is what else is wrong with a server: mended, it
 * would need the anchor again.
 */
function dependentsOf(
  anchor: Certificate,
  seen: readonly SeenServer[],
  stores: Stores,
  after: Stores,
  now: number,
): readonly Dependent[] {
  return seen.flatMap(({ server, served, trust }): Dependent[] => {
    if (served === null) return []
    const held = outcomeOf(server, served, composed(trust, stores), now, 'ignored')
    if (held.anchor?.sha256 !== anchor.sha256) return []
    // Beside what is to be removed anyway: two anchors that stand in for each other are not both dispensable.
    const rest = without(composed(trust, stores), [anchor], removedBy(trust, stores, after))
    const other = rest.anchors.length === 0 ? null : outcomeOf(server, served, rest, now, 'ignored')
    const otherwise = other !== null && other.code === held.code ? other.anchor : null
    return [{ target: server.target, server: server.name, code: held.code, until: held.until, otherwise }]
  })
}

/** Anchors and intermediates that a target has under the one and not under the other. */
function removedBy(trust: readonly string[], before: Stores, after: Stores): readonly Certificate[] {
  const kept = new Set(allOf(trust, after).map(({ sha256 }) => sha256))
  return allOf(trust, before).filter(({ sha256 }) => !kept.has(sha256))
}

function allOf(trust: readonly string[], stores: Stores): readonly Certificate[] {
  return trust.flatMap((name) => {
    const store = stores.get(name)
    return store === undefined ? [] : [...store.anchors, ...store.intermediates]
  })
}

function without(trust: ComposedTrust, ...left: readonly (readonly Certificate[])[]): ComposedTrust {
  const out = new Set(left.flat().map(({ sha256 }) => sha256))
  const kept = (list: readonly Certificate[]): Certificate[] => list.filter(({ sha256 }) => !out.has(sha256))
  return { ...trust, anchors: kept(trust.anchors), intermediates: kept(trust.intermediates) }
}

/** I3: a configuration is refused whole, so a store that loses its last anchor takes every change with it. */
function refusalOf(store: string, seen: readonly SeenServer[], after: Stores): string {
  if (after.get(store)?.anchors.length === 0)
    return `trust store "${store}" would hold no anchor, and such a configuration is refused`
  for (const { trust } of seen) {
    try {
      composed(trust, after)
    } catch (error) {
      if (!(error instanceof PosternError)) throw error
      return messageOf(error)
    }
  }
  return ''
}

function composed(names: readonly string[], stores: Stores): ComposedTrust {
  return composeTrust(names.flatMap((name) => stores.get(name) ?? []))
}

function endOf(path: readonly Certificate[]): string {
  return new Date(Math.min(...path.map(({ notAfter }) => notAfter))).toISOString()
}
