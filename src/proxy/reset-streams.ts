/** Ids kept; more are known by their highest only. (I10) */
const remembered = 1024

/**
 * Streams that we have reset and whose peer had not ended them: what it sends before it knows is no fault (RFC 9113
 * section 5.1), while on any other closed stream it is one.
 */
export class ResetStreams {
  readonly #ids = new Set<number>()
  #forgotten = 0

  add(streamId: number): void {
    this.#ids.add(streamId)
    if (this.#ids.size <= remembered) return
    const [oldest] = this.#ids
    if (oldest === undefined) return
    this.#ids.delete(oldest)
    this.#forgotten = Math.max(this.#forgotten, oldest)
  }

  has(streamId: number): boolean {
    return this.#ids.has(streamId)
  }

  /** The id is one of so many that nobody knows any more. */
  mayHave(streamId: number): boolean {
    return streamId <= this.#forgotten
  }

  /** The peer has ended the stream: nothing more comes. */
  delete(streamId: number): void {
    this.#ids.delete(streamId)
  }
}
