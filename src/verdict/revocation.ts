import type { Party } from '../core/errors.ts'

/** What was to say whether a certificate was revoked. `crl`: the lists that this gateway holds. */
export type RevocationSource = 'crl' | 'staple'

/** `stale`: it ended. `unusable`: it does not count for another reason. */
export type RevocationState = 'revoked' | 'missing' | 'stale' | 'not-yet-valid' | 'unusable'

export interface RevocationFacts {
  readonly source: RevocationSource
  readonly state: RevocationState
  /** Names as people call them. */
  readonly subject: string
  readonly issuer: string
  readonly serial: string
  /** ISO 8601; of the list or the response, null where it does not say. */
  readonly thisUpdate?: string | null
  readonly nextUpdate?: string | null
  readonly revokedAt?: string | null
  /** Of a revocation, as the issuer gives it (RFC 5280 section 5.3.1). */
  readonly reason?: string | null
  /** What makes it unusable, as the end of a sentence. */
  readonly because?: string
}

/** How a fault of revocation is told, the same wherever it is found. */
export interface RevocationWords {
  readonly code: 'revoked' | 'revocation-unknown'
  readonly party: Party
  readonly summary: string
  readonly evidence: Readonly<Record<string, unknown>>
}

export function revocationWords(facts: RevocationFacts): RevocationWords {
  const { source, state, subject, ...rest } = facts
  const code = state === 'revoked' ? 'revoked' : 'revocation-unknown'
  const evidence = Object.fromEntries(Object.entries({ source, state, ...rest }).filter(([, value]) => value != null))
  return { code, party: revocationParty(evidence), summary: summaryOf(facts), evidence }
}

/** Who mends it, by the evidence of the fault: the lists are held here, everything else is the backend's. */
export function revocationParty(evidence: Readonly<Record<string, unknown>>): Party {
  return evidence['source'] === 'staple' || evidence['state'] === 'revoked' ? 'backend' : 'gateway'
}

function summaryOf({ source, state, subject, issuer, serial, ...rest }: RevocationFacts): string {
  const { thisUpdate, nextUpdate, revokedAt, reason, because = '' } = rest
  if (state === 'revoked') {
    const when = revokedAt == null ? '' : ` at ${revokedAt}`
    const why = reason == null || reason === '' ? '' : ` (${reason})`
    const where = source === 'staple' ? ', says the OCSP response that the backend staples' : ''
    return `"${subject}" (serial ${serial}) was revoked by "${issuer}"${when}${why}${where}`
  }
  const unknown = `Whether "${subject}" was revoked is not known`
  if (source === 'staple') {
    return state === 'missing'
      ? `${unknown}: the target requires a stapled OCSP response, and the backend sent none`
      : `${unknown}: the stapled OCSP response is of no use: ${because}`
  }
  switch (state) {
    case 'missing':
      return `${unknown}: no revocation list of "${issuer}" is held`
    case 'stale':
      return `${unknown}: the revocation list of "${issuer}" ended ${nextUpdate ?? 'long ago'}`
    case 'not-yet-valid':
      return `${unknown}: the revocation list of "${issuer}" is not valid before ${thisUpdate ?? 'later'}`
    default:
      return `${unknown}: the revocation list of "${issuer}" ${because}`
  }
}
