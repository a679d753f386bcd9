import { messageOf, PosternError } from '../core/errors.ts'
import { refOf } from '../judge/certificate-ref.ts'
import { judge } from '../judge/judge.ts'
import type { JudgeInput, Judgement, Presented } from '../judge/types.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import { type ComposedTrust, composeTrust } from '../trust/snapshot.ts'
import type { TrustStore } from '../trust/store.ts'
import type { VerdictCode } from '../verdict/codes.ts'
import type { CertificateRef } from '../verdict/model.ts'
import type { Certificate } from '../x509/certificate.ts'
import { couldIssue } from '../x509/issued.ts'
import { commonNameOf, renderName, sameName } from '../x509/name.ts'
import { knownCertificates } from './config-context.ts'
import { judgeInput } from './diagnose.ts'

/** A server whose target trusts the store in question, and the chain it was seen with. */
export interface SeenServer {
  readonly server: ServerPlan
  /** The stores of its target, in that order. */
  readonly trust: readonly string[]
  /** null: no chain was seen. */
  readonly served: readonly Presented[] | null
  /** Issuers that its certificates point to (AIA): they say where its path would lead, and prove nothing. */
  readonly fetched: readonly Certificate[]
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
  /** The anchor of another path under the stores as they would be; null: there is none, so it depends on this one. */
  readonly otherwise: CertificateRef | null
}

/** A server that is refused today, and whose path is not known up to an anchor: mended, it may need this one. */
export interface Undecided {
  readonly target: string
  readonly server: string
  readonly code: VerdictCode
  /** Who issued the last certificate of what is known of its path; '' where none of it can be read. */
  readonly issuer: string
}

