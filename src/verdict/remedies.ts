import { type VerdictCode, verdictCodes } from './codes.ts'
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
import { type Case, type Diagnosed, furtherFaults } from './remedy-parts.ts'
import { isVerdictCode } from './texts.ts'

/**
 * What to change, where and by whom, best first, with the real names filled in. Switching a check off is never the first
 * answer: where it is one at all it is the last, for one target and one check, with an owner and an end (I1).
 */
export function remediesFor(diagnosed: Diagnosed, context: RemedyContext): readonly Remedy[] {
  const { verdict, findings, chain } = diagnosed
  const the: Case = { verdict, findings, chain, context, furtherWishes: [] }
  const further = furtherCases(the)
  const first = remediesOf({ ...the, furtherWishes: further.flatMap((each) => each.wishes) })
  const [letter] = first.some(isLetter) ? [] : further.flatMap(({ remedies }) => remedies.filter(isLetter))
  const also = further.flatMap(({ code, remedies }) => alsoRemedy(code, remedies))
  const all = [...first, ...also, ...(letter === undefined ? [] : [letter])]
  return [0, 1, 2].flatMap((place) => all.filter((each) => placeOf(each, context) === place))
}

/** What a log may suggest to whoever reads it, or to a program: nothing that gives something up, no letter without its text. */
export function remediesForLog(remedies: readonly Remedy[]): readonly Remedy[] {
  return remedies.filter((each) => !each.weakens && each.kind !== 'exception' && !isLetter(each))
}

/** Gateway and backend first, then the same elsewhere, then what gives something up. */
function placeOf({ kind }: Remedy, { edge }: RemedyContext): number {
  if (kind === 'exception') return 2
  // Of a target that is made of its objects, that is where the gateway itself is changed.
  if (kind === 'edge-management-api' && edge?.stored !== undefined) return 0
  return kind === 'kubernetes-secret' || kind === 'edge-management-api' ? 1 : 0
}

function isLetter({ kind }: Remedy): boolean {
  return kind === 'owner-message'
}

interface FurtherCase {
  readonly code: VerdictCode
  readonly remedies: readonly Remedy[]
  readonly wishes: readonly string[]
}

/** The faults behind the first one, each as if it were the verdict. */
function furtherCases(the: Case): readonly FurtherCase[] {
  const { verdict, chain, context } = the
  const seen = new Set<string>()
  return furtherFaults(the).flatMap(({ code, at, ...finding }) => {
    const key = `${code} ${at}`
    if (!isVerdictCode(code) || code === 'trusted' || seen.has(key) || seen.size >= maxFurther) return []
    seen.add(key)
    const { stage, party } = verdictCodes[code]
    const origin = at === null ? undefined : chain.path[at]?.origin
    const ours = origin === 'anchor' || origin === 'stored'
    const wishes: string[] = []
    const remedies = remediesOf({
      ...the,
      verdict: { ...verdict, ...finding, code, at, stage, party: ours ? 'gateway' : party },
      chain: { ...chain, brokenAt: at },
      // What was found missing was so for the first fault.
      context: { ...context, missing: null },
      onWish: (wish) => wishes.push(wish),
    })
    return [{ code, remedies, wishes }]
  })
}

/** I10: a chain may have more faults than anybody reads. */
const maxFurther = 4

/** One line of what mends a further fault, without what only shows it. */
function alsoRemedy(code: VerdictCode, remedies: readonly Remedy[]): readonly Remedy[] {
  const best = remedies.find((each) => each.kind !== 'exception' && !isLetter(each))
  if (best === undefined) return []
  const action = `Also, for ${code}: ${best.action.charAt(0).toLowerCase()}${best.action.slice(1)}`
  return [{ ...best, action, look: [] }]
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
