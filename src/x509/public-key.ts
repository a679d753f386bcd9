import { contentOf, type DerElement, DerReader, rawOf, readWhole, tags } from './der.ts'
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
}

/** RFC 5280 section 4.1.2.7, RFC 3279, RFC 5480. */
export function readPublicKey(element: DerElement): PublicKeyFacts {
  const reader = new DerReader(element, 'public key', tags.sequence)
  const identifier = new DerReader(reader.next('key algorithm'), 'key algorithm', tags.sequence)
  const oid = readOid(identifier.next('key algorithm'), 'key algorithm')
  const parameters = identifier.done ? null : identifier.next('key parameters')
  const { bytes } = readBitString(reader.next('key bits'), 'key bits')
  reader.finish('public key')
  const algorithm = keyAlgorithms[oid] ?? oid
  const spki = Buffer.from(rawOf(element))
  if (algorithm === 'rsa' || algorithm === 'rsa-pss') {
    return {
      algorithm,
      bits: modulusBits(new DerReader(readWhole(bytes), 'RSA key', tags.sequence).next('modulus')),
      curve: null,
      spki,
    }
  }
  if (algorithm === 'dsa') return { algorithm, bits: dsaBits(parameters), curve: null, spki }
  if (algorithm !== 'ec') return { algorithm, bits: fixedBits[algorithm] ?? null, curve: null, spki }
  // RFC 5480 section 2.2: 04 x y, or 02/03 x.
  const pointBits = bytes[0] === 4 ? Math.floor((bytes.length - 1) / 2) * 8 : (bytes.length - 1) * 8
  if (parameters?.tag !== tags.oid) return { algorithm, bits: pointBits, curve: 'explicit', spki }
  const curveOid = readOid(parameters, 'named curve')
  const curve = curves[curveOid]
  return { algorithm, bits: curve?.bits ?? pointBits, curve: curve?.name ?? curveOid, spki }
}

const fixedBits: Readonly<Record<string, number>> = { ed25519: 256, ed448: 456, x25519: 256, x448: 448 }

function dsaBits(parameters: DerElement | null): number | null {
  return parameters?.tag === tags.sequence ? modulusBits(new DerReader(parameters, 'DSA parameters').next('p')) : null
}

function modulusBits(element: DerElement): number {
  const bytes = readInteger(element, 'modulus')
  const start = bytes.findIndex((byte) => byte !== 0)
  return start === -1 ? 0 : (contentOf(element).length - start) * 8 - Math.clz32(bytes[start] as number) + 24
}
