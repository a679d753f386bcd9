import type { RetryCause, RetryPlan } from '../plan.ts'
import { StatusSet } from './status-set.ts'

/** A retry plan in the form that requests are asked of. Says what may be sent again, not how often: see `RetryBudget`. */
export class RetryRules {
  readonly attempts: number
  readonly #causes: ReadonlySet<RetryCause>
  readonly #methods: ReadonlySet<string>
  readonly #statuses: StatusSet

  constructor(plan: RetryPlan) {
    this.attempts = plan.attempts
    this.#causes = new Set(plan.on)
    this.#methods = new Set(plan.methods)
    this.#statuses = new StatusSet(plan.statuses)
  }

  /**
   * Whether a try that failed so may be followed by another. The caller answers for the body: bytes of it that were sent and
   * not kept cannot be sent again.
   *
   * @param status of the response, for the cause `status`; 0 otherwise
   */
  retryable(cause: RetryCause, method: string, status: number): boolean {
    if (!this.#causes.has(cause)) return false
    switch (cause) {
      // Nothing of the request was sent, ...
      case 'connect':
      case 'untrusted':
      // ... or the server vouches that nothing of it was processed (RFC 9113 section 8.7): the method does not matter.
      case 'refused-stream':
        return true
      case 'reset':
      case 'timeout':
        return this.#methods.has(method)
      case 'status':
        return this.#statuses.has(status) && this.#methods.has(method)
      default:
        return cause satisfies never
    }
  }
}
