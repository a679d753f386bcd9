import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { tlv } from '../x509/der-make.ts'

/** Kinds of keys of these tests; what follows a colon only tells one from the other. */
export type KeyName =
  `${'p256' | 'p192' | 'p224' | 'p384' | 'p521' | 'k256' | 'sect571' | 'ed25519' | 'pss2048' | `rsa${number}`}:${string}`

export interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export interface CertificateSpec {
  /** Common name, or DER of a whole name. */
  readonly subject: string | Buffer
  readonly issuer: string | Buffer
  readonly key: KeyName
  readonly signer: KeyName
  readonly hash?: 'sha256' | 'sha384' | 'sha1' | 'md5' | 'pss-sha256' | 'pss-sha1'
  readonly serial?: Buffer
  /** Days from now, or DER of a time. */
  readonly from?: number | Buffer
  readonly until?: number | Buffer
  readonly extensions?: readonly Buffer[]
  /** 1: no version, no extensions. */
  readonly version?: 1 | 3
  readonly spki?: Buffer
  /** Signed with a key that is not `signer`'s. */
  readonly forged?: boolean
  /** AlgorithmIdentifier outside of the signed part, where it differs. */
  readonly outerAlgorithm?: Buffer
}

const keys = new Map<KeyName, KeyPair>()

/** One key for each name, made when first asked for. */
export function keyOf(name: KeyName): KeyPair {
  let pair = keys.get(name)
  if (pair === undefined) {
    pair = generate(name.split(':')[0] as string)
    keys.set(name, pair)
  }
  return pair
}

function generate(kind: string): KeyPair {
  const curve = curves[kind]
  if (curve !== undefined) return generateKeyPairSync('ec', { namedCurve: curve })
  if (kind === 'ed25519') return generateKeyPairSync('ed25519')
  if (kind === 'pss2048') return generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
  return generateKeyPairSync('rsa', { modulusLength: Number(kind.slice(3)) })
}

const curves: Readonly<Record<string, string>> = {
  p256: 'P-256',
  p192: 'prime192v1',
  p224: 'secp224r1',
  p384: 'P-384',
  p521: 'P-521',
  k256: 'secp256k1',
  sect571: 'sect571r1',
}

export function makeCertificate(spec: CertificateSpec): Buffer {
  const { privateKey } = keyOf(spec.forged === true ? `${spec.signer}forged` : spec.signer)
  const { identifier, hash, padding } = algorithmOf(privateKey, spec.hash)
  const version1 = spec.version === 1
  const body = tlv(
    0x30,
    version1 ? '' : tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, spec.serial ?? Buffer.from([++serials >> 8, serials & 0xff])),
    identifier,
    nameOf(spec.issuer),
    tlv(0x30, timeOf(spec.from ?? -1), timeOf(spec.until ?? 30)),
    nameOf(spec.subject),
    spec.spki ?? keyOf(spec.key).publicKey.export({ format: 'der', type: 'spki' }),
    version1 || spec.extensions === undefined ? '' : tlv(0xa3, tlv(0x30, ...spec.extensions)),
  )
  const signature = sign(hash, body, padding === null ? privateKey : { key: privateKey, padding, saltLength: 32 })
  return tlv(0x30, body, spec.outerAlgorithm ?? identifier, tlv(0x03, '\0', signature))
}

let serials = 0x1000

function algorithmOf(key: KeyObject, wanted: CertificateSpec['hash'] = 'sha256') {
  const none = { padding: null }
  if (key.asymmetricKeyType === 'ed25519') return { ...none, identifier: tlv(0x30, oid('2b6570')), hash: null }
  const hash = wanted.replace('pss-', '')
  if (wanted.startsWith('pss') || key.asymmetricKeyType === 'rsa-pss') {
    const digest = tlv(0x30, oid(digests[hash] as string))
    const mask = tlv(0x30, oid('2a864886f70d010108'), digest)
    const parameters = tlv(0x30, tlv(0xa0, digest), tlv(0xa1, mask), tlv(0xa2, tlv(0x02, ' ')))
    return {
      identifier: tlv(0x30, oid('2a864886f70d01010a'), parameters),
      hash,
      padding: constants.RSA_PKCS1_PSS_PADDING,
    }
  }
  const ec = key.asymmetricKeyType === 'ec'
  const id = (ec ? ecdsa : rsa)[hash] as string
  return { ...none, identifier: tlv(0x30, oid(id), ec ? '' : tlv(0x05)), hash }
}

