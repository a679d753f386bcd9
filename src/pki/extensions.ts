import { isIP } from 'node:net'
import './reflect-metadata.ts'
import {
  AuthorityInfoAccessExtension,
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  CRLDistributionPointsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
} from '@peculiar/x509'
import { encodeNameConstraints, type NameConstraints } from './name-constraints.ts'

export type KeyUsageName = keyof typeof KeyUsageFlags
export type PurposeName = keyof typeof ExtendedKeyUsage

/** The extensions of a certificate. What is left out is not written. */
export interface ExtensionOptions {
  /** `null` writes no basicConstraints at all. */
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength?: number | undefined } | null
  readonly keyUsage: readonly KeyUsageName[]
  /** Names, or OIDs in dotted form. */
  readonly purposes: readonly (PurposeName | `${number}.${string}`)[]
  /** DNS names, IP addresses, URIs and mail addresses, told apart by their form. */
  readonly names: readonly string[]
  readonly subjectKeyId: string | null
  readonly authorityKeyId: string | null
  /** Where the issuer's certificate can be fetched (AIA caIssuers). */
  readonly issuerUrl?: string | undefined
  readonly crlUrl?: string | undefined
  readonly nameConstraints?: NameConstraints | undefined
  /** Written as they are, for what this kit has no word for. */
  readonly extra?: readonly RawExtension[] | undefined
}

export interface RawExtension {
  readonly oid: string
  readonly critical: boolean
  /** DER of the value, without the OCTET STRING around it. */
  readonly value: Uint8Array<ArrayBuffer>
}

/** The extensions in the order that common CAs write them; criticality as RFC 5280 section 4.2 asks. */
export function buildExtensions(options: ExtensionOptions, emptySubject: boolean): Extension[] {
  const { basicConstraints, keyUsage, purposes, names, nameConstraints } = options
  const built: Extension[] = []
  if (basicConstraints !== null) {
    // A leaf's CA:FALSE carries no rights, so it need not be critical; a CA's must be (RFC 5280 section 4.2.1.9).
    built.push(new BasicConstraintsExtension(basicConstraints.ca, basicConstraints.pathLength, basicConstraints.ca))
  }
  if (keyUsage.length > 0) {
    const flags = keyUsage.reduce((all, name) => all | KeyUsageFlags[name], 0)
    // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- a union of flags is no member of the enum
    built.push(new KeyUsagesExtension(flags, true))
  }
  if (purposes.length > 0) built.push(new ExtendedKeyUsageExtension(purposes.map(purposeOid)))
  if (names.length > 0) {
    // RFC 5280 section 4.2.1.6: critical when the subject is empty.
    built.push(new SubjectAlternativeNameExtension(names.map(generalName), emptySubject))
  }
  if (nameConstraints !== undefined) {
    built.push(new Extension('2.5.29.30', true, encodeNameConstraints(nameConstraints)))
  }
  if (options.subjectKeyId !== null) built.push(new SubjectKeyIdentifierExtension(options.subjectKeyId))
  if (options.authorityKeyId !== null) built.push(new AuthorityKeyIdentifierExtension(options.authorityKeyId))
  if (options.issuerUrl !== undefined) built.push(new AuthorityInfoAccessExtension({ caIssuers: options.issuerUrl }))
  if (options.crlUrl !== undefined) built.push(new CRLDistributionPointsExtension([options.crlUrl]))
  for (const { oid, critical, value } of options.extra ?? []) built.push(new Extension(oid, critical, value))
  return built
}

function purposeOid(purpose: string): string {
  return purpose in ExtendedKeyUsage ? ExtendedKeyUsage[purpose as PurposeName] : purpose
}

function generalName(name: string): { type: 'ip' | 'url' | 'email' | 'dns'; value: string } {
  if (isIP(name) !== 0) return { type: 'ip', value: name }
  if (name.includes('://')) return { type: 'url', value: name }
  if (name.includes('@')) return { type: 'email', value: name }
  return { type: 'dns', value: name }
}
