import type { Certificate } from '../x509/certificate.ts'
import { issued } from '../x509/issued.ts'

/**
 * The order in which CA bundles are written: every certificate before the one that issued it, so leaf, issuing authorities,
 * root; what has nothing to do with each other stays in the order of the input.
 */
export function inTrustOrder(certificates: readonly Certificate[]): Certificate[] {
  const issuersOf = issuerIndex(certificates)
  const visited = new Set<Certificate>()
  const rootsFirst: Certificate[] = []
  const visit = (certificate: Certificate) => {
    // Cross-signs can form a ring; each certificate is entered once.
    if (visited.has(certificate)) return
    visited.add(certificate)
    for (const issuer of issuersOf(certificate)) visit(issuer)
    rootsFirst.push(certificate)
  }
  for (const certificate of certificates.toReversed()) visit(certificate)
  return rootsFirst.reverse()
}

/** Those of `certificates` whose issuer is not among them, and that are not their own. */
export function withoutIssuer(certificates: readonly Certificate[]): Certificate[] {
  const issuersOf = issuerIndex(certificates)
  return certificates.filter((it) => !it.selfSigned && issuersOf(it).length === 0)
}

function issuerIndex(certificates: readonly Certificate[]): (subject: Certificate) => readonly Certificate[] {
  const bySubject = Map.groupBy(certificates, (it) => it.subject.canonical)
  return (subject) =>
    (bySubject.get(subject.issuer.canonical) ?? []).filter((it) => it !== subject && issued(it, subject))
}