const digests: Readonly<Record<string, string>> = { sha1: '2b0e03021a', sha256: '608648016503040201' }
const ecdsa: Readonly<Record<string, string>> = {
  sha1: '2a8648ce3d0401',
  sha256: '2a8648ce3d040302',
  sha384: '2a8648ce3d040303',
}
const rsa: Readonly<Record<string, string>> = {
  md5: '2a864886f70d010104',
  sha1: '2a864886f70d010105',
  sha256: '2a864886f70d01010b',
  sha384: '2a864886f70d01010c',
}

export const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'))

export function nameOf(name: string | Buffer): Buffer {
  return typeof name === 'string' ? tlv(0x30, attribute('550403', name)) : name
}

/** One RDN of one attribute. */
export const attribute = (type: string, value: string, tag = 0x0c): Buffer =>
  tlv(0x31, tlv(0x30, oid(type), tlv(tag, Buffer.from(value, 'utf8'))))

const dayMs = 86_400_000

export function timeOf(days: number | Buffer): Buffer {
  if (typeof days !== 'number') return days
  const digits = new Date(Date.now() + days * dayMs).toISOString().replaceAll(/\D/g, '').slice(0, 14)
  return tlv(0x18, `${digits}Z`)
}

// Extensions. Each is the whole SEQUENCE.

export const extension = (hex: string, value: Buffer, critical = false): Buffer =>
  tlv(0x30, oid(hex), critical ? tlv(0x01, '\xff') : '', tlv(0x04, value))

export const basicConstraints = (ca: boolean, pathLength?: number, critical = true): Buffer =>
  extension(
    '551d13',
    tlv(0x30, ca ? tlv(0x01, '\xff') : '', pathLength === undefined ? '' : tlv(0x02, Buffer.from([pathLength]))),
    critical,
  )

/** Bits by number, digitalSignature being 0 and keyCertSign 5. */
export function keyUsage(...bits: readonly number[]): Buffer {
  const bytes = [0, 0]
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] as number) | (0x80 >> (bit & 7))
  const used = bytes[1] === 0 ? bytes.slice(0, 1) : bytes
  return extension('551d0f', tlv(0x03, '\0', Buffer.from(used)), true)
}

export const purposes = (...hexes: readonly string[]): Buffer => extension('551d25', tlv(0x30, ...hexes.map(oid)))

export const serverAuth = '2b06010505070301'
export const clientAuth = '2b06010505070302'

export const keyId = (text: string): Buffer => extension('551d0e', tlv(0x04, text))

export const authorityKeyId = (text: string): Buffer => extension('551d23', tlv(0x30, tlv(0x80, text)))

export const altNames = (...names: readonly Buffer[]): Buffer => extension('551d11', tlv(0x30, ...names))

export const dns = (name: string): Buffer => tlv(0x82, name)

export interface Subtrees {
  readonly permitted?: readonly Buffer[]
  readonly excluded?: readonly Buffer[]
}

/** Each of the bases is a GeneralName. */
export function nameConstraints({ permitted = [], excluded = [] }: Subtrees): Buffer {
  const trees = (tag: number, bases: readonly Buffer[]): Buffer | string =>
    bases.length === 0 ? '' : tlv(tag, ...bases.map((base) => tlv(0x30, base)))
  return extension('551d1e', tlv(0x30, trees(0xa0, permitted), trees(0xa1, excluded)), true)
}
