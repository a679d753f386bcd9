import { contextTag, type DerElement, DerReader, tags } from './der.ts'
import { readOid } from './der-values.ts'
import { hashAlgorithms, rsaPssOid, signatureAlgorithms } from './oids.ts'

export interface SignatureAlgorithm {
  readonly oid: string
  /** OpenSSL's name, or the OID where it has none here. */
  readonly name: string
  /** Lower case, `sha256`; null where the algorithm has its own or is unknown. */
  readonly hash: string | null
}

/** AlgorithmIdentifier of a signature, RFC 5280 section 4.1.1.2; RSASSA-PSS keeps its hash in the parameters (RFC 4055). */
export function readSignatureAlgorithm(element: DerElement): SignatureAlgorithm {
  const reader = new DerReader(element, 'signature algorithm', tags.sequence)
  const oid = readOid(reader.next('signature algorithm'), 'signature algorithm')
  const parameters = reader.done ? null : reader.next('signature parameters')
  const known = signatureAlgorithms[oid]
  const hash = oid === rsaPssOid && parameters !== null ? pssHash(parameters) : (known?.hash ?? null)
  return { oid, name: known?.name ?? oid, hash }
}

function pssHash(parameters: DerElement): string | null {
  const wrapper = new DerReader(parameters, 'PSS parameters', tags.sequence).optional('hash', contextTag(0, true))
  if (wrapper === null) return 'sha1'
  const identifier = new DerReader(new DerReader(wrapper, 'PSS hash').next('PSS hash'), 'PSS hash', tags.sequence)
  return hashAlgorithms[readOid(identifier.next('PSS hash'), 'PSS hash')] ?? null
}
