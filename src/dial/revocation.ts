import { revocationWords, type RevocationState, type RevocationWords } from '../verdict/revocation.ts'
import type { Certificate } from '../x509/certificate.ts'
import { checkCrls, type CrlError, type CrlFault } from '../x509/crl-check.ts'
import type { Crl } from '../x509/crl.ts'
import { commonNameOf, escapeControls, type Name, renderName } from '../x509/name.ts'
import type { StapleCheck } from '../x509/ocsp.ts'

/** A required staple is not there or does not say that all is well. */
export class StapleError extends Error {
  override readonly name = 'StapleError'
  readonly words: RevocationWords

  constructor(leaf: Certificate, check: Exclude<StapleCheck, { state: 'good' }>) {
    const words = stapleWords(leaf, check)
    super(words.summary)
    this.words = words
  }
}

export function stapleWords(leaf: Certificate, check: Exclude<StapleCheck, { state: 'good' }>): RevocationWords {
  const common = { ...namesOf(leaf), source: 'staple', state: check.state } as const
  switch (check.state) {
    case 'missing':
      return revocationWords(common)
    case 'revoked':
      return revocationWords({ ...common, revokedAt: dateOf(check.revokedAt), reason: check.reason })
    default:
      return revocationWords({ ...common, because: check.because, nextUpdate: dateOf(check.nextUpdate) })
  }
}

/** What the lists say of a path that was refused for them; null where they say nothing against it. A revocation comes first. */
export function crlWords(path: readonly Certificate[], crls: readonly Crl[], now: number): RevocationWords | null {
  const faults = checkCrls(path, crls, now)
  const fault = faults.find(({ error }) => error === 'CERT_REVOKED') ?? faults[0]
  const subject = fault === undefined ? undefined : path[fault.at]
  return fault === undefined || subject === undefined ? null : wordsOf(fault, subject)
}

function wordsOf({ error, crl, entry }: CrlFault, subject: Certificate): RevocationWords {
  const { state, because } = told[error]
  return revocationWords({
    ...namesOf(subject),
    source: 'crl',
    state: error === 'UNABLE_TO_GET_CRL' && crl !== null ? 'unusable' : state,
    ...(because === '' ? {} : { because }),
    thisUpdate: dateOf(crl?.thisUpdate ?? null),
    nextUpdate: dateOf(crl?.nextUpdate ?? null),
    revokedAt: dateOf(entry?.revokedAt ?? null),
    reason: entry?.reason ?? null,
  })
}
