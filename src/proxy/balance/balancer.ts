import { isDeepStrictEqual } from 'node:util'
import type { Fault } from '../../faults/fault.ts'
import type { BalanceMethod, RetryCause, TargetPlan } from '../plan.ts'
import { Breaker, type BreakerState, type TryOutcome } from './breaker.ts'
import { type FailureCause, faultCause, statusCause } from './failure-cause.ts'
import { circuitOpenFault, noServerFault, type ServerReport, serverReports } from './report.ts'
import { RetryBudget } from './retry-budget.ts'
import { RetryRules } from './retry-rules.ts'
import { countOutcome, type HealthState, newEjection, newHealth, type ServerState } from './server-state.ts'
import { StatusSet } from './status-set.ts'
import type { Tries } from './tries.ts'

/** What `pick` gives instead of a server: none can take the request, ... */
export const noServer = -1
/** ... or the breaker lets none through. */
export const circuitOpen = -2

/** Told of changes only; for events and metrics (I9). */
export interface BalanceObserver {
  serverHealth(server: string, health: HealthState): void
  /** A server that was unhealthy is not checked any more. */
  unhealthyForgotten(server: string): void
  /** `cause`: of the last of the failures, where it is known. */
  serverEjected(server: string, failures: number, ms: number, cause: FailureCause | null): void
  /**
   * `requests` and `failed`: what the window held when the breaker opened; 0 otherwise. `cause`: of the last failure, where
   * it is known; null when it did not open.
   */
  breaker(state: BreakerState, requests: number, failed: number, cause: FailureCause | null): void
  /** A retry was granted. */
  retried(): void
}

export interface BalancerOptions {
  readonly observer: BalanceObserver
  /** Milliseconds that never go back, the same clock for all generations of a worker; `Deadlines.now` is exact enough. */
  readonly now: () => number
  /** Where turns begin, so that the workers do not all begin with the same server. */
  readonly worker: number
  /** The target's balancer in the generation before. */
  readonly previous: Balancer | null
}

/**
 * Chooses the server of each request, for one target on one worker, and keeps what the choice depends on.
 *
 * A server is usable when its checks pass and it is not ejected. Where none is usable the request is refused with the reason
 * of each server. There is no threshold below which checks are believed no more and all servers are used again, as other
 * gateways have it ("panic"): a check that fails may say that the server must not be used, the refusal names what to mend,
 * and how many servers ejection may take is the operator's to say (`maxPercent`). A fallback server is how to say "rather
 * this than nothing".
 *
 * Building one changes nothing of the generation in force (I3): what is taken over is shared, not copied or reset. Taken over
 * are health and ejection of servers whose plan is equal, trust snapshot included (I2), as long as the target's own plan of
 * health or ejection is; the breaker, when it and all servers are equal; the retry budget, when it is equal.
 */
export class Balancer {
  readonly plan: TargetPlan
  readonly #servers: readonly ServerState[]
  readonly #method: BalanceMethod
  readonly #hasFallback: boolean
  readonly #breaker: Breaker | null
  readonly #budget: RetryBudget
  readonly #rules: RetryRules
  readonly #ejecting: StatusSet
  readonly #observer: BalanceObserver
  readonly #now: () => number
  /** Where the search for the next one in turn begins. */
  #turn: number

  constructor(plan: TargetPlan, options: BalancerOptions) {
    const { observer, now, previous } = options
    this.plan = plan
    this.#servers = serversOf(plan, previous?.plan ?? null, previous === null ? [] : previous.#servers)
    this.#method = plan.servers.length === 1 ? 'round-robin' : plan.balance
    this.#hasFallback = plan.servers.some((server) => server.fallback)
    this.#observer = observer
    this.#now = now
    this.#turn = options.worker % Math.max(1, plan.servers.length)
    const before = previous?.plan
    this.#breaker =
      previous !== null &&
      isDeepStrictEqual(before?.breaker, plan.breaker) &&
      isDeepStrictEqual(before?.servers, plan.servers)
        ? previous.#breaker
        : plan.breaker === null
          ? null
          : new Breaker(plan.breaker, (state, requests, failed, cause) =>
              observer.breaker(state, requests, failed, cause),
            )
    this.#budget =
      previous !== null && isDeepStrictEqual(before?.retries, plan.retries)
        ? previous.#budget
        : new RetryBudget(plan.retries)
    this.#rules = new RetryRules(plan.retries)
    this.#ejecting = new StatusSet(plan.ejection?.statuses ?? [])
  }

