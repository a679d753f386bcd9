import type { ServerOrigin, TargetOrigin } from '../../config/managed-view.ts'
import type { SslInfo } from '../../state/kinds.ts'
import type { CompileContext } from './ssl-info-plan.ts'
import { findStore } from './state-lookups.ts'
import { storeName } from './store-trust.ts'

/** A server of a target that is being compiled, with what its SSLInfo says. */
export interface OriginServer {
  /** In the plan. */
  readonly name: string
  readonly targetServer: string | null
  /** null where there is none, or it is not enabled. */
  readonly sslInfo: SslInfo | null
}

/** Notes which stored objects a target was made of. */
export function noteOrigin(context: CompileContext, target: string, servers: readonly OriginServer[]): void {
  const { home, deployment } = context
  const origin: TargetOrigin = {
    ...home,
    api: deployment.api,
    revision: deployment.revision,
    endpoint: target.slice(prefixOf(deployment).length + 1),
    servers: new Map(servers.map((server) => [server.name, originOf(context, server)])),
  }
  context.origins.set(target, origin)
}

/** What the names of a deployment's targets begin with. */
export function prefixOf({ org, env, api, revision }: CompileContext['deployment']): string {
  return `${org}/${env}/${api}/${revision}`
}

function originOf(context: CompileContext, { targetServer, sslInfo }: OriginServer): ServerOrigin {
  if (sslInfo === null) return { targetServer, trustStore: null, keyStore: null }
  const { trustStore, keyStore, keyAlias, clientAuthEnabled } = sslInfo
  const trusted = namedStore(context, trustStore)
  const shown = clientAuthEnabled && keyAlias !== null ? namedStore(context, keyStore) : null
  return {
    targetServer,
    trustStore: trusted,
    keyStore: shown === null ? null : { ...shown, alias: keyAlias ?? '' },
  }
}

function namedStore(
  { lookups, home }: CompileContext,
  written: string | null,
): { readonly written: string; readonly store: string } | null {
  if (written === null) return null
  const named = findStore(lookups, home, written)
  return named.found ? { written, store: storeName(named.store) } : null
}
