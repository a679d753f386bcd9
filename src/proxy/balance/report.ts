import type { Party } from '../../core/errors.ts'
import type { Fault } from '../../faults/fault.ts'
import type { VerdictCode } from '../../verdict/codes.ts'
import type { TargetPlan } from '../plan.ts'
import type { ServerState } from './server-state.ts'

/** What stands between a server and the next request, as plain data. */
export interface ServerReport {
  readonly server: string
  readonly state: 'usable' | 'unhealthy' | 'ejected'
  /** Of the check that failed; null: it failed after the connection, or no check did. */
  readonly verdict: VerdictCode | null
  readonly party: Party
  /** One sentence; '' when usable. */
  readonly reason: string
  readonly fallback: boolean
  /** Requests under way. */
  readonly active: number
}

/** More servers than this in one sentence help nobody. (I10) */
const maxNamed = 8

export function serverReports(servers: readonly ServerState[], ejects: boolean, now: number): readonly ServerReport[] {
  return servers.map(({ plan, load, health, ejection }): ServerReport => {
    const common = { server: plan.name, fallback: plan.fallback, active: load.active }
    if (!health.healthy) {
      const { failure } = health
      return {
        ...common,
        state: 'unhealthy',
        verdict: failure?.verdict ?? null,
        party: failure?.party ?? 'backend',
        reason: failure?.summary ?? '',
      }
    }
    if (ejects && ejection.until > now) {
      const reason = `its requests failed in a row, left out for another ${seconds(ejection.until - now)}`
      return { ...common, state: 'ejected', verdict: null, party: 'backend', reason }
    }
    return { ...common, state: 'usable', verdict: null, party: 'backend', reason: '' }
  })
}

/** @param openMs how long the breaker stays open; 0: it lets one request at a time through */
export function refusalFault(
  plan: TargetPlan,
  kind: 'no-server' | 'circuit-open',
  servers: readonly ServerReport[],
  openMs: number,
): Fault {
  if (kind === 'circuit-open') {
    const why = openMs > 0 ? `for another ${seconds(openMs)}` : 'to all but one request at a time'
    return {
      kind,
      verdict: null,
      party: 'backend',
      summary: `too many requests to target "${plan.name}" have failed: its breaker is open ${why}`,
      evidence: { target: plan.name, openMs: Math.round(openMs) },
    }
  }
  const named = servers.slice(0, maxNamed)
  const more = servers.length > maxNamed ? `; and ${servers.length - maxNamed} more` : ''
  return {
    kind,
    verdict: null,
    party: partyOf(servers),
    summary: `no server of target "${plan.name}" can be used: ${named.map(sentence).join('; ')}${more}`,
    evidence: {
      target: plan.name,
      servers: named.map(({ server, state, verdict, party }) => ({ server, state, verdict, party })),
    },
  }
}

function sentence({ server, state, verdict, reason }: ServerReport): string {
  return `${server} is ${state}${verdict === null ? '' : ` (${verdict})`}: ${reason}`.slice(0, 256)
}

/** Who can mend it: whoever it is for all servers, else the backend's people, who have the most of them. */
function partyOf(servers: readonly ServerReport[]): Party {
  const parties = new Set(servers.map((server) => server.party))
  const [party] = parties
  return parties.size === 1 && party !== undefined ? party : 'backend'
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`
}
