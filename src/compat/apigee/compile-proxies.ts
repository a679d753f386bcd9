import type { ProxyPlan, RouteDestination } from '../../proxy/plan.ts'
import { type CompiledDeployment, type CompiledEndpoint, objectOf } from './compile-deployment.ts'
import { find, type Notes, refuse } from './compile-notes.ts'
import type { RuntimeDeployment, RuntimeState } from './runtime-state.ts'
import type { ServedVirtualHosts } from './virtual-host-listeners.ts'

export interface CompiledProxy {
  readonly plan: ProxyPlan
  /** `acme/test/apis/orders/1, proxy endpoint default` */
  readonly object: string
  /** Of the deployment: rises with every deploy. */
  readonly version: number
  /** Names of the targets that its route may lead to. */
  readonly targets: readonly string[]
}

/**
 * The proxies of a deployment. A proxy has one list of hosts for all its listeners, so an endpoint on virtual hosts with
 * different host aliases becomes one for each list.
 * @param block what answers in its place, where something forbids to run anything in the environment
 */
export function compileProxies(
  state: RuntimeState,
  served: ServedVirtualHosts['served'],
  deployment: RuntimeDeployment,
  { endpoints }: CompiledDeployment,
  block: RouteDestination | null,
  notes: Notes,
): readonly CompiledProxy[] {
  return endpoints.flatMap((compiled) => {
    const object = `${objectOf(deployment)}, proxy endpoint ${compiled.endpoint.name}`
    const places = placesOf(state, served, deployment, compiled, object, notes)
    return places.map(({ name, hosts, listeners }, index): CompiledProxy => {
      const plan: ProxyPlan = {
        key: index === 0 ? compiled.key : `${compiled.key}@${name}`,
        name: deployment.api,
        organization: deployment.org,
        environment: deployment.env,
        listeners,
        hosts,
        basePath: compiled.basePath,
        route: block ?? compiled.route,
        revision: deployment.revision,
        faults: 'apigee',
        faultDetail: 'standard',
        path: 'strip',
        host: 'target',
      }
      return { plan, object, version: deployment.version, targets: block === null ? compiled.targets : [] }
    })
  })
}

interface Place {
  /** Of the first virtual host that has these hosts. */
  readonly name: string
  readonly hosts: readonly string[]
  readonly listeners: readonly string[]
}

function placesOf(
  state: RuntimeState,
  served: ServedVirtualHosts['served'],
  { org, env }: RuntimeDeployment,
  { endpoint }: CompiledEndpoint,
  object: string,
  notes: Notes,
): readonly Place[] {
  const places = new Map<string, Place>()
  for (const name of new Set(endpoint.virtualHosts)) {
    const key = `${org}/${env}/${name}`
    const body = state.virtualHosts.get(key)
    if (body === undefined) {
      const message = `names the virtual host "${name}", which environment ${env} does not have`
      refuse(notes, 'virtual-host-unknown', object, message)
      continue
    }
    const listeners = served.get(key) ?? []
    if (listeners.length === 0) continue
    const hosts = hostsOf(body.hostAliases)
    const group = hosts.join(' ')
    const earlier = places.get(group)
    places.set(group, {
      name: earlier?.name ?? name,
      hosts,
      listeners: [...new Set([...(earlier?.listeners ?? []), ...listeners])],
    })
  }
  if (places.size === 0) {
    // Edge: without a virtual host it can only be reached from other proxies.
    const message =
      endpoint.virtualHosts.length === 0
        ? 'names no virtual host, so no client can reach it'
        : `is on no listener, because none serves its virtual hosts: ${endpoint.virtualHosts.join(', ')}`
    find(notes, 'endpoint-not-served', 'warning', object, message)
  }
  return [...places.values()]
}

/** Without ports, which some write: hosts are matched without one. Empty: any. */
function hostsOf(aliases: readonly string[]): readonly string[] {
  const hosts = aliases.map((alias) => alias.trim().toLowerCase().replace(/:\d+$/, ''))
  return hosts.includes('*') ? [] : [...new Set(hosts)].sort()
}
