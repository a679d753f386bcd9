import type { RecordedBatch, RecordedTransaction } from '../observe/recording.ts'

/** Requests that ended within so many ms of each other are told together. */
const delayMs = 20
/** Told at once when there are so many. */
const batchSize = 64
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

  constructor(post: (batch: RecordedBatch) => void) {
    this.#post = post
  }

  add(transaction: RecordedTransaction): void {
    if (this.#waiting + this.#underWay >= mostUnderWay) {
      this.#lost++
      return
    }
    if (transaction.sessions.length > 0) this.#transactions.push(transaction)
    else {
      this.#spans += `${this.#spanCount === 0 ? '' : ','}${JSON.stringify(transaction)}`
      this.#spanCount++
    }
    if (this.#waiting >= batchSize) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), delayMs)
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

  get #waiting(): number {
    return this.#transactions.length + this.#spanCount
  }
}