  /**
   * Chooses a server and begins a try on it, which must end with `tries.end`. Servers that the request was tried on come last:
   * others first, fallback servers among them.
   *
   * @returns index into the plan's servers, `noServer` or `circuitOpen`
   */
  pick(tries: Tries): number {
    // Sent on without having failed, as when its pool was retired, an idle connection died under it, or a GOAWAY said that
    // the backend never took it up: no try of those that a request may have.
    if (tries.server !== -1) tries.withdraw()
    const now = this.#now()
    // By a flag and not by the first try, which may have been taken back: no request adds to what may be retried twice (I10).
    if (!tries.counted) this.#budget.request(now)
    tries.counted = true
    tries.servesFor(this)
    const breaker = this.#breaker
    if (breaker?.refuses(now)) return circuitOpen
    const server = this.#choose(tries, now)
    if (server === noServer) return noServer
    tries.begin(this, server, breaker === null ? 0 : breaker.enter(now))
    this.#at(server).load.active++
    return server
  }

  /** Whether the request may be tried again after a try that ended so; takes it from the budget if it may. */
  mayRetry(tries: Tries, cause: RetryCause, method: string, status: number): boolean {
    if (tries.count > this.#rules.attempts || !this.#rules.retryable(cause, method, status)) return false
    if (!this.#budget.take(this.#now())) return false
    this.#observer.retried()
    return true
  }

  /** For `Tries`. */
  answered(tries: Tries): void {
    const { ticket } = tries
    // Outside of trials the end says more than the head.
    if (ticket === 0 || this.#breaker?.state !== 'half-open') return
    tries.ticket = 0
    const judged = breakerOutcome('ok', tries.status)
    this.#breaker.leave(ticket, judged, this.#now(), causeOf(judged, 'ok', null, tries.status))
  }

  /** For `Tries`. @param fault of an outcome that is `failed` */
  ended(tries: Tries, outcome: TryOutcome, fault: Fault | null): void {
    const { status, ticket } = tries
    const now = this.#now()
    const state = this.#at(tries.server)
    state.load.active--
    tries.ticket = 0
    if (ticket !== 0 && this.#breaker !== null) {
      const judged = breakerOutcome(outcome, status)
      this.#breaker.leave(ticket, judged, now, causeOf(judged, outcome, fault, status))
    }
    const { ejection } = this.plan
    if (ejection === null) return
    const judged = outcome === 'ok' && this.#ejecting.has(status) ? 'failed' : outcome
    const failures = state.ejection.failures + 1
    const cause = causeOf(judged, outcome, fault, status)
    const ms = countOutcome(ejection, this.#servers, state.ejection, judged, now, cause)
    if (ms > 0) this.#observer.serverEjected(state.plan.name, failures, ms, state.ejection.cause)
  }

  /** Where the checks of a server leave what they find; the same object as long as it is about the same thing. */
  health(server: number): HealthState {
    return this.#at(server).health
  }

  /** Every server with what it is out for, in the plan's order. */
  servers(): readonly ServerReport[] {
    return serverReports(this.#servers, this.plan.ejection !== null, this.#now())
  }

  /** The fault for a request that `pick` refused. */
  fault(refusal: typeof noServer | typeof circuitOpen): Fault {
    return refusal === circuitOpen
      ? circuitOpenFault(this.plan, this.#breaker?.openFor(this.#now()) ?? 0, this.#breaker?.cause ?? null)
      : noServerFault(this.plan, this.servers())
  }

  #choose(tries: Tries, now: number): number {
    let server = this.#chooseAmong(false, false, tries, now)
    if (server === noServer && this.#hasFallback) server = this.#chooseAmong(true, false, tries, now)
    if (server !== noServer || tries.count === 0) return server
    server = this.#chooseAmong(false, true, tries, now)
    if (server === noServer && this.#hasFallback) server = this.#chooseAmong(true, true, tries, now)
    return server
  }

  #chooseAmong(fallback: boolean, tried: boolean, tries: Tries, now: number): number {
    switch (this.#method) {
      case 'round-robin':
        return this.#inTurn(fallback, tried, tries, now)
      case 'weighted':
        return this.#byWeight(fallback, tried, tries, now, Number.POSITIVE_INFINITY)
      case 'least-requests':
        return this.#leastBusy(fallback, tried, tries, now)
      default:
        return this.#method satisfies never
    }
  }

  /** Whether a server is of the group that is looked at, and usable. */
  #takes(state: ServerState, server: number, fallback: boolean, tried: boolean, tries: Tries, now: number): boolean {
    if (state.fallback !== fallback || !state.health.healthy) return false
    if (state.ejection.until > now && this.plan.ejection !== null) return false
    return tries.count === 0 || tries.has(server) === tried
  }

  #inTurn(fallback: boolean, tried: boolean, tries: Tries, now: number): number {
    const servers = this.#servers
    let server = this.#turn
    for (let seen = 0; seen < servers.length; seen++) {
      const next = server + 1 === servers.length ? 0 : server + 1
      if (this.#takes(servers[server] as ServerState, server, fallback, tried, tries, now)) {
        this.#turn = next
        return server
      }
      server = next
    }
    return noServer
  }

  /**
   * Smooth weighted round robin, as NGINX does it: all earn their weight, the richest is chosen and pays what all have
   * earned. Over as many picks as the weights sum up to each is chosen as often as its weight says, and a heavy one not in
   * one run. Who is left out earns nothing.
   *
   * @param most requests under way for its weight that a server may have
   */
  #byWeight(fallback: boolean, tried: boolean, tries: Tries, now: number, most: number): number {
    const servers = this.#servers
    let earned = 0
    let best: ServerState | null = null
    let chosen = noServer
    for (let server = 0; server < servers.length; server++) {
      const state = servers[server] as ServerState
      if (!this.#takes(state, server, fallback, tried, tries, now)) continue
      const { weight } = state
      if (state.load.active / weight > most) continue
      state.credit += weight
      earned += weight
      if (best === null || state.credit > best.credit) {
        best = state
        chosen = server
      }
    }
    if (best !== null) best.credit -= earned
    return chosen
  }

  /**
   * The least busy for its weight; ties go in turn, by weight. Every server is looked at, also where there are many: a worker
   * knows its own load exactly, and 256 servers are looked at in some two microseconds, so drawing two at random would save
   * nothing and be uneven.
   */
  #leastBusy(fallback: boolean, tried: boolean, tries: Tries, now: number): number {
    const servers = this.#servers
    let least = Number.POSITIVE_INFINITY
    for (let server = 0; server < servers.length; server++) {
      const state = servers[server] as ServerState
      const busy = state.load.active / state.weight
      if (busy < least && this.#takes(state, server, fallback, tried, tries, now)) least = busy
    }
    return least === Number.POSITIVE_INFINITY ? noServer : this.#byWeight(fallback, tried, tries, now, least)
  }

  #at(server: number): ServerState {
    return this.#servers[server] as ServerState
  }
}

/** To a breaker a response that says that the server failed is a failure, however well it came. */
function breakerOutcome(outcome: TryOutcome, status: number): TryOutcome {
  return outcome === 'ok' && status >= 500 ? 'failed' : outcome
}

/**
 * Why a try counts as failed, for whoever judged its end to be `judged`: its fault, or its status where the end as such was
 * well.
 */
function causeOf(judged: TryOutcome, outcome: TryOutcome, fault: Fault | null, status: number): FailureCause | null {
  if (judged !== 'failed') return null
  if (outcome !== 'failed') return statusCause(status)
  return fault === null ? null : faultCause(fault)
}

function serversOf(
  plan: TargetPlan,
  previous: TargetPlan | null,
  states: readonly ServerState[],
): readonly ServerState[] {
  const before = [...states]
  const sameHealth = isDeepStrictEqual(previous?.health, plan.health)
  const sameEjection = isDeepStrictEqual(previous?.ejection, plan.ejection)
  return plan.servers.map((server): ServerState => {
    const at = before.findIndex((state) => state.plan.name === server.name && isDeepStrictEqual(state.plan, server))
    const [known] = at === -1 ? [] : before.splice(at, 1)
    return {
      plan: server,
      weight: server.weight,
      fallback: server.fallback,
      load: known?.load ?? { active: 0 },
      health: sameHealth && known !== undefined ? known.health : newHealth(),
      ejection: sameEjection && known !== undefined ? known.ejection : newEjection(),
      credit: 0,
    }
  })
}
