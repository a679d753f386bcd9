import type { LookupAddress } from 'node:dns'
import { isIP, type Socket } from 'node:net'
import { codeOf } from '../core/errors.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import type { DialPhase } from './classify.ts'
import type { Handshake } from './handshake.ts'
import type { Attempt } from './race.ts'
import type { SeenHandshake } from './seen-handshake.ts'
import type { ConnectionStory } from './story.ts'
import type { Tap } from './tap.ts'
import type { TargetTrust } from './target-trust.ts'

/** How long each part of an opening took; of a failed one it is in the evidence of its fault, for spans. */
export interface OpeningTimings {
  /** Ms since the epoch, with fractions. */
  readonly startedAt: number
  /** Until the names were known, or the failure of that; null: nothing was looked up. */
  readonly dnsMs: number | null
  /** From the start until the connection or the tunnel was there, or the failure of that; null: it did not come to connecting. */
  readonly connectMs: number | null
  /** From there until the end of the handshake, or its failure; null: it did not come to one. */
  readonly handshakeMs: number | null
}

export interface AttemptFacts {
  /** `IP:port`. */
  readonly address: string
  readonly ms: number
  /** '' for the one that was connected. */
  readonly error: string
}

/**
 * How one connection was opened, noted as it went: a few numbers, and references to what is there anyway. It stays as long as
 * the connection; `storyOf` makes a story of it when somebody asks.
 */
export class Opening {
  readonly server: ServerPlan
  readonly trust: TargetTrust | null
  /** Whom the connection is opened to: the server, or the proxy on the way to it. */
  readonly peer: { readonly host: string; readonly port: number }
  /** `performance.now()` at the start. */
  readonly startedAt = performance.now()
  phase: DialPhase
  dnsMs: number | null = null
  dnsCached = false
  addresses: readonly LookupAddress[] = []
  attempts: readonly AttemptFacts[] = []
  /** `IP:port` that was tried last, in the end the one that is connected; before there is one, the name. */
  address: string
  /** Our end of the connection; '' when there is none. */
  localAddress = ''
  /** null: the connection, or the tunnel, was not there. */
  connectMs: number | null = null
  /** null: there was no handshake, or it did not end. */
  handshakeMs: number | null = null
  handshake: Handshake | null = null
  /** Set where the bytes of the handshake are read, until the tap has ended. */
  readonly tap: Tap | null
  /** What they showed. */
  seen: SeenHandshake | null = null
  /** Of the open connection, once it was asked for. */
  story: ConnectionStory | null = null

  constructor(server: ServerPlan, trust: TargetTrust | null, tap: Tap | null) {
    this.server = server
    this.trust = trust
    this.tap = tap
    this.peer = server.egress ?? server
    this.phase = isIP(this.peer.host) === 0 ? 'dns' : 'connect'
    this.address = addressText(this.peer.host, this.peer.port)
  }

  elapsed(): number {
    return performance.now() - this.startedAt
  }

  /** The question for the server's name has been answered. */
  resolved(addresses: readonly LookupAddress[], cached: boolean): void {
    if (this.phase !== 'dns') return
    this.dnsMs = this.elapsed()
    this.dnsCached = cached
    this.addresses = addresses
  }

  /** The TCP connection is there. Noted now: a socket that has failed no longer knows its addresses. */
  connected(socket: Socket): void {
    this.localAddress = addressText(socket.localAddress ?? '', socket.localPort ?? 0)
  }

  tried(attempts: readonly Attempt[]): void {
    this.attempts = attempts.map((attempt) => ({
      address: addressText(attempt.address.address, this.peer.port),
      ms: (attempt.endedAt ?? performance.now()) - attempt.startedAt,
      error: errorOf(attempt),
    }))
  }

  /** So far; `DialEvidence.timings` of a dial that fails now. */
  timings(): OpeningTimings {
    const { phase, connectMs } = this
    const elapsed = this.elapsed()
    return {
      startedAt: rounded(performance.timeOrigin + this.startedAt),
      dnsMs: phase === 'dns' ? rounded(elapsed) : this.dnsMs && rounded(this.dnsMs),
      connectMs: phase === 'dns' ? null : rounded(connectMs ?? elapsed),
      handshakeMs: phase === 'handshake' ? rounded(this.handshakeMs ?? elapsed - (connectMs ?? elapsed)) : null,
    }
  }
}

/** `IP:port`, brackets around IPv6. */
export function addressText(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/** Microseconds: more figures say nothing. */
export function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

function errorOf({ won, error }: Attempt): string {
  if (won) return ''
  if (error === null) return 'no answer'
  return codeOf(error) === '' ? error.message : codeOf(error)
}
