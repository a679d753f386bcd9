import type { FaultFinding } from './fault.ts'
import type { IssuersOf, Link } from './links.ts'
import type { Candidate, Pool } from './pool.ts'
import { limits, type Work } from './work.ts'

/** A path that was validated. `broken`: places whose signature could not be verified with the key above. */
export interface Validated {
  readonly path: readonly Candidate[]
  readonly faults: readonly FaultFinding[]
}

export interface SearchResult {
  /** Faultless, or else the best of the complete ones; null where no path reaches an anchor. */
  readonly complete: Validated | null
  /** Where no path is complete: the one that comes furthest. */
  readonly furthest: readonly Candidate[]
  readonly furthestLinks: readonly Link[]
  /** Complete paths seen, up to two: enough to say that there is a choice. */
  readonly choices: number
  /** Not every path could be tried. */
  readonly truncated: boolean
}

/** What the rules say. `ofCertificate` must not depend on the rest of the path. */
export interface Rules {
  /** Cheap, and the same in every path: such a certificate is passed over while a faultless path is looked for. */
  ofCertificate(candidate: Candidate, isLeaf: boolean): readonly FaultFinding[]
  ofPath(path: readonly Candidate[], links: readonly Link[]): readonly FaultFinding[]
}

/**
 * Looks for a faultless path, then for the best explanation. The first search steps only on certificates without a fault
 * of their own and on verified signatures, so that a crowd of expired or foreign cross-signs costs nothing; the second
 * takes everything, and stops early, because it only explains.
 */
export function search(pool: Pool, issuersOf: IssuersOf, rules: Rules, work: Work): SearchResult {
  const known = new Map<Candidate, boolean>()
  const sound = (candidate: Candidate): boolean => {
    let answer = known.get(candidate)
    if (answer === undefined) {
      answer = candidate.origin !== 'fetched' && rules.ofCertificate(candidate, candidate === pool.leaf).length === 0
      known.set(candidate, answer)
    }
    return answer
  }
  const mayComplete = sound(pool.leaf) && namesReachAnchor(pool)
  const passable = ({ issuer, signature }: Link): boolean => signature === 'good' && sound(issuer)
  const first = mayComplete ? walk(pool.leaf, issuersOf, rules, limits.paths, (links) => links.filter(passable)) : null
  if (first?.best?.faults.length === 0) {
    return { complete: first.best, furthest: [], furthestLinks: [], choices: first.choices, truncated: false }
  }
  const second = walk(pool.leaf, issuersOf, rules, explanations, (links) =>
    links.toSorted((one, other) => Number(passable(other)) - Number(passable(one))),
  )
  // Where the leaf has a fault of its own, or no name leads to an anchor, what was not tried could not change that.
  const truncated = mayComplete && (first?.truncated === true || work.exhausted)
  return { ...second, complete: second.best, truncated }
}

/** Whether names alone lead to an anchor. Where they do not, no work on signatures could: nothing was left untried. */
function namesReachAnchor(pool: Pool): boolean {
  if (pool.leaf.origin === 'anchor') return true
  const seen = new Set<string>()
  const open = [pool.leaf.certificate.issuer.canonical]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name)) continue
    seen.add(name)
    for (const { certificate, origin } of pool.named(name)) {
      if (origin === 'anchor') return true
      if (origin !== 'fetched') open.push(certificate.issuer.canonical)
    }
  }
  return false
}

/** Complete paths compared for the best explanation. */
const explanations = 16
/** Steps of one walk; a step is a link looked at. */
const maxSteps = 4096

interface Walk {
  readonly best: Validated | null
  readonly furthest: readonly Candidate[]
  readonly furthestLinks: readonly Link[]
  readonly choices: number
  readonly truncated: boolean
}

function walk(
  leaf: Candidate,
  issuersOf: IssuersOf,
  rules: Rules,
  maxPaths: number,
  choose: (links: readonly Link[]) => readonly Link[],
): Walk {
  let best: (Validated & { readonly score: number }) | null = null
  let furthest: readonly Candidate[] = []
  let furthestLinks: readonly Link[] = []
  let furthestScore = -1
  let steps = 0
  let paths = 0
  let done = false
  let truncated = false
  const path: Candidate[] = []
  const links: Link[] = []
  const onPath = new Set<string>()

  /** A certificate with the name and the key of the leaf that is no CA is another state of the leaf, and issued nothing. */
  const isLeafAgain = ({ ca, certificate }: Candidate): boolean =>
    ca === leaf.ca && (certificate.sha256 === leaf.certificate.sha256 || certificate.basicConstraints?.ca !== true)

  const complete = (): void => {
    paths += 1
    const faults = rules.ofPath(path, links)
    const score = scoreOf(path, links, faults)
    if (best === null || score < best.score) best = { path: [...path], faults, score }
    if (paths >= maxPaths) {
      truncated = true
      done = true
    }
    // One more is looked for beside a faultless path, to know whether there is a choice.
    if (best.faults.length === 0 && paths > 1) done = true
  }

  const deadEnd = (): void => {
    const score = furthestScoreOf(path, links)
    if (score <= furthestScore) return
    furthestScore = score
    furthest = [...path]
    furthestLinks = [...links]
  }

  const visit = (candidate: Candidate): void => {
    path.push(candidate)
    // The leaf is no CA of the path, though it may have the name and the key of the one that issued it.
    if (path.length > 1) onPath.add(candidate.ca)
    if (candidate.origin === 'anchor') complete()
    // An anchor that is also the leaf may have a better path above it.
    if (candidate.origin !== 'anchor' || (path.length === 1 && best?.faults.length !== 0)) climb(candidate)
    onPath.delete(candidate.ca)
    path.pop()
  }

  const climb = (candidate: Candidate): void => {
    let climbed = false
    const above = path.length < limits.pathLength ? choose(issuersOf(candidate)) : []
    for (const link of above) {
      if (done) break
      // The same CA twice is a detour: whatever stands above its second certificate could stand above the first.
      if (onPath.has(link.issuer.ca) || isLeafAgain(link.issuer)) continue
      steps += 1
      if (steps > (best?.faults.length === 0 ? secondLook : maxSteps)) {
        truncated = true
        done = true
        break
      }
      climbed = true
      links.push(link)
      visit(link.issuer)
      links.pop()
    }
    if (!climbed && candidate.origin !== 'anchor') deadEnd()
  }

  visit(leaf)
  const found = best as Validated | null
  return { best: found, furthest, furthestLinks, choices: paths, truncated: truncated && found?.faults.length !== 0 }
}

/** Steps spent on finding a second path once there is a good one. */
const secondLook = 32

/** Lower is better: a path without borrowed certificates, then one without doubtful signatures, then with fewer faults. */
function scoreOf(path: readonly Candidate[], links: readonly Link[], faults: readonly FaultFinding[]): number {
  const fetched = path.filter(({ origin }) => origin === 'fetched').length
  const doubtful = links.filter(({ signature }) => signature !== 'good').length
  return fetched * 1e6 + doubtful * 1e4 + faults.length * 100 + path.length
}

/** Higher is further: verified before doubtful, served before fetched, ending in a root before ending in the open. */
function furthestScoreOf(path: readonly Candidate[], links: readonly Link[]): number {
  const top = path.at(-1) as Candidate
  const doubtful = links.filter(({ signature }) => signature !== 'good').length
  return (doubtful === 0 ? 1e6 : 0) + (top.certificate.selfSignedForm ? 1e4 : 0) + path.length
}
