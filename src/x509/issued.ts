import { X509Certificate } from 'node:crypto'

import type { Certificate } from './certificate.ts'
import { sameName } from './name.ts'
import { rsaPssOid, signatureAlgorithms } from './oids.ts'

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

/** `couldIssue`, and the signature is really the issuer's. */
export const issued = (issuer: Certificate, subject: Certificate): boolean =>
  couldIssue(issuer, subject) && signatureVerifies(issuer.der, subject.der)

/** False as well where the runtime cannot read the key or does not know the algorithm: unproved is not proved. */
export function signatureVerifies(issuerDer: Buffer, subjectDer: Buffer): boolean {
  try {
    return new X509Certificate(subjectDer).verify(new X509Certificate(issuerDer).publicKey)
  } catch {
    return false
  }
}

// OpenSSL's `check_sig_alg_match`. Algorithms unknown here are left to the signature itself.
function keyFits(key: string, signatureOid: string): boolean {
  const needs = signatureAlgorithms[signatureOid]?.key
  if (needs === undefined) return true
  return key === needs || (key === 'rsa-pss' && signatureOid === rsaPssOid)
}
