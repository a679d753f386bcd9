import type { Certificate } from '../x509/certificate.ts'
import { rsaPssOid, signatureAlgorithms } from '../x509/oids.ts'
import type { Candidate, Pool } from './pool.ts'
import type { Work } from './work.ts'

/** One step up. `doubtful`: names and key identifiers agree, and yet the signature could not be verified with the key. */
export interface Link {
  readonly issuer: Candidate
  readonly signature: 'good' | 'bad' | 'unsupported'
}

/** Who issued a certificate, best candidates first. Asking again costs nothing. */
export type IssuersOf = (subject: Candidate) => readonly Link[]

export function createLinks(pool: Pool, work: Work): IssuersOf {
  const found = new Map<string, readonly Link[]>()
  return (subject) => {
    const known = found.get(subject.certificate.sha256)
    if (known !== undefined) return known
    const links = findIssuers(subject.certificate, pool, work)
    found.set(subject.certificate.sha256, links)
    return links
  }
}

/**
 * A signature is made with one key, so the certificates of the first key that verifies are all the issuers there are, and
 * a crowd of namesakes costs one verification for each key and not for each certificate (I10). Key identifiers only
 * decide which key is tried first: RFC 5280 gives them no other meaning.
 */
function findIssuers(subject: Certificate, pool: Pool, work: Work): readonly Link[] {
  const byKey = new Map<string, Candidate[]>()
  for (const candidate of pool.named(subject.issuer.canonical)) {
    if (!work.consider()) break
    if (candidate.certificate.sha256 === subject.sha256) continue
    const group = byKey.get(candidate.key)
    if (group === undefined) byKey.set(candidate.key, [candidate])
    else group.push(candidate)
  }
  const groups = [...byKey.values()].sort((one, other) => keyIdRank(one, subject) - keyIdRank(other, subject))
  const doubtful: Link[] = []
  for (const group of groups) {
    const { certificate } = group[0] as Candidate
    const rank = keyIdRank(group, subject)
    const fits = keyFits(certificate, subject)
    const signature = fits ? work.verify(certificate, subject) : 'bad'
    if (signature === 'good') {
      const ranked = group.map((issuer) => ({ issuer, signature, rank: group.length > 1 ? nearness(issuer, pool) : 0 }))
      return ranked.sort((one, other) => one.rank - other.rank).map(({ issuer }) => ({ issuer, signature }))
    }
    // A bad signature with a key that nothing ties to it is no forgery but another key of the same name.
    if ((signature === 'bad' && rank === 0) || (signature === 'unsupported' && rank < 2)) {
      doubtful.push(...group.map((issuer) => ({ issuer, signature })))
    }
  }
  return doubtful
}

/** 0: the key identifiers agree; 1: they say nothing; 2: they differ. */
function keyIdRank(group: readonly Candidate[], { authorityKeyId }: Certificate): number {
  if (authorityKeyId === null) return 1
  const ids = group.map(({ certificate }) => certificate.subjectKeyId)
  if (ids.includes(authorityKeyId)) return 0
  return ids.includes(null) ? 1 : 2
}

const keyFits = (issuer: Certificate, subject: Certificate): boolean => {
  const needs = signatureAlgorithms[subject.signatureAlgorithm.oid]?.key
  const { algorithm } = issuer.publicKey
  if (needs === undefined || algorithm === needs) return true
  // Kinds of key without a name here are left to the signature.
  return /^\d/.test(algorithm) || (algorithm === 'rsa-pss' && subject.signatureAlgorithm.oid === rsaPssOid)
}

const originRank = { anchor: 0, served: 1, stored: 2, fetched: 3 } as const

/** Anchors first, then what is one step below an anchor by name, so that short paths are found before long ones. */
function nearness({ certificate, origin }: Candidate, pool: Pool): number {
  const near = pool.named(certificate.issuer.canonical).some((above) => above.origin === 'anchor')
  return originRank[origin] + (origin === 'anchor' || near ? 0 : 10)
}
