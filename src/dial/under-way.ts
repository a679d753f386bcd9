import type { X509Certificate } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import { codeOf } from '../core/errors.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import { classifyDialFailure, type DialPhase } from './classify.ts'
import type { DialHandle, DialRequest } from './dial.ts'
import type { Attempt } from './race.ts'
import type { CrlExplanation } from './revocation.ts'
import type { Tap } from './tap.ts'

/** Deadlines and the one outcome of a dial: names, TCP and a tunnel share the connect budget, the handshake has its own. */
export class DialUnderWay implements DialHandle {
  readonly server: ServerPlan
  /** Whom the connection is opened to: the server, or the proxy on the way to it. */
  readonly peer: { readonly host: string; readonly port: number }
  /** `IP:port` that was tried last, in the end the one that is connected. */
  address: string
  connectMs = 0
  /** Set where there is something to tell: addresses that were tried, certificates that were presented. */
  attempts: readonly Attempt[] = []
  path: () => readonly X509Certificate[] = () => []
  /** What the target's revocation lists have to do with a failure. */
  explain: (thrown: unknown) => CrlExplanation = () => null
  /** Ends what is under way. */
  stop: () => void = ignore
  readonly #failed: DialRequest['failed']
  readonly #tap: Tap | undefined
  readonly #startedAt = performance.now()
  #phase: DialPhase
  #settled = false
  #timer: NodeJS.Timeout
  #localAddress = ''
  #connectedAt = 0
  #held: Socket | null = null

  constructor(request: DialRequest) {
    this.server = request.server
    this.#failed = request.failed
    this.#tap = request.tap
    this.peer = request.server.egress ?? request.server
    this.#phase = isIP(this.peer.host) === 0 ? 'dns' : 'connect'
    this.#tap?.enter(this.#phase)
    this.address = addressText(this.peer.host, this.peer.port)
    this.#timer = setTimeout(this.#timeOut, this.server.timeouts.connectMs)
  }

  /** The outcome is there, or nobody waits for it any more. */
  get settled(): boolean {
    return this.#settled
  }

  /** Since the connection was there; 0 without a handshake. */
  handshakeMs(): number {
    return this.#phase === 'handshake' ? this.#elapsed() - this.connectMs : 0
  }

  enter(phase: DialPhase): void {
    this.#phase = phase
    this.#tap?.enter(phase)
    if (phase !== 'handshake' || this.#settled) return
    this.connectMs = this.#elapsed()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#timeOut, this.server.timeouts.handshakeMs)
  }

  /** From here on a failure of this connected socket is one of the dial, and the dial ends it. */
  hold(socket: Socket): void {
    if (this.#connectedAt === 0) {
      this.#connectedAt = performance.now()
      // Noted now: a socket that has failed no longer knows its addresses.
      this.#localAddress = addressText(socket.localAddress ?? '', socket.localPort ?? 0)
    }
    if (this.#held === socket) return
    this.#held = socket
    socket.on('error', this.#onError)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onEnd)
    this.stop = () => {
      socket.on('error', ignore)
      socket.destroy()
    }
  }

  /** The socket that was held is somebody else's now. */
  release(): void {
    this.#held?.off('error', this.#onError).off('end', this.#onEnd).off('close', this.#onEnd)
    this.#held = null
  }

  /** Ends the dial well, once. @returns false when it has failed or was abandoned before */
  settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    clearTimeout(this.#timer)
    this.release()
    if (this.#phase !== 'handshake') this.connectMs = this.#elapsed()
    return true
  }

  fail(thrown: unknown, timedOut = false): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    const { server, peer } = this
    const fault = classifyDialFailure(thrown, {
      host: server.host,
      port: server.port,
      phase: this.#phase,
      timedOut,
      path: this.path(),
      lists: this.explain(thrown),
      clientCertificateSent: server.tls?.clientCertificate != null,
      address: this.address,
      localAddress: this.#localAddress,
      connectionAgeMs: this.#connectedAt === 0 ? 0 : performance.now() - this.#connectedAt,
      proxy: server.egress === null ? '' : addressText(peer.host, peer.port),
      attempts: this.attempts.length < 2 ? [] : this.attempts.map((attempt) => outcomeOf(attempt, peer.port)),
    })
    this.stop()
    this.#failed(fault)
  }

  abandon(): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    this.stop()
  }

  #elapsed(): number {
    return performance.now() - this.#startedAt
  }

  readonly #timeOut = (): void => {
    const { connectMs, handshakeMs } = this.server.timeouts
    this.fail(new Error(`no answer within ${this.#phase === 'handshake' ? handshakeMs : connectMs} ms`), true)
  }

  readonly #onError = (error: Error): void => this.fail(error)

  readonly #onEnd = (): void => this.fail(new Error('the peer closed the connection'))
}

/** `IP:port`, brackets around IPv6. */
export function addressText(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

function outcomeOf({ address, error }: Attempt, port: number): string {
  const outcome = error === null ? 'no answer' : codeOf(error) === '' ? error.message : codeOf(error)
  return `${addressText(address.address, port)} ${outcome}`
}

function ignore(): void {
  // A socket that is being destroyed may still report; the dial has its outcome already.
}
