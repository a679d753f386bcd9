import type { VerdictCode } from '../verdict/codes.ts'
import type { FindingCode } from '../verdict/findings.ts'
import type { Finding } from '../verdict/model.ts'
import type { Certificate } from '../x509/certificate.ts'
import { refOf } from './certificate-ref.ts'

/** A fault of the judgement: by itself it refuses the backend. */
export interface FaultFinding extends Finding {
  readonly code: VerdictCode
  readonly severity: 'fault'
}

/** Where in the path, and which certificate. */
export interface Place {
  readonly at: number | null
  readonly certificate: Certificate | null
}

export function fault(
  code: VerdictCode,
  { at, certificate }: Place,
  summary: string,
  evidence: Readonly<Record<string, unknown>> = {},
): FaultFinding {
  return {
    code,
    severity: 'fault',
    at,
    certificate: certificate === null ? null : refOf(certificate),
    summary,
    evidence,
  }
}

/** What refuses nothing. */
export function weakness(
  code: FindingCode | VerdictCode,
  severity: 'warning' | 'info',
  { at, certificate }: Place,
  summary: string,
  evidence: Readonly<Record<string, unknown>> = {},
): Finding {
  return { code, severity, at, certificate: certificate === null ? null : refOf(certificate), summary, evidence }
}
