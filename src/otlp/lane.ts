/** Whose records they are: where losses of them are counted. */
export interface Owner {
  dropped: number
}

/** Records that have been encoded, to be sent in one piece. */
export interface Piece {
  readonly bytes: Buffer
  readonly records: number
  readonly owner: Owner
}

export interface LaneLimits {
  /** What waits and is under way, in records and in bytes. */
  readonly queuedRecords: number
  readonly queuedBytes: number
  /** A request is sent when it has so many, or so much. */
  readonly batchRecords: number
  readonly batchBytes: number
  /** Or when its first has waited so long. */
  readonly delayMs: number
  /** What goes when there is no room; of metrics the oldest, because the next export says it all again. */
  readonly overflow: 'newest' | 'oldest'
}

export interface RetryLimits {
  /** Between tries: from the first, doubled up to the last. */
  readonly backoffMs: readonly [first: number, last: number]
  /** Of one request. */
  readonly tries: number
  /** A request is given up when it is older; a receiver may not ask for a longer pause either. */
  readonly maxAgeMs: number
}

/** What came of sending a batch; `rejected` of its records were not taken. */
export type Outcome =
  | { readonly kind: 'taken'; readonly rejected: number }
  | { readonly kind: 'refused' }
  | { readonly kind: 'later'; readonly afterMs: number }

export interface LaneOptions {
  readonly limits: LaneLimits
  readonly retry: RetryLimits
  /** Makes one request of the pieces, and returns how to send it, again and again. Never rejects. */
  readonly prepare: (pieces: readonly Buffer[]) => Promise<(signal: AbortSignal) => Promise<Outcome>>
}

/** Each piece costs that much beyond its bytes. */
const overhead = 256

/** One kind of telemetry on its way: a queue with bounds, and one request at a time (I10). */
export class Lane {
  readonly #options: LaneOptions
  readonly #queue: Piece[] = []
  readonly #abort = new AbortController()
  #bytes = 0
  #records = 0
  /** Of those, what is under way. */
  #sending: readonly Piece[] = []
  #busy = false
  /** Tries in a row that failed, over all requests: a receiver that is away is not asked more often for having more to tell. */
  #failures = 0
  #timer: NodeJS.Timeout | null = null
  #flushing = 0
  /** Every request has one more try. */
  #closing = false
  #closed = false
  #end: Promise<void> | null = null
  /** Ends the pause between two tries. */
  #wake: (() => void) | null = null
  readonly #idle: (() => void)[] = []

  constructor(options: LaneOptions) {
    this.#options = options
  }

  /** No more of this kind can be taken now. */
  get full(): boolean {
    const { queuedRecords, queuedBytes, overflow } = this.#options.limits
    return this.#closed || (overflow === 'newest' && (this.#records >= queuedRecords || this.#bytes >= queuedBytes))
  }

