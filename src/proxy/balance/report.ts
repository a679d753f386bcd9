import type { Party } from '../../core/errors.ts'
import type { Fault } from '../../faults/fault.ts'
import type { VerdictCode } from '../../verdict/codes.ts'
import type { TargetPlan } from '../plan.ts'
import type { FailureCause } from './failure-cause.ts'
import type { ServerState } from './server-state.ts'

/** What stands between a server and the next request, as plain data. */
export interface ServerReport {
  readonly server: string
  readonly state: 'usable' | 'unhealthy' | 'ejected'
  /** Of the check or, when ejected, of the last request that failed; null: its connection was sound, or nothing failed. */
  readonly verdict: VerdictCode | null
  readonly party: Party
  /** One sentence; '' when usable. */
  readonly reason: string
  /** When ejected: why the last of its requests failed, where that is known. */
  readonly cause: FailureCause | null
  /** Requests under way. */
  readonly active: number
}

/** More servers than this in one sentence help nobody. (I10) */
const maxNamed = 8
/** Characters on one server. (I10) */
const maxSentence = 256

export function serverReports(servers: readonly ServerState[], ejects: boolean, now: number): readonly ServerReport[] {
  return servers.map(({ plan, load, health, ejection }): ServerReport => {
    const common = { server: plan.name, active: load.active }
    if (!health.healthy) {
      const { failure } = health
      return {
        ...common,
        state: 'unhealthy',
        verdict: failure?.verdict ?? null,
        party: failure?.party ?? 'backend',
        reason: failure?.summary ?? '',
        cause: null,
      }
    }
    if (ejects && ejection.until > now) {
      const { cause } = ejection
      const reason = `its requests failed in a row, left out for another ${seconds(ejection.until - now)}${last(cause)}`
      const { verdict = null, party = 'backend' } = cause ?? {}
      return { ...common, state: 'ejected', verdict, party, reason, cause }
    }
    return { ...common, state: 'usable', verdict: null, party: 'backend', reason: '', cause: null }
  })
}

/**
 * Who can mend it is who could have mended the last failure: the breaker itself is only the messenger.
 *
 * @param openMs how long the breaker stays open; 0: it lets one request at a time through
 */
export function circuitOpenFault(plan: TargetPlan, openMs: number, cause: FailureCause | null): Fault {
  const why = openMs > 0 ? `for another ${seconds(openMs)}` : 'to all but one request at a time'
  return {
    kind: 'circuit-open',
    verdict: null,
    party: cause?.party ?? 'backend',
    summary: `too many requests to target "${plan.name}" have failed: its breaker is open ${why}${last(cause)}`,
    evidence: { target: plan.name, openMs: Math.round(openMs), ...(cause === null ? {} : { cause }) },
  }
}

export function noServerFault(plan: TargetPlan, servers: readonly ServerReport[]): Fault {
  if (servers.length === 0) {
    const summary = `target "${plan.name}" has no server`
    return { kind: 'no-server', verdict: null, party: 'gateway', summary, evidence: { target: plan.name, servers: [] } }
  }
  const named = servers.slice(0, maxNamed)
  const more = servers.length > maxNamed ? `; and ${servers.length - maxNamed} more` : ''
  return {
    kind: 'no-server',
    verdict: null,
    party: partyOf(servers),
    summary: `no server of target "${plan.name}" can be used: ${named.map(sentence).join('; ')}${more}`,
    evidence: {
      target: plan.name,
      servers: named.map(({ server, state, verdict, party, cause }) => ({
        server,
        state,
        verdict,
        party,
        ...(cause === null ? {} : { cause: { ...cause, summary: cause.summary.slice(0, maxSentence) } }),
      })),
    },
  }
}

function sentence({ server, state, verdict, reason }: ServerReport): string {
  return `${server} is ${state}${verdict === null ? '' : ` (${verdict})`}: ${reason}`.slice(0, maxSentence)
}

/** Who can mend it: whoever it is for all servers, else the backend's people, who have the most of them. */
function partyOf(servers: readonly ServerReport[]): Party {
  const parties = new Set(servers.map((server) => server.party))
  const [party] = parties
  return parties.size === 1 && party !== undefined ? party : 'backend'
}

/** The end of a sentence on failures: the last one. The verdict is the connection's own word for it. */
function last(cause: FailureCause | null): string {
  return cause === null ? '' : `; the last one: ${cause.summary}`
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`
}
