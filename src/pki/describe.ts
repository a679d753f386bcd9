import type { Certificate } from '../x509/certificate.ts'
import { renderName } from '../x509/name.ts'
import { isLeaf } from './bundle.ts'

/** What people ask about a certificate, as plain data. */
export interface CertificateFacts {
  readonly subject: string
  readonly issuer: string
  readonly kind: 'root' | 'intermediate' | 'leaf'
  readonly names: readonly string[]
  readonly serial: string
  readonly notBefore: string
  readonly notAfter: string
  readonly key: string
  readonly signature: string
  readonly sha256: string
  /** As gateways log it. */
  readonly sha1: string
}

export function describeCertificate(certificate: Certificate): CertificateFacts {
  const { publicKey } = certificate
  return {
    subject: renderName(certificate.subject, 'edge'),
    issuer: renderName(certificate.issuer, 'edge'),
    kind: isLeaf(certificate) ? 'leaf' : certificate.selfSigned ? 'root' : 'intermediate',
    names: certificate.subjectAltNames.map(({ kind, value }) => `${kind}:${value}`),
    serial: certificate.serial,
    notBefore: new Date(certificate.notBefore).toISOString(),
    notAfter: new Date(certificate.notAfter).toISOString(),
    key: [publicKey.algorithm, publicKey.curve ?? publicKey.bits].filter((part) => part !== null).join(' '),
    signature: certificate.signatureAlgorithm.name,
    sha256: certificate.sha256,
    sha1: certificate.sha1,
  }
}

/** The facts in lines, for a terminal; `now` marks what is out of its time. */
export function renderFacts(facts: CertificateFacts, now: number): string {
  const outOfTime =
    now > Date.parse(facts.notAfter) ? ' (expired)' : now < Date.parse(facts.notBefore) ? ' (not yet valid)' : ''
  const lines = [
    `${facts.kind}: ${facts.subject || '(empty subject)'}`,
    `  issuer     ${facts.issuer}`,
    ...(facts.names.length === 0 ? [] : [`  names      ${facts.names.join(', ')}`]),
    `  valid      ${facts.notBefore} to ${facts.notAfter}${outOfTime}`,
    `  key        ${facts.key}, signed with ${facts.signature}`,
    `  serial     ${facts.serial}`,
    `  sha256     ${facts.sha256}`,
    `  sha1       ${facts.sha1}`,
  ]
  return `${lines.join('\n')}\n`
}
