import type { NativeGateway } from '../gateway-view.ts'

/**
 * What traffic was judged with, or a check by somebody else, may be stores of other organizations. Whoever asks for one
 * organization does not hear of these.
 */
export function withoutOthers<T extends { servers: readonly { last?: unknown; report?: unknown; remedy?: unknown }[] }>(
  { stored, resolved, plan }: NativeGateway,
  organization: string | null,
  target: T,
): T {
  if (organization === null) return target
  const others = new Set(stored.environments.map(({ org }) => org).filter((org) => org !== organization))
  const ofFile = organization === plan.organization ? [] : Object.keys(resolved.config.trustStores)
  const words = [
    ...[...others].flatMap((org) => [`managed store ${org}/`, `"${org}/`, `/organizations/${org}/`, `/o/${org}/`]),
    ...ofFile.map((store) => `trust store ${store}`),
  ]
  const isOthers = (told: unknown): boolean => {
    const text = JSON.stringify(told ?? null)
    return words.some((word) => text.includes(word))
  }
  const servers = target.servers.map((server) => ({
    ...server,
    ...('last' in server && isOthers(server.last) ? { last: null } : {}),
    ...('report' in server && isOthers([server.report, server.remedy]) ? { report: null, remedy: [] } : {}),
  }))
  return { ...target, servers }
}
