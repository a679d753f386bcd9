import type { OnReadOpts, Socket } from 'node:net'
import type { EgressPlan } from '../proxy/plan.ts'
import { incomplete } from '../wire/h1/request-head.ts'
import { ResponseHead } from '../wire/h1/response-head.ts'

/** Why a proxy opened no tunnel. Holds nothing that the proxy wrote: it may repeat what it was sent (I7). */
export class TunnelRefusedError extends Error {
  override readonly name = 'TunnelRefusedError'
  /** Of the proxy's response; 0 when there was none that could be read. */
  readonly status: number

  constructor(why: string, status = 0) {
    super(why)
    this.status = status
  }
}

const maxHeadBytes = 16 * 1024
const maxInformational = 8

/** Asks for a tunnel (RFC 9110 section 9.3.6). `authority` is `host:port`, IPv6 in brackets. */
export function tunnelRequest(egress: EgressPlan, authority: string): string {
  const authorization = egress.authorization === null ? '' : `Proxy-Authorization: ${egress.authorization}\r\n`
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`
}

/** Reads the proxy's answer from pieces of any size. */
export class TunnelReply {
  readonly #egress: EgressPlan
  readonly #head = new ResponseHead()
  #held: Buffer = Buffer.alloc(0)
  #informational = 0

  constructor(egress: EgressPlan) {
    this.#egress = egress
  }

  /**
   * @returns null while the head is incomplete, the error when there is no tunnel, and otherwise a copy of what came after
   *   the head: bytes of the tunnel
   */
  read(piece: Uint8Array): Buffer | TunnelRefusedError | null {
    // A copy: the read buffer belongs to all connections of the worker.
    this.#held = Buffer.concat([this.#held, piece])
    for (;;) {
      const end = this.#head.read(this.#held, 0, this.#held.length, maxHeadBytes)
      if (end === incomplete) return null
      if (typeof end !== 'number') return new TunnelRefusedError(`the proxy's answer is malformed: ${end.summary}`)
      const { status } = this.#head
      this.#held = this.#held.subarray(end)
      // RFC 9110 section 15.2: any number of these may come first; ours is not without end. (I10)
      if (status < 200 && status !== 101 && ++this.#informational <= maxInformational) continue
      // Content-Length and Transfer-Encoding of a 2xx mean nothing here (RFC 9110 section 9.3.6).
      return status >= 200 && status < 300 ? this.#held : this.#refused(status)
    }
  }

  #refused(status: number): TunnelRefusedError {
    if (status !== 407) return new TunnelRefusedError(`the proxy answered CONNECT with ${status}`, status)
    const what = this.#egress.authorization === null ? 'none is configured' : 'it refused the one that is configured'
    return new TunnelRefusedError(`the proxy asks for authorization (407), and ${what}`, status)
  }
}

/**
 * Gives a TLS socket over another socket the reads of `onread`, which the runtime leaves out there: bytes are handed over in
 * the caller's buffer, and `false` pauses until the caller resumes.
 */
export function readInto(socket: Socket, onread: OnReadOpts): void {
  socket.on('data', (bytes: Buffer) => {
    let at = 0
    while (at < bytes.length && !socket.destroyed && !socket.isPaused()) {
      const given = give(bytes.subarray(at), onread)
      at += given.length
      if (!given.more) socket.pause()
    }
    if (at < bytes.length && !socket.destroyed) socket.unshift(bytes.subarray(at))
  })
}

/** Hands over all bytes. @returns false when the caller wants no more for now */
export function giveAll(socket: Socket, bytes: Buffer, onread: OnReadOpts): boolean {
  let more = true
  for (let at = 0; at < bytes.length && !socket.destroyed; ) {
    const given = give(bytes.subarray(at), onread)
    at += given.length
    more = given.more
  }
  return more
}

/** As many bytes as the caller's buffer takes. */
function give(bytes: Buffer, onread: OnReadOpts): { readonly length: number; readonly more: boolean } {
  const buffer = typeof onread.buffer === 'function' ? onread.buffer() : onread.buffer
  const length = Math.min(bytes.length, buffer.length)
  buffer.set(bytes.subarray(0, length))
  return { length, more: onread.callback(length, buffer) }
}
