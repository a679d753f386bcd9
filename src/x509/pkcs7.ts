import { childrenOf, contextTag, DerError, DerReader, expectTag, rawOf, readWhole, tags } from './der.ts'
import { readCount, readOid } from './der-values.ts'

export interface CertificateBag {
  /** DER, in the order of the file; the set has no meaning by order. */
  readonly certificates: readonly Buffer[]
  readonly crls: number
}

/** The certificates of a certs-only SignedData, RFC 5652 section 5.1 and RFC 2315 section 9.1. */
export function readPkcs7(der: Buffer): CertificateBag {
  const outer = new DerReader(readWhole(der), 'PKCS#7', tags.sequence)
  const type = outer.next('content type')
  if (readOid(type, 'content type') !== '1.2.840.113549.1.7.2')
    throw new DerError(type.start, 'PKCS#7 without certificates')
  const wrapper = new DerReader(outer.next('content', contextTag(0, true)), 'content')
  const signed = new DerReader(wrapper.next('signed data'), 'signed data', tags.sequence)
  readCount(signed.next('version'), 'version')
  signed.next('digest algorithms', tags.set)
  signed.next('encapsulated content', tags.sequence)
  const certificates = signed.optional('certificates', contextTag(0, true))
  const crls = signed.optional('revocation lists', contextTag(1, true))
  const signers = signed.next('signer infos', tags.set)
  signed.finish('signed data')
  wrapper.finish('content')
  outer.finish('PKCS#7')
  if (signers.end > signers.body) throw new DerError(signers.start, 'a signed message, not a list of certificates')
  const list = certificates === null ? [] : childrenOf(certificates, 'certificates')
  for (const element of list) expectTag(element, tags.sequence, 'certificate')
  return {
    certificates: list.map((element) => Buffer.from(rawOf(element))),
    crls: crls === null ? 0 : childrenOf(crls, 'revocation lists').length,
  }
}
