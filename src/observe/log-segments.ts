/** Memory for log lines on their way from a worker to the main thread; see `LogSegments`. */
export function createLogMemory(segments = 16, bytes = 256 * 1024): readonly SharedArrayBuffer[] {
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

  /** A segment to write into; null while the main thread has all of them. */
  take(): number | null {
    return this.#free.pop() ?? null
  }

  /** Writes `text` at `at`. @returns bytes written, or -1 when it does not fit there */
  write(segment: number, at: number, text: string): number {
    const buffer = this.#buffers[segment]
    if (buffer === undefined) return -1
    const room = buffer.length - at
    // Three bytes a character at most; counting is needed only where that could be too much.
    if (text.length * 3 > room && Buffer.byteLength(text) > room) return -1
    return buffer.write(text, at)
  }

  /** The main thread has written the segment out, or given it up. */
  release(segment: number): void {
    this.#free.push(segment)
  }
}
