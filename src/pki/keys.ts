import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, type webcrypto } from 'node:crypto'
import { promisify } from 'node:util'
import { PosternError } from '../core/errors.ts'

export const keyKinds = [
  'ec-p256',
  'ec-p384',
  'ec-p521',
  'rsa-1024',
  'rsa-2048',
  'rsa-3072',
  'rsa-4096',
  'ed25519',
] as const

/** What kind of key to make. `rsa-1024` is for labs and tests that need a weak one. */
export type KeyKind = (typeof keyKinds)[number]

export type HashName = 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512'

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const generate = promisify(generateKeyPair)

/** A new key pair. EC keys take about a millisecond, RSA keys a hundred and more. */
export async function createKeyPair(kind: KeyKind): Promise<KeyPair> {
  if (kind === 'ed25519') return generate('ed25519')
  const [family, size = ''] = kind.split('-')
  if (family === 'ec') return generate('ec', { namedCurve: size.replace('p', 'P-') })
  return generate('rsa', { modulusLength: Number(size) })
}

/** The pair that belongs to a private key in PEM; encrypted keys are refused, since this tool asks for no passwords. */
export function keyPairFromPem(pem: string, label: string): KeyPair {
  try {
    const privateKey = createPrivateKey(pem)
    return { privateKey, publicKey: createPublicKey(privateKey) }
  } catch (cause) {
    throw new PosternError('PKI_BAD_KEY', `${label}: not a private key in unencrypted PEM`, { cause })
  }
}

/** How WebCrypto wants a key described that signs with `hash`; without one, the hash that suits the key's strength. */
export function signingAlgorithm(key: KeyObject, hash?: HashName): webcrypto.EcdsaParams & webcrypto.EcKeyImportParams {
  if (key.asymmetricKeyType === 'ed25519') return { name: 'Ed25519', namedCurve: '', hash: '' }
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', namedCurve: '', hash: hash ?? 'SHA-256' }
  const namedCurve = curves.get(key.asymmetricKeyDetails?.namedCurve ?? '')
  if (namedCurve === undefined) {
    throw new PosternError(
      'PKI_BAD_KEY',
      `a ${key.asymmetricKeyType} key cannot sign certificates here; use EC, RSA or Ed25519`,
    )
  }
  return { name: 'ECDSA', namedCurve, hash: hash ?? hashOfCurve[namedCurve] }
}

const hashOfCurve = { 'P-256': 'SHA-256', 'P-384': 'SHA-384', 'P-521': 'SHA-512' } as const

const curves: ReadonlyMap<string, keyof typeof hashOfCurve> = new Map([
  ['prime256v1', 'P-256'],
  ['secp384r1', 'P-384'],
  ['secp521r1', 'P-521'],
])
