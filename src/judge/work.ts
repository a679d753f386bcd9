import type { Certificate } from '../x509/certificate.ts'
import type { PublicKeyFacts } from '../x509/public-key.ts'
import { type Signed, verifySignature } from '../x509/signature.ts'
import { isSm2, sm2Curve, verifySm2 } from './sm2-signature.ts'

/**
 * What one judgement may spend (I10). A chain that costs more is not judged by spending more: it ends as `too-complex`.
 * `signatures` counts verifications with RSA-2048 or P-256, 0.1 ms or less each; other keys count for more.
 */
export const limits = {
  signatures: 256,
  /** Certificates looked at as possible issuers. */
  candidates: 20_000,
  /** Names compared with constraints, and policies with policies, in all paths together. */
  comparisons: 2 ** 20,
  /** Complete paths that are validated before giving up. */
  paths: 64,
  /** Certificates of one path; a longer one is not followed. */
  pathLength: 128,
} as const

/** `unaffordable`: the limit was reached before. */
export type SignatureOutcome = 'good' | 'bad' | 'unsupported' | 'unaffordable'

export interface Work {
  /** Asking again for the same key and object costs nothing. */
  verify(issuer: Pick<Certificate, 'publicKey'>, signed: Signed): SignatureOutcome
  /** Counts one more candidate; false where the limit is reached. */
  consider(): boolean
  /** Counts comparisons; false where the limit is reached. */
  compare(count: number): boolean
  /** Something was left untried because a limit was reached. */
  readonly exhausted: boolean
  readonly spent: { readonly signatures: number; readonly candidates: number }
}

export function createWork(): Work {
  const outcomes = new Map<Signed, Map<string, SignatureOutcome>>()
  let cost = 0
  let signatures = 0
  let candidates = 0
  let comparisons = 0
  let exhausted = false
  return {
    verify(issuer, signed) {
      const key = issuer.publicKey.spki.toString('latin1')
      let ofSigned = outcomes.get(signed)
      if (ofSigned === undefined) {
        ofSigned = new Map()
        outcomes.set(signed, ofSigned)
      }
      const known = ofSigned.get(key)
      if (known !== undefined) return known
      cost += costOf(issuer.publicKey) + Math.floor(signed.tbs.length / bytesPerUnit)
      if (cost > limits.signatures) {
        exhausted = true
        return 'unaffordable'
      }
      signatures += 1
      const sm2 = isSm2(issuer.publicKey, signed)
      const outcome = sm2 ? verifySm2(issuer.publicKey, signed) : verifySignature(issuer.publicKey, signed)
      ofSigned.set(key, outcome)
      return outcome
    },
    consider() {
      candidates += 1
      if (candidates > limits.candidates) exhausted = true
      return !exhausted
    },
    compare(count) {
      comparisons += count
      return comparisons <= limits.comparisons
    },
    get exhausted() {
      return exhausted
    },
    get spent() {
      return { signatures, candidates }
    },
  }
}

/** What is hashed in 0.1 ms and more: revocation lists can have megabytes. */
export const bytesPerUnit = 256 * 1024

/** In tenths of a millisecond, as measured and rounded up. Only P-256 has code of its own in OpenSSL; it grows with the square. */
export function costOf({ algorithm, bits, curve, keyBytes }: Omit<PublicKeyFacts, 'spki'>): number {
  switch (algorithm) {
    case 'rsa':
    case 'rsa-pss': {
      const size = bits ?? 4096
      // An exponent as long as the modulus is allowed, and makes verifying as slow as signing.
      const exponentBytes = keyBytes.length - size / 8 - rsaFrame
      return Math.ceil((size / 4096) ** 2) * Math.max(1, Math.ceil(exponentBytes / 8))
    }
    case 'dsa':
      return Math.ceil(3 * ((bits ?? 2048) / 2048) ** 2)
    case 'ec':
      if (curve === 'P-256') return 1
      if (curve === sm2Curve) return 32
      // A curve without a name here may be a binary one, which are slower still.
      return Math.ceil((/^[\de]/.test(curve ?? '') ? 6 : 2.5) * ((bits ?? 256) / 256) ** 2)
    case 'ed25519':
      return 1
    default:
      return 2
  }
}

/** Octets of an RSAPublicKey that are neither modulus nor exponent, at most. */
const rsaFrame = 13