export interface AnchorUse {
  readonly anchor: CertificateRef
  readonly removed: boolean
  readonly added: boolean
  /** Under the stores as they are, and for an added one as they would be. */
  readonly hanging: readonly Dependent[]
  readonly undecided: readonly Undecided[]
  /** Nobody needs it: whoever hangs on it has another path, and of every server it is known what it hangs on. */
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
  // Beside what is to be removed anyway: two anchors that stand in for each other are not both dispensable.
  const then = refused === '' ? after : before
  const servers = seen.map((one) => changeOf(one, before, then, now))
  const everySeen = seen.every(({ served }) => served !== null)
  const known = knownFrom(seen, before)
  const views = { before: viewsOf(seen, before, known, now), after: viewsOf(seen, then, known, now) }
  const has = (list: readonly Certificate[], { sha256 }: Certificate): boolean =>
    list.some((each) => each.sha256 === sha256)
  const anchors = [...was, ...will.filter((anchor) => !has(was, anchor))].map((anchor): AnchorUse => {
    const added = !has(was, anchor)
    const rest = (trust: readonly string[]): ComposedTrust => composedWithout(trust, then, store, anchor)
    const uses = usesOf(anchor, added ? views.after : views.before, rest, known.roots)
    const safeToRemove =
      everySeen && uses.undecided.length === 0 && uses.hanging.every(({ otherwise }) => otherwise !== null)
    return { anchor: refOf(anchor), removed: !has(will, anchor), added, ...uses, safeToRemove }
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
  const judgement = judge(inputFor(server, served, trust, now, exceptions))
  const { code, path, findings } = judgement
  const anchor = anchorOf(judgement)
  return {
    code,
    summary: code === 'trusted' ? '' : (findings[0]?.summary ?? ''),
    anchor: anchor === null ? null : refOf(anchor),
    until: anchor === null ? null : endOf(path.map(({ certificate }) => certificate)),
  }
}

function inputFor(
  server: ServerPlan,
  served: readonly Presented[],
  trust: ComposedTrust,
  now: number,
  exceptions: 'heeded' | 'ignored',
): JudgeInput {
  const { tls } = server
  if (tls === null) throw new TypeError(`${server.target} is plain HTTP and trusts no store`)
  const skips = (check: 'chain' | 'name'): boolean =>
    exceptions === 'heeded' && (check === 'chain' ? tls.skipChain : tls.skipName)
  const input = judgeInput({ server, trust: { skips }, material: trust, known: [] }, served, now)
  return { ...input, partialChain: trust.partialChain }
}

function anchorOf({ path, complete }: Judgement): Certificate | null {
  return complete ? (path.at(-1)?.certificate ?? null) : null
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

/** A server whose chain was seen, and where its path leads under one set of stores. */
interface View {
  readonly seen: SeenServer
  /** What the gateway says of it, exceptions aside. */
  readonly code: VerdictCode
  readonly material: ComposedTrust
  readonly judgement: Judgement
  /** Under other trust, with no more borrowed than this path has: its server will send that, and nothing else. */
  readonly judged: (trusted: ComposedTrust) => Judgement
}

/**
 * Exceptions are left aside, as they end. What the runtime finds counts; where that comes to no end, the standard's search may
 * borrow what was seen elsewhere to show where the path leads.
 */
function viewsOf(seen: readonly SeenServer[], stores: Stores, { issuers }: Known, now: number): readonly View[] {
  return seen.flatMap((one): View[] => {
    const { server, served, trust, fetched } = one
    if (served === null) return []
    const material = composed(trust, stores)
    const own = judge(inputFor(server, served, material, now, 'ignored'))
    const common = { seen: one, code: own.code, material }
    const input = (trusted: ComposedTrust): JudgeInput => inputFor(server, served, trusted, now, 'ignored')
    if (own.complete) return [{ ...common, judgement: own, judged: (trusted) => judge(input(trusted)) }]
    const bridged = (trusted: ComposedTrust, borrowed: readonly Certificate[]): Judgement =>
      judge({ ...input(trusted), mode: 'rfc5280', fetched: borrowed })
    const judgement = bridged(material, [...fetched, ...issuers])
    const used = judgement.path.flatMap(({ certificate, origin }) => (origin === 'fetched' ? certificate : []))
    return [{ ...common, judgement, judged: (trusted) => bridged(trusted, used) }]
  })
}

/**
 * Whose paths end in the anchor, and of whom that cannot be told. What else is wrong with a server is left aside: mended, it
 * would need the anchor again.
 */
function usesOf(
  anchor: Certificate,
  views: readonly View[],
  rest: (trust: readonly string[]) => ComposedTrust,
  roots: readonly Certificate[],
): Pick<AnchorUse, 'hanging' | 'undecided'> {
  const hanging: Dependent[] = []
  const undecided: Undecided[] = []
  for (const { seen, code, material, judgement, judged } of views) {
    const at = { target: seen.server.target, server: seen.server.name, code }
    const held = anchorOf(judgement)
    if (held === null) {
      const issuer = openEnd(judgement, anchor, material, roots)
      if (issuer !== null) undecided.push({ ...at, issuer })
      continue
    }
    if (held.sha256 !== anchor.sha256) continue
    const left = rest(seen.trust)
    const other = left.anchors.length === 0 ? null : judged(left)
    const otherAnchor = other?.code === judgement.code ? anchorOf(other) : null
    hanging.push({
      ...at,
      until: endOf(judgement.path.map(({ certificate }) => certificate)),
      otherwise: otherAnchor === null ? null : refOf(otherAnchor),
    })
  }
  return { hanging, undecided }
}

/**
 * Who issued the end of a path that reaches no anchor, where that may lead to this one; null where it cannot. A root leads to
 * nobody else, and a name that is another anchor's leads to that one.
 */
function openEnd(
  { path }: Judgement,
  anchor: Certificate,
  { anchors }: ComposedTrust,
  roots: readonly Certificate[],
): string | null {
  const top = path.at(-1)?.certificate
  if (top === undefined) return ''
  if (top.selfSignedForm) return null
  // Another key or a bad signature: no path as it stands, and yet that anchor is meant.
  const named = anchors.filter(({ subject }) => sameName(subject, top.issuer))
  if (named.length > 0)
    return named.some(({ sha256 }) => sha256 === anchor.sha256) ? renderName(top.issuer, 'edge') : null
  return isRootsName(top, roots) ? null : renderName(top.issuer, 'edge')
}

/** Whether the issuer is a root, by what is known elsewhere, by the authority key identifier (RFC 5280 4.2.1.1) or by its name. */
function isRootsName(top: Certificate, roots: readonly Certificate[]): boolean {
  const { issuer, authorityKey } = top
  if (roots.some((root) => couldIssue(root, top))) return true
  if (authorityKey?.issuer) return sameName(authorityKey.issuer, issuer)
  return /\broot\b/i.test(commonNameOf(issuer) ?? '')
}

/** What tells where a path leads that comes to no end by itself. */
interface Known {
  readonly issuers: readonly Certificate[]
  readonly roots: readonly Certificate[]
}

/** I10: issuers that are tried. */
const maxIssuers = 2000

/** CAs that other servers send or point to, and those of all stores: whoever left one out may hang on the same. */
function knownFrom(seen: readonly SeenServer[], stores: Stores): Known {
  const held = knownCertificates(stores)
  const issuers = new Map<string, Certificate>()
  const add = (certificate: Certificate | null): void => {
    if (certificate?.basicConstraints?.ca === true && !certificate.selfSignedForm && issuers.size < maxIssuers)
      issuers.set(certificate.sha256, certificate)
  }
  for (const { served, fetched } of seen) {
    for (const { certificate } of served ?? []) add(certificate)
    for (const certificate of fetched) add(certificate)
  }
  for (const { certificate, anchor } of held) if (!anchor) add(certificate)
  return {
    issuers: [...issuers.values()],
    roots: held.flatMap(({ certificate, anchor }) => (anchor ? certificate : [])),
  }
}

/** Of one store only: what another store of the target holds stays trusted. */
function composedWithout(
  trust: readonly string[],
  stores: Stores,
  store: string,
  { sha256: out }: Certificate,
): ComposedTrust {
  const whole = stores.get(store)
  if (whole === undefined) return composed(trust, stores)
  const rest = { ...whole, anchors: whole.anchors.filter(({ sha256 }) => sha256 !== out) }
  return composed(trust, new Map([...stores, [store, rest]]))
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
