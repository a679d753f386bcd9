import type { Socket } from 'node:net'

/** What one backend has seen. The proof that nothing reached a backend that was refused (I1) is `requestBytes`. */
export interface Tally {
  /** TCP connections accepted. */
  connections: number
  /** TLS handshakes completed on the backend's side. */
  handshakes: number
  /** Request heads read whole. */
  requests: number
  /** Bytes received as a request: everything that was decrypted, and in the clear everything that is not TLS. */
  requestBytes: number
}

export function emptyTally(): Tally {
  return { connections: 0, handshakes: 0, requests: 0, requestBytes: 0 }
}

/** Counts what arrives in the clear. A connection that begins with a TLS record carries a handshake, not a request. */
export function tallyClearBytes(socket: Socket, tally: Tally): void {
  let isTls: boolean | null = null
  socket.on('data', (bytes: Buffer) => {
    isTls ??= bytes[0] === handshakeRecord
    if (!isTls) tally.requestBytes += bytes.length
  })
}

const handshakeRecord = 0x16
