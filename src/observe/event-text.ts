import { type EventLevel, eventLevel } from './event-level.ts'
import type { PosternEvent } from './events.ts'

export interface EventText {
  readonly level: EventLevel
  /** One sentence for a person. May hold text from configuration or a backend: escape it for the line it goes into. */
  readonly message: string
}

/** Any event as one sentence with a level, for formats and terminals that have no form of their own for it. */
export function describeEvent(event: PosternEvent): EventText {
  return { level: eventLevel(event), message: textOf(event) }
}

function textOf(event: PosternEvent): string {
  switch (event.type) {
    case 'dns-resolution':
      return `resolving ${event.host} for target ${event.target}`
    case 'tls-offered':
      return `offering ${event.versions.join(', ')} to target ${event.target}`
    case 'certificate-presented':
      return `target ${event.target} presented ${event.leaf.subject}, sha256 ${event.leaf.sha256}`
    case 'handshake':
      return event.verdict === 'trusted'
        ? `target ${event.target}: verified${event.skipped === undefined ? '' : ` except for ${event.skipped.join(' and ')} (exception)`}, ${event.protocol} ${event.cipher}${event.resumed ? ', resumed' : ''}`
        : `target ${event.target}: handshake ended with ${event.verdict}`
    case 'request-failed':
      return `request ${event.request.id} to target ${event.target}: ${event.fault.summary}`
    case 'diagnosed':
      return `target ${event.target}: ${event.verdict}, to be mended by ${event.party}: ${sentence(event.summary)}${event.remedy[0] === undefined ? '' : ` ${event.remedy[0].action}`}`
    case 'pool-retired':
      return `target ${event.target}: connections of trust ${event.snapshot} retired (${event.mode}), ${event.idle} idle closed, ${event.busy} busy`
    case 'server-health':
      return event.healthy
        ? `target ${event.target}: server ${event.server} is healthy`
        : `target ${event.target}: server ${event.server} is unhealthy${reason(event)}`
    case 'server-ejected':
      return `target ${event.target}: server ${event.server} is left out for ${Math.ceil(event.ms / 1000)} s after ${event.failures} failures in a row${lastFailure(event)}`
    case 'breaker':
      return breakerText(event)
    case 'alert-fired':
      return `alert ${event.name}: ${event.summary}`
    case 'alert-resolved':
      return `alert ${event.name} is over: ${event.summary}`
    case 'generation-committed':
      return `generation ${event.generation} is in force on all workers after ${Math.round(event.ms)} ms`
    case 'generation-refused':
      return `${event.source} refused, the last good generation stays: ${event.problems.join('; ')}`
    case 'trust-changed':
      return `trust store ${event.store} changed: added ${list(event.added)}; removed ${list(event.removed)}`
    case 'trust-refused':
      return `trust store ${event.store}: change refused, the last good trust stays: ${event.problem}`
    case 'warning':
      return `${event.code}: ${event.message}`
    case 'exception-in-force': {
      const until = event.until === null ? 'no end date' : `until ${new Date(event.until).toISOString()}`
      return `target ${event.target}: ${event.skip} is not verified, owner ${event.owner}, ${until}: ${event.reason}`
    }
    case 'listening':
      return `listener ${event.listener} on ${event.address}:${event.port}${event.tls ? ' (TLS)' : ''}`
    case 'worker-died':
      return `worker ${event.died} died and is being replaced: ${event.message}`
    case 'draining':
      return 'draining: no new connections, requests in flight are finished'
    case 'stopped':
      return 'stopped'
    default:
      return event satisfies never
  }
}

function breakerText(event: Extract<PosternEvent, { type: 'breaker' }>): string {
  const { target, state, requests, failed } = event
  switch (state) {
    case 'open':
      return requests === 0
        ? `target ${target}: breaker open again, the request that was let through failed${reason(event)}`
        : `target ${target}: breaker open, ${failed} of the last ${requests} requests failed${lastFailure(event)}`
    case 'half-open':
      return `target ${target}: breaker half open, one request at a time is let through`
    case 'closed':
      return `target ${target}: breaker closed`
    default:
      return state satisfies never
  }
}

function lastFailure(event: { verdict: string | null; summary: string }): string {
  return event.summary === '' ? '' : `; the last one${reason(event)}`
}

function reason({ verdict, summary }: { verdict: string | null; summary: string }): string {
  return `${verdict === null ? '' : ` (${verdict})`}${summary === '' ? '' : `: ${summary}`}`
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}

function list(items: readonly string[]): string {
  return items.length === 0 ? 'none' : items.join(', ')
}
