import { checkAnyValue } from './any-value.ts'
import { attempt, type Complain, refuse } from './defects.ts'
import { contextTag, type DerElement, DerError, DerReader, rawOf, tags } from './der.ts'
import { readBitString, readCount, readOid } from './der-values.ts'
import { hashAlgorithms, rsaPssOid, signatureAlgorithms } from './oids.ts'

export interface SignatureAlgorithm {
  readonly oid: string
  /** OpenSSL's name, or the OID where it has none here. */
  readonly name: string
  /** Lower case, `sha256`; null where the algorithm has its own or is unknown. */
  readonly hash: string | null
  /** DER of the parameters; null where they are absent. */
  readonly parameters: Buffer | null
  /** Of RSASSA-PSS (RFC 4055 section 3.1); null for everything else and where they cannot be read. */
  readonly pss: PssParameters | null
  /** The signed part names the same algorithm (RFC 5280 section 4.1.1.2); where it does not, no signature is good. */
  readonly agrees: boolean
}

interface PssParameters {
  /** Lower case; null where it is none known here. */
  readonly hash: string | null
  readonly maskHash: string | null
  readonly saltLength: number
}

/** AlgorithmIdentifier of a signature, RFC 5280 section 4.1.1.2; RSASSA-PSS keeps its hash in the parameters (RFC 4055). */
export function readSignatureAlgorithm(
  element: DerElement,
  inner: DerElement | null,
  complain: Complain = refuse,
): SignatureAlgorithm {
  const reader = new DerReader(element, 'signature algorithm', tags.sequence)
  const oid = readOid(reader.next('signature algorithm'), 'signature algorithm')
  const parameters = reader.done ? null : reader.next('signature parameters')
  reader.finish('signature algorithm')
  const known = signatureAlgorithms[oid]
  const agrees = inner === null || rawOf(inner).equals(rawOf(element))
  if (!agrees) complain(element.start, 'differs inside and outside')
  // RFC 4055 section 5, RFC 5758 section 3, RFC 8410 section 3: NULL or nothing.
  if (parameters !== null) {
    attempt(parameters, complain, (it) => checkAnyValue(it, 'signature parameters'))
    const isNull = parameters.tag === tags.null && parameters.end === parameters.body
    if (known !== undefined && oid !== rsaPssOid && !isNull) {
      complain(parameters.start, 'parameters that the algorithm does not have', 'profile')
    }
  }
  const pss = oid !== rsaPssOid ? null : parameters === null ? pssDefaults : attempt(parameters, complain, readPss)
  return {
    oid,
    name: known?.name ?? oid,
    hash: oid === rsaPssOid ? (pss?.hash ?? null) : (known?.hash ?? null),
    parameters: parameters === null ? null : Buffer.from(rawOf(parameters)),
    pss,
    agrees,
  }
}

/** The signature itself. With unused bits no verifier takes it, so that there is none to verify. */
export function readSignatureBits(element: DerElement, complain: Complain = refuse): Buffer {
  const { bytes, unused } = readBitString(element, 'signature')
  if (unused === 0) return bytes
  complain(element.start, `a signature with ${unused} unused bits`)
  return Buffer.alloc(0)
}

const pssDefaults: PssParameters = { hash: 'sha1', maskHash: 'sha1', saltLength: 20 }

function readPss(parameters: DerElement): PssParameters {
  const reader = new DerReader(parameters, 'PSS parameters', tags.sequence)
  const hash = reader.optional('hash', contextTag(0, true))
  const mask = reader.optional('mask generation', contextTag(1, true))
  const salt = reader.optional('salt length', contextTag(2, true))
  const trailer = reader.optional('trailer field', contextTag(3, true))
  reader.finish('PSS parameters')
  if (trailer !== null && readCount(only(trailer, 'trailer field'), 'trailer field') !== 1) {
    throw new DerError(trailer.start, 'PSS parameters: a trailer field other than 1')
  }
  return {
    hash: hash === null ? pssDefaults.hash : hashOf(only(hash, 'PSS hash')),
    maskHash: mask === null ? pssDefaults.maskHash : maskHash(only(mask, 'mask generation')),
    saltLength: salt === null ? pssDefaults.saltLength : readCount(only(salt, 'salt length'), 'salt length'),
  }
}

/** The one element inside of an explicit tag. */
function only(wrapper: DerElement, what: string): DerElement {
  const reader = new DerReader(wrapper, what)
  const inner = reader.next(what)
  reader.finish(what)
  return inner
}

export function hashOf(identifier: DerElement): string | null {
  const reader = new DerReader(identifier, 'hash', tags.sequence)
  return hashAlgorithms[readOid(reader.next('hash'), 'hash')] ?? null
}

function maskHash(identifier: DerElement): string | null {
  const reader = new DerReader(identifier, 'mask generation', tags.sequence)
  if (readOid(reader.next('mask generation'), 'mask generation') !== '1.2.840.113549.1.1.8') return null
  return reader.done ? pssDefaults.maskHash : hashOf(reader.next('mask generation hash'))
}
