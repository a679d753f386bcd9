import { codeOf } from '../../core/errors.ts'
import { mergeMasks, parseMaskConfig } from '../../traces/mask-config.ts'
import type { MaskSet } from '../../traces/mask.ts'
import type { SessionRequest, Traces, TraceSession } from '../../traces/types.ts'
import { ApiError, type ApiCall } from '../api.ts'
import { apiProxy, assetScope } from '../edge/asset.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { roleIn } from '../roles.ts'

/** What both APIs ask of debug sessions. */

/** Proxies that run: of stored objects and of the configuration file alike. */
export type RunningProxies = Pick<NativeGateway, 'plan'>

export function proxyRuns(
  { plan }: RunningProxies,
  place: { readonly organization: string; readonly environment: string; readonly proxy: string },
  revision: string | null,
): boolean {
  return plan.proxies.some(
    (each) =>
      each.organization === place.organization &&
      each.environment === place.environment &&
      each.name === place.proxy &&
      (revision === null || each.revision === revision),
  )
}

/** Edge's mask configurations of the organization and of the API proxy, together. */
export async function masksFor(call: ApiCall, organization: string, proxy: string): Promise<MaskSet> {
  return call.services.read(async (view) => {
    const scopes = [organization, assetScope(apiProxy, organization, proxy)]
    const found = []
    for (const scope of scopes) found.push(await view.get('mask-config', scope, 'default'))
    return mergeMasks(found.flatMap((each) => (each === null ? [] : [parseMaskConfig(each.body.entity)])))
  })
}

/** Starts a session; its refusals as answers. */
export function startSession(traces: Traces, request: SessionRequest): TraceSession {
  try {
    return traces.start(request)
  } catch (error) {
    throw traceRefusal(error)
  }
}

export function traceRefusal(error: unknown): unknown {
  const statuses: Readonly<Record<string, number>> = { 'trace-exists': 409, 'trace-limit': 429, 'trace-file': 400 }
  const status = statuses[codeOf(error)]
  if (status === undefined || !(error instanceof Error)) return error
  const evidence = 'evidence' in error && typeof error.evidence === 'object' ? { ...error.evidence } : {}
  return new ApiError(status, codeOf(error), error.message, evidence, error)
}

/** Credentials are an administrator's to see, also where somebody else has started it. */
export function mayReadSession({ principal }: Pick<ApiCall, 'principal'>, { request }: TraceSession): boolean {
  return !request.showCredentials || roleIn(principal, request.organization) === 'admin'
}

export function refuseUnreadable(call: Pick<ApiCall, 'principal'>, session: TraceSession): void {
  if (mayReadSession(call, session)) return
  throw new ApiError(403, 'credentials-shown', 'the session shows credentials: only an administrator may read it')
}
