import type { CodeText } from './code-text.ts'
import { type VerdictCode, verdictCodes } from './codes.ts'
import type { FindingCode } from './findings.ts'
import { certificateTexts } from './texts-certificate.ts'
import { connectionTexts } from './texts-connection.ts'
import { findingTexts } from './texts-findings.ts'
import { handshakeTexts } from './texts-handshake.ts'
import { identityTexts } from './texts-identity.ts'
import { pathTexts } from './texts-path.ts'

/** One text for each verdict code; the compiler keeps the table whole. */
export const verdictTexts: Readonly<Record<VerdictCode, CodeText>> = {
  ...connectionTexts,
  ...handshakeTexts,
  ...pathTexts,
  ...certificateTexts,
  ...identityTexts,
}

export { findingTexts }

/** Where the documentation of a code is, from the root of the repository and of the package. */
export function pageOf(code: VerdictCode | FindingCode): string {
  return isVerdictCode(code) ? `docs/reference/verdicts/${code}.md` : `docs/reference/findings/${code}.md`
}

export function isVerdictCode(code: string): code is VerdictCode {
  return Object.hasOwn(verdictCodes, code)
}
