import { type Clock, systemClock } from '../core/clock.ts'
import { PosternError } from '../core/errors.ts'
import type { Certificate } from '../x509/certificate.ts'
import { issued } from '../x509/issued.ts'
import { renderName } from '../x509/name.ts'
import { type Finding, finding, placeOf } from './finding.ts'
import { type LintedEntry, lintEntries } from './lint.ts'
import {
  type Environment,
  type IgnoredEntry,
  readSource,
  type SourceEntry,
  type SourceReading,
  type SourceSpec,
  sourcePaths,
  type SystemPlaces,
} from './source.ts'

export interface TrustStoreSpec {
  readonly name: string
  /** Self-signed certificates among these are anchors; under `partialChain` all of them are. */
  readonly sources: readonly SourceSpec[]
  /** Help to build a path, never anchor one. */
  readonly intermediates: readonly SourceSpec[]
  readonly partialChain: boolean
}

type TrustEntry = LintedEntry

export interface TrustStore {
  readonly name: string
  readonly anchors: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
  readonly partialChain: boolean
  /** Every certificate that was read, with its role and where it came from. */
  readonly entries: readonly TrustEntry[]
  readonly findings: readonly Finding[]
  readonly ignored: readonly IgnoredEntry[]
  readonly watch: readonly string[]
}

export interface LoadOptions {
  readonly clock?: Clock
  readonly systemPlaces?: SystemPlaces
}

/** Loads a store whole, or throws with the store, the source, the position and the reason (I3). */
export function loadTrustStore(spec: TrustStoreSpec, env: Environment, options: LoadOptions = {}): TrustStore {
  const read = (source: SourceSpec): SourceReading => readFor(spec.name, source, env, options)
  const sources = spec.sources.map((source) => ({ reading: read(source), expectTwins: isPublic(source) }))
  const helpers = spec.intermediates.map((source) => ({ reading: read(source), expectTwins: isPublic(source) }))
  const found: Found = { entries: [], findings: [], seen: new Map() }
  for (const { reading, expectTwins } of sources) {
    for (const entry of reading.entries) add(found, entry, roleOfSource(entry, spec.partialChain), expectTwins)
  }
  const noAnchors = found.entries.filter(({ role }) => role === 'intermediate')
  for (const { reading, expectTwins } of helpers) {
    for (const entry of reading.entries) add(found, entry, roleOfHelper(entry), expectTwins)
  }
  const { entries } = found
  const withRole = (role: TrustEntry['role']): Certificate[] =>
    entries.filter((entry) => entry.role === role).map(({ certificate }) => certificate)
  const anchors = withRole('anchor')
  if (anchors.length === 0) throw noAnchor(spec.name, entries)
  const readings = [...sources, ...helpers].map(({ reading }) => reading)
  return {
    name: spec.name,
    anchors,
    intermediates: withRole('intermediate'),
    partialChain: spec.partialChain,
    entries,
    findings: [
      ...found.findings,
      ...noAnchors.map((entry) => notAnAnchor(entry, entries)),
      ...lintEntries(entries, (options.clock ?? systemClock)()),
    ],
    ignored: readings.flatMap(({ ignored }) => ignored),
    watch: [...new Set(readings.flatMap(({ watch }) => watch))],
  }
}

/** What to watch for a store, also while it cannot be loaded. */
export function trustStorePaths(spec: TrustStoreSpec, env: Environment, places?: SystemPlaces): readonly string[] {
  return [...new Set([...spec.sources, ...spec.intermediates].flatMap((source) => sourcePaths(source, env, places)))]
}

interface Found {
  readonly entries: TrustEntry[]
  readonly findings: Finding[]
  readonly seen: Map<string, TrustEntry>
}

interface Role {
  readonly role: TrustEntry['role']
  readonly finding: Finding | null
}

function add(found: Found, entry: SourceEntry, { role, finding: reason }: Role, expectTwin: boolean): void {
  const twin = found.seen.get(entry.certificate.sha256)
  if (twin !== undefined) {
    if (expectTwin) return
    const text = `is in the store twice: ${placeOf(twin.provenance)} and ${placeOf(entry.provenance)}`
    found.findings.push(finding('duplicate', 'info', entry, text))
    return
  }
  const placed: TrustEntry = { ...entry, role }
  found.seen.set(entry.certificate.sha256, placed)
  found.entries.push(placed)
  if (reason !== null) found.findings.push(reason)
}