  /** Waiting and under way. */
  get held(): { readonly records: number; readonly bytes: number } {
    return { records: this.#records, bytes: this.#bytes }
  }

  add(piece: Piece): void {
    const { limits } = this.#options
    const fits = () =>
      this.#records + piece.records <= limits.queuedRecords &&
      this.#bytes + piece.bytes.length + overhead <= limits.queuedBytes
    while (limits.overflow === 'oldest' && !fits()) {
      const oldest = this.#queue.shift()
      if (oldest === undefined) break
      this.#drop([oldest])
    }
    if (this.#closed || !fits()) {
      piece.owner.dropped += piece.records
      return
    }
    this.#queue.push(piece)
    this.#bytes += piece.bytes.length + overhead
    this.#records += piece.records
    this.#schedule()
  }

  /** Sends what there is without waiting for more, at most for this long. What is left then stays, unless the lane ends. */
  async flush(timeoutMs: number): Promise<void> {
    await this.#drained(timeoutMs)
    // What is lost by its end is counted when this returns.
    await this.#end
  }

  /** What is left of this owner is lost. What is under way counts as lost, too: nobody would hear of it any more. */
  forget(owner: Owner): void {
    const isIts = (piece: Piece): boolean => piece.owner === owner
    this.#drop(this.#queue.filter(isIts))
    const others = this.#queue.filter((piece) => !isIts(piece))
    this.#queue.splice(0, this.#queue.length, ...others)
    for (const { records } of this.#sending.filter(isIts)) owner.dropped += records
    this.#sending = this.#sending.map((piece) => (isIts(piece) ? { ...piece, owner: { dropped: 0 } } : piece))
  }

  /** Sends what there is, at most for this long; what is left is lost. */
  close(timeoutMs: number): Promise<void> {
    this.#end ??= this.#close(timeoutMs)
    return this.#end
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#closing = true
    this.#wake?.()
    await this.#drained(timeoutMs)
    this.#closed = true
    this.#abort.abort()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#drop(this.#queue.splice(0))
    if (this.#busy) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  async #drained(timeoutMs: number): Promise<void> {
    if (this.#records === 0) return
    this.#flushing++
    this.#schedule()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#idle.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    this.#flushing--
  }

  #schedule(): void {
    if (this.#busy || this.#queue.length === 0) return
    const { limits } = this.#options
    const waiting = this.#records >= limits.batchRecords || this.#bytes >= limits.batchBytes
    if (waiting || this.#flushing > 0) {
      if (this.#timer !== null) clearTimeout(this.#timer)
      this.#timer = null
      void this.#run()
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = null
        void this.#run()
      }, limits.delayMs)
    }
  }

  async #run(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    // Its first has waited as long as it may, whatever its size; after that, only what fills a request.
    let full = true
    while (this.#queue.length > 0 && !this.#closed && (full || this.#flushing > 0)) {
      await this.#deliver(this.#take())
      full = this.#records >= this.#options.limits.batchRecords || this.#bytes >= this.#options.limits.batchBytes
    }
    this.#busy = false
    if (this.#queue.length > 0 && !this.#closed) this.#schedule()
    else for (const done of this.#idle.splice(0)) done()
  }

  #take(): readonly Piece[] {
    const { batchRecords, batchBytes } = this.#options.limits
    let count = 0
    let records = 0
    let bytes = 0
    for (const piece of this.#queue) {
      records += piece.records
      bytes += piece.bytes.length
      if (count > 0 && (records > batchRecords || bytes > batchBytes)) break
      count++
    }
    return this.#queue.splice(0, count)
  }

  async #deliver(pieces: readonly Piece[]): Promise<void> {
    const { retry, prepare } = this.#options
    this.#sending = pieces
    const began = performance.now()
    const send = await prepare(pieces.map(({ bytes }) => bytes))
    for (let tries = 1; ; tries++) {
      const outcome = await send(this.#abort.signal)
      if (outcome.kind !== 'later') {
        this.#failures = 0
        this.#settle(outcome.kind === 'taken' ? outcome.rejected : Infinity)
        return
      }
      this.#failures++
      const pause = Math.max(outcome.afterMs, backoff(this.#failures - 1, retry.backoffMs))
      const age = performance.now() - began
      const last = tries >= retry.tries || age + pause > retry.maxAgeMs || (this.#closing && tries > 1)
      if (last) this.#settle(Infinity)
      // Also before the next request: it would go to the same receiver.
      await this.#pause(Math.min(pause, retry.maxAgeMs))
      if (last) return
    }
  }

  /** Of the batch, so many were not taken; the owners of the first count them. */
  #settle(rejected: number): void {
    let left = rejected
    for (const { records, owner } of this.#sending) {
      const lost = Math.min(left, records)
      owner.dropped += lost
      left -= lost
    }
    this.#free(this.#sending)
    this.#sending = []
  }

  #drop(pieces: readonly Piece[]): void {
    for (const { records, owner } of pieces) owner.dropped += records
    this.#free(pieces)
  }

  #free(pieces: readonly Piece[]): void {
    for (const { records, bytes } of pieces) {
      this.#records -= records
      this.#bytes -= bytes.length + overhead
    }
  }

  async #pause(ms: number): Promise<void> {
    // At the end nobody waits for a receiver to recover.
    if (this.#closing) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = null
  }
}

/** Doubles with every failure in a row; somewhat random, so that many gateways do not come at once. */
function backoff(failures: number, [first, last]: RetryLimits['backoffMs']): number {
  return Math.min(last, first * 2 ** Math.min(failures, 20)) * (0.75 + Math.random() / 2)
}
