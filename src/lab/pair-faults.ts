import type { AuthorityOptions, LeafOptions } from '../pki/make.ts'
import type { VerdictCode } from '../verdict/codes.ts'
import { daysFrom } from './lab-pki.ts'
import type { PairSubjects } from './pairs.ts'

/** What a fault changes in a backend, or does away with: no two faults of a pair may have one of these in common. */
type Part =
  | 'leaf-dates'
  | 'leaf-names'
  | 'leaf-purpose'
  | 'leaf-key'
  | 'leaf-signature'
  | 'leaf-extension'
  | 'issuing-dates'
  | 'issuing-constraints'
  | 'issuing-key-usage'
  | 'issuing-purpose'
  | 'issuing-names'
  | 'issuing-key'
  | 'above'
  | 'issuing'
  | 'root'

/** One fault as a change to a healthy backend: leaf, issuing CA, root. */
export interface PairFault {
  readonly code: VerdictCode
  readonly guilty: keyof PairSubjects
  readonly takes: readonly Part[]
  /** What has to be there for the fault to show. */
  readonly needs: readonly Part[]
  leaf?(now: Date): Partial<LeafOptions>
  issuing?(now: Date): Partial<AuthorityOptions>
  /** `self-signed`: the leaf vouches for itself. `alone`: the issuing CA is not served. */
  readonly chain?: 'self-signed' | 'alone' | 'elsewhere' | 'crowded'
  readonly flipsSignature?: true
}

export const pairFaults = {
  'self-signed': {
    code: 'self-signed-leaf',
    guilty: 'leaf',
    // A signature with its own key proves nothing, so there is nothing about it to be wrong either.
    takes: ['issuing', 'root', 'above', 'leaf-signature'],
    needs: [],
    chain: 'self-signed',
  },
  'missing-root': {
    code: 'missing-root',
    guilty: 'elsewhereRoot',
    takes: ['root'],
    needs: ['issuing'],
    chain: 'elsewhere',
  },
  'missing-intermediate': {
    code: 'missing-intermediate',
    guilty: 'issuing',
    takes: ['issuing', 'root', 'above'],
    needs: [],
    chain: 'alone',
  },
  'bad-signature': {
    code: 'bad-signature',
    guilty: 'leaf',
    takes: ['leaf-signature'],
    needs: ['issuing'],
    flipsSignature: true,
  },
  'unknown-critical-extension': ofLeaf('unknown-critical-extension', 'leaf-extension', () => ({
    // Under the arc for examples (RFC 5612 section 2); its value is NULL.
    extra: [{ oid: '1.3.6.1.4.1.32473.1', critical: true, value: Uint8Array.from([5, 0]) }],
  })),
  'issuer-not-ca': ofIssuing('issuer-not-ca', 'issuing-constraints', () => ({ ca: false })),
  'issuer-key-usage': ofIssuing('issuer-key-usage', 'issuing-key-usage', () => ({ keyUsage: ['digitalSignature'] })),
  'path-length-exceeded': {
    code: 'path-length-exceeded',
    guilty: 'policy',
    takes: ['above'],
    needs: ['issuing'],
    chain: 'crowded',
  },
  expired: ofLeaf('expired', 'leaf-dates', (now) => ({ notBefore: daysFrom(now, -90), notAfter: daysFrom(now, -1) })),
  'expired-intermediate': ofIssuing('expired', 'issuing-dates', (now) => ({
    notBefore: daysFrom(now, -400),
    notAfter: daysFrom(now, -1),
  })),
  'not-yet-valid': ofLeaf('not-yet-valid', 'leaf-dates', (now) => ({ notBefore: daysFrom(now, 1) })),
  'not-yet-valid-intermediate': ofIssuing('not-yet-valid', 'issuing-dates', (now) => ({ notBefore: daysFrom(now, 1) })),
  'wrong-purpose': ofLeaf('wrong-purpose', 'leaf-purpose', () => ({ purposes: ['clientAuth'] })),
  'wrong-purpose-intermediate': ofIssuing('wrong-purpose', 'issuing-purpose', () => ({ purposes: ['clientAuth'] })),
  'weak-key': ofLeaf('weak-key', 'leaf-key', () => ({ key: 'rsa-1024' })),
  'weak-issuer-key': ofIssuing('weak-key', 'issuing-key', () => ({ key: 'rsa-1024' })),
  'weak-signature': ofLeaf('weak-signature', 'leaf-signature', () => ({ hash: 'SHA-1' })),
  'name-constraint-violation': {
    code: 'name-constraint-violation',
    guilty: 'leaf',
    takes: ['issuing-names'],
    needs: ['issuing'],
    // Every name of the lab is below this one.
    issuing: () => ({ nameConstraints: { excluded: ['lab.test'] } }),
  },
  'name-mismatch': ofLeaf('name-mismatch', 'leaf-names', () => ({ names: ['another-service.lab.test'] })),
  'no-san': {
    ...ofLeaf('no-subject-alternative-name', 'leaf-names', () => ({ names: [] })),
    // What is constrained is the subjectAltName.
    takes: ['leaf-names', 'issuing-names'],
  },
} as const satisfies Record<string, PairFault>

export type PairFaultName = keyof typeof pairFaults

function ofLeaf(code: VerdictCode, part: Part, leaf: NonNullable<PairFault['leaf']>): PairFault {
  return { code, guilty: 'leaf', takes: [part], needs: [], leaf }
}

function ofIssuing(code: VerdictCode, part: Part, issuing: NonNullable<PairFault['issuing']>): PairFault {
  return { code, guilty: 'issuing', takes: [part], needs: ['issuing'], issuing }
}
