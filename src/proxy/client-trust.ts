import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/**
 * Keeps connections from being served under client anchors that are no longer those of their listener: handshakes that began
 * before a change end after it.
 */
export class ClientTrust {
  #anchors: string | null = null
  /** Counts changes. */
  #epoch = 0
  /** When the connections that are open began, by the address of their peer; only while certificates are asked for. */
  readonly #began = new Map<string, number>()

  /** @returns whether the anchors are others than before */
  change(anchors: readonly string[] | null): boolean {
    const key = anchors === null ? null : JSON.stringify([...anchors].sort())
    if (key === this.#anchors) return false
    this.#anchors = key
    this.#epoch++
    return true
  }

  /** A connection was accepted; its handshake follows. */
  begins(socket: Socket): void {
    if (this.#anchors === null) return
    const peer = peerOf(socket)
    const epoch = this.#epoch
    this.#began.set(peer, epoch)
    socket.once('close', () => {
      if (this.#began.get(peer) === epoch) this.#began.delete(peer)
    })
  }

  /** The handshake is done: whether the client may be served. */
  admits(socket: TLSSocket): boolean {
    if (this.#anchors === null) return true
    return socket.authorized && this.#began.get(peerOf(socket)) === this.#epoch
  }
}

function peerOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
