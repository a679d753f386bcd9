import type { Remedy } from './model.ts'
import { certificateRemedies } from './remedies-certificate.ts'
import { connectionRemedies } from './remedies-connection.ts'
import { clientIdentityRemedies, handshakeRemedies } from './remedies-handshake.ts'
import { nameRemedies } from './remedies-name.ts'
import {
  emptyStoreRemedies,
  missingIntermediateRemedies,
  missingRootRemedies,
  selfSignedRemedies,
  unknownIssuerRemedies,
} from './remedies-trust.ts'
import type { RemedyContext } from './remedy-context.ts'
import type { Case, Diagnosed } from './remedy-parts.ts'

/**
 * What to change, where and by whom, best first, with the real names filled in. Switching a check off is never the first
 * answer: where it is one at all it is the last, for one target and one check, with an owner and an end (I1).
 */
export function remediesFor(diagnosed: Diagnosed, context: RemedyContext): readonly Remedy[] {
  const { verdict, findings, chain } = diagnosed
  return remediesOf({ verdict, findings, chain, context })
}

function remediesOf(the: Case): readonly Remedy[] {
  const { code } = the.verdict
  switch (code) {
    case 'trusted':
      return []
    case 'dns-failure':
    case 'connection-refused':
    case 'connect-timeout':
    case 'connection-reset':
      return connectionRemedies(the, code)
    case 'not-tls':
    case 'handshake-timeout':
    case 'handshake-closed':
    case 'protocol-version':
    case 'no-shared-cipher':
    case 'server-name-rejected':
    case 'peer-alert':
      return handshakeRemedies(the, code)
    case 'client-certificate-required':
    case 'client-certificate-rejected':
      return clientIdentityRemedies(the, code)
    case 'missing-root':
      return missingRootRemedies(the)
    case 'missing-intermediate':
      return missingIntermediateRemedies(the)
    case 'unknown-issuer':
      return unknownIssuerRemedies(the)
    case 'self-signed-leaf':
      return selfSignedRemedies(the)
    case 'empty-trust-store':
      return emptyStoreRemedies(the)
    case 'name-mismatch':
    case 'no-subject-alternative-name':
      return nameRemedies(the, code)
    case 'expired':
    case 'not-yet-valid':
    case 'issuer-not-ca':
    case 'issuer-key-usage':
    case 'wrong-purpose':
    case 'path-length-exceeded':
    case 'name-constraint-violation':
    case 'weak-key':
    case 'weak-signature':
    case 'bad-signature':
    case 'unknown-critical-extension':
    case 'malformed-certificate':
    case 'policy-violation':
    case 'revoked':
    case 'revocation-unknown':
    case 'depth-exceeded':
    case 'too-complex':
    case 'distrusted':
      return certificateRemedies(the, code)
    default:
      return code satisfies never
  }
}
