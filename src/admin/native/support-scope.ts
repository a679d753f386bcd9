import type { ApiProxyBundle } from '../../compat/apigee/bundle-types.ts'
import type { RuntimeState } from '../../compat/apigee/runtime-state.ts'
import type { ProxyPlan, RouteDestination, TargetPlan } from '../../proxy/plan.ts'
import type { Redactions } from '../../support/redact.ts'
import { secretsOfKey } from '../../support/key-secrets.ts'
import type { NativeGateway } from '../gateway-view.ts'

/* What of the gateway belongs to an organization's environment: the rest is nobody's business there. */

export interface Place {
  readonly organization: string
  readonly environment: string
}

/** The configuration file is the gateway's own organization's. */
export const ownsFile = ({ plan }: NativeGateway, { organization }: Place): boolean =>
  plan.organization === organization

export function targetsHere({ plan, resolved }: NativeGateway, place: Place): readonly TargetPlan[] {
  return plan.targets.filter(({ name }) => isHere(resolved.origins.get(name) ?? plan, place))
}

export function proxiesHere({ plan }: Pick<NativeGateway, 'plan'>, place: Place): readonly ProxyPlan[] {
  return plan.proxies.filter((proxy) => isHere(proxy, place))
}

/** Names of targets that a proxy's requests may go to. */
export function targetsOfProxy({ route }: ProxyPlan): readonly string[] {
  const all = route.kind === 'rules' ? route.rules.map(({ to }) => to) : [route]
  return [...new Set(all.flatMap(destinations))]
}

export function otherOrganizations({ plan, stored, resolved }: NativeGateway, own: string): readonly string[] {
  const all = [
    plan.organization,
    resolved.config.organization,
    ...plan.proxies.map(({ organization }) => organization),
    ...stored.environments.map(({ org }) => org),
  ]
  return [...new Set(all)].filter((each) => each !== own && each !== '')
}

/** Words that stay, though another organization may be called so: hiding them would hide what the bundle is about. */
export function hideableNames(others: readonly string[], words: readonly string[]): readonly string[] {
  const kept = new Set(
    [...words.flatMap((word) => word.split(/[^A-Za-z0-9]+/)), ...commonWords].map((word) => word.toLowerCase()),
  )
  return others.filter((name) => !kept.has(name.toLowerCase()))
}

const commonWords = ['default', 'test', 'prod', 'dev', 'proxy', 'target', 'server', 'http', 'https', 'name', 'native']

/** I10. */
const maxKeys = 200

/** Whatever this gateway holds that must never leave. */
export function secretsHeld(
  {
    plan,
    resolved,
    stored,
  }: Pick<NativeGateway, 'plan' | 'resolved'> & { readonly stored: Pick<RuntimeState, 'keystores'> },
  { organization }: Pick<Place, 'organization'>,
): Redactions['secrets'] {
  const keys = [
    ...plan.listeners.flatMap(({ tls }) => (tls?.certificates ?? []).map(({ key }) => key)),
    ...plan.targets.flatMap(({ tls, servers }) =>
      [tls, ...servers.map((server) => server.tls)].flatMap((each) => each?.clientCertificate?.key ?? []),
    ),
    ...[...stored.keystores.values()]
      .filter(({ org }) => org === organization)
      .flatMap(({ aliases }) => [...aliases.values()].flatMap(({ key }) => key ?? [])),
  ]
  const authorizations = plan.targets.flatMap(({ servers }) =>
    servers.flatMap(({ egress }) => egress?.authorization ?? []),
  )
  return [
    ...resolved.input.secrets.values(),
    ...authorizations.flatMap((value) => [value, value.replace(/^\S+ +/, '')]),
    ...[...new Set(keys)].slice(0, maxKeys).flatMap(secretsOfKey),
  ]
}

/** The bundle that a proxy was made of; null: it is one of the configuration file. */
export function deploymentOf(
  { stored }: NativeGateway,
  { organization, environment, name, revision }: ProxyPlan,
): { readonly revision: string; readonly bundle: ApiProxyBundle } | null {
  return (
    stored.deployments.find(
      (each) =>
        each.org === organization && each.env === environment && each.api === name && each.revision === revision,
    ) ?? null
  )
}

const isHere = (one: Place, other: Place): boolean =>
  one.organization === other.organization && one.environment === other.environment

function destinations(to: RouteDestination): readonly string[] {
  if (to.kind === 'target') return [to.target]
  return to.kind === 'chosen' ? Object.values(to.targets) : []
}
