import { classifyDialFailure, faultKindOf } from '../dial/classify.ts'
import { type Dialed, dial } from '../dial/dial.ts'
import type { Resolver } from '../dial/resolver.ts'
import { Tap, type TranscriptPiece } from '../dial/tap.ts'
import type { TargetTrust } from '../dial/target-trust.ts'
import type { Fault } from '../faults/fault.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import type { CapturedHandshake } from '../wire/tls/captured-handshake.ts'
import type { ClientHello } from '../wire/tls/handshake-messages.ts'
import type { ProbeTimings } from './types.ts'

/** One connection of a probe, and what it showed. */
export interface ProbeConnection {
  /** null when it was verified, and not refused right after. */
  readonly fault: Fault | null
  readonly handshake: CapturedHandshake | null
  readonly hello: ClientHello | null
  /** `IP:port`; '' when there was no address. */
  readonly address: string
  readonly timings: ProbeTimings
  readonly transcript: readonly TranscriptPiece[]
}

export interface ProbeTarget {
  readonly server: ServerPlan
  readonly trust: TargetTrust
  readonly resolver: Resolver
  readonly signal?: AbortSignal
}

/**
 * Dials as traffic does (I4), keeps what was said and closes. Nothing is sent but the handshake (I1), nor is a session taken
 * or left behind. Rejects only when aborted, with the signal's reason.
 */
export async function connectOnce(target: ProbeTarget): Promise<ProbeConnection> {
  const { server, trust, resolver, signal } = target
  signal?.throwIfAborted()
  const tap = new Tap()
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    const settle = (fault: Fault | null, address: string, endedAt: number): void => {
      signal?.removeEventListener('abort', abort)
      const timings = timingsOf(tap, startedAt, endedAt)
      const transcript = tap.transcript()
      resolve({ fault, handshake: tap.handshake(), hello: tap.clientHello(), address, timings, transcript })
      tap.end()
    }
    let end = (): void => {}
    const abort = (): void => {
      end()
      reject(signal?.reason as Error)
    }
    const handle = dial({
      server,
      trust,
      resolver,
      tap,
      onread: { buffer: dropped, callback: () => true },
      observer: silent,
      failed: (fault) => settle(fault, tap.reached('connect') === null ? '' : addressOf(fault), performance.now()),
      opened(dialed) {
        const endedAt = performance.now()
        end = afterwards(tap, dialed, (refused) => {
          const fault = refused === null ? null : lateFault(target, dialed, refused.error)
          settle(fault, dialed.address, endedAt)
        })
      },
    })
    end = () => handle.abandon()
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/**
 * How long to wait for a refusal of our certificate, or of the lack of one, after the handshake; and how long where the
 * server's TLS has accepted us, since the program above it may still close (tls-on-node section 8). That shows in a session
 * ticket; before TLS 1.3 the server's Finished comes last and says so.
 */
const refusalMs = 500
const refusalAboveTlsMs = 100
/** Tickets are looked for in this many reads, as each of them reads the flight again. (I10) */
const maxLooks = 8

/**
 * Waits for a late refusal where there can be one: only who was asked for a certificate is refused after the handshake.
 *
 * @returns what ends it without calling back
 */
function afterwards(tap: Tap, { socket }: Dialed, done: (refused: { error: Error | null } | null) => void): () => void {
  let over = false
  const end = (): void => {
    over = true
    clearTimeout(timer)
    tap.received = () => {}
    // Says goodbye and closes; what the server says meanwhile no longer matters.
    socket.destroySoon()
  }
  const finish = (refused: { error: Error | null } | null): void => {
    if (over) return
    end()
    done(refused)
  }
  let timer: NodeJS.Timeout | undefined
  socket.on('error', (error) => finish({ error }))
  const handshake = tap.handshake()
  if (handshake === null || handshake.certificateRequest === null) {
    finish(null)
    return end
  }
  socket.on('end', () => finish({ error: null }))
  socket.on('close', () => finish({ error: null }))
  const wait = (ms: number): void => {
    clearTimeout(timer)
    timer = setTimeout(() => finish(null), ms)
  }
  wait(refusalMs)
  let looks = 0
  const look = (accepted: boolean): void => {
    if (!accepted) return
    tap.received = () => {}
    wait(refusalAboveTlsMs)
  }
  tap.received = () => {
    if (++looks <= maxLooks) look(tap.handshake()?.ticket === true)
  }
  look(handshake.ticket || handshake.version !== 'TLSv1.3')
  return end
}

function lateFault({ server }: ProbeTarget, dialed: Dialed, error: Error | null): Fault {
  const clientCertificateSent = server.tls?.clientCertificate != null
  const fault = classifyDialFailure(error ?? new Error('the peer closed the connection right after the handshake'), {
    host: server.host,
    port: server.port,
    phase: 'late',
    timedOut: false,
    path: [],
    clientCertificateSent,
    address: dialed.address,
    localAddress: '',
    connectionAgeMs: 0,
  })
  if (fault.verdict !== 'connection-reset') return fault
  // Servers that judge our certificate above TLS close without a word; nothing else was said or asked here.
  const verdict = clientCertificateSent ? 'client-certificate-rejected' : 'client-certificate-required'
  return { ...fault, verdict, kind: faultKindOf(verdict), party: 'client-identity' }
}

function timingsOf(tap: Tap, startedAt: number, endedAt: number): ProbeTimings {
  const connectAt = tap.reached('connect')
  const handshakeAt = tap.reached('handshake')
  return {
    dnsMs: tap.reached('dns') === null ? null : (connectAt ?? endedAt) - startedAt,
    connectMs: connectAt === null ? null : (handshakeAt ?? endedAt) - connectAt,
    handshakeMs: handshakeAt === null ? null : endedAt - handshakeAt,
  }
}

function addressOf({ evidence }: Fault): string {
  const { address } = evidence
  return typeof address === 'string' ? address : ''
}

/** What a server says without being asked is read and dropped. */
const dropped = Buffer.alloc(4096)

const silent = { resolving() {}, offering() {}, presented() {} }
