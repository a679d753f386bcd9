import type { Fault } from '../faults/fault.ts'
import { alertName } from '../faults/tls-alerts.ts'
import { namedGroupOf } from '../wire/tls/named-groups.ts'
import { certificateFacts, clientCertificateOf } from './certificate-facts.ts'
import { groupOf, type Handshake } from './handshake.ts'
import { addressText, type Opening, rounded } from './opening.ts'
import { seenBy } from './seen-handshake.ts'
import type { ConnectionStory, TlsStory } from './story.ts'
import type { TargetTrust } from './target-trust.ts'
import { keyExchangeGroups } from './tls-context.ts'
import { versionsBetween } from './versions-between.ts'

/**
 * The story of a connection, made when somebody asks for it: what is kept of the others is the few facts of `Opening`.
 *
 * @param fault why no connection came of it, or why it was of no use, as exact as it is known by now; null: it was opened
 */
export function storyOf(opening: Opening, fault: Fault | null): ConnectionStory {
  if (fault !== null) return made(opening, fault)
  // Of a connection that many requests use it is always the same.
  opening.story ??= made(opening, null)
  return opening.story
}

/** Reads what the tap has kept, and lets go of it. To be called when the dial is over. */
export function endTap(opening: Opening): void {
  const { tap } = opening
  if (tap === null) return
  opening.seen ??= seenBy(tap)
  tap.end()
}

function made(opening: Opening, fault: Fault | null): ConnectionStory {
  const { server, peer, trust, handshake, localAddress, dnsMs } = opening
  const phase = fault?.evidence['phase']
  return {
    target: server.target,
    server: server.name,
    startedAt: rounded(performance.timeOrigin + opening.startedAt),
    dns:
      dnsMs === null
        ? null
        : {
            host: peer.host,
            ms: rounded(dnsMs),
            addresses: opening.addresses.map(({ address }) => address),
            cached: opening.dnsCached,
          },
    attempts: opening.attempts.map((attempt) => ({ ...attempt, ms: rounded(attempt.ms) })),
    address: localAddress === '' ? '' : opening.address,
    localAddress,
    via: server.egress === null ? '' : addressText(peer.host, peer.port),
    connectMs: opening.connectMs === null ? null : rounded(opening.connectMs),
    tls: trust === null || handshake === null ? null : tlsStory(opening, trust, handshake, fault),
    failure:
      fault === null
        ? null
        : {
            verdict: fault.verdict,
            kind: fault.kind,
            summary: fault.summary,
            phase: typeof phase === 'string' ? phase : opening.phase,
          },
  }
}

function tlsStory(opening: Opening, trust: TargetTrust, handshake: Handshake, fault: Fault | null): TlsStory {
  const { plan } = trust
  const { seen, handshakeMs } = opening
  const { agreed } = handshake
  const at = performance.timeOrigin + opening.startedAt
  const served = seen?.chain ?? []
  const asked = fault?.verdict === 'client-certificate-required' || fault?.verdict === 'client-certificate-rejected'
  return {
    ms: handshakeMs === null ? null : rounded(handshakeMs),
    snapshot: plan.snapshotId,
    verdict: fault?.verdict ?? 'trusted',
    resumed: agreed?.resumed ?? false,
    offered: {
      serverName: plan.serverName ?? '',
      versions: versionsBetween(plan.minVersion, plan.maxVersion),
      ciphers: plan.ciphers?.split(':') ?? [],
      groups: keyExchangeGroups.split(':').map(namedGroupOf),
      signatureAlgorithms: [],
      alpn: plan.alpn,
      ...seen?.offered,
      clientCertificate: clientCertificateOf(plan),
    },
    chosen: chosenOf(opening, handshake),
    // Where the bytes could not be read as far as that, the runtime's word is the next best.
    chain: served.length > 0 || agreed?.resumed === true ? served : certificateFacts(handshake.served()),
    clientCertificateAsked: asked || (seen?.clientCertificateAsked ?? false),
    alert: alertOf(opening, fault),
    captured: seen !== null,
    skipped: (['chain', 'name'] as const).filter((check) => trust.skips(check, at)),
  }
}

function chosenOf({ seen, story }: Opening, { agreed, group, socket }: Handshake): TlsStory['chosen'] {
  const chosen = seen?.chosen ?? null
  if (agreed === null) return chosen
  return {
    version: agreed.protocol,
    cipher: agreed.cipher,
    group: chosen?.group || group || groupOf(socket) || (story?.tls?.chosen?.group ?? ''),
    alpn: agreed.alpn,
  }
}

/** The alert that ended the handshake. What was said in clear, or in bytes that were read, and what the runtime was told. */
function alertOf({ seen }: Opening, fault: Fault | null): TlsStory['alert'] {
  const told = fault?.evidence['alert']
  if (typeof told === 'number') return { from: 'backend', name: alertName(told), code: told }
  const ending = seen?.alerts.findLast(({ fatal }) => fatal) ?? (fault === null ? undefined : seen?.alerts.at(-1))
  return ending === undefined ? null : { from: ending.from, name: alertName(ending.code), code: ending.code }
}
