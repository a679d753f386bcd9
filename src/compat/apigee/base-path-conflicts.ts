import type { Config } from '../../config/schema.ts'
import type { ListenerPlan } from '../../proxy/plan.ts'
import type { CompiledProxy } from './compile-proxies.ts'
import { type Notes, refuse } from './compile-notes.ts'

/** Two that would answer the same requests: which of them does would be chance, so neither is taken up. */
export function findBasePathConflicts(
  config: Config,
  listeners: readonly ListenerPlan[],
  proxies: readonly CompiledProxy[],
  notes: Notes,
): void {
  const taken = new Map<string, string>()
  const take = (owner: string, on: readonly string[], hosts: readonly string[], basePath: string): string | null => {
    let other: string | null = null
    for (const listener of on) {
      for (const host of hosts.length === 0 ? ['*'] : hosts) {
        const place = `${listener} ${host} ${basePath}`
        const earlier = taken.get(place)
        if (earlier === undefined) taken.set(place, owner)
        // Virtual hosts of one endpoint that share an alias lead to one place.
        else if (earlier !== owner) other = earlier
      }
    }
    return other
  }
  // Those of the file answer on every listener; what they do to each other, the check of the file says.
  const all = listeners.map(({ name }) => name)
  for (const [name, { hosts, basePath }] of Object.entries(config.proxies))
    take(`proxies.${name} of the configuration`, all, hosts, basePath)
  // The one that came last is the newcomer, whatever its name.
  for (const { plan, object } of proxies.toSorted((one, next) => one.version - next.version)) {
    const other = take(object, plan.listeners ?? all, plan.hosts, plan.basePath)
    if (other === null) continue
    const where = plan.hosts.length === 0 ? '' : ` for ${plan.hosts.join(', ')}`
    const message = `has the base path ${plan.basePath} on ${(plan.listeners ?? all).join(', ')}${where}, where ${other} answers already; give it another base path, or its virtual host a host alias of its own`
    refuse(notes, 'base-path-conflict', object, message)
  }
}
