import { cipherSuiteName } from '../wire/tls/cipher-suites.ts'
import { namedGroupName } from '../wire/tls/named-groups.ts'
import { signatureSchemeName } from '../wire/tls/signature-schemes.ts'
import { tlsVersionName } from '../wire/tls/versions.ts'
import { certificateFacts } from './certificate-facts.ts'
import type { TlsStory } from './story.ts'
import type { Tap } from './tap.ts'

/** What the bytes of a handshake showed: the parts of a story, without the secrets that they were read with (I7). */
export interface SeenHandshake {
  /** null: no whole ClientHello was sent. */
  readonly offered: Omit<TlsStory['offered'], 'clientCertificate'> | null
  readonly chosen: TlsStory['chosen']
  readonly chain: TlsStory['chain']
  readonly clientCertificateAsked: boolean
  /** In the order in which each side sent them, without goodbyes. */
  readonly alerts: readonly SeenAlert[]
}

export interface SeenAlert {
  readonly from: 'backend' | 'gateway'
  readonly code: number
  readonly fatal: boolean
}

/** Reads what a tap has kept so far. */
export function seenBy(tap: Tap): SeenHandshake {
  const handshake = tap.handshake()
  return {
    offered: offeredBy(tap),
    chosen:
      handshake === null || handshake.version === ''
        ? null
        : {
            version: handshake.version,
            cipher: handshake.cipher,
            group: handshake.group,
            alpn: handshake.alpn ?? '',
          },
    chain: certificateFacts(handshake?.served ?? []),
    clientCertificateAsked: handshake !== null && handshake.certificateRequest !== null,
    alerts: [...alertsOf('backend', handshake?.alerts ?? []), ...alertsOf('gateway', tap.sentAlerts())],
  }
}

function offeredBy(tap: Tap): SeenHandshake['offered'] {
  const hello = tap.clientHello()
  if (hello === null) return null
  return {
    serverName: hello.serverName ?? '',
    versions: [...hello.versions].sort((one, other) => one - other).map(tlsVersionName),
    // Signals that stand among the suites and are none (RFC 5746, RFC 7507).
    ciphers: hello.ciphers.filter((number) => number !== 0x00ff && number !== 0x5600).map(cipherSuiteName),
    groups: hello.groups.map(namedGroupName),
    signatureAlgorithms: hello.signatureAlgorithms.map(signatureSchemeName),
    alpn: hello.alpn,
  }
}

/** close_notify and user_canceled tell that somebody leaves, not why (RFC 8446 section 6.1). */
const goodbyes: ReadonlySet<number> = new Set([0, 90])

function alertsOf(
  from: SeenAlert['from'],
  alerts: readonly { readonly level: number; readonly description: number }[],
): readonly SeenAlert[] {
  return alerts
    .filter(({ description }) => !goodbyes.has(description))
    .map(({ level, description }) => ({ from, code: description, fatal: level !== 1 }))
}
