import { codeOf, messageOf } from '../core/errors.ts'
import { revocationWords, type RevocationWords } from '../verdict/revocation.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { StapleCheck } from '../x509/ocsp-staple.ts'
import { stapleFacts } from '../x509/revocation-facts.ts'

/** A required staple is not there, or does not say that all is well. */
export class StapleError extends Error {
  override readonly name = 'StapleError'
  readonly words: RevocationWords

  constructor(check: Exclude<StapleCheck, { state: 'good' }>, leaf: Certificate) {
    const words = revocationWords(stapleFacts(check, leaf))
    super(words.summary)
    this.words = words
  }
}

/** What the lists of a target say of a path that was refused for them; `unanchored`: its anchor is missing, and that is why. */
export type CrlExplanation = RevocationWords | 'unanchored' | null

/** Whether the runtime speaks of a list; for some faults it has no code. */
export function mayBeOfLists(thrown: unknown): boolean {
  const code = codeOf(thrown)
  return listErrors.has(code) || (code === 'UNSPECIFIED' && /\bCRL\b/.test(messageOf(thrown)))
}

const listErrors: ReadonlySet<string> = new Set([
  'UNABLE_TO_GET_CRL',
  'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
  'CRL_SIGNATURE_FAILURE',
  'CRL_NOT_YET_VALID',
  'CRL_HAS_EXPIRED',
  'ERROR_IN_CRL_LAST_UPDATE_FIELD',
  'ERROR_IN_CRL_NEXT_UPDATE_FIELD',
  'CERT_REVOKED',
])
