import type { Resolver } from '../../dial/resolver.ts'
import type { TargetTrust } from '../../dial/target-trust.ts'
import type { Balancer, BalanceObserver } from './balancer.ts'
import { HealthCheck } from './health-check.ts'
import type { HealthState } from './server-state.ts'

export interface TargetChecksOptions {
  readonly balancer: Balancer
  /** Of the pool of each server, by index. */
  readonly trust: (server: number) => TargetTrust | null
  readonly resolver: Resolver
  readonly observer: BalanceObserver
}

/** The active checks of one target in one generation; none where its plan has none. */
export class TargetChecks {
  readonly #options: TargetChecksOptions
  /** By where they leave what they find: generations share that exactly as long as it is about the same thing. */
  readonly #running = new Map<HealthState, HealthCheck>()

  constructor(options: TargetChecksOptions) {
    this.#options = options
  }

  /**
   * The generation is in force: checks begin, and not before, as it might never be. Those of servers that have not changed go
   * on as they are, the others of `previous` end.
   */
  start(previous: TargetChecks | null): void {
    const { balancer, trust, resolver, observer } = this.#options
    const { servers, health: plan } = balancer.plan
    const before = previous === null ? new Map<HealthState, HealthCheck>() : previous.#running
    if (plan !== null) {
      for (const [index, server] of servers.entries()) {
        const health = balancer.health(index)
        const running = before.get(health)
        if (running !== undefined) {
          before.delete(health)
          this.#running.set(health, running)
          continue
        }
        const check = new HealthCheck({
          server,
          plan,
          trust: trust(index),
          resolver,
          health,
          changed: (name, state) => observer.serverHealth(name, state),
        })
        this.#running.set(health, check)
        check.start()
      }
    }
    previous?.close()
  }

  close(): void {
    for (const [health, check] of this.#running) {
      check.close()
      if (!health.healthy) this.#options.observer.unhealthyForgotten(check.server)
    }
    this.#running.clear()
  }
}
