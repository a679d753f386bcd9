export interface HandshakeMessage {
  readonly type: number
  readonly body: Buffer
}

/** Puts handshake messages together: one may span records, and a record may hold several (RFC 8446 section 5.1). */
export class MessageStream {
  readonly #held: Buffer
  #start = 0
  #end = 0

  /** @param limit bytes that will be added at most; more is dropped */
  constructor(limit: number) {
    this.#held = Buffer.allocUnsafe(limit)
  }

  /** Bytes of a message that is not complete. */
  get left(): number {
    return this.#end - this.#start
  }

  add(data: Buffer): void {
    this.#end += data.copy(this.#held, this.#end)
  }

  /** The next complete message; null when there is none. Its body is a view of what was added. */
  next(): HandshakeMessage | null {
    if (this.left < 4) return null
    const body = this.#start + 4
    const end = body + this.#held.readUIntBE(this.#start + 1, 3)
    if (end > this.#end) return null
    const message = { type: this.#held[this.#start] as number, body: this.#held.subarray(body, end) }
    this.#start = end
    return message
  }
}
