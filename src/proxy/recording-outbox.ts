import type { RecordedTransaction } from '../observe/recording.ts'

/** Requests that ended within so many ms of each other are told together. */
const delayMs = 20
/** Told at once when there are so many. */
const batchSize = 64
/** Told, and not taken by the main thread yet; what comes while there are more is lost. (I10) */
const mostUnderWay = 4096

/** What a worker has recorded on its way to the main thread; never waits for it. */
export class RecordingOutbox {
  readonly #post: (transactions: readonly RecordedTransaction[], lost: number) => void
  #waiting: RecordedTransaction[] = []
  #underWay = 0
  /** Since they were told of last. */
  #lost = 0
  #timer: NodeJS.Timeout | null = null

  constructor(post: (transactions: readonly RecordedTransaction[], lost: number) => void) {
    this.#post = post
  }

  add(transaction: RecordedTransaction): void {
    if (this.#waiting.length + this.#underWay >= mostUnderWay) {
      this.#lost++
      return
    }
    this.#waiting.push(transaction)
    if (this.#waiting.length >= batchSize) this.flush()
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
    if (this.#waiting.length === 0 && this.#lost === 0) return
    const transactions = this.#waiting
    const lost = this.#lost
    this.#waiting = []
    this.#lost = 0
    this.#underWay += transactions.length
    this.#post(transactions, lost)
  }
}
