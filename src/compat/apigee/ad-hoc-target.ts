import type { Home, ManagedProblem, TargetOrigin } from '../../config/managed-view.ts'
import type { Config } from '../../config/schema.ts'
import type { TargetPlan } from '../../proxy/plan.ts'
import type { SslInfo } from '../../state/kinds.ts'
import { newNotes } from './compile-notes.ts'
import { compileTargetEndpoint, urlConnection } from './compile-target-endpoint.ts'
import type { RuntimeState } from './runtime-state.ts'
import { StateLookups } from './state-lookups.ts'
import { SystemRoots } from './store-trust.ts'

/** A place to try: https, with an SSLInfo as a target endpoint has it. */
export interface AdHocTarget {
  readonly home: Home
  /** Of the target; `testssl`. */
  readonly name: string
  /** `backend.example.com:8443`, an IPv6 address in brackets. */
  readonly authority: string
  readonly sslInfo: SslInfo
  readonly config: Pick<Config, 'apigee' | 'drain'>
}

const system = new SystemRoots({})

/** As a deployed TargetEndpoint with this URL and SSLInfo would be compiled; its problems where it cannot be. */
export function adHocTarget(
  state: RuntimeState,
  { home, name, authority, sslInfo, config }: AdHocTarget,
): { readonly target: TargetPlan; readonly origin: TargetOrigin } | { readonly problems: readonly ManagedProblem[] } {
  const notes = newNotes()
  const origins = new Map<string, TargetOrigin>()
  const { organization: org, environment: env } = home
  const context = {
    home,
    deployment: { org, env, api: name, revision: '0' },
    origins,
    lookups: new StateLookups(state, null),
    notes,
    system,
    settings: { apigee: config.apigee, drainMs: config.drain.timeout },
  }
  const place = { file: name, line: 1, column: 1 }
  const connection = { ...urlConnection(`https://${authority}`, place), sslInfo }
  const target = compileTargetEndpoint(context, {
    name: `${org}/${env}/${name}/0/${authority}`,
    object: name,
    connection,
  })
  if (target === null) return { problems: notes.problems }
  const origin = origins.get(target.name)
  if (origin === undefined) throw new TypeError(`${target.name} has no origin`)
  return { target, origin }
}
