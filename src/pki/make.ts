import { randomBytes } from 'node:crypto'
import './reflect-metadata.ts'
import {
  type JsonNameParams,
  Name,
  PublicKey,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { PosternError } from '../core/errors.ts'
import { toPem } from '../x509/certificate.ts'
import { buildExtensions, type KeyUsageName, type PurposeName, type RawExtension } from './extensions.ts'
import { createKeyPair, type HashName, type KeyKind, type KeyPair, signingAlgorithm } from './keys.ts'
import type { NameConstraints } from './name-constraints.ts'

/** A certificate, its private key, and who issued it. Everything here is immutable and safe to share. */
export interface Identity {
  /** DER. */
  readonly certificate: Buffer
  readonly certificatePem: string
  readonly keys: KeyPair
  /** PKCS#8 PEM. */
  readonly keyPem: string
  /** DER of the certificates above this one, nearest first, root last. Empty for a self-signed one. */
  readonly issuers: readonly Buffer[]
  /** What a server presents: this certificate and the intermediates above it, without the root. */
  readonly chainPem: string
}

interface CommonOptions {
  readonly organization?: string
  /** A new key of this kind (EC P-256 unless told), or a pair to use again: renewals and cross-signs share a key. */
  readonly key?: KeyKind | KeyPair
  /** The moment to count validity from; default is the system's clock. */
  readonly now?: Date
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** The digest to sign with; by default it suits the issuer's key. */
  readonly hash?: HashName
  /** Hexadecimal. Default: 127 random bits, positive. */
  readonly serialNumber?: string
  /** `null` leaves basicConstraints out. */
  readonly ca?: boolean | null
  readonly keyUsage?: readonly KeyUsageName[]
  readonly purposes?: readonly (PurposeName | `${number}.${string}`)[]
  readonly subjectKeyId?: boolean
  readonly authorityKeyId?: boolean
  readonly issuerUrl?: string
  readonly crlUrl?: string
  readonly extra?: readonly RawExtension[]
}

export interface AuthorityOptions extends CommonOptions {
  readonly commonName: string
  readonly pathLength?: number
  readonly nameConstraints?: NameConstraints
}

export interface LeafOptions extends CommonOptions {
  /** DNS names, IP addresses, URIs or mail addresses for the subjectAltName. Empty for a certificate without one. */
  readonly names: readonly string[]
  /** Default: the first name. `''` leaves the subject empty. */
  readonly commonName?: string
}

/** A self-signed certificate authority: ten years, may sign certificates and CRLs. */
export async function createRoot(options: AuthorityOptions): Promise<Identity> {
  return issue(null, authoritySpec(options, 10 * yearMs))
}

/** An authority under another. Given the key and name of an existing one it is a cross-sign. */
export async function createIntermediate(issuer: Identity, options: AuthorityOptions): Promise<Identity> {
  return issue(issuer, authoritySpec(options, 5 * yearMs))
}

/** A server certificate, unless `purposes` says otherwise. */
export async function createLeaf(issuer: Identity, options: LeafOptions): Promise<Identity> {
  return issue(issuer, leafSpec(options))
}

/** A server certificate that vouches for itself. */
export async function createSelfSigned(options: LeafOptions): Promise<Identity> {
  return issue(null, leafSpec(options))
}

/** Puts together what `createRoot` and the others return, from parts that were stored. `issuers` goes upwards. */
export function identityOf(certificate: Buffer, keys: KeyPair, issuers: readonly Buffer[]): Identity {
  const top = issuers.at(-1)
  const intermediates = top !== undefined && isSelfIssued(top) ? issuers.slice(0, -1) : issuers
  return {
    certificate,
    certificatePem: pemOf(certificate),
    keys,
    keyPem: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    issuers,
    chainPem: pemOf(certificate, ...intermediates),
  }
}

/** CERTIFICATE blocks, in the order given. */
export function pemOf(...certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => toPem(Buffer.from(der))).join('')
}

export { createKeyPair } from './keys.ts'

interface Spec extends CommonOptions {
  readonly commonName: string
  readonly ca: boolean | null
  readonly keyUsage: readonly KeyUsageName[]
  readonly lifetimeMs: number
  readonly names: readonly string[]
  readonly pathLength?: number
  readonly nameConstraints?: NameConstraints
}

function authoritySpec(options: AuthorityOptions, lifetimeMs: number): Spec {
  return { ca: true, keyUsage: ['keyCertSign', 'cRLSign'], ...options, lifetimeMs, names: [] }
}

function leafSpec(options: LeafOptions): Spec {
  const isRsa =
    typeof options.key === 'string' ? options.key.startsWith('rsa') : options.key?.publicKey.asymmetricKeyType === 'rsa'
  return {
    ca: false,
    // keyEncipherment is the RSA key exchange of TLS 1.2; no other key can do it.
    keyUsage: isRsa ? ['digitalSignature', 'keyEncipherment'] : ['digitalSignature'],
    purposes: ['serverAuth'],
    commonName: options.names[0] ?? '',
    ...options,
    lifetimeMs: leafLifetimeMs,
  }
}

