import { onOneLine } from '../verdict/shell.ts'
import type { CheckOutcome } from './tls-outcome.ts'

/** What a run comes down to, for any number of servers: it does not grow with them. */
export interface CheckSummary {
  readonly servers: number
  readonly trusted: number
  readonly faults: number
  readonly verdicts: Readonly<Record<string, number>>
  /** Of what is not trusted: whose side it is on. */
  readonly parties: Readonly<Record<string, number>>
  /** Certificates of trusted paths that end first, with how many servers depend on each. */
  readonly endSoonest: readonly EndingCertificate[]
  /** Taken over from an earlier run. */
  readonly resumed: number
  /** Not checked, because the run was interrupted. */
  readonly left: number
}

export interface EndingCertificate {
  readonly subject: string
  readonly sha256: string
  readonly notAfter: string
  readonly servers: number
  /** One of them. */
  readonly server: string
}

export interface SummaryCounter {
  add(server: string, outcome: CheckOutcome): void
  summary(resumed: number, left: number): CheckSummary
}

const shown = 5
/** More than are shown: a certificate that many share must not be counted anew each time it comes back. */
const held = 256

export function countSummary(): SummaryCounter {
  const verdicts: Record<string, number> = {}
  const parties: Record<string, number> = {}
  const ending = new Map<string, EndingCertificate>()
  let servers = 0
  return {
    add(server, { code, party, ends }) {
      servers += 1
      verdicts[code] = (verdicts[code] ?? 0) + 1
      if (code !== 'trusted') parties[party] = (parties[party] ?? 0) + 1
      if (ends === null) return
      const known = ending.get(ends.sha256)
      ending.set(ends.sha256, { ...ends, server: known?.server ?? server, servers: (known?.servers ?? 0) + 1 })
      if (ending.size > held) ending.delete(lastToEnd(ending.values()).sha256)
    },
    summary(resumed, left) {
      const trusted = verdicts['trusted'] ?? 0
      const endSoonest = [...ending.values()].sort(byEnd).slice(0, shown)
      return { servers, trusted, faults: servers - trusted, verdicts, parties, endSoonest, resumed, left }
    },
  }
}

export function renderSummary(summary: CheckSummary): string {
  const { servers, trusted, verdicts, parties, endSoonest, resumed, left } = summary
  const counts = mostFirst(verdicts).filter(([code]) => code !== 'trusted')
  const sides = mostFirst(parties).map(([party, count]) => `${count} ${party}`)
  const notes = [
    ...(resumed > 0 ? [`${resumed} from the earlier run`] : []),
    ...(left > 0 ? [`${left} not checked`] : []),
  ]
  const lines = [
    `${servers} ${servers === 1 ? 'server' : 'servers'}: ${trusted} trusted, ${servers - trusted} not${notes.map((note) => `, ${note}`).join('')}`,
    ...counts.map(([code, count]) => `  ${String(count).padStart(6)}  ${code}`),
    ...(sides.length === 0 ? [] : [`Whose side: ${sides.join(', ')}`]),
  ]
  if (endSoonest.length > 0) {
    lines.push('End soonest, of what is trusted:')
    for (const { subject, notAfter, servers: count, server } of endSoonest) {
      lines.push(
        `  ${onOneLine(notAfter).slice(0, 10)}  ${onOneLine(subject)}  (${count === 1 ? server : `${server} and ${count - 1} more`})`,
      )
    }
  }
  return `${lines.join('\n')}\n`
}

function mostFirst(counts: Readonly<Record<string, number>>): readonly (readonly [string, number])[] {
  return Object.entries(counts).sort(([one, few], [other, many]) => many - few || (one < other ? -1 : 1))
}

function lastToEnd(all: Iterable<EndingCertificate>): EndingCertificate {
  return [...all].reduce((last, each) => (byEnd(each, last) > 0 ? each : last))
}

// ISO 8601 in UTC: text order is time order.
function byEnd(one: { readonly notAfter: string }, other: { readonly notAfter: string }): number {
  return one.notAfter < other.notAfter ? -1 : one.notAfter > other.notAfter ? 1 : 0
}
