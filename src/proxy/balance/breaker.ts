import type { BreakerPlan } from '../plan.ts'
import type { FailureCause } from './failure-cause.ts'
import { SlidingCounts } from './sliding-counts.ts'

export type BreakerState = 'closed' | 'open' | 'half-open'

/** `neutral` says nothing of the server: the client went away, or the try never came to it. */
export type TryOutcome = 'ok' | 'failed' | 'neutral'

/**
 * Told of every change of state.
 *
 * @param requests that the window held, `failed` of which failed; 0 but for the change to `open` from `closed`
 * @param cause of the last failure, where it is known; null but for the change to `open`
 */
export type BreakerListener = (
  state: BreakerState,
  requests: number,
  failed: number,
  cause: FailureCause | null,
) => void

/** Trials in a row that must go well before the breaker closes. One may be luck when every other request fails. */
const trialsToClose = 3

const buckets = 10

/**
 * Refuses at once what would fail anyway. Closed, it counts outcomes over a window; open, it refuses all; half open, it lets
 * one request at a time through to try. It has no timer: time is looked at when a request comes.
 */
export class Breaker {
  readonly #plan: BreakerPlan
  readonly #changed: BreakerListener
  /** First: tries that went well; second: failed ones. */
  readonly #counts: SlidingCounts
  #state: BreakerState = 'closed'
  /** Of the state in force. What entered under another one says nothing of this one. */
  #epoch = 1
  #openUntil = 0
  #trialUntil = 0
  #passed = 0
  #cause: FailureCause | null = null

  constructor(plan: BreakerPlan, changed: BreakerListener) {
    this.#plan = plan
    this.#changed = changed
    this.#counts = new SlidingCounts(plan.windowMs, buckets)
  }

  get state(): BreakerState {
    return this.#state
  }

  /** Of the last failure that counted; null: none has since it closed, or nobody said why. */
  get cause(): FailureCause | null {
    return this.#cause
  }

  /** How long every request is refused from now on; 0: not, or not for sure. */
  openFor(now: number): number {
    return this.#state === 'open' ? Math.max(0, this.#openUntil - now) : 0
  }

  /** Whether a request has to be refused now. */
  refuses(now: number): boolean {
    if (this.#state === 'closed') return false
    if (this.#state === 'open') {
      if (now < this.#openUntil) return true
      this.#passed = 0
      this.#trialUntil = 0
      this.#enterState('half-open', 0, 0)
    }
    return now < this.#trialUntil
  }

  /** A request that was not refused goes to a server. @returns the ticket to `leave` with */
  enter(now: number): number {
    // A trial that takes as long as this holds up the next one no longer: a client that sends its body byte by byte could
    // keep the target from all others. (I10)
    if (this.#state === 'half-open') this.#trialUntil = now + this.#plan.openMs
    return this.#epoch
  }

  /** @param cause of an outcome that is `failed`, where it is known */
  leave(ticket: number, outcome: TryOutcome, now: number, cause: FailureCause | null): void {
    if (ticket !== this.#epoch) return
    if (outcome === 'failed') this.#cause = cause
    if (this.#state === 'half-open') {
      this.#trialUntil = 0
      if (outcome === 'failed') this.#open(now, 0, 0)
      else if (outcome === 'ok' && ++this.#passed >= trialsToClose) this.#close()
    } else if (outcome !== 'neutral') {
      if (outcome === 'ok') this.#counts.addFirst(now)
      else this.#counts.addSecond(now)
      this.#judge(now)
    }
  }

  #judge(now: number): void {
    const failed = this.#counts.second(now)
    if (failed === 0) return
    const requests = this.#counts.first(now) + failed
    if (requests < this.#plan.minimumRequests || failed * 100 < this.#plan.failurePercent * requests) return
    this.#open(now, requests, failed)
  }

  #open(now: number, requests: number, failed: number): void {
    this.#openUntil = now + this.#plan.openMs
    this.#enterState('open', requests, failed)
  }

  #close(): void {
    this.#counts.clear()
    this.#cause = null
    this.#enterState('closed', 0, 0)
  }

  #enterState(state: BreakerState, requests: number, failed: number): void {
    this.#state = state
    this.#epoch++
    this.#changed(state, requests, failed, state === 'open' ? this.#cause : null)
  }
}
