/**
 * Reads fields one after another. Past the end everything reads as zero or empty and `ok` turns false for good, so that a
 * message is read to its end first and believed afterwards. Never throws.
 */
export class Cursor {
  ok = true
  readonly #bytes: Buffer
  #at: number
  readonly #end: number

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  get left(): number {
    return this.#end - this.#at
  }

  u8(): number {
    return this.#number(1)
  }

  u16(): number {
    return this.#number(2)
  }

  u24(): number {
    return this.#number(3)
  }

  /** The next `length` bytes, not copied. */
  take(length: number): Buffer {
    if (length > this.left) {
      this.ok = false
      this.#at = this.#end
      return empty
    }
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** All that is left, not copied. */
  rest(): Buffer {
    return this.take(this.left)
  }

  /** A vector behind its length (RFC 8446 section 3.4), as a cursor over it. */
  vector(lengthBytes: 1 | 2 | 3): Cursor {
    const body = this.take(this.#number(lengthBytes))
    const inner = new Cursor(body)
    inner.ok = this.ok
    return inner
  }

  #number(width: 1 | 2 | 3): number {
    if (width > this.left) {
      this.ok = false
      this.#at = this.#end
      return 0
    }
    this.#at += width
    return this.#bytes.readUIntBE(this.#at - width, width)
  }
}

const empty = Buffer.alloc(0)
