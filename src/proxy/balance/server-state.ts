import type { Party } from '../../core/errors.ts'
import type { VerdictCode } from '../../verdict/codes.ts'
import type { EjectionPlan, ServerPlan } from '../plan.ts'
import type { TryOutcome } from './breaker.ts'
import type { FailureCause } from './failure-cause.ts'

/** Why a check failed. A fault of the dialer is one. */
export interface CheckFailure {
  /** null: the connection was sound, its answer was not. */
  readonly verdict: VerdictCode | null
  readonly party: Party
  /** One sentence for operators, with host and port. */
  readonly summary: string
}

/** What active checks have found; written by the server's checker alone. */
export interface HealthState {
  /** `true` until the first check has ended. */
  healthy: boolean
  /** Of the last check that failed; null while healthy. */
  failure: CheckFailure | null
}

/** What the outcomes of requests say of a server. */
export interface EjectionState {
  /** In a row. */
  failures: number
  /** In the balancer's time; what is past counts no more. */
  until: number
  /** Ejections without a success in between. */
  ejections: number
  /** Of the last failure that counted; null: none has since the last success, or nobody said why. */
  cause: FailureCause | null
}

/**
 * One server as a worker sees it. The parts are objects of their own because generations share them: requests of the old one
 * are still under way, and count, while the new one chooses.
 */
export interface ServerState {
  readonly plan: ServerPlan
  /** As in the plan, but nearer: they are looked at for every server of a request. */
  readonly weight: number
  readonly fallback: boolean
  readonly load: { active: number }
  readonly health: HealthState
  readonly ejection: EjectionState
  /** Smooth weighted round robin: what the server has saved up. */
  credit: number
}

export function newHealth(): HealthState {
  return { healthy: true, failure: null }
}

export function newEjection(): EjectionState {
  return { failures: 0, until: 0, ejections: 0, cause: null }
}

/**
 * Counts the outcome of a try for its server.
 *
 * @param cause of an outcome that is `failed`, where it is known
 * @returns for how many ms the server is ejected because of it; 0: it is not
 */
export function countOutcome(
  plan: EjectionPlan,
  servers: readonly ServerState[],
  state: EjectionState,
  outcome: TryOutcome,
  now: number,
  cause: FailureCause | null,
): number {
  // What still comes back from an ejected server began before, and was judged with the rest.
  if (outcome === 'neutral' || state.until > now) return 0
  if (outcome === 'ok') {
    state.failures = 0
    state.ejections = 0
    state.cause = null
    return 0
  }
  state.cause = cause
  if (++state.failures < plan.consecutiveFailures) return 0
  let ejected = 1
  for (const server of servers) if (server.ejection.until > now) ejected++
  // The next failure asks again.
  if (ejected * 100 > plan.maxPercent * servers.length) return 0
  const ms = Math.min(plan.baseMs * ++state.ejections, plan.maxMs)
  state.until = now + ms
  state.failures = 0
  return ms
}
