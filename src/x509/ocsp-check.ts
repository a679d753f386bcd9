import { hash } from 'node:crypto'

import type { Certificate } from './certificate.ts'
import { issued } from './issued.ts'
import { sameName } from './name.ts'
import type { OcspAnswer, OcspResponse, SingleResponse } from './ocsp.ts'
import { verifySignature } from './signature.ts'

export interface OcspCheck {
  readonly outcome: 'good' | 'revoked' | 'unknown' | 'invalid'
  /** Why it is invalid, or why it was revoked where the responder says so; '' otherwise. */
  readonly reason: string
  /** Milliseconds since the epoch; null where the response does not come to that. */
  readonly thisUpdate: number | null
  readonly nextUpdate: number | null
  readonly revokedAt: number | null
}

interface Question {
  readonly leaf: Certificate
  readonly issuer: Certificate
  /** Milliseconds since the epoch. */
  readonly time: number
}

/** Clocks differ; the same as the tools of OpenSSL allow. */
const skewMs = 5 * 60_000
/** Without a nextUpdate there is always something newer (RFC 6960 section 4.2.2.1), and a stapled answer may be any age. */
export const maxAgeMs = 7 * 24 * 3600_000
const ocspSigning = '1.3.6.1.5.5.7.3.9'

/** What a response says of the leaf, once certificate, window, responder and signature are right (RFC 6960 section 3.2). */
export function checkStapledOcsp(response: OcspResponse, question: Question): OcspCheck {
  if (response.status !== 'successful') return invalid(`the responder answered ${response.status}`)
  const single = response.responses.find(({ certificateId }) => isAbout(certificateId, question))
  if (single === undefined) return invalid('it is about another certificate')
  const { thisUpdate, nextUpdate, revokedAt } = single
  const fault =
    windowFault(single, question.time) ?? authorityFault(response, question) ?? extensionFault(response, single)
  if (fault !== null) return { ...invalid(fault), thisUpdate, nextUpdate }
  return { outcome: single.status, reason: single.reason ?? '', thisUpdate, nextUpdate, revokedAt }
}

const invalid = (reason: string): OcspCheck => ({
  outcome: 'invalid',
  reason,
  thisUpdate: null,
  nextUpdate: null,
  revokedAt: null,
})

function isAbout(id: SingleResponse['certificateId'], { leaf, issuer }: Question): boolean {
  // RFC 6960 section 4.1.1: of the issuer's name as the certificate has it, and of its key's bits.
  return (
    id.hash !== null &&
    id.serialBytes.equals(leaf.serialBytes) &&
    id.issuerNameHash.equals(digest(id.hash, issuer.subject.der)) &&
    id.issuerKeyHash.equals(digest(id.hash, issuer.publicKey.keyBytes))
  )
}

function windowFault({ thisUpdate, nextUpdate }: SingleResponse, time: number): string | null {
  if (thisUpdate > time + skewMs) return `it is valid from ${at(thisUpdate)} only`
  if (nextUpdate === null) {
    return time - thisUpdate > maxAgeMs ? `it is of ${at(thisUpdate)} and does not say how long it is valid` : null
  }
  return nextUpdate + skewMs < time ? `it ended ${at(nextUpdate)}` : null
}

/** RFC 6960 section 4.2.2.2: the issuer itself, or whom the issuer has allowed to answer by a certificate of its own. */
function authorityFault(answer: OcspAnswer, { issuer, time }: Question): string | null {
  if (isResponder(answer, issuer)) return signatureFault(answer, issuer)
  const delegate = answer.certificates.find((candidate) => isResponder(answer, candidate))
  if (delegate === undefined) return 'neither the issuer signed it nor anybody whose certificate it holds'
  if (delegate.defects.some(({ kind }) => kind === 'encoding')) return "its responder's certificate is malformed"
  if (delegate.unknownCriticalExtensions.length > 0)
    return "its responder's certificate has unknown critical extensions"
  if (!issued(issuer, delegate)) return "its responder's certificate is not issued by the issuer of the leaf"
  if (delegate.extendedKeyUsage?.includes(ocspSigning) !== true) return 'its responder may not sign OCSP responses'
  if (delegate.keyUsage !== null && !delegate.keyUsage.has('digitalSignature')) return 'its responder may not sign'
  if (time < delegate.notBefore || time > delegate.notAfter) return "its responder's certificate is not valid now"
  return signatureFault(answer, delegate)
}

function isResponder({ responderId }: OcspAnswer, { subject, publicKey }: Certificate): boolean {
  return responderId.kind === 'name'
    ? sameName(responderId.name, subject)
    : responderId.hash.equals(digest('sha1', publicKey.keyBytes))
}

function signatureFault(answer: OcspAnswer, signer: Certificate): string | null {
  switch (verifySignature(signer.publicKey, answer)) {
    case 'good':
      return null
    case 'bad':
      return 'its signature is wrong'
    default:
      return `its signature (${answer.signatureAlgorithm.name}) cannot be verified here`
  }
}

/** The extensions of responses carry no limits that a client would have to heed; an unknown critical one may. */
function extensionFault(answer: OcspAnswer, single: SingleResponse): string | null {
  const critical = [...answer.extensions, ...single.extensions].find((extension) => extension.critical)
  if (critical !== undefined) return `it has the critical extension ${critical.oid}`
  return answer.defects.some(({ kind, field }) => kind === 'encoding' && field !== 'certificates' && field !== 'reason')
    ? 'it is malformed'
    : null
}

const digest = (algorithm: string, bytes: Buffer): Buffer => hash(algorithm, bytes, 'buffer')

const at = (time: number): string => new Date(time).toISOString()
