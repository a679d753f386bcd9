import { type FaultFinding, fault, type Place } from './fault.ts'
import type { Certificate } from '../x509/certificate.ts'

/** Least bits of security for OpenSSL's security levels 0 to 5 (SSL_CTX_set_security_level). */
const levelBits = [0, 80, 112, 128, 192, 256] as const

export const bitsOfLevel = (level: number): number =>
  levelBits[Math.min(Math.max(Math.trunc(level), 0), levelBits.length - 1)] as number

/** Bits of security of a key, as OpenSSL counts them (NIST SP 800-57 part 1); null where the kind is not known. */
function keyStrength({ publicKey: { algorithm, bits } }: Pick<Certificate, 'publicKey'>): number | null {
  switch (algorithm) {
    case 'rsa':
    case 'rsa-pss':
    case 'dsa':
      return bits === null ? null : stepAt(modulusSteps, bits)
    case 'ec':
    case 'sm2':
      return bits === null ? null : stepAt(curveSteps, bits) || Math.floor(bits / 2)
    default:
      return fixedStrength[algorithm] ?? null
  }
}

/** Bits of security of a signature's hash; SHA-1 and MD5 count for what collision attacks leave of them. */
function signatureStrength({ signatureAlgorithm }: Pick<Certificate, 'signatureAlgorithm'>): number | null {
  const { hash, name } = signatureAlgorithm
  return hash === null ? (fixedStrength[name.toLowerCase()] ?? null) : (hashStrength[hash] ?? null)
}

export function weakKey(certificate: Certificate, at: number, level: number): FaultFinding[] {
  const needed = bitsOfLevel(level)
  const strength = keyStrength(certificate)
  if (strength === null || strength >= needed) return []
  const { algorithm, bits, curve } = certificate.publicKey
  return [
    fault('weak-key', { at, certificate }, `The ${curve ?? `${bits}-bit`} ${algorithm.toUpperCase()} key is too weak`, {
      algorithm,
      bits,
      curve,
      strength,
      needed,
      level,
    }),
  ]
}

/** For every certificate but the anchor, whose own signature proves nothing. */
export function weakSignature(certificate: Certificate, at: number, level: number): FaultFinding[] {
  const needed = bitsOfLevel(level)
  const strength = signatureStrength(certificate)
  if (strength === null || strength >= needed) return []
  const { name, hash } = certificate.signatureAlgorithm
  const place: Place = { at, certificate }
  return [
    fault('weak-signature', place, `It is signed with ${name}, which is too weak`, {
      algorithm: name,
      hash,
      strength,
      needed,
      level,
    }),
  ]
}

export const stepAt = (steps: readonly (readonly [bits: number, strength: number])[], bits: number): number =>
  steps.find(([least]) => bits >= least)?.[1] ?? 0

/** Of RSA and DSA by NIST SP 800-57; OpenSSL counts RSA otherwise. */
export const modulusSteps = [
  [15_360, 256],
  [7680, 192],
  [3072, 128],
  [2048, 112],
  [1024, 80],
] as const

export const curveSteps = [
  [512, 256],
  [384, 192],
  [256, 128],
  [224, 112],
  [160, 80],
] as const

const hashStrength: Readonly<Record<string, number>> = {
  md2: 0,
  md4: 0,
  md5: 39,
  sha1: 63,
  sha224: 112,
  sha256: 128,
  sha384: 192,
  sha512: 256,
  'sha3-224': 112,
  'sha3-256': 128,
  'sha3-384': 192,
  'sha3-512': 256,
  sm3: 128,
}

const fixedStrength: Readonly<Record<string, number>> = {
  ed25519: 128,
  x25519: 128,
  ed448: 224,
  x448: 224,
  'ml-dsa-44': 128,
  'ml-dsa-65': 192,
  'ml-dsa-87': 256,
}
