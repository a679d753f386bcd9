import { curveSteps, modulusSteps, stepAt } from '../strength.ts'
import type { RuntimeCertificate, RuntimeKey } from './runtime-certificate.ts'

/**
 * Bits of security of a key (`EVP_PKEY_get_security_bits`). For RSA OpenSSL rounds NIST's formula to a multiple of 8, so
 * that 1963 bits already count for 112; what is here are the sizes at which its result reaches the next level.
 */
export function keyStrength({ kind, bits }: RuntimeKey): number {
  switch (kind) {
    case 'rsa':
    case 'rsa-pss':
      return stepAt(rsaSteps, bits)
    case 'dsa':
      return stepAt(modulusSteps, bits)
    case 'ec':
      return stepAt(curveSteps, bits) || Math.floor(bits / 2)
    default:
      return fixedStrength[kind] ?? 0
  }
}

/** Bits of security of a certificate's signature (`X509_get_signature_info`); 0 where OpenSSL does not know it. */
export function signatureStrength({ signature: { oid, hash }, key }: RuntimeCertificate): number {
  if (oid === pssOid) return hash === null ? 0 : (pssStrength[hash] ?? hashStrength[hash] ?? 0)
  if (hash !== null) return hashStrength[hash] ?? 0
  if (oid in otherSignatures) return otherSignatures[oid] as number
  // Without a digest to ask OpenSSL asks the key, and it is the certificate's own.
  return key === null || !latticeSignatures.has(oid) ? 0 : keyStrength(key)
}

const pssOid = '1.2.840.113549.1.1.10'

const rsaSteps = [
  [13_914, 256],
  [6947, 192],
  [2671, 128],
  [1963, 112],
  [920, 80],
] as const

const fixedStrength: Readonly<Record<string, number>> = {
  ed25519: 128,
  ed448: 224,
  x25519: 128,
  x448: 224,
  'ml-dsa-44': 128,
  'ml-dsa-65': 192,
  'ml-dsa-87': 256,
}

/** Half the digest's bits, but for the broken ones. */
const hashStrength: Readonly<Record<string, number>> = {
  md5: 39,
  sha1: 63,
  ripemd160: 80,
  sha224: 112,
  sha256: 128,
  sha384: 192,
  sha512: 256,
  'sha3-224': 112,
  'sha3-256': 128,
  'sha3-384': 192,
  'sha3-512': 256,
}

const pssStrength: Readonly<Record<string, number>> = { sha1: 64 }

const arc = '2.16.840.1.101.3.4.3'

/** Those that the strict reader has no digest for. */
const otherSignatures: Readonly<Record<string, number>> = {
  '1.3.101.112': 128,
  '1.3.101.113': 224,
  '1.3.36.3.3.1.2': 80,
  '1.2.840.113549.1.1.15': 112,
  '1.2.840.113549.1.1.16': 128,
  [`${arc}.3`]: 192,
  [`${arc}.4`]: 256,
  // SHA-3 of 224, 256, 384 and 512 bits: with DSA, ECDSA and RSA.
  ...Object.fromEntries(
    [5, 9, 13].flatMap((first) => [112, 128, 192, 256].map((bits, index) => [`${arc}.${first + index}`, bits])),
  ),
}

/** ML-DSA. */
const latticeSignatures: ReadonlySet<string> = new Set([`${arc}.17`, `${arc}.18`, `${arc}.19`])
