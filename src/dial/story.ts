import type { VerdictCode } from '../verdict/codes.ts'

/*
 * What happened while a connection to a backend was opened, as plain data: traces, spans and support bundles tell it.
 * Times are ms since the epoch with fractions, durations ms.
 */

export interface ConnectionStory {
  readonly target: string
  readonly server: string
  readonly startedAt: number
  /** null: the host is an address, nothing was looked up. */
  readonly dns: {
    readonly host: string
    readonly ms: number
    readonly addresses: readonly string[]
    /** The answer was remembered from before. */
    readonly cached: boolean
  } | null
  /** Addresses in the order they were tried; `error` '' for the one that won. */
  readonly attempts: readonly { readonly address: string; readonly ms: number; readonly error: string }[]
  /** `IP:port` connected to; '' when none. */
  readonly address: string
  readonly localAddress: string
  /** `host:port` of the proxy on the way; ''. */
  readonly via: string
  /** Names, TCP and tunnel; ms. null: it did not come to an end. */
  readonly connectMs: number | null
  readonly tls: TlsStory | null
  /** Why no connection came of it; null: it was opened. */
  readonly failure: {
    readonly verdict: VerdictCode | null
    readonly kind: string
    readonly summary: string
    readonly phase: string
  } | null
}

export interface TlsStory {
  /** null: it did not end. */
  readonly ms: number | null
  readonly snapshot: string
  readonly verdict: VerdictCode
  readonly resumed: boolean
  /** What was offered: as sent where the handshake was captured, else as configured. */
  readonly offered: {
    readonly serverName: string
    readonly versions: readonly string[]
    readonly ciphers: readonly string[]
    readonly groups: readonly string[]
    readonly signatureAlgorithms: readonly string[]
    readonly alpn: readonly string[]
    readonly clientCertificate: string
  }
  /** What the server chose; null: it sent no ServerHello. */
  readonly chosen: {
    readonly version: string
    readonly cipher: string
    readonly group: string
    readonly alpn: string
  } | null
  /** As served, leaf first; empty where none was (a resumed session, or a handshake that ended before). */
  readonly chain: readonly CertificateFacts[]
  /** The server asked for a certificate. */
  readonly clientCertificateAsked: boolean
  readonly alert: { readonly from: 'backend' | 'gateway'; readonly name: string; readonly code: number } | null
  /** The bytes of the handshake were read; false: facts of the runtime alone. */
  readonly captured: boolean
  /** What exceptions of the target skipped. */
  readonly skipped: readonly ('chain' | 'name')[]
}

export interface CertificateFacts {
  readonly subject: string
  readonly issuer: string
  readonly serialNumber: string
  readonly sha256: string
  readonly notBefore: number
  readonly notAfter: number
  readonly names: readonly string[]
  /** PEM; public. */
  readonly pem: string
}
