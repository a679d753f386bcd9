import type { Resolver } from '../../dial/resolver.ts'
import type { TargetTrust } from '../../dial/target-trust.ts'
import type { HealthPlan, ServerPlan } from '../plan.ts'
import { ServerCheck } from './server-check.ts'
import type { CheckFailure, HealthState } from './server-state.ts'

export interface HealthCheckOptions {
  readonly server: ServerPlan
  readonly plan: HealthPlan
  readonly trust: TargetTrust | null
  readonly resolver: Resolver
  /** Written here, read by the balancers of all generations that have this server. */
  readonly health: HealthState
  /** `health.healthy` has changed. */
  readonly changed: (server: string, health: HealthState) => void
}

/** After the start of checks the first one of a server follows within this time, or within its interval where that is shorter. */
const firstWithinMs = 1000
/** Intervals differ by up to this part of them: targets and workers that started together drift apart. */
const jitter = 0.1

/**
 * Checks one server again and again, one check at a time, the interval counted from the end of one to the start of the next.
 * It belongs to the server's plan, and so to one trust snapshot (I2).
 */
export class HealthCheck {
  readonly #options: HealthCheckOptions
  #timer: NodeJS.Timeout | null = null
  #check: ServerCheck | null = null
  #first = true
  #closed = false
  /** In a row. */
  #passed = 0
  #failed = 0

  constructor(options: HealthCheckOptions) {
    this.#options = options
  }

  get server(): string {
    return this.#options.server.name
  }

  start(): void {
    this.#schedule(Math.random() * Math.min(this.#options.plan.intervalMs, firstWithinMs))
  }

  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#check?.abandon()
  }

  #schedule(ms: number): void {
    this.#timer = setTimeout(() => this.#begin(), ms).unref()
  }

  #begin(): void {
    const { server, plan, trust, resolver } = this.#options
    this.#check = new ServerCheck({ server, plan, trust, resolver, done: (failure) => this.#done(failure) })
  }

  #done(failure: CheckFailure | null): void {
    this.#check = null
    this.#count(failure)
    const { intervalMs } = this.#options.plan
    // The listener of a change may have closed this.
    if (!this.#closed) this.#schedule(intervalMs * (1 - jitter + Math.random() * 2 * jitter))
  }

  #count(failure: CheckFailure | null): void {
    const { server, plan, health, changed } = this.#options
    this.#passed = failure === null ? this.#passed + 1 : 0
    this.#failed = failure === null ? 0 : this.#failed + 1
    // Before the first result nothing is known, so it decides alone.
    const enough =
      this.#first || (failure === null ? this.#passed >= plan.healthyAfter : this.#failed >= plan.unhealthyAfter)
    this.#first = false
    const turns = health.healthy !== (failure === null) && enough
    if (turns) health.healthy = failure === null
    // The reason of today: what is wrong may change while the server is out.
    health.failure = health.healthy ? null : (failure ?? health.failure)
    if (turns) changed(server.name, health)
  }
}
