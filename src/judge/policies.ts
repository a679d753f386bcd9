import type { Certificate } from '../x509/certificate.ts'
import { labelOf } from './certificate-ref.ts'
import { type FaultFinding, fault } from './fault.ts'
import type { PolicyInput } from './types.ts'
import type { Work } from './work.ts'

/** Node of the valid policy graph: one policy at one depth. */
interface PolicyNode {
  readonly policy: string
  readonly expected: ReadonlySet<string>
  readonly parents: readonly PolicyNode[]
}

type Level = Map<string, PolicyNode>

export interface PolicyOutcome {
  /** RFC 5280 section 6.1.5 (g): the policies that the path is valid for, `anyPolicy` for all; empty for none. */
  readonly policies: readonly string[]
  readonly faults: readonly FaultFinding[]
}

const anyPolicy = '2.5.29.32.0'

/** What RFC 5280 section 6.1.1 has where nobody asks for more. */
export const anyPolicyInput: PolicyInput = {
  initial: [anyPolicy],
  requireExplicit: false,
  inhibitMapping: false,
  inhibitAny: false,
}

// I10. Mappings of many policies to many grow as their product.
const maxWork = 20_000

/**
 * Policy processing of RFC 5280 section 6.1 with the graph of RFC 9618, which grows with the certificates where the tree
 * grows exponentially. `path` is leaf first and without the anchor, which states no policies to itself.
 */
export function checkPolicies(
  path: readonly Certificate[],
  input: PolicyInput,
  work: Pick<Work, 'compare'>,
): PolicyOutcome {
  const count = path.length
  let explicit = input.requireExplicit ? 0 : count + 1
  let mapping = input.inhibitMapping ? 0 : count + 1
  let inhibitAny = input.inhibitAny ? 0 : count + 1
  const root: PolicyNode = { policy: anyPolicy, expected: new Set([anyPolicy]), parents: [] }
  /** null: no policy is left that holds for the whole path. */
  let levels: Level[] | null = [new Map([[anyPolicy, root]])]
  let size = 0
  let affordable = true

  for (let at = count - 1; at >= 0; at -= 1) {
    const certificate = path[at] as Certificate
    const isLeaf = at === 0
    const place = { at, certificate }
    if (levels !== null) {
      const above = levels.at(-1) as Level
      const anyCounts = inhibitAny > 0 || (!isLeaf && certificate.selfIssued)
      const level =
        certificate.policies === null
          ? new Map<string, PolicyNode>()
          : nextLevel(certificate.policies, above, anyCounts)
      const edges = edgesOf(level)
      size += edges
      affordable = work.compare(edges)
      levels = level.size === 0 ? null : [...levels, level]
    }
    if (size > maxWork || !affordable) {
      return {
        policies: [],
        faults: [fault('too-complex', place, 'The certificate policies are too many to process', { limit: maxWork })],
      }
    }
    if (explicit === 0 && levels === null)
      return violated(place, 'no certificate policy is valid for the path up to it')
    if (isLeaf) {
      if (explicit > 0) explicit -= 1
      if (certificate.policyConstraints?.requireExplicit === 0) explicit = 0
      break
    }
    const mappings = certificate.policyMappings ?? []
    if (mappings.some(({ issuerDomain, subjectDomain }) => issuerDomain === anyPolicy || subjectDomain === anyPolicy)) {
      return violated(place, 'it maps to or from anyPolicy (RFC 5280 section 4.2.1.5)')
    }
    if (levels !== null && mappings.length > 0) levels = applyMappings(levels, mappings, mapping > 0)
    if (!certificate.selfIssued) {
      if (explicit > 0) explicit -= 1
      if (mapping > 0) mapping -= 1
      if (inhibitAny > 0) inhibitAny -= 1
    }
    const constraints = certificate.policyConstraints
    explicit = Math.min(explicit, constraints?.requireExplicit ?? explicit)
    mapping = Math.min(mapping, constraints?.inhibitMapping ?? mapping)
    inhibitAny = Math.min(inhibitAny, certificate.inhibitAnyPolicy ?? inhibitAny)
  }

  const policies = levels === null ? [] : constrainedSet(levels, input.initial)
  if (explicit > 0 || policies.length > 0) return { policies, faults: [] }
  return violated(
    { at: 0, certificate: path[0] as Certificate },
    'the path is valid for none of the policies that are asked for',
  )
}

