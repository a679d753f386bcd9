import type { VerdictCode } from '../verdict/codes.ts'
import type { FaultFinding } from './fault.ts'

/**
 * The first fault is the verdict, the others are what it hides. First what leaves no path to speak of, then what makes the
 * path worthless whatever else is done, then what a renewal or reissue mends, then what needs a sound path to mean
 * anything (constraints, policies, revocation), identity last.
 */
const standardOrder: readonly VerdictCode[] = [
  'empty-trust-store',
  'too-complex',
  // A path that is cut short has no top of which anything could be said.
  'depth-exceeded',
  'self-signed-leaf',
  'missing-root',
  'missing-intermediate',
  'unknown-issuer',
  'distrusted',
  'bad-signature',
  'malformed-certificate',
  'unknown-critical-extension',
  'issuer-not-ca',
  'issuer-key-usage',
  'path-length-exceeded',
  'expired',
  'not-yet-valid',
  'wrong-purpose',
  'weak-key',
  'weak-signature',
  'name-constraint-violation',
  'policy-violation',
  'revoked',
  'revocation-unknown',
  'no-subject-alternative-name',
  'name-mismatch',
]

/** Stable: faults of one code stay in the order they were found. Codes that are not in `order` come last. */
export function orderFaults(
  faults: readonly FaultFinding[],
  order: readonly VerdictCode[] = standardOrder,
): readonly FaultFinding[] {
  const rank = ({ code }: FaultFinding): number => {
    const at = order.indexOf(code)
    return at === -1 ? order.length : at
  }
  return faults.toSorted((one, other) => rank(one) - rank(other))
}
