import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { PosternError } from '../core/errors.ts'

/** Encrypts secrets (I7): AES-256-GCM with a nonce of its own for each, bound to the place where it is kept. */
export interface Sealer {
  /** Tells keys apart and says nothing of the key. */
  readonly keyId: string
  /** Nonce, ciphertext, tag. */
  seal(place: SealedPlace, plain: Uint8Array): Buffer
  /** Throws `state-secret-damaged`. */
  unseal(place: SealedPlace, sealed: Uint8Array): Buffer
}

/** Additional data of the cipher: a secret that was moved to another object is not accepted there. */
export interface SealedPlace {
  readonly kind: string
  readonly scope: string
  readonly name: string
}

const cipher = 'aes-256-gcm'
/** NIST SP 800-38D 8.2: 96 bits; 8.3: a random one may be used 2^32 times with one key. */
const nonceBytes = 12
const tagBytes = 16

export const keyBytes = 32

export function sealerOf(key: KeyObject): Sealer {
  if (key.type !== 'secret' || key.symmetricKeySize !== keyBytes) {
    throw new PosternError('state-key-length', `the key of the state must have ${keyBytes} bytes`)
  }
  const keyId = createHmac('sha256', key).update('postern state key id').digest('hex').slice(0, 16)
  return {
    keyId,

    seal(place, plain) {
      const nonce = randomBytes(nonceBytes)
      const sealing = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes }).setAAD(aad(place))
      return Buffer.concat([nonce, sealing.update(plain), sealing.final(), sealing.getAuthTag()])
    },

    unseal(place, sealed) {
      const end = sealed.byteLength - tagBytes
      if (end < nonceBytes) throw damaged(place)
      const opening = createDecipheriv(cipher, key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
      opening.setAAD(aad(place)).setAuthTag(sealed.subarray(end))
      try {
        return Buffer.concat([opening.update(sealed.subarray(nonceBytes, end)), opening.final()])
      } catch (error) {
        throw damaged(place, error)
      }
    },
  }
}

export function randomKey(): KeyObject {
  return createSecretKey(randomBytes(keyBytes))
}

function aad({ kind, scope, name }: SealedPlace): Buffer {
  return Buffer.from(JSON.stringify(['postern state secret', kind, scope, name]))
}

function damaged({ kind, scope, name }: SealedPlace, cause?: unknown): PosternError {
  const place = scope === '' ? name : `${scope}/${name}`
  return new PosternError(
    'state-secret-damaged',
    `the secret of ${kind} ${place} cannot be decrypted: it was damaged, or is that of another object`,
    { evidence: { kind, scope, name }, ...(cause === undefined ? {} : { cause }) },
  )
}