function roleOfSource(entry: SourceEntry, partialChain: boolean): Role {
  const { certificate } = entry
  if (certificate.selfSigned) return { role: 'anchor', finding: null }
  if (certificate.selfSignedForm) {
    // Neither role is safe: OpenSSL would anchor it without a look at its signature.
    const text = 'looks self-signed, but its signature does not verify with its own key; it is left out'
    return { role: 'left-out', finding: finding('bad-self-signature', 'error', entry, text) }
  }
  if (partialChain) return { role: 'anchor', finding: null }
  return { role: 'intermediate', finding: null }
}

/** A bundle of a root and what it has issued is in order; one without the root trusts less than it seems to. */
function notAnAnchor(entry: TrustEntry, entries: readonly TrustEntry[]): Finding {
  const { certificate } = entry
  const issuer = `"${renderName(certificate.issuer, 'edge')}"`
  const isCa = certificate.basicConstraints?.ca === true
  if (isCa && reachesAnchor(certificate, entries)) {
    const text = `is an intermediate: it helps to build paths to an anchor of this store; its issuer is ${issuer}`
    return finding('not-an-anchor', 'info', entry, text)
  }
  const kind = isCa ? 'an intermediate' : 'not a CA certificate'
  const text = `is ${kind}, not a root: it helps to build a path but anchors none; its issuer is ${issuer}`
  return finding('not-an-anchor', 'warning', entry, text)
}

/** Through issuers that the store holds itself. */
function reachesAnchor(certificate: Certificate, entries: readonly TrustEntry[]): boolean {
  const seen = new Set<Certificate>()
  const waiting = [certificate]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    seen.add(next)
    for (const { role, certificate: issuer } of entries) {
      if (role === 'left-out' || seen.has(issuer) || !issued(issuer, next)) continue
      if (role === 'anchor') return true
      waiting.push(issuer)
    }
  }
  return false
}

function roleOfHelper(entry: SourceEntry): Role {
  if (!entry.certificate.selfSignedForm) return { role: 'intermediate', finding: null }
  const text =
    'is self-signed: among the intermediates the runtime would take it for an anchor, so it is left out; move it to sources if you mean to trust it'
  return { role: 'left-out', finding: finding('root-among-intermediates', 'warning', entry, text) }
}

// The distribution's files repeat each other and Node's own list; only what an operator wrote twice is worth a word.
const isPublic = (source: SourceSpec): boolean => source.kind === 'system' || source.kind === 'bundled'

function readFor(store: string, source: SourceSpec, env: Environment, options: LoadOptions): SourceReading {
  try {
    return readSource(source, env, options.systemPlaces)
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    const evidence = { store, ...error.evidence }
    throw new PosternError(error.code, `trust store "${store}": ${error.message}`, { evidence, cause: error })
  }
}

function noAnchor(store: string, entries: readonly TrustEntry[]): PosternError {
  const helpers = entries.filter(({ role }) => role === 'intermediate').map(({ certificate }) => certificate)
  const names = (list: readonly Certificate[], side: 'subject' | 'issuer'): string =>
    [...new Set(list.map((certificate) => `"${renderName(certificate[side], 'edge')}"`))].slice(0, 5).join(', ')
  let message = 'has no certificates: none of its sources yields one'
  if (helpers.length > 0) {
    const subjects = new Set(helpers.map(({ subject }) => subject.canonical))
    const tops = helpers.filter(({ issuer }) => !subjects.has(issuer.canonical))
    message = `has no anchor, only ${names(helpers, 'subject')}; add the root ${names(tops, 'issuer')}, or set partialChain: true to let a path end in any entry of sources`
  } else if (entries.length > 0) {
    message = `has no anchor: ${entries.map(({ certificate }) => `"${renderName(certificate.subject, 'edge')}"`).join(', ')} left out, see its findings`
  }
  return new PosternError('trust-store-empty', `trust store "${store}" ${message}`, {
    evidence: {
      store,
      holds: entries.map(({ certificate, role }) => ({ subject: renderName(certificate.subject, 'edge'), role })),
    },
  })
}
