import type { Fault } from '../../faults/fault.ts'
import type { Balancer } from './balancer.ts'
import type { TryOutcome } from './breaker.ts'

/**
 * The tries of one request: where it has been, and the one under way. An exchange keeps one and uses it for request after
 * request, so none is allocated on the way.
 *
 * It knows the balancer it was sent by, and so is right when the generation changes in the middle of a request; and it
 * counts each end once, so that whoever ends a request need not know how far it has come.
 */
export class Tries {
  /** Tries so far, of this request. */
  count = 0
  /** Index of the server of the try under way; -1: none is. */
  server = -1
  /** The request has been counted for the retry budget. For `Balancer`. */
  counted = false
  /** Of the response of the try under way; 0: none yet. For `Balancer`. */
  status = 0
  /** Whose servers the indexes are of; for `Balancer`. */
  balancer: Balancer | null = null
  /** Of the breaker; 0 once it knows. For `Balancer`. */
  ticket = 0
  /** Servers tried, of `balancer`; the first `#used` are in use. */
  readonly #servers: number[] = []
  #used = 0

  /** Another request begins. */
  reset(): void {
    if (this.server !== -1) this.end('neutral')
    this.count = 0
    this.counted = false
    this.#used = 0
    this.balancer = null
  }

  has(server: number): boolean {
    for (let i = 0; i < this.#used; i++) if (this.#servers[i] === server) return true
    return false
  }

  /** For `Balancer.pick`: a try begins. */
  begin(balancer: Balancer, server: number, ticket: number): void {
    this.servesFor(balancer)
    this.count++
    this.#servers[this.#used++] = server
    this.server = server
    this.ticket = ticket
    this.status = 0
  }

  /** For `Balancer.pick`: indexes of another balancer's servers mean nothing here. */
  servesFor(balancer: Balancer): void {
    if (this.balancer === balancer) return
    this.balancer = balancer
    this.#used = 0
  }

  /** For `Balancer.pick`: the try under way is taken back. */
  withdraw(): void {
    this.end('neutral')
    this.count--
    this.#used--
  }

  /**
   * The head of a final response has come. Its status says whether an end that is `ok` is one to ejection and breaker; for a
   * trial of the breaker it is the end: a stream may have none, and others wait for the trial's.
   */
  answered(status: number): void {
    if (this.server === -1) return
    this.status = status
    this.balancer?.answered(this)
  }

  /**
   * The try is over; `failed` is a fault of the connection or its messages, statuses are known. Nothing when none is under way.
   *
   * @param fault of an outcome that is `failed`
   */
  end(outcome: TryOutcome, fault: Fault | null = null): void {
    if (this.server === -1) return
    this.balancer?.ended(this, outcome, fault)
    this.server = -1
  }
}
