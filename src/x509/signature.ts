import { constants, createPublicKey, hash, type KeyObject, verify } from 'node:crypto'

import { keyAlgorithms, rsaPssOid, signatureAlgorithms } from './oids.ts'
import type { PublicKeyFacts } from './public-key.ts'
import type { SignatureAlgorithm } from './signature-algorithm.ts'

export interface Signed {
  readonly tbs: Buffer
  readonly signatureAlgorithm: SignatureAlgorithm
  /** Content of the BIT STRING. */
  readonly signature: Buffer
}

/**
 * Whether `signed` was signed with `key`, over the bytes that our own reader took apart: OpenSSL's certificate reader may
 * refuse them. `unsupported` where the runtime cannot use the algorithm, the digest or the key: unproved is not proved.
 */
export function verifySignature(key: PublicKeyFacts, signed: Signed): 'good' | 'bad' | 'unsupported' {
  const algorithm = signed.signatureAlgorithm
  const known = signatureAlgorithms[algorithm.oid]
  if (!algorithm.agrees) return 'bad'
  if (known === undefined) return 'unsupported'
  if (key.algorithm !== known.key && !(key.algorithm === 'rsa-pss' && algorithm.oid === rsaPssOid)) {
    return knownKeys.has(key.algorithm) ? 'bad' : 'unsupported'
  }
  // RFC 8410 section 3, RFC 9881 section 2: absent, and OpenSSL refuses even NULL.
  if (known.hash === null && algorithm.parameters !== null) return 'unsupported'
  if (algorithm.oid !== rsaPssOid && proved.get(signed)?.equals(key.spki)) return 'good'
  const imported = keyObject(key.spki)
  if (imported === null) return 'unsupported'
  const input = algorithm.oid === rsaPssOid ? pssInput(imported, algorithm) : { key: imported }
  if (input === null) return 'unsupported'
  try {
    return verify(algorithm.hash, signed.tbs, input, signed.signature) ? 'good' : 'bad'
  } catch {
    // A digest that the runtime does not have, or parameters that the key does not allow (RFC 4055 section 1.2).
    return 'unsupported'
  }
}

/** The key that is known to have signed; for as long as somebody holds what it signed. */
const proved = new WeakMap<Signed, Buffer>()

/**
 * OpenSSL's own check of `signed` has succeeded with `key`, over the same bytes: one diagnosis judges a chain by more than one
 * standard, and what is dear about it need not be computed again. RSA-PSS is, for it has parameters to be read in more than
 * one way.
 */
export function provedBy(key: Pick<PublicKeyFacts, 'spki'>, signed: Signed): void {
  proved.set(signed, key.spki)
}

const knownKeys: ReadonlySet<string> = new Set(Object.values(keyAlgorithms))

function pssInput(key: KeyObject, { pss }: SignatureAlgorithm) {
  // node:crypto uses one hash for both; RFC 4055 section 3.1 recommends the same.
  if (pss === null || pss.hash === null || pss.hash !== pss.maskHash) return null
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: pss.saltLength }
}

/** Issuers are few and sign much. By SHA-256 of the SPKI; null: the runtime cannot read it. I10: the oldest is dropped. */
const keys = new Map<string, KeyObject | null>()
const maxKeys = 512

function keyObject(spki: Buffer): KeyObject | null {
  const id = hash('sha256', spki, 'base64')
  const known = keys.get(id)
  if (known !== undefined) return known
  let key: KeyObject | null = null
  try {
    key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  } catch {
    // Not a key that this runtime knows.
  }
  if (keys.size >= maxKeys) keys.delete(keys.keys().next().value as string)
  keys.set(id, key)
  return key
}
