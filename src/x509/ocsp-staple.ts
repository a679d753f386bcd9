import type { Certificate } from './certificate.ts'
import { DerError } from './der.ts'
import { readOcspResponse } from './ocsp.ts'
import { checkStapledOcsp, maxAgeMs, type OcspCheck } from './ocsp-check.ts'

/** What a staple comes to where one is required. */
export type StapleCheck =
  /** `until`: from then on it says nothing any more. */
  | { readonly state: 'good'; readonly until: number }
  | { readonly state: 'missing' }
  | { readonly state: 'revoked'; readonly revokedAt: number | null; readonly reason: string }
  | { readonly state: 'stale' | 'unusable'; readonly why: string; readonly nextUpdate: number | null }

/**
 * A staple is good, or it is none. What has ended by our own clock is let pass nowhere: a connection that is opened under it
 * could not be kept.
 *
 * @param issuer null: nobody is at hand who could have signed it
 */
export function checkRequiredStaple(
  staple: Uint8Array | null,
  { leaf, issuer, time }: { readonly leaf: Certificate; readonly issuer: Certificate | null; readonly time: number },
): StapleCheck {
  if (staple === null) return { state: 'missing' }
  const unusable = (why: string): StapleCheck => ({ state: 'unusable', why, nextUpdate: null })
  if (issuer === null) return unusable('the issuer of the leaf, who would have to vouch for it, is not at hand')
  const check = readAndCheck(staple, { leaf, issuer, time })
  const { outcome, reason, thisUpdate, nextUpdate, revokedAt } = check
  if (outcome === 'revoked') return { state: 'revoked', revokedAt, reason }
  const until = nextUpdate ?? (thisUpdate === null ? null : thisUpdate + maxAgeMs)
  if (until !== null && until <= time) {
    return { state: 'stale', why: reason || `it ended ${new Date(until).toISOString()}`, nextUpdate }
  }
  if (outcome === 'good' && until !== null) return { state: 'good', until }
  return unusable(outcome === 'unknown' ? 'the responder does not know the certificate' : reason)
}

function readAndCheck(staple: Uint8Array, question: Parameters<typeof checkStapledOcsp>[1]): OcspCheck {
  try {
    return checkStapledOcsp(readOcspResponse(staple), question)
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    const reason = `it cannot be read: ${error.reason}`
    return { outcome: 'invalid', reason, thisUpdate: null, nextUpdate: null, revokedAt: null }
  }
}
