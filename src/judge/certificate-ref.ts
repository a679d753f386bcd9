import type { CertificateRef } from '../verdict/model.ts'
import type { Certificate } from '../x509/certificate.ts'
import { commonNameOf, escapeControls, type Name, renderName } from '../x509/name.ts'

/** What of a certificate goes into reports. */
export function refOf(certificate: Certificate): CertificateRef {
  return {
    subject: renderName(certificate.subject, 'edge'),
    issuer: renderName(certificate.issuer, 'edge'),
    serial: certificate.serial,
    sha256: certificate.sha256,
    subjectKeyId: certificate.subjectKeyId,
    authorityKeyId: certificate.authorityKeyId,
    notBefore: isoDate(certificate.notBefore),
    notAfter: isoDate(certificate.notAfter),
  }
}

/** The name people call it by: the common name, the whole name where there is none. */
export const labelOf = (name: Name): string => clip(commonNameOf(name) ?? (renderName(name, 'edge') || '(empty name)'))

/** Text of a certificate for a sentence: no control characters, and not a page of it. */
export function clip(text: string): string {
  const safe = escapeControls(text)
  return safe.length <= maxText ? safe : `${safe.slice(0, maxText)}...`
}

const maxText = 200

/** ISO 8601 without milliseconds; certificates know no finer time. */
export const isoDate = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')
