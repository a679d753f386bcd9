import type { Complain } from './defects.ts'
import { childrenOf, contentOf, contextTag, type DerElement, DerError, DerReader, tags } from './der.ts'
import { readCount, readOid } from './der-values.ts'
import { asciiOf, directoryName } from './general-name.ts'
import type { Name } from './name.ts'

/** RFC 5280 section 4.2.1.10. Only `minimum` 0 without a `maximum` has a meaning there. */
export type GeneralSubtree = { readonly minimum: number; readonly maximum: number | null } & (
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly value: string }
  /** Equal lengths, 4 or 16; where the encoding had another one, all its bytes are the address and the mask is empty. */
  | { readonly kind: 'ip'; readonly address: Buffer; readonly mask: Buffer }
  | { readonly kind: 'directory'; readonly name: Name }
  /** Number of the choice, as in `GeneralName`. */
  | { readonly kind: 'other'; readonly tag: number }
)

export interface NameConstraints {
  readonly permitted: readonly GeneralSubtree[]
  readonly excluded: readonly GeneralSubtree[]
}

export interface PolicyInformation {
  readonly oid: string
  readonly qualifiers: boolean
}

export interface PolicyMapping {
  readonly issuerDomain: string
  readonly subjectDomain: string
}

export interface PolicyConstraints {
  readonly requireExplicit: number | null
  readonly inhibitMapping: number | null
}

// RFC 5280 section 4.2.1.10.
export function readNameConstraints(value: DerElement, complain: Complain): NameConstraints {
  const reader = new DerReader(value, 'name constraints', tags.sequence)
  const permitted = reader.optional('permitted subtrees', contextTag(0, true))
  const excluded = reader.optional('excluded subtrees', contextTag(1, true))
  reader.finish('name constraints')
  if (permitted === null && excluded === null) complain(value.start, 'name constraints: constrain nothing', 'profile')
  return { permitted: readSubtrees(permitted, complain), excluded: readSubtrees(excluded, complain) }
}

function readSubtrees(list: DerElement | null, complain: Complain): GeneralSubtree[] {
  if (list === null) return []
  const subtrees = childrenOf(list, 'subtrees')
  if (subtrees.length === 0) complain(list.start, 'name constraints: an empty list of subtrees', 'profile')
  return subtrees.map((subtree) => {
    const reader = new DerReader(subtree, 'subtree', tags.sequence)
    const base = reader.next('base')
    const minimum = reader.optional('minimum', contextTag(0, false))
    const maximum = reader.optional('maximum', contextTag(1, false))
    reader.finish('subtree')
    return {
      ...readBase(base, complain),
      minimum: minimum === null ? 0 : readCount(minimum, 'minimum', contextTag(0, false)),
      maximum: maximum === null ? null : readCount(maximum, 'maximum', contextTag(1, false)),
    }
  })
}

type Base<T> = T extends GeneralSubtree ? Omit<T, 'minimum' | 'maximum'> : never

function readBase(element: DerElement, complain: Complain): Base<GeneralSubtree> {
  switch (element.tag) {
    case contextTag(1, false):
      return { kind: 'email', value: asciiOf(element, 'subtree', complain) }
    case contextTag(2, false):
      return { kind: 'dns', value: asciiOf(element, 'subtree', complain) }
    case contextTag(6, false):
      return { kind: 'uri', value: asciiOf(element, 'subtree', complain) }
    case contextTag(7, false): {
      const bytes = contentOf(element)
      const even = bytes.length === 8 || bytes.length === 32
      if (!even) complain(element.start, `name constraints: an address range of ${bytes.length} bytes`, 'profile')
      const half = even ? bytes.length / 2 : bytes.length
      return { kind: 'ip', address: bytes.subarray(0, half), mask: bytes.subarray(half) }
    }
    case contextTag(4, true):
      return { kind: 'directory', name: directoryName(element) }
    case contextTag(0, true):
    case contextTag(3, true):
    case contextTag(5, true):
    case contextTag(8, false):
      return { kind: 'other', tag: element.tag & 0x1f }
    default:
      throw new DerError(element.start, 'name constraints: not a GeneralName')
  }
}

// RFC 5280 section 4.2.1.4.
export function readPolicies(value: DerElement, complain: Complain): readonly PolicyInformation[] {
  const list = childrenOf(value, 'certificate policies', tags.sequence)
  if (list.length === 0) complain(value.start, 'certificate policies: names none', 'profile')
  const seen = new Set<string>()
  return list.map((information) => {
    const reader = new DerReader(information, 'policy', tags.sequence)
    const oid = readOid(reader.next('policy'), 'policy')
    const qualifiers = reader.optional('policy qualifiers', tags.sequence)
    reader.finish('policy')
    if (seen.has(oid)) complain(information.start, `certificate policies: ${oid} appears twice`, 'profile')
    seen.add(oid)
    return { oid, qualifiers: qualifiers !== null }
  })
}

// RFC 5280 section 4.2.1.5.
export function readPolicyMappings(value: DerElement, complain: Complain): readonly PolicyMapping[] {
  const list = childrenOf(value, 'policy mappings', tags.sequence)
  if (list.length === 0) complain(value.start, 'policy mappings: map nothing', 'profile')
  return list.map((mapping) => {
    const reader = new DerReader(mapping, 'policy mapping', tags.sequence)
    const issuerDomain = readOid(reader.next('issuer domain policy'), 'issuer domain policy')
    const subjectDomain = readOid(reader.next('subject domain policy'), 'subject domain policy')
    reader.finish('policy mapping')
    return { issuerDomain, subjectDomain }
  })
}

// RFC 5280 section 4.2.1.11.
export function readPolicyConstraints(value: DerElement, complain: Complain): PolicyConstraints {
  const reader = new DerReader(value, 'policy constraints', tags.sequence)
  const requireExplicit = reader.optional('requireExplicitPolicy', contextTag(0, false))
  const inhibitMapping = reader.optional('inhibitPolicyMapping', contextTag(1, false))
  reader.finish('policy constraints')
  if (requireExplicit === null && inhibitMapping === null) {
    complain(value.start, 'policy constraints: constrain nothing', 'profile')
  }
  return {
    requireExplicit:
      requireExplicit === null ? null : readCount(requireExplicit, 'requireExplicitPolicy', contextTag(0, false)),
    inhibitMapping:
      inhibitMapping === null ? null : readCount(inhibitMapping, 'inhibitPolicyMapping', contextTag(1, false)),
  }
}

// RFC 5280 section 4.2.1.14.
export const readInhibitAnyPolicy = (value: DerElement): number => readCount(value, 'inhibitAnyPolicy')
