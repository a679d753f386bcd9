import { checkAnyValue } from './any-value.ts'
import { attempt, type Complain, refuse } from './defects.ts'
import { contentOf, type DerElement, DerReader, rawOf, readElement, tags } from './der.ts'
import { readBitString, readInteger, readOid } from './der-values.ts'
import { curves, keyAlgorithms } from './oids.ts'

export interface PublicKeyFacts {
  /** `rsa`, `rsa-pss`, `ec`, `ed25519`, ... or the OID where it is none of those known here. */
  readonly algorithm: string
  /** Size of the modulus or of the field; null where unknown. */
  readonly bits: number | null
  /** Name of the curve, its OID where it has no name here, or `explicit`. */
  readonly curve: string | null
  /** DER of the SubjectPublicKeyInfo: two certificates with equal ones hold the same key. */
  readonly spki: Buffer
  /** Content of the BIT STRING, which is what OCSP identifies a key by (RFC 6960 section 4.1.1). */
  readonly keyBytes: Buffer
}

/** RFC 5280 section 4.1.2.7, RFC 3279, RFC 5480. A key that is broken inside is noted; only its frame has to be right. */
export function readPublicKey(element: DerElement, complain: Complain = refuse): PublicKeyFacts {
  const reader = new DerReader(element, 'public key', tags.sequence)
  const identifier = new DerReader(reader.next('key algorithm'), 'key algorithm', tags.sequence)
  const oid = readOid(identifier.next('key algorithm'), 'key algorithm')
  const parameters = identifier.done ? null : identifier.next('key parameters')
  identifier.finish('key algorithm')
  // OpenSSL reads no certificate in which they are broken, whatever the kind of key.
  if (parameters !== null) attempt(parameters, complain, (it) => checkAnyValue(it, 'key parameters'))
  const bits = reader.next('key bits')
  const { bytes } = readBitString(bits, 'key bits')
  reader.finish('public key')
  const algorithm = keyAlgorithms[oid] ?? oid
  const spki = Buffer.from(rawOf(element))
  const key = { algorithm, spki, keyBytes: spki.subarray(spki.length - bytes.length) }
  if (algorithm === 'rsa' || algorithm === 'rsa-pss') {
    return { ...key, bits: attempt(bits, complain, rsaBits), curve: null }
  }
  if (algorithm === 'dsa') {
    return { ...key, bits: parameters === null ? null : attempt(parameters, complain, dsaBits), curve: null }
  }
  if (algorithm !== 'ec') {
    if (algorithm === oid) complain(element.start, `an unknown kind of public key, ${oid}`, 'profile')
    return { ...key, bits: fixedBits[algorithm] ?? null, curve: null }
  }
  // RFC 5480 section 2.2: 04 x y, or 02/03 x.
  const pointBits = bytes[0] === 4 ? Math.floor((bytes.length - 1) / 2) * 8 : Math.max(0, bytes.length - 1) * 8
  if (parameters?.tag !== tags.oid) return { ...key, bits: pointBits, curve: 'explicit' }
  const curveOid = attempt(parameters, complain, (named) => readOid(named, 'named curve'))
  const curve = curveOid === null ? undefined : curves[curveOid]
  return { ...key, bits: curve?.bits ?? pointBits, curve: curve?.name ?? curveOid ?? 'unreadable' }
}

const fixedBits: Readonly<Record<string, number>> = { ed25519: 256, ed448: 456, x25519: 256, x448: 448 }

/** RSAPublicKey in place, so that an offset is the certificate's. */
function rsaBits(bits: DerElement): number {
  const key = readElement(bits.bytes, bits.body + 1, bits.end, bits.depth + 1)
  const reader = new DerReader(key, 'RSA key', tags.sequence)
  const size = modulusBits(reader.next('modulus'))
  readInteger(reader.next('exponent'), 'exponent')
  reader.finish('RSA key')
  new DerReader({ ...bits, body: key.end }, 'RSA key').finish('RSA key')
  return size
}

function dsaBits(parameters: DerElement): number | null {
  return parameters.tag === tags.sequence ? modulusBits(new DerReader(parameters, 'DSA parameters').next('p')) : null
}

function modulusBits(element: DerElement): number {
  const bytes = readInteger(element, 'modulus')
  const start = bytes.findIndex((byte) => byte !== 0)
  return start === -1 ? 0 : (contentOf(element).length - start) * 8 - Math.clz32(bytes[start] as number) + 24
}