async function issue(issuer: Identity | null, spec: Spec): Promise<Identity> {
  const keys = typeof spec.key === 'object' ? spec.key : await createKeyPair(spec.key ?? 'ec-p256')
  const spki = Uint8Array.from(keys.publicKey.export({ format: 'der', type: 'spki' }))
  const parent = issuer === null ? null : readOnce(issuer.certificate)
  const subject = subjectOf(spec)
  const signer = issuer?.keys.privateKey ?? keys.privateKey
  const algorithm = signingAlgorithm(signer, spec.hash)
  const keyId = await keyIdOf(spki)

  const made = await X509CertificateGenerator.create({
    serialNumber: spec.serialNumber ?? randomSerial(),
    subject,
    issuer: parent === null ? subject : parent.subjectName,
    ...validityOf(spec, parent),
    publicKey: spki,
    signingKey: signer.toCryptoKey(algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
    extensions: buildExtensions(
      {
        basicConstraints: spec.ca === null ? null : { ca: spec.ca, pathLength: spec.pathLength },
        keyUsage: spec.keyUsage,
        purposes: spec.purposes ?? [],
        names: spec.names,
        subjectKeyId: spec.subjectKeyId === false ? null : keyId,
        // RFC 5280 section 4.2.1.1 lets a self-signed certificate go without.
        authorityKeyId: spec.authorityKeyId === false || parent === null ? null : await issuerKeyId(parent),
        issuerUrl: spec.issuerUrl,
        crlUrl: spec.crlUrl,
        nameConstraints: spec.nameConstraints,
        extra: spec.extra,
      },
      subject.toString() === '',
    ),
  })
  return identityOf(Buffer.from(made.rawData), keys, issuer === null ? [] : [issuer.certificate, ...issuer.issuers])
}

function subjectOf({ organization, commonName }: Spec): Name {
  const parts: JsonNameParams = []
  if (organization !== undefined) parts.push({ O: [organization] })
  if (commonName !== '') parts.push({ CN: [commonName] })
  return new Name(parts)
}

/** Whole seconds, since DER times hold no more. A certificate does not outlive its issuer unless it is told to. */
function validityOf(spec: Spec, parent: X509Certificate | null): { notBefore: Date; notAfter: Date } {
  const nowMs = (spec.now ?? new Date()).getTime()
  const notBeforeMs = spec.notBefore?.getTime() ?? nowMs - clockSkewMs
  const issuerEndsMs = parent?.notAfter.getTime() ?? Number.POSITIVE_INFINITY
  const ownEndMs = Math.max(nowMs, notBeforeMs) + spec.lifetimeMs
  const notAfterMs =
    spec.notAfter?.getTime() ?? (issuerEndsMs > notBeforeMs ? Math.min(ownEndMs, issuerEndsMs) : ownEndMs)
  if (notAfterMs < notBeforeMs) {
    throw new PosternError('PKI_BAD_VALIDITY', `certificate "${spec.commonName}": notAfter lies before notBefore`)
  }
  const wholeSeconds = (ms: number) => new Date(Math.floor(ms / 1000) * 1000)
  return { notBefore: wholeSeconds(notBeforeMs), notAfter: wholeSeconds(notAfterMs) }
}

function randomSerial(): string {
  const bytes = randomBytes(16)
  // The top bit makes an INTEGER negative, the next one keeps every serial at the same length.
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes.toString('hex')
}

async function keyIdOf(spki: Uint8Array<ArrayBuffer>): Promise<string> {
  return Buffer.from(await new PublicKey(spki).getKeyIdentifier()).toString('hex')
}

/** The issuer's own subjectKeyIdentifier where it has one, so that a hand-made one is followed too. */
async function issuerKeyId(issuer: X509Certificate): Promise<string> {
  const stated = issuer.getExtension(SubjectKeyIdentifierExtension)
  return stated === null ? keyIdOf(new Uint8Array(issuer.publicKey.rawData)) : stated.keyId
}

/** Issuers are asked for again with every certificate below them; reading one is dear. */
function readOnce(der: Buffer): X509Certificate {
  let certificate = readBefore.get(der)
  if (certificate === undefined) readBefore.set(der, (certificate = new X509Certificate(Uint8Array.from(der))))
  return certificate
}

const readBefore = new WeakMap<Buffer, X509Certificate>()

function isSelfIssued(der: Buffer): boolean {
  const certificate = readOnce(der)
  return Buffer.from(certificate.subjectName.toArrayBuffer()).equals(
    Buffer.from(certificate.issuerName.toArrayBuffer()),
  )
}

const dayMs = 86_400_000
const yearMs = 365 * dayMs
/** What public CAs may issue for at most, and what clients of private ones have come to expect. */
const leafLifetimeMs = 397 * dayMs
/** A certificate just made has to work on machines whose clocks are late. */
const clockSkewMs = 3_600_000
