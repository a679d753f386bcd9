import type { Certificate } from '../x509/certificate.ts'
import { renderName } from '../x509/name.ts'
import type { Provenance } from './source.ts'

/** Weaknesses of what is configured. None of them stops a store from loading; all of them are shown. */
export type FindingCode =
  | 'leaf-as-anchor'
  | 'no-basic-constraints'
  | 'expired'
  | 'not-yet-valid'
  | 'expires-soon'
  | 'duplicate'
  | 'weak-key'
  | 'weak-signature'
  | 'bad-self-signature'
  | 'not-an-anchor'
  | 'root-among-intermediates'
  | 'same-name-different-key'

/** `error`: has no effect or will fail. `warning`: works, but not as one would expect, or not for long. */
export type Severity = 'error' | 'warning' | 'info'

export interface Finding {
  readonly code: FindingCode
  readonly severity: Severity
  readonly subject: string
  readonly sha256: string
  readonly provenance: Provenance
  readonly message: string
}

export function finding(
  code: FindingCode,
  severity: Severity,
  { certificate, provenance }: { certificate: Certificate; provenance: Provenance },
  message: string,
): Finding {
  const subject = renderName(certificate.subject, 'edge')
  return { code, severity, subject, sha256: certificate.sha256, provenance, message: `"${subject}" ${message}` }
}

/** `file /etc/ca.pem, certificate 3`. */
export function placeOf({ source, path, index }: Provenance): string {
  const where = path === null || source.endsWith(path) ? source : `${source}, ${path}`
  return `${where}, certificate ${index}`
}
