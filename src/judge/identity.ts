import type { Certificate } from '../x509/certificate.ts'
import { checkIdentity } from '../x509/host-names.ts'
import { commonNameOf } from '../x509/name.ts'
import { labelOf } from './certificate-ref.ts'
import { type FaultFinding, fault } from './fault.ts'

/** RFC 9525: the leaf names, in an alternative name, at least one of the names that are expected. */
export function identityFaults(leaf: Certificate, names: readonly string[] | null): FaultFinding[] {
  if (names === null) return []
  const result = checkIdentity(leaf, names)
  if (result.ok) return []
  const { reason, expected, presented } = result
  const wanted = expected.join(', ')
  const commonName = commonNameOf(leaf.subject)
  const summary =
    reason === 'name-mismatch'
      ? `"${labelOf(leaf.subject)}" is for ${shorten(presented)} and not for ${wanted}`
      : `"${labelOf(leaf.subject)}" names no host in a subject alternative name; ${wanted} was expected`
  return [
    fault(reason, { at: 0, certificate: leaf }, summary, {
      expected,
      presented: presented.slice(0, maxNames),
      presentedCount: presented.length,
      commonName,
      rule: 'RFC 9525 section 6',
    }),
  ]
}

/** I10: of a report. */
const maxNames = 100

/** A certificate may hold thousands of names; a sentence holds a few. */
const shorten = (names: readonly string[]): string =>
  names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`