function violated(place: { at: number; certificate: Certificate }, why: string): PolicyOutcome {
  const { policies, subject } = place.certificate
  const presented = (policies ?? []).map(({ oid }) => oid)
  return {
    policies: [],
    faults: [
      fault('policy-violation', place, `Certificate policies refuse "${labelOf(subject)}": ${why}`, {
        policies: presented,
        because: why,
      }),
    ],
  }
}

/** RFC 5280 section 6.1.3 (d), RFC 9618 section 5.2. */
function nextLevel(policies: NonNullable<Certificate['policies']>, above: Level, anyCounts: boolean): Level {
  const level: Level = new Map()
  const parentsOf = expectedBy(above)
  const any = above.get(anyPolicy)
  for (const { oid } of policies) {
    if (oid === anyPolicy) continue
    const parents = parentsOf.get(oid) ?? (any === undefined ? [] : [any])
    if (parents.length > 0) level.set(oid, { policy: oid, expected: new Set([oid]), parents })
  }
  if (anyCounts && policies.some(({ oid }) => oid === anyPolicy)) {
    for (const [oid, parents] of parentsOf) {
      if (!level.has(oid)) level.set(oid, { policy: oid, expected: new Set([oid]), parents })
    }
  }
  return level
}

function expectedBy(level: Level): Map<string, PolicyNode[]> {
  const found = new Map<string, PolicyNode[]>()
  for (const node of level.values()) {
    for (const oid of node.expected) {
      const list = found.get(oid)
      if (list === undefined) found.set(oid, [node])
      else list.push(node)
    }
  }
  return found
}

/** RFC 5280 section 6.1.4 (b). */
function applyMappings(
  levels: Level[],
  mappings: NonNullable<Certificate['policyMappings']>,
  allowed: boolean,
): Level[] | null {
  const level = new Map(levels.at(-1) as Level)
  const byIssuer = Map.groupBy(mappings, ({ issuerDomain }) => issuerDomain)
  const any = level.get(anyPolicy)
  for (const [policy, group] of byIssuer) {
    if (!allowed) {
      level.delete(policy)
      continue
    }
    const node = level.get(policy)
    const expected = new Set(group.map(({ subjectDomain }) => subjectDomain))
    if (node !== undefined) level.set(policy, { ...node, expected })
    else if (any !== undefined) level.set(policy, { policy, expected, parents: any.parents })
  }
  return level.size === 0 ? null : [...levels.slice(0, -1), level]
}

const edgesOf = (level: Level): number => {
  let edges = 0
  for (const { parents } of level.values()) edges += 1 + parents.length
  return edges
}

/**
 * RFC 5280 section 6.1.5 (g): the policies as the first CA below anyPolicy named them, as far as they reach the leaf, cut
 * down to those that the user asks for.
 */
function constrainedSet(levels: readonly Level[], initial: readonly string[]): readonly string[] {
  let reached = new Set<PolicyNode>((levels.at(-1) as Level).values())
  const valid = new Set<string>()
  let anyAtEnd = (levels.at(-1) as Level).has(anyPolicy)
  while (reached.size > 0) {
    const parents = new Set<PolicyNode>()
    for (const node of reached) {
      for (const parent of node.parents) {
        if (parent.policy === anyPolicy && node.policy !== anyPolicy) valid.add(node.policy)
        parents.add(parent)
      }
    }
    reached = parents
  }
  if (levels.length === 1) anyAtEnd = true
  if (initial.includes(anyPolicy)) return anyAtEnd ? [...valid, anyPolicy] : [...valid]
  return anyAtEnd ? [...new Set(initial)] : initial.filter((policy) => valid.has(policy))
}
