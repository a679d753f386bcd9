import { refOf } from '../judge/certificate-ref.ts'
import type { Judgement } from '../judge/types.ts'
import type { Finding } from '../verdict/model.ts'
import { checkStapledOcsp, readOcspResponse } from '../x509/ocsp.ts'
import { messageOf } from '../core/errors.ts'

/**
 * What the stapled OCSP response says of the leaf (RFC 6066 section 8, RFC 6960); null where none was stapled or it says that
 * all is well. The gateway's handshake does not look at it, so it never decides (I5).
 */
export function stapledFinding(response: Buffer | null, judgement: Judgement, now: number): Finding | null {
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
      ? `The backend's own stapled OCSP response says that its certificate is revoked${since}; this gateway does not check that, other clients do.`
      : `The stapled OCSP response is of no use: ${answer.reason}.`,
    evidence: { stapled: answer.outcome, reason: answer.reason },
  }
}

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
