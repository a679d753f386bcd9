/** Memory for log lines on their way from a worker to the main thread; see `LogSegments`. */
export function createLogMemory(segments = 8, bytes = 512 * 1024): readonly SharedArrayBuffer[] {
  return Array.from({ length: segments }, () => new SharedArrayBuffer(bytes))
}

/**
 * The worker's side of the log memory. Lines are written into a free segment and only its number is posted: handing over
 * a new buffer per batch makes the main thread collect garbage many times a second, and where it shares a core with the
 * worker every collection is a pause of the data plane.
 */
export class LogSegments {
  readonly #buffers: readonly Buffer[]
  readonly #free: number[]

  constructor(memory: readonly SharedArrayBuffer[]) {
    this.#buffers = memory.map((segment) => Buffer.from(segment))
    this.#free = memory.map((_, index) => index)
  }

  /** Bytes of one segment. */
  get bytes(): number {
    return this.#buffers[0]?.length ?? 0
  }

  /** A segment to write into; null while the main thread has all of them. */
  take(): number | null {
    return this.#free.pop() ?? null
  }

  /** @returns bytes written, or -1 when the text does not fit */
  write(segment: number, text: string): number {
    const buffer = this.#buffers[segment]
    if (buffer === undefined) return -1
    // Three bytes a character at most; counting is needed only where that could be too much.
    if (text.length * 3 > buffer.length && Buffer.byteLength(text) > buffer.length) return -1
    return buffer.write(text)
  }

  /** The main thread has written the segment out, or given it up. */
  release(segment: number): void {
    this.#free.push(segment)
  }
}
