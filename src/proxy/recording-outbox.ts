import type { RecordedBatch, RecordedTransaction } from '../observe/recording.ts'

/** Ms that somebody who looks at a debug session may wait for what has ended. */
const delayMs = 20
/** Spans are looked at by nobody yet: few messages cost less, as each wakes two threads. */
const spansDelayMs = 250
/** Told at once when there are so many. */
const batchSize = 64
const spansBatchSize = 512
/** Told, and not taken by the main thread yet; what comes while there are more is lost. (I10) */
const mostUnderWay = 4096

/** What a worker has recorded on its way to the main thread; never waits for it. */
export class RecordingOutbox {
  readonly #post: (batch: RecordedBatch) => void
  #transactions: RecordedTransaction[] = []
  /** JSON of those that spans alone are made of, separated by commas. */
  #spans = ''
  #spanCount = 0
  #underWay = 0
  /** Since they were told of last. */
  #lost = 0
  #timer: NodeJS.Timeout | null = null
  #timerMs = 0

  constructor(post: (batch: RecordedBatch) => void) {
    this.#post = post
  }

  add(transaction: RecordedTransaction): void {
    if (this.#waiting + this.#underWay >= mostUnderWay) {
      this.#lost++
      return
    }
    if (transaction.sessions.length > 0) {
      this.#transactions.push(transaction)
      if (this.#transactions.length >= batchSize) this.flush()
      else this.#flushWithin(delayMs)
      return
    }
    this.#spans += `${this.#spanCount === 0 ? '' : ','}${JSON.stringify(transaction)}`
    this.#spanCount++
    if (this.#spanCount >= spansBatchSize) this.flush()
    else this.#flushWithin(spansDelayMs)
  }

  /** The main thread has taken so many. */
  took(transactions: number): void {
    this.#underWay -= transactions
    // Nothing may come after it that would tell.
    if (this.#lost > 0) this.flush()
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#timerMs = 0
    if (this.#waiting === 0 && this.#lost === 0) return
    const batch: RecordedBatch = {
      transactions: this.#transactions,
      spans: this.#spanCount === 0 ? null : { text: `[${this.#spans}]`, transactions: this.#spanCount },
      lost: this.#lost,
    }
    this.#underWay += this.#waiting
    this.#transactions = []
    this.#spans = ''
    this.#spanCount = 0
    this.#lost = 0
    this.#post(batch)
  }

  #flushWithin(ms: number): void {
    if (this.#timer !== null && this.#timerMs <= ms) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.flush(), ms)
    this.#timerMs = ms
  }

  get #waiting(): number {
    return this.#transactions.length + this.#spanCount
  }
}
