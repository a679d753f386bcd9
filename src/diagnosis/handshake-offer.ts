import type { ServerPlan } from '../proxy/plan.ts'
import type { CapturedHandshake } from '../wire/tls/captured-handshake.ts'
import { alertOf, type Cause, type FailedProbe, listed } from './handshake-cause.ts'

/** SSL 3.0 answers in records of its own version, which the runtime takes for something else than TLS. */
export function oldProtocol({ firstBytes, version }: CapturedHandshake): Cause | null {
  if (version !== 'SSLv3' && !(version === '' && firstBytes.length >= 3 && firstBytes[2] === 0)) return null
  return {
    code: 'protocol-version',
    why: 'the backend speaks SSL 3.0',
    evidence: { protocol: 'SSLv3', accepted: ['SSLv3'] },
  }
}

export function versions(
  { fault, facts, offered }: FailedProbe,
  handshake: CapturedHandshake,
  server: ServerPlan,
): Cause | null {
  // What it chose although it was not offered counts as well.
  const chosen = handshake.version !== '' && fault.verdict === 'protocol-version' ? [handshake.version] : null
  const accepted = facts.versions ?? chosen
  if (accepted === null || offered === null || fault.verdict === 'handshake-timeout') return null
  if (accepted.some((version) => offered.versions.includes(version))) return null
  const { minVersion = '', maxVersion = '' } = server.tls ?? {}
  // A backend that speaks a current version is not the one to change.
  const ours = accepted.some((version) => version === 'TLSv1.2' || version === 'TLSv1.3')
  const setting = ours ? ` (minVersion ${minVersion}, maxVersion ${maxVersion})` : ''
  return {
    code: 'protocol-version',
    party: ours ? 'gateway' : 'backend',
    why: `the backend speaks ${listed(accepted)}, the gateway offers ${listed(offered.versions)}${setting}`,
    evidence: { offered: offered.versions, accepted },
  }
}

export function ciphers({ fault, facts, offered }: FailedProbe, server: ServerPlan): Cause | null {
  if (facts.ciphers === null && fault.verdict !== 'no-shared-cipher') return null
  const accepted = facts.ciphers ?? []
  const setting = server.tls?.ciphers ?? null
  // Refused before anything was sent: the target's own settings leave nothing to offer.
  const ours = facts.defaultCiphers === true || offered === null
  const why = ours && setting !== null ? `; the target's ciphers ("${setting}") leave out what it accepts` : ''
  const offers = offered?.ciphers ?? []
  return {
    code: 'no-shared-cipher',
    party: ours ? 'gateway' : 'backend',
    why: `the backend accepts ${accepted.length === 0 ? '' : `${listed(accepted)}, and `}${noneOf(offers)}${why}`,
    evidence: { offered: offers, ...(accepted.length === 0 ? {} : { accepted }) },
  }
}

/** Of a short list the names, of the usual one its length: nobody reads fifty suites. */
function noneOf(offers: readonly string[]): string {
  if (offers.length === 0) return 'nothing is left that the gateway could offer'
  return offers.length <= 4
    ? `not what the gateway offers: ${listed(offers)}`
    : `none of the ${offers.length} cipher suites that the gateway offers`
}

export function serverName({ facts, offered, fault }: FailedProbe): Cause | null {
  const { serverName: fact } = facts
  if (
    offered === null ||
    (fault.verdict !== 'server-name-rejected' && fact?.withName !== true && fact?.withoutName !== true)
  )
    return null
  const { serverName: name } = offered
  const without = fact?.withoutName ?? null
  const sent = name === null ? 'no server name (SNI) is sent' : `the server name (SNI) "${name}" is not served`
  const otherwise =
    name === null ? '; with one the backend goes on' : without === true ? '; without a name the backend goes on' : ''
  return {
    code: 'server-name-rejected',
    why: `${sent}${otherwise}`,
    evidence: {
      ...(without === null || name === null ? {} : { withoutName: without }),
      ...(fact?.withName === true ? { withName: true } : {}),
    },
  }
}

export function applicationProtocol(probe: FailedProbe): Cause | null {
  const { facts, offered } = probe
  if (offered === null || alertOf(probe) !== 120) return null
  const accepted = facts.alpn ?? []
  const has = accepted.length === 0 ? 'none of them' : listed(accepted)
  return {
    code: 'peer-alert',
    // Which protocols are spoken is the target's setting.
    party: 'gateway',
    why: `the backend has no application protocol (ALPN) in common with the gateway: it accepts ${has}, offered is ${listed(offered.alpn)}`,
    evidence: { offered: offered.alpn, ...(accepted.length === 0 ? {} : { accepted }) },
  }
}
