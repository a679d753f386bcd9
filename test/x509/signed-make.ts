import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { tlv } from './der-make.ts'

/** Certificates, revocation lists and OCSP responses written byte by byte, so that any field may be wrong. */

export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** An OBJECT IDENTIFIER. */
export function oid(dotted: string): Buffer {
  const [one, two, ...rest] = dotted.split('.').map(Number) as [number, number, ...number[]]
  const octets = [one * 40 + two, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return tlv(0x06, Buffer.from(octets))
}

export const name = (...parts: readonly string[]): Buffer =>
  tlv(0x30, ...parts.map((part) => tlv(0x31, tlv(0x30, oid('2.5.4.3'), tlv(0x0c, part)))))

export const utc = (text: string): Buffer => tlv(0x17, text)
export const general = (text: string): Buffer => tlv(0x18, text)
export const bits = (bytes: Uint8Array, unused = 0): Buffer => tlv(0x03, Buffer.from([unused]), bytes)

export function extension(id: string, value: Uint8Array, critical: Buffer | boolean = false): Buffer {
  const flag = critical === true ? tlv(0x01, '\xff') : critical === false ? Buffer.alloc(0) : critical
  return tlv(0x30, oid(id), flag, tlv(0x04, value))
}

const ecdsaSha256 = tlv(0x30, oid('1.2.840.10045.4.3.2'))

export interface Signer {
  readonly key: KeyObject
  readonly spki: Buffer
  readonly algorithm: Buffer
  readonly sign: (tbs: Buffer) => Buffer
}

export function ecSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    key: privateKey,
    spki: publicKey.export({ type: 'spki', format: 'der' }),
    algorithm: ecdsaSha256,
    sign: (tbs) => sign('sha256', tbs, privateKey),
  }
}

/** Of the same number always the same key, whose signatures are the same in every run too. */
export function fixedSigner(number: number): Signer {
  const prefix = hex('302e020100300506032b657004220420')
  const key = createPrivateKey({ key: Buffer.concat([prefix, Buffer.alloc(32, number)]), format: 'der', type: 'pkcs8' })
  return {
    key,
    spki: createPublicKey(key).export({ type: 'spki', format: 'der' }),
    algorithm: tlv(0x30, oid('1.3.101.112')),
    sign: (tbs) => sign(null, tbs, key),
  }
}

/** SEQUENCE { tbs, algorithm, signature }. */
export const signed = (tbs: Buffer, signer: Signer, ...more: readonly Buffer[]): Buffer =>
  tlv(0x30, tbs, signer.algorithm, bits(signer.sign(tbs)), ...more)

interface CertificateParts {
  readonly signer: Signer
  readonly version?: Buffer
  readonly serial?: Buffer
  readonly innerAlgorithm?: Buffer
  readonly issuer?: Buffer
  readonly notBefore?: Buffer
  readonly notAfter?: Buffer
  readonly subject?: Buffer
  readonly spki?: Buffer
  readonly extensions?: readonly Buffer[] | null
  readonly more?: readonly Buffer[]
}

export function certificate(parts: CertificateParts): Buffer {
  const { signer, extensions = [] } = parts
  const tbs = tlv(
    0x30,
    parts.version ?? tlv(0xa0, tlv(0x02, '\x02')),
    tlv(0x02, parts.serial ?? '\x2a'),
    parts.innerAlgorithm ?? signer.algorithm,
    parts.issuer ?? name('Test CA'),
    tlv(0x30, parts.notBefore ?? utc('240101000000Z'), parts.notAfter ?? utc('440101000000Z')),
    parts.subject ?? name('leaf.test'),
    parts.spki ?? signer.spki,
    ...(parts.more ?? []),
    ...(extensions === null || extensions.length === 0 ? [] : [tlv(0xa3, tlv(0x30, ...extensions))]),
  )
  return signed(tbs, signer)
}

interface CrlParts {
  readonly signer: Signer
  readonly version?: Buffer
  readonly issuer?: Buffer
  readonly thisUpdate?: Buffer
  readonly nextUpdate?: Buffer | null
  /** null: no list at all. */
  readonly entries?: readonly Buffer[] | null
  readonly extensions?: readonly Buffer[]
}

export const entry = (serial: Uint8Array | string, ...extensions: readonly Buffer[]): Buffer =>
  tlv(0x30, tlv(0x02, serial), utc('240601000000Z'), ...(extensions.length === 0 ? [] : [tlv(0x30, ...extensions)]))

export function crl(parts: CrlParts): Buffer {
  const { signer, entries = null, extensions = [] } = parts
  const tbs = tlv(
    0x30,
    parts.version ?? tlv(0x02, '\x01'),
    signer.algorithm,
    parts.issuer ?? name('Test CA'),
    parts.thisUpdate ?? utc('240601000000Z'),
    ...(parts.nextUpdate === null ? [] : [parts.nextUpdate ?? utc('440601000000Z')]),
    ...(entries === null ? [] : [tlv(0x30, ...entries)]),
    ...(extensions.length === 0 ? [] : [tlv(0xa0, tlv(0x30, ...extensions))]),
  )
  return signed(tbs, signer)
}

export const sha1 = (bytes: Uint8Array): Buffer => createHash('sha1').update(bytes).digest()
