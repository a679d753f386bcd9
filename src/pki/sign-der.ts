import { constants, type KeyObject, sign } from 'node:crypto'
import { PosternError } from '../core/errors.ts'
import { der, oid } from '../x509/der-writer.ts'

export type Digest = 'sha256' | 'sha384' | 'sha512'

/** `SEQUENCE { what, algorithm, signature }`: the form of certificates and of requests. `digest`: of RSA; curves have theirs. */
export function signedDer(body: (algorithm: Buffer) => Buffer, key: KeyObject, digest: Digest = 'sha256'): Buffer {
  const { identifier, hash, padding } = algorithmOf(key, digest)
  const tbs = body(identifier)
  const signature = sign(hash, tbs, padding === undefined ? key : { key, ...padding })
  return der(0x30, tbs, identifier, der(0x03, Buffer.from([0]), signature))
}

interface SigningAlgorithm {
  readonly identifier: Buffer
  readonly hash: Digest | null
  readonly padding?: { readonly padding: number; readonly saltLength: number }
}

function algorithmOf(key: KeyObject, digest: Digest): SigningAlgorithm {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return { identifier: der(0x30, oid(rsaOids[digest]), derNull), hash: digest }
    case 'rsa-pss':
      return {
        identifier: der(0x30, oid('1.2.840.113549.1.1.10'), pssParameters),
        hash: 'sha256',
        padding: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
      }
    case 'ec': {
      const hash = hashOfCurve[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? 'sha256'
      return { identifier: der(0x30, oid(ecdsaOids[hash])), hash }
    }
    case 'ed25519':
      return { identifier: der(0x30, oid('1.3.101.112')), hash: null }
    case 'ed448':
      return { identifier: der(0x30, oid('1.3.101.113')), hash: null }
    default:
      throw new PosternError('PKI_BAD_KEY', `a key of the kind ${key.asymmetricKeyType} signs nothing here`)
  }
}

const derNull = der(0x05)

const rsaOids: Readonly<Record<Digest, string>> = {
  sha256: '1.2.840.113549.1.1.11',
  sha384: '1.2.840.113549.1.1.12',
  sha512: '1.2.840.113549.1.1.13',
}

const ecdsaOids: Readonly<Record<Digest, string>> = {
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
  sha512: '1.2.840.10045.4.3.4',
}

const hashOfCurve: Readonly<Record<string, Digest>> = { secp384r1: 'sha384', secp521r1: 'sha512' }

/** SHA-256 throughout and a salt as long as it, RFC 4055 section 3.1. */
const sha256 = der(0x30, oid('2.16.840.1.101.3.4.2.1'), derNull)
const pssParameters = der(
  0x30,
  der(0xa0, sha256),
  der(0xa1, der(0x30, oid('1.2.840.113549.1.1.8'), sha256)),
  der(0xa2, der(0x02, Buffer.from([32]))),
)
