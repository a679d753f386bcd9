import type { RouteDestination } from '../../proxy/plan.ts'
import { find, type Notes, refuse } from './compile-notes.ts'
import type { RuntimeState } from './runtime-state.ts'
import type { ApigeeSettings } from './ssl-info-plan.ts'

/**
 * A shared flow that is attached to an environment runs with every request of every proxy there, and none can be run yet. No
 * step is ever skipped, so nothing of the environment is run. @returns what answers, by `ORG/ENV`
 */
export function blockingHooks(
  { flowHooks, deployments }: RuntimeState,
  { apigee }: ApigeeSettings,
  notes: Notes,
): ReadonlyMap<string, RouteDestination> {
  const blocked = new Map<string, RouteDestination>()
  if (flowHooks.length === 0) return blocked
  const inUse = new Set(deployments.map(({ org, env }) => `${org}/${env}`))
  for (const { org, env, hook, sharedFlow } of flowHooks) {
    const object = `${org}/${env}/flowhooks/${hook}`
    const text = `the shared flow "${sharedFlow}" is attached to it, and shared flows cannot be run`
    if (!inUse.has(`${org}/${env}`)) {
      find(
        notes,
        'flow-hook-not-supported',
        'warning',
        object,
        `${text}; as long as it is, no proxy can be deployed here`,
      )
    } else if (apigee.unsupportedPolicies === 'refuse') {
      refuse(notes, 'flow-hook-not-supported', object, `${text}; detach it to run proxies in this environment`)
    } else {
      find(notes, 'flow-hook-not-supported', 'error', object, `${text}; every request in ${env} is answered with 500`)
      blocked.set(`${org}/${env}`, { kind: 'fault', summary: `${object}: ${text}` })
    }
  }
  return blocked
}
