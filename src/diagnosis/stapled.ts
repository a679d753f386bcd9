import { refOf } from '../judge/certificate-ref.ts'
import type { Judgement } from '../judge/types.ts'
import type { RevocationPlan } from '../proxy/plan.ts'
import type { Finding } from '../verdict/model.ts'
import { checkStapledOcsp, readOcspResponse } from '../x509/ocsp.ts'
import { messageOf } from '../core/errors.ts'

/**
 * What the stapled OCSP response says of the leaf (RFC 6066 section 8, RFC 6960); null where none was stapled or it says that
 * all is well. It decides nothing (I5): the handshake looks at it only where the target requires one, and then it is the judge's.
 */
export function stapledFinding(
  response: Buffer | null,
  judgement: Judgement,
  now: number,
  revocation: RevocationPlan['mode'],
): Finding | null {
  if (revocation === 'staple-required') return null
  const [leaf, issuer] = judgement.path
  if (response === null || leaf === undefined || issuer === undefined) return null
  const answer = check(response, leaf.certificate, issuer.certificate, now)
  if (answer.outcome === 'good') return null
  const revoked = answer.outcome === 'revoked'
  const since = answer.revokedAt === null ? '' : ` since ${new Date(answer.revokedAt).toISOString()}`
  return {
    code: revoked ? 'revoked' : 'revocation-unknown',
    severity: 'warning',
    at: 0,
    certificate: refOf(leaf.certificate),
    summary: revoked
      ? `The backend's own stapled OCSP response says that its certificate is revoked${since}; ${unchecked[revocation]}, other clients do.`
      : `The stapled OCSP response is of no use: ${answer.reason}.`,
    evidence: { stapled: answer.outcome, reason: answer.reason },
  }
}

const unchecked = {
  off: 'this target does not check that (`revocation: off`)',
  crl: 'this target goes by revocation lists and does not check that (`revocation: crl`)',
} as const

type Checked = Pick<ReturnType<typeof checkStapledOcsp>, 'outcome' | 'reason' | 'revokedAt'>

function check(
  response: Buffer,
  leaf: Parameters<typeof checkStapledOcsp>[1]['leaf'],
  issuer: typeof leaf,
  time: number,
): Checked {
  try {
    return checkStapledOcsp(readOcspResponse(response), { leaf, issuer, time })
  } catch (error) {
    return { outcome: 'invalid', reason: messageOf(error), revokedAt: null }
  }
}
