import { hash } from 'node:crypto'

import { readFrame } from './certificate-frame.ts'
import { couldIssue } from './issued.ts'
import type { Defect } from './defects.ts'
import type { DistributionPoint } from './distribution-points.ts'
import type { Extension } from './extension-list.ts'
import type { AuthorityKeyIdentifier, BasicConstraints, KeyUsage } from './extensions.ts'
import type { GeneralName } from './general-name.ts'
import { type Name, sameName } from './name.ts'
import { processedExtensions } from './oids.ts'
import type { NameConstraints, PolicyConstraints, PolicyInformation, PolicyMapping } from './path-constraints.ts'
import type { PublicKeyFacts } from './public-key.ts'
import { verifySignature } from './signature.ts'
import type { SignatureAlgorithm } from './signature-algorithm.ts'

export { extensionOf } from './extension-list.ts'

/** The facts of one certificate. Nothing here is judged: see the path rules and the lint for that. */
export interface Certificate {
  readonly der: Buffer
  /** Re-encoded, 64 columns, final line break. */
  readonly pem: string
  /** Upper-case hexadecimal, as the thumbprints of logs and APIs. */
  readonly sha256: string
  readonly sha1: string
  /** What is signed, and the content of the BIT STRING that signs it. */
  readonly tbs: Buffer
  readonly signature: Buffer
  readonly version: number
  readonly serial: string
  /** Two's complement, minimal: RFC 5280 section 4.1.2.2 wants it positive and of at most 20 octets. */
  readonly serialBytes: Buffer
  readonly subject: Name
  readonly issuer: Name
  /**
   * Milliseconds since the epoch; both ends belong to the validity. A time that cannot be read is a defect, and never a time
   * at which the certificate is valid: such a start is `endOfTime`, such an end `startOfTime`.
   */
  readonly notBefore: number
  readonly notAfter: number
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly publicKey: PublicKeyFacts
  readonly issuerUniqueId: boolean
  readonly subjectUniqueId: boolean
  readonly extensions: readonly Extension[]
  readonly basicConstraints: BasicConstraints | null
  readonly keyUsage: ReadonlySet<KeyUsage> | null
  /** OIDs; null where the extension is absent, which means any purpose. */
  readonly extendedKeyUsage: readonly string[] | null
  /** Empty where there are none, where they cannot be read, and where there are two lists of them. */
  readonly subjectAltNames: readonly GeneralName[]
  readonly issuerAltNames: readonly GeneralName[]
  readonly nameConstraints: NameConstraints | null
  readonly policies: readonly PolicyInformation[] | null
  readonly policyMappings: readonly PolicyMapping[] | null
  readonly policyConstraints: PolicyConstraints | null
  readonly inhibitAnyPolicy: number | null
  readonly subjectKeyId: string | null
  readonly authorityKeyId: string | null
  readonly authorityKey: AuthorityKeyIdentifier | null
  readonly crlDistributionPoints: readonly DistributionPoint[] | null
  readonly freshestCrl: readonly DistributionPoint[] | null
  /** Of the distribution points: only full names that are URIs can be fetched. */
  readonly crlUrls: readonly string[]
  readonly aiaUrls: { readonly caIssuers: readonly string[]; readonly ocsp: readonly string[] }
  readonly unknownCriticalExtensions: readonly string[]
  readonly defects: readonly Defect[]
  /** Subject and issuer are the same name. */
  readonly selfIssued: boolean
  /**
   * OpenSSL's criterion for a root (EXFLAG_SS): self-issued, and neither key identifiers nor kind of key contradict it. In a
   * store OpenSSL takes such a certificate for an anchor **without checking its signature**, so whatever must not anchor
   * has to be kept from it by this form and not by the stricter `selfSigned`.
   */
  readonly selfSignedForm: boolean
  /** `selfSignedForm`, and the signature verifies with the certificate's own key. Computed on first use. */
  readonly selfSigned: boolean
}

/**
 * Reads one DER certificate. Throws `DerError` where the frame cannot be read; what is wrong inside of a field or of an
 * extension becomes a defect, because servers do serve such certificates and a diagnosis has to show them. An extension that
 * is null or empty may be there and unreadable: look at `defects` before its absence means anything.
 */
export function parseCertificate(bytes: Uint8Array): Certificate {
  const { der, ...frame } = readFrame(bytes)
  const { subject, issuer } = frame
  const selfIssued = sameName(subject, issuer)
  const selfSignedForm = selfIssued && couldIssue(frame, frame)
  let selfSigned: boolean | null = selfSignedForm ? null : false
  let pem: string | null = null
  let sha1: string | null = null
  return {
    der,
    get pem() {
      pem ??= toPem(der)
      return pem
    },
    sha256: digest('sha256', der),
    get sha1() {
      sha1 ??= digest('sha1', der)
      return sha1
    },
    ...frame,
    authorityKeyId: frame.authorityKey?.keyId ?? null,
    unknownCriticalExtensions: frame.extensions
      .filter((it) => it.critical && !processedExtensions.has(it.oid))
      .map(({ oid }) => oid),
    selfIssued,
    selfSignedForm,
    get selfSigned() {
      selfSigned ??= verifySignature(frame.publicKey, frame) === 'good'
      return selfSigned
    },
  }
}

export function toPem(der: Buffer): string {
  const lines = der.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

const digest = (algorithm: string, der: Buffer): string => hash(algorithm, der, 'hex').toUpperCase()
