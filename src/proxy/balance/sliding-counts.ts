/**
 * Two counters over the last `windowMs`, in a ring of buckets that is brought up to date when it is used: no timer, no
 * memory per event (I10). What is older than the window leaves a bucket at a time, so sums are of the last
 * `windowMs - bucket` to `windowMs`.
 */
export class SlidingCounts {
  readonly #bucketMs: number
  readonly #first: Float64Array
  readonly #second: Float64Array
  /** Number of the newest bucket, counted from the clock's zero. */
  #newest = 0
  #firstSum = 0
  #secondSum = 0

  constructor(windowMs: number, buckets: number) {
    this.#bucketMs = windowMs / buckets
    this.#first = new Float64Array(buckets)
    this.#second = new Float64Array(buckets)
  }

  addFirst(now: number): void {
    this.#advance(now)
    this.#first[this.#newest % this.#first.length]! += 1
    this.#firstSum++
  }

  addSecond(now: number): void {
    this.#advance(now)
    this.#second[this.#newest % this.#second.length]! += 1
    this.#secondSum++
  }

  first(now: number): number {
    this.#advance(now)
    return this.#firstSum
  }

  second(now: number): number {
    this.#advance(now)
    return this.#secondSum
  }

  clear(): void {
    this.#first.fill(0)
    this.#second.fill(0)
    this.#firstSum = 0
    this.#secondSum = 0
  }

  #advance(now: number): void {
    const bucket = Math.floor(now / this.#bucketMs)
    if (bucket <= this.#newest) return
    const size = this.#first.length
    if (bucket - this.#newest >= size) {
      this.clear()
    } else {
      for (let passed = this.#newest + 1; passed <= bucket; passed++) {
        const at = passed % size
        this.#firstSum -= this.#first[at] as number
        this.#secondSum -= this.#second[at] as number
        this.#first[at] = 0
        this.#second[at] = 0
      }
    }
    this.#newest = bucket
  }
}
