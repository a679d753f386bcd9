import type { Fault } from '../faults/fault.ts'

/** What one handshake showed, read from its bytes. */
export interface CapturedHandshake {
  /** `TLSv1.3`, ...; '' where no ServerHello came. */
  readonly version: string
  /** IANA name of the cipher suite; '' where none was chosen. */
  readonly cipher: string
  /** The peer asked for another key share first (HelloRetryRequest). */
  readonly helloRetry: boolean
  readonly alpn: string | null
  /** DER of the served certificates, in that order, extras included. */
  readonly served: readonly Buffer[]
  /** DER of the stapled OCSP response of the leaf. */
  readonly ocsp: Buffer | null
  /** null: no client certificate was asked for. `issuers`: DER names the server accepts, empty: any. */
  readonly certificateRequest: { readonly issuers: readonly Buffer[] } | null
  /** Alerts the peer sent, in order, warnings included. */
  readonly alerts: readonly { readonly level: number; readonly description: number; readonly late: boolean }[]
  /** What answered instead of TLS, as far as it can be named: `http`, `ssh`, `smtp`, ...; null where it spoke TLS or said nothing. */
  readonly plainProtocol: string | null
  /** First bytes the peer sent, at most 64, for evidence where they are not TLS. */
  readonly firstBytes: Buffer
  /** Bytes of the handshake could not be read further, and why; '' when all was read. */
  readonly unread: string
}

/** Milliseconds; null for a phase that was not reached. */
export interface ProbeTimings {
  readonly dnsMs: number | null
  readonly connectMs: number | null
  readonly handshakeMs: number | null
}

/** Facts that further connections settled; null where the question was not asked or not answered. */
export interface ProbeFacts {
  /** Versions the server accepts, oldest first. */
  readonly versions: readonly string[] | null
  /** IANA names the server accepts among those that the gateway's TLS library could offer. */
  readonly ciphers: readonly string[] | null
  /** What the server does with the name sent, with another one and with none: whether a handshake gets to a certificate. */
  readonly serverName: {
    readonly withName: boolean
    readonly withoutName: boolean
    readonly sameCertificate: boolean
  } | null
  readonly alpn: readonly string[] | null
}

/** What connections to one server showed. */
export interface Probe {
  readonly host: string
  readonly port: number
  /** `IP:port`; '' when there was no address. */
  readonly address: string
  readonly timings: ProbeTimings
  /** The dialer's own word on the first connection, null when it was verified (I4, I5). */
  readonly fault: Fault | null
  readonly handshake: CapturedHandshake | null
  readonly facts: ProbeFacts
  /** Connections that were opened in all. */
  readonly connections: number
}
