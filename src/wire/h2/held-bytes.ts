const none = Buffer.alloc(0)

/** Bytes that are kept until enough have come, since the buffer they came in will be written to. No memory while empty. */
export class HeldBytes {
  length = 0
  #bytes: Buffer = none

  /** Keeps buf[at, ...) until `whole` bytes are held. @returns the offset after what was kept */
  add(buf: Buffer, at: number, end: number, whole: number): number {
    const taken = Math.min(whole - this.length, end - at)
    const needed = this.length + taken
    if (this.#bytes.length < needed) {
      // Memory follows what has come, not what a frame header promises. (I10)
      const grown = Buffer.allocUnsafeSlow(Math.min(whole, Math.max(64, 2 * needed)))
      this.#bytes.copy(grown, 0, 0, this.length)
      this.#bytes = grown
    }
    buf.copy(this.#bytes, this.length, at, at + taken)
    this.length = needed
    return at + taken
  }

  /** Hands over what is held, `length` bytes of it, and holds nothing. */
  take(): Buffer {
    const bytes = this.#bytes
    this.#bytes = none
    this.length = 0
    return bytes
  }
}
