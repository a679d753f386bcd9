import type { RetryPlan } from '../plan.ts'
import { SlidingCounts } from './sliding-counts.ts'

const windowSeconds = 10

/**
 * What keeps retries from multiplying the load on a target that fails (I10): over the last ten seconds they may be a
 * percentage of the requests, and a few a second on top. Per worker.
 */
export class RetryBudget {
  readonly #percent: number
  readonly #least: number
  /** First: requests; second: retries. */
  readonly #counts = new SlidingCounts(windowSeconds * 1000, windowSeconds)

  constructor(plan: RetryPlan) {
    this.#percent = plan.budgetPercent
    this.#least = plan.budgetMinPerSecond * windowSeconds
  }

  request(now: number): void {
    this.#counts.addFirst(now)
  }

  /** Takes one retry, if there is one left. */
  take(now: number): boolean {
    const allowed = (this.#counts.first(now) * this.#percent) / 100 + this.#least
    if (this.#counts.second(now) + 1 > allowed) return false
    this.#counts.addSecond(now)
    return true
  }
}
