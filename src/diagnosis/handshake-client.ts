import { PosternError } from '../core/errors.ts'
import { isoDate } from '../judge/certificate-ref.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import type { CapturedHandshake } from '../wire/tls/captured-handshake.ts'
import type { Certificate } from '../x509/certificate.ts'
import { readBundle } from '../x509/pem.ts'
import { alertOf, alertText, type Cause, type FailedProbe, isOurs, listed } from './handshake-cause.ts'
import { issuerText } from './issuer-text.ts'

/** Alerts that are about our certificate, or the lack of one, where a server has asked for it (tls-on-node section 8). */
const aboutCertificates: ReadonlySet<number> = new Set([40, 41, 42, 43, 44, 45, 46, 48, 49, 116])
/** What some say in TLS 1.2 to a client that answers with none: GnuTLS cannot decode the empty list, others did not expect it. */
const aboutNone: ReadonlySet<number> = new Set([10, 50])

/** A certificate of ours was asked for, and what we showed was not enough. */
export function clientCertificate(probe: FailedProbe, handshake: CapturedHandshake, server: ServerPlan): Cause | null {
  const { fault } = probe
  const request = handshake.certificateRequest
  if (request === null) return null
  const known = fault.verdict === 'client-certificate-required' || fault.verdict === 'client-certificate-rejected'
  const alert = alertOf(probe)
  const ours = server.tls?.clientCertificate ?? null
  const refused =
    alert === null
      ? fault.verdict === 'handshake-closed' && !isOurs(fault)
      : aboutCertificates.has(alert) || (ours === null && aboutNone.has(alert))
  if (!known && !refused) return null
  const acceptableIssuers = request.issuers.map(issuerText)
  const accepts = acceptableIssuers.length === 0 ? 'any issuer' : `issuers ${listed(acceptableIssuers)}`
  const said = alert === null ? 'closed the connection' : `answered with alert ${alertText(alert)}`
  if (ours === null) {
    return {
      code: 'client-certificate-required',
      why: `the backend demands a client certificate (it accepts ${accepts}), none is configured, and it ${said}`,
      evidence: { acceptableIssuers },
    }
  }
  const { subject, issuers, accepted, notAfter } = compareIssuers(ours.chain, request.issuers)
  const ended = notAfter !== null && notAfter < Date.now()
  const itself = ended
    ? `"${subject}" expired at ${isoDate(notAfter)}`
    : `the issuer is one it accepts, "${subject}" itself is refused`
  const mismatch = `"${subject}" comes from ${listed(issuers)}, the backend accepts ${accepts}`
  return {
    code: 'client-certificate-rejected',
    why: `the backend refused our client certificate and ${said}: ${accepted ? itself : mismatch}`,
    evidence: {
      acceptableIssuers,
      clientCertificate: subject,
      clientIssuers: issuers,
      issuerAccepted: accepted,
      ...(notAfter === null ? {} : { clientNotAfter: isoDate(notAfter) }),
    },
  }
}

/** Whether one of the issuers in our chain is among those that the backend named; a chain cut short names fewer. */
function compareIssuers(
  chain: string,
  acceptable: readonly Buffer[],
): { subject: string; issuers: readonly string[]; accepted: boolean; notAfter: number | null } {
  const certificates = readOurs(chain)
  const issuers = certificates.map(({ issuer }) => issuerText(issuer.der))
  const [first] = certificates
  return {
    subject: first === undefined ? 'our certificate' : issuerText(first.subject.der),
    issuers,
    notAfter: first?.notAfter ?? null,
    accepted: acceptable.length === 0 || acceptable.some((der) => issuers.includes(issuerText(der))),
  }
}

/** The runtime has loaded this chain; that our strict reader may not read it is another matter. */
function readOurs(chain: string): readonly Certificate[] {
  try {
    return readBundle(Buffer.from(chain, 'latin1'), 'client certificate').certificates
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    return []
  }
}
