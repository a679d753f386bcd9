import type { Party } from '../core/errors.ts'
import type { RevocationFacts } from '../core/revocation-facts.ts'

/** How a fault of revocation is told, the same wherever it is found. */
export interface RevocationWords {
  readonly code: 'revoked' | 'revocation-unknown'
  readonly summary: string
  readonly evidence: Readonly<Record<string, unknown>>
}

export function revocationWords(facts: RevocationFacts): RevocationWords {
  const { subject: _named, crlUrls, ...rest } = facts
  return {
    code: facts.state === 'revoked' ? 'revoked' : 'revocation-unknown',
    summary: summaryOf(facts),
    evidence: {
      ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null && value !== '')),
      ...(crlUrls.length === 0 ? {} : { crlUrls }),
    },
  }
}

/** Who mends such a fault: the lists are held here, everything else is the backend's. */
export function revocationParty({ code, evidence }: Pick<RevocationWords, 'code' | 'evidence'>): Party {
  return code === 'revoked' || evidence['source'] === 'staple' ? 'backend' : 'gateway'
}

function summaryOf(facts: RevocationFacts): string {
  const { source, state, subject, issuer, serial, thisUpdate, nextUpdate, revokedAt, reason, why } = facts
  if (state === 'revoked') {
    const when = revokedAt === null ? '' : ` at ${revokedAt}`
    const cause = reason === null ? '' : ` (${reason})`
    const where = source === 'staple' ? ', says the OCSP response that the backend staples' : ''
    return `"${subject}" (serial ${serial}) was revoked by "${issuer}"${when}${cause}${where}`
  }
  const unknown = `Whether "${subject}" was revoked is not known`
  if (source === 'staple') {
    return state === 'missing'
      ? `${unknown}: the target requires a stapled OCSP response, and the backend sent none`
      : `${unknown}: the stapled OCSP response is of no use: ${why}`
  }
  switch (state) {
    case 'missing':
      return `${unknown}: no revocation list of "${issuer}" is held`
    case 'stale':
      return `${unknown}: the revocation list of "${issuer}" ended ${nextUpdate ?? 'long ago'}`
    case 'not-yet-valid':
      return `${unknown}: the revocation list of "${issuer}" is not valid before ${thisUpdate ?? 'later'}`
    default:
      return `${unknown}: the revocation list of "${issuer}" ${why}`
  }
}
