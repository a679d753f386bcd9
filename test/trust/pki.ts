import { webcrypto } from 'node:crypto'

// First, or the next one does not load.
import '../../src/pki/reflect-metadata.ts'
import * as x509 from '@peculiar/x509'

import { type Certificate, parseCertificate } from '../../src/x509/certificate.ts'

/** A certificate made for a test, with the key that belongs to it. */
export interface Made {
  /** The subject as given: least specific part first. */
  readonly name: string
  readonly certificate: Certificate
  readonly pem: string
  /** PKCS#8, PEM. */
  readonly key: string
  readonly keys: webcrypto.CryptoKeyPair
}

export interface MakeOptions {
  /** Default: itself. */
  readonly issuer?: Made
  readonly ca?: boolean
  /** `none`: no basicConstraints at all. */
  readonly constraints?: 'none'
  readonly dns?: readonly string[]
  readonly ip?: readonly string[]
  readonly keys?: webcrypto.CryptoKeyPair
  readonly kind?: 'ec' | 'rsa-1024' | 'rsa-2048'
  readonly hash?: string
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** `false`: no key identifiers, so that only names and signatures tell. */
  readonly keyIds?: boolean
  readonly purposes?: readonly string[]
  readonly extensions?: readonly x509.Extension[]
}

const dayMs = 86_400_000

export const daysFromNow = (days: number): Date => new Date(Date.now() + days * dayMs)

export async function makeKeys(kind: MakeOptions['kind'] = 'ec'): Promise<webcrypto.CryptoKeyPair> {
  if (kind === 'ec')
    return webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const modulusLength = kind === 'rsa-1024' ? 1024 : 2048
  const publicExponent = new Uint8Array([1, 0, 1])
  return webcrypto.subtle.generateKey(
    { name: 'RSASSA-PKCS1-v1_5', modulusLength, publicExponent, hash: 'SHA-256' },
    true,
    ['sign', 'verify'],
  )
}

/** Makes a certificate; valid from yesterday for a year unless told otherwise. */
export async function make(name: string, options: MakeOptions = {}): Promise<Made> {
  const keys = options.keys ?? (await makeKeys(options.kind))
  const { issuer } = options
  const signer = issuer?.keys ?? keys
  const extensions: x509.Extension[] = []
  const ca = options.ca ?? false
  if (options.constraints !== 'none') extensions.push(new x509.BasicConstraintsExtension(ca, undefined, true))
  const alternatives: x509.JsonGeneralName[] = [
    ...(options.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(options.ip ?? []).map((value) => ({ type: 'ip' as const, value })),
  ]
  if (alternatives.length > 0) extensions.push(new x509.SubjectAlternativeNameExtension(alternatives))
  if (options.purposes !== undefined) extensions.push(new x509.ExtendedKeyUsageExtension([...options.purposes]))
  if (options.keyIds !== false) {
    extensions.push(await x509.SubjectKeyIdentifierExtension.create(keys.publicKey))
    extensions.push(await x509.AuthorityKeyIdentifierExtension.create(signer.publicKey))
  }
  const made = await x509.X509CertificateGenerator.create({
    subject: name,
    issuer: issuer?.name ?? name,
    notBefore: options.notBefore ?? daysFromNow(-1),
    notAfter: options.notAfter ?? daysFromNow(365),
    publicKey: keys.publicKey,
    signingKey: signer.privateKey,
    signingAlgorithm: { ...signer.privateKey.algorithm, hash: options.hash ?? 'SHA-256' },
    extensions: [...extensions, ...(options.extensions ?? [])],
  })
  const certificate = parseCertificate(new Uint8Array(made.rawData))
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.replaceAll(/.{64}(?=.)/g, '$&\n')}\n-----END PRIVATE KEY-----\n`
  return { name, certificate, pem: certificate.pem, key, keys }
}

export interface Chain {
  readonly root: Made
  readonly intermediate: Made
  readonly leaf: Made
}

/** Root, intermediate and a leaf for `backend.test` and 127.0.0.1. */
export async function makeChain(prefix = 'Test'): Promise<Chain> {
  const root = await make(`C=DE, O=Postern, CN=${prefix} Root`, { ca: true })
  const intermediate = await make(`C=DE, O=Postern, CN=${prefix} Issuing`, { ca: true, issuer: root })
  const leaf = await make('CN=backend.test', { issuer: intermediate, dns: ['backend.test'], ip: ['127.0.0.1'] })
  return { root, intermediate, leaf }
}

/** An extension of any content. */
export const extension = (oid: string, critical: boolean, value: Uint8Array): x509.Extension =>
  new x509.Extension(oid, critical, new Uint8Array(value))
