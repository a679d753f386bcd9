import type { Party } from '../../core/errors.ts'
import type { VerdictCode } from '../../verdict/codes.ts'
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
        ...blame(failure),
      })
    },
    unhealthyForgotten() {
      runtime.generation.metrics.serverUnhealthy(index(), -1)
    },
    serverEjected(server, failures, ms, cause) {
      runtime.generation.metrics.serverEjected(index())
      runtime.event({ type: 'server-ejected', target, server, failures, ms, ...blame(cause) })
    },
    breaker(state, requests, failed, cause) {
      if (state === 'open') runtime.generation.metrics.breakerOpened(index())
      runtime.event({ type: 'breaker', target, state, requests, failed, ...blame(cause) })
    },
    retried() {
      runtime.generation.metrics.retried(index())
    },
  }
}

/** What an event says of a failure; nothing was, or nobody said why: null, null, ''. */
interface Blame {
  readonly verdict: VerdictCode | null
  readonly party: Party | null
  readonly summary: string
}

function blame(failure: (Blame & { readonly party: Party }) | null): Blame {
  if (failure === null) return { verdict: null, party: null, summary: '' }
  const { verdict, party, summary } = failure
  return { verdict, party, summary }
}
