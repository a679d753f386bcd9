import type { RevocationFacts } from '../core/revocation-facts.ts'
import type { Certificate } from './certificate.ts'
import type { CrlError, CrlFault } from './crl-check.ts'
import { commonNameOf, escapeControls, type Name, renderName } from './name.ts'
import type { StapleCheck } from './ocsp-staple.ts'

export function crlFacts({ error, crl, entry }: CrlFault, subject: Certificate): RevocationFacts {
  const { state, why } = told[error]
  const isMissing = error === 'UNABLE_TO_GET_CRL' && crl === null
  return {
    ...namesOf(subject),
    source: 'crl',
    // There is one, and after it none for the reasons that it does not cover.
    state: error === 'UNABLE_TO_GET_CRL' && crl !== null ? 'unusable' : state,
    thisUpdate: isoDate(crl?.thisUpdate ?? null),
    nextUpdate: isoDate(crl?.nextUpdate ?? null),
    revokedAt: isoDate(entry?.revokedAt ?? null),
    reason: entry?.reason ?? null,
    why: isMissing ? '' : why,
    crlUrls: subject.crlUrls.slice(0, maxUrls),
  }
}

export function stapleFacts(check: Exclude<StapleCheck, { state: 'good' }>, leaf: Certificate): RevocationFacts {
  const { state } = check
  const isRevoked = state === 'revoked'
  return {
    ...namesOf(leaf),
    source: 'staple',
    state,
    thisUpdate: null,
    nextUpdate: 'nextUpdate' in check ? isoDate(check.nextUpdate) : null,
    revokedAt: isRevoked ? isoDate(check.revokedAt) : null,
    reason: isRevoked && check.reason !== '' ? check.reason : null,
    why: 'why' in check ? check.why : '',
    crlUrls: [],
  }
}

/** A revocation before all else: it is known, whatever is not. A list that nobody signed says nothing. */
export function foremost(faults: readonly CrlFault[]): CrlFault | null {
  const forged = new Set(faults.flatMap(({ error, crl }) => (error === 'CRL_SIGNATURE_FAILURE' ? [crl] : [])))
  return faults.find(({ error, crl }) => error === 'CERT_REVOKED' && !forged.has(crl)) ?? faults[0] ?? null
}

const told: Readonly<Record<CrlError, Pick<RevocationFacts, 'state' | 'why'>>> = {
  CERT_REVOKED: { state: 'revoked', why: '' },
  UNABLE_TO_GET_CRL: { state: 'missing', why: 'does not cover every reason for a revocation' },
  CRL_HAS_EXPIRED: { state: 'stale', why: '' },
  CRL_NOT_YET_VALID: { state: 'not-yet-valid', why: '' },
  CRL_SIGNATURE_FAILURE: { state: 'unusable', why: 'is not signed with the key of that CA' },
  KEYUSAGE_NO_CRL_SIGN: { state: 'unusable', why: 'is signed with a key that may not sign lists (keyUsage cRLSign)' },
  DIFFERENT_CRL_SCOPE: { state: 'unusable', why: 'is for other certificates of that CA (issuingDistributionPoint)' },
}

/** I10: a certificate can have 60 KiB of them. */
const maxUrls = 4

const namesOf = ({ subject, issuer, serial }: Certificate) => ({
  subject: labelOf(subject),
  issuer: labelOf(issuer),
  serial,
})

const labelOf = (name: Name): string =>
  escapeControls(commonNameOf(name) ?? (renderName(name, 'edge') || '(empty name)')).slice(0, 200)

function isoDate(time: number | null): string | null {
  return time === null || Math.abs(time) > maxTime ? null : new Date(time).toISOString().replace('.000Z', 'Z')
}

/** ECMA-262: what a Date can be. */
const maxTime = 8.64e15
