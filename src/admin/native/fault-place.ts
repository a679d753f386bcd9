import { resolve } from 'node:path'
import type { ResolvedOk } from '../../config/resolve.ts'
import type { TargetPlan } from '../../proxy/plan.ts'
import type { SummaryFacts } from '../../support/summary.ts'
import type { FoundRequest } from '../../support/types.ts'

/** Where a request's fault happened, for remedies that name settings and their values. */
export function faultPlace(
  gateway: {
    readonly resolved: Pick<ResolvedOk, 'origins'>
    readonly posternCommand: string
    readonly configFile: string
  },
  targets: readonly TargetPlan[],
  request: FoundRequest | null,
): SummaryFacts['place'] {
  if (request === null) return null
  const target = targets.find(({ name }) => name === request.target) ?? null
  const [only, ...others] = target?.servers ?? []
  const stored = target !== null && gateway.resolved.origins.has(target.name)
  return {
    target,
    server: only !== undefined && others.length === 0 ? only : null,
    stored,
    posternCommand: gateway.posternCommand,
    configFile: stored ? null : resolve(gateway.configFile),
    summary: request.summary,
  }
}
