import type { Socket } from 'node:net'
import { classifyDialFailure, type DialPhase } from './classify.ts'
import type { DialHandle, DialRequest } from './dial.ts'
import { addressText, Opening } from './opening.ts'
import type { Attempt } from './race.ts'

/** Deadlines and the one outcome of a dial: names, TCP and a tunnel share the connect budget, the handshake has its own. */
export class DialUnderWay implements DialHandle {
  /** What is known of it so far. */
  readonly opening: Opening
  /** Addresses that were tried. */
  attempts: readonly Attempt[] = []
  /** Ends what is under way. */
  stop: () => void = ignore
  readonly #failed: DialRequest['failed']
  #settled = false
  #timer: NodeJS.Timeout
  #connectedAt = 0
  #held: Socket | null = null

  constructor({ server, trust, tap, failed }: DialRequest) {
    this.opening = new Opening(server, trust, tap ?? null)
    this.#failed = failed
    tap?.enter(this.opening.phase)
    this.#timer = setTimeout(this.#timeOut, server.timeouts.connectMs)
  }

  /** The outcome is there, or nobody waits for it any more. */
  get settled(): boolean {
    return this.#settled
  }

  enter(phase: DialPhase): void {
    const { opening } = this
    opening.phase = phase
    opening.tap?.enter(phase)
    if (phase !== 'handshake' || this.#settled) return
    opening.connectMs = opening.elapsed()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#timeOut, opening.server.timeouts.handshakeMs)
  }

  /** From here on a failure of this connected socket is one of the dial, and the dial ends it. */
  hold(socket: Socket): void {
    if (this.#connectedAt === 0) {
      this.#connectedAt = performance.now()
      this.opening.connected(socket)
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
    const { opening } = this
    const elapsed = opening.elapsed()
    opening.tried(this.attempts)
    if (opening.phase === 'handshake') opening.handshakeMs = elapsed - (opening.connectMs ?? elapsed)
    else opening.connectMs = elapsed
    return true
  }

  fail(thrown: unknown, timedOut = false): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    const { opening } = this
    const { server, peer, phase, handshake } = opening
    opening.tried(this.attempts)
    // It had ended, and what it showed was refused.
    if (handshake !== null && handshake.agreed !== null)
      opening.handshakeMs = opening.elapsed() - (opening.connectMs ?? 0)
    if (opening.dnsMs === null) opening.resolved([], false)
    const fault = classifyDialFailure(thrown, {
      host: server.host,
      port: server.port,
      phase,
      timedOut,
      path: handshake?.path() ?? [],
      lists: handshake?.explain(thrown) ?? null,
      clientCertificateSent: server.tls?.clientCertificate != null,
      address: opening.address,
      localAddress: opening.localAddress,
      connectionAgeMs: this.#connectedAt === 0 ? 0 : performance.now() - this.#connectedAt,
      proxy: server.egress === null ? '' : addressText(peer.host, peer.port),
      attempts:
        opening.attempts.length < 2
          ? []
          : opening.attempts.map(({ address, error }) => `${address} ${error === '' ? 'no answer' : error}`),
      timings: opening.timings(),
    })
    this.stop()
    this.#failed(fault, opening)
  }

  abandon(): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    this.stop()
  }

  readonly #timeOut = (): void => {
    const { phase, server } = this.opening
    const { connectMs, handshakeMs } = server.timeouts
    this.fail(new Error(`no answer within ${phase === 'handshake' ? handshakeMs : connectMs} ms`), true)
  }

  readonly #onError = (error: Error): void => this.fail(error)

  readonly #onEnd = (): void => this.fail(new Error('the peer closed the connection'))
}

function ignore(): void {
  // A socket that is being destroyed may still report; the dial has its outcome already.
}
