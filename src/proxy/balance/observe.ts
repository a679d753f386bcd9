import type { WorkerRuntime } from '../runtime.ts'
import type { BalanceObserver } from './balancer.ts'

/** Makes events and counts of what happens to a target's servers, under whatever generation is in force then. */
export function balanceObserver(runtime: WorkerRuntime, target: string): BalanceObserver {
  const index = (): number => runtime.generation.targetIndex.get(target) ?? -1
  return {
    serverHealth(server, { healthy, failure }) {
      runtime.generation.metrics.serverUnhealthy(index(), healthy ? -1 : 1)
      runtime.event({
        type: 'server-health',
        target,
        server,
        healthy,
        verdict: failure?.verdict ?? null,
        party: failure?.party ?? null,
        summary: failure?.summary ?? '',
      })
    },
    unhealthyForgotten() {
      runtime.generation.metrics.serverUnhealthy(index(), -1)
    },
    serverEjected(server, failures, ms) {
      runtime.generation.metrics.serverEjected(index())
      runtime.event({ type: 'server-ejected', target, server, failures, ms })
    },
    breaker(state, requests, failed) {
      if (state === 'open') runtime.generation.metrics.breakerOpened(index())
      runtime.event({ type: 'breaker', target, state, requests, failed })
    },
    retried() {
      runtime.generation.metrics.retried(index())
    },
  }
}
