import type { Fault } from '../faults/fault.ts'
import type { TranscriptPiece } from '../dial/tap.ts'
import type { CapturedHandshake } from '../wire/tls/captured-handshake.ts'

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
  /** IANA names the server accepts among those that the gateway's TLS library could offer: the first few, as it prefers them. */
  readonly ciphers: readonly string[] | null
  /** The server accepts one of the gateway's default ciphers; null also where the target has no `ciphers` of its own. */
  readonly defaultCiphers: boolean | null
  /** What the server does with the name sent, with another one and with none: whether a handshake gets to a certificate. */
  readonly serverName: {
    readonly withName: boolean
    readonly withoutName: boolean
    readonly sameCertificate: boolean
  } | null
  /** Application protocols the server accepts among those that are common. */
  readonly alpn: readonly string[] | null
}

/** What the gateway's first ClientHello offered. */
export interface Offered {
  /** Oldest first. */
  readonly versions: readonly string[]
  /** IANA names. */
  readonly ciphers: readonly string[]
  /** null: no name was sent. */
  readonly serverName: string | null
  readonly alpn: readonly string[]
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
  /** null where no handshake was begun. */
  readonly offered: Offered | null
  readonly facts: ProbeFacts
  /** Connections that were opened in all. */
  readonly connections: number
  /** Bytes of the first connection, where they were asked for. */
  readonly transcript?: readonly TranscriptPiece[]
}
