import type { TargetPlan } from '../../proxy/plan.ts'
import type { RuntimeDeployment } from './runtime-state.ts'

/** A deployment, with its targets. */
interface Ran {
  readonly deployment: RuntimeDeployment
  readonly result: { readonly targets: readonly TargetPlan[] }
}

/**
 * How long what was begun under revisions that have given way may go on: `delay` of the deployment that took their place
 * (apigee-edge.md 1.7). Without one, or with 0, it is the gateway's drain time. In milliseconds, by name of the target, of
 * targets that are gone: connections of one that stays end for another reason, such as its trust, and have the drain time (I2).
 */
export function drainsOf(before: readonly Ran[], now: readonly Ran[]): Readonly<Record<string, number>> {
  const versions = new Map(before.map(({ deployment }) => [keyOf(deployment), deployment.version]))
  const delays = new Map<string, number>()
  for (const { deployment } of now) {
    const { delay, version } = deployment
    if (delay === null || delay === 0 || versions.get(keyOf(deployment)) === version) continue
    delays.set(assetOf(deployment), Math.max(delay, delays.get(assetOf(deployment)) ?? 0))
  }
  if (delays.size === 0) return {}
  const kept = new Set(now.flatMap(({ result }) => result.targets.map(({ name }) => name)))
  return Object.fromEntries(
    before.flatMap(({ deployment, result }) => {
      const delay = delays.get(assetOf(deployment))
      if (delay === undefined) return []
      return result.targets.flatMap(({ name }) => (kept.has(name) ? [] : [[name, delay * 1000] as const]))
    }),
  )
}

const assetOf = ({ org, env, api }: RuntimeDeployment): string => `${org}/${env}/${api}`
const keyOf = (deployment: RuntimeDeployment): string => `${assetOf(deployment)}/${deployment.revision}`
