import type { Certificate } from './certificate.ts'
import { sameName } from './name.ts'
import { rsaPssOid, signatureAlgorithms } from './oids.ts'
import { verifySignature } from './signature.ts'

type IssuerFacts = Pick<Certificate, 'subject' | 'issuer' | 'serial' | 'subjectKeyId' | 'publicKey'>
type SubjectFacts = Pick<Certificate, 'issuer' | 'authorityKey' | 'signatureAlgorithm'>

/**
 * Whether OpenSSL would take `issuer` as a candidate for `subject` (`X509_check_issued` without the key usage part): names
 * equal, every field of the authority key identifier that is present agrees, and the key is of the kind that signed.
 */
export function couldIssue(issuer: IssuerFacts, subject: SubjectFacts): boolean {
  if (!sameName(issuer.subject, subject.issuer)) return false
  const authority = subject.authorityKey
  if (authority?.keyId && issuer.subjectKeyId !== null && authority.keyId !== issuer.subjectKeyId) return false
  if (authority?.serial && authority.serial !== issuer.serial) return false
  if (authority?.issuer && !sameName(authority.issuer, issuer.issuer)) return false
  return keyFits(issuer.publicKey.algorithm, subject.signatureAlgorithm.oid)
}

/** `couldIssue`, and the signature is really the issuer's. Unproved is not proved. */
export const issued = (issuer: Certificate, subject: Certificate): boolean =>
  couldIssue(issuer, subject) && verifySignature(issuer.publicKey, subject) === 'good'

// OpenSSL's `check_sig_alg_match`. Algorithms unknown here are left to the signature itself.
function keyFits(key: string, signatureOid: string): boolean {
  const needs = signatureAlgorithms[signatureOid]?.key
  if (needs === undefined) return true
  return key === needs || (key === 'rsa-pss' && signatureOid === rsaPssOid)
}
