import { namesManagedStores as configNamesManagedStores } from '../config/managed-names.ts'
import { readFileSync } from 'node:fs'
import type { ConfigProblem } from '../config/load.ts'
import type { ResolvedOk } from '../config/resolve.ts'
import { PosternError } from '../core/errors.ts'
import type { GenerationPlan, ServerPlan, TargetPlan, TlsException } from '../proxy/plan.ts'
import { findSubPathMounts } from '../trust/subpath.ts'

/** Problems of one refusal that are reported; `postern validate` prints them all. (I10) */
export const maxProblems = 100

export function refusedChange(problems: readonly ConfigProblem[], stored: readonly object[] = []): PosternError {
  const shown = problems.slice(0, maxProblems)
  const text = shown.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('\n')
  return new PosternError('change-refused', text, { evidence: { problems: stored.length > 0 ? stored : shown } })
}

/** Whether stores or identities of the configuration come from the management API. */
export function namesManagedStores({ config }: ResolvedOk): boolean {
  return configNamesManagedStores(config)
}

/** What operators see of a server, field by field: `egress` holds a password. (I7) */
export function serverStatus({ name, host, port, tls, weight, fallback, egress }: ServerPlan): object {
  return {
    name,
    host,
    port,
    snapshot: tls?.snapshotId ?? null,
    weight,
    fallback,
    egress: egress === null ? null : { host: egress.host, port: egress.port },
  }
}

/** Of a target and of its servers, each once: they need not have the same. (I1) */
export function exceptionsOf({ tls, servers }: TargetPlan): readonly TlsException[] {
  const all = [tls, ...servers.map((server) => server.tls)].flatMap((each) => each?.exceptions ?? [])
  return [...new Map(all.map((exception) => [JSON.stringify(exception), exception])).values()]
}

/** Ports of listeners that stay open; a listener that moves gets what its plan says, not what it had. */
export function keptPorts(
  before: GenerationPlan,
  after: GenerationPlan,
  ports: Readonly<Record<string, number>>,
): Record<string, number> {
  const kept = after.listeners.filter(({ name, address, port }) =>
    before.listeners.some((each) => each.name === name && each.address === address && each.port === port),
  )
  return Object.fromEntries(kept.map(({ name, port }) => [name, ports[name] ?? port]))
}

/** A generation without its number, and without how it takes over: equal text is equal behaviour. */
export function contentOf(plan: GenerationPlan): string {
  return JSON.stringify({ ...plan, generation: 0, drains: {}, trustChanged: false })
}

export function subPathMounts(paths: readonly string[]): readonly string[] {
  let mountinfo: string
  try {
    mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return [] // not Linux: no Kubernetes volume either
  }
  return findSubPathMounts(paths, mountinfo).map((mount) => mount.warning)
}
