import type { Certificate } from '../x509/certificate.ts'
import { couldIssue, issued } from '../x509/issued.ts'

export interface OwnChain {
  /** From the leaf upwards; a peer reads the list in this order (RFC 8446 section 4.4.2, RFC 5246 section 7.4.2). */
  readonly chain: readonly Certificate[]
  /** What does not belong to the chain of the leaf, as given. */
  readonly left: readonly Certificate[]
  /** The order was another one. */
  readonly reordered: boolean
}

/** The chain of `leaf`, of the certificates that were given with it. */
export function ownChain(leaf: Certificate, given: readonly Certificate[]): OwnChain {
  const chain = [leaf]
  const left = new Set(given)
  left.delete(leaf)
  for (let child = leaf; !child.selfSigned && chain.length < longest; ) {
    const candidates = [...left].filter((candidate) => couldIssue(candidate, child)).slice(0, mostCandidates)
    const issuer = candidates.find((candidate) => issued(candidate, child))
    if (issuer === undefined) break
    left.delete(issuer)
    chain.push(issuer)
    child = issuer
  }
  const kept = given.filter((certificate) => !left.has(certificate))
  return { chain, left: [...left], reordered: kept.some((certificate, index) => certificate !== chain[index]) }
}

/** I10: signatures are verified on the way up, and a file may name all of its certificates alike. */
const longest = 16
const mostCandidates = 8
