import { latencyPercentile } from '../../observe/latency.ts'
import { faultCodeFacts, isFaultCode } from '../fault-codes.ts'
import { addCounts, type Counts } from '../measures.ts'
import type { Aggregate, AggregateQuery, Dimension, Filter } from '../query.ts'
import { dayMs, minuteMs } from '../time-range.ts'
import type { CertificateCondition, CertificateFact, Comparator, TrafficCondition, VerdictCondition } from './rule.ts'

/* Whether a condition holds, and for what. Pure: counts and a clock in, cells out. */

/** One cell for which a condition holds. */
export interface HeldCell {
  /** By dimension that is ANY; empty where all traffic is one. */
  readonly values: Readonly<Record<string, string>>
  readonly value: number
  readonly requests: number
  /** Fault codes that count; null: any. */
  readonly faultCodes: readonly string[] | null
}

/** What must be asked to evaluate: what matches, and all that could. */
export interface Questions {
  readonly matching: AggregateQuery
  readonly total: AggregateQuery | null
}

/** Time until the workers' counts of a minute are there. */
const settleMs = 2000

/** The last whole minutes; of verdicts also the one that runs. */
export function windowOf(
  { kind, durationMs }: TrafficCondition | VerdictCondition,
  now: number,
): { readonly from: number; readonly to: number } {
  if (kind === 'verdict-appears') {
    return { from: Math.floor((now - durationMs) / minuteMs) * minuteMs, to: Math.floor(now / minuteMs + 1) * minuteMs }
  }
  const to = wholeMinute(now)
  return { from: to - durationMs, to }
}

/** End of the last minute whose counts are there. */
export const wholeMinute = (now: number): number => Math.floor((now - settleMs) / minuteMs) * minuteMs

/** @param members filter of the condition's collection; null: it names none */
export function trafficQuestions(condition: TrafficCondition, now: number, members: Filter | null): Questions {
  const window = windowOf(condition, now)
  const where = [...condition.where, ...(members === null ? [] : [members])]
  const { by, fault, matching } = condition
  const grouped = fault === null || by.includes('faultCode') ? by : [...by, 'faultCode' as const]
  const all = { ...window, interval: null, limit: 10_000 }
  return {
    matching: { ...all, by: grouped, where: [...where, ...matching] },
    total: condition.metric === 'rate' ? { ...all, by: by.filter((each) => !ofOutcome.has(each)), where } : null,
  }
}

/** Cells of traffic that differ in what came of it: of a rate they are what is counted, not what is counted among. */
const ofOutcome: ReadonlySet<Dimension> = new Set(['status', 'targetStatus', 'faultCode', 'faultSource'])

export function heldTraffic(
  condition: TrafficCondition,
  asked: Questions,
  matching: readonly Aggregate[],
  total: readonly Aggregate[],
): readonly HeldCell[] {
  const { by, fault, metric } = condition
  const { by: grouped, from, to } = asked.matching
  const codeAt = grouped.indexOf('faultCode')
  const counted = matching.filter(({ values }) => fault === null || isFaultCode(values[codeAt] ?? '', fault))
  const cells = cellsOf(counted, grouped, by)
  // All traffic in one: there is a cell also where nothing came.
  if (by.length === 0 && cells.length === 0) cells.push({ values: {}, rows: [] })
  const totals = asked.total === null ? [] : cellsOf(total, asked.total.by, asked.total.by)
  return cells.flatMap(({ values, rows }): HeldCell[] => {
    const counts = addCounts(rows)
    const whole = metric === 'rate' ? totalFor(values, totals) : 0
    const value = valueOf(condition, counts, whole, (to - from) / 1000)
    if (value === null || !compares(value, condition.comparator, condition.threshold)) return []
    const codes = fault === null ? null : [...new Set(rows.map((row) => row.values[codeAt] ?? ''))]
    return [{ values: shown(values), value, requests: counts.requests, faultCodes: codes }]
  })
}

export function verdictQuestion(condition: VerdictCondition, now: number): AggregateQuery {
  const filter: Filter =
    condition.verdict === null
      ? { dimension: 'verdict', values: ['', 'trusted'], not: true }
      : { dimension: 'verdict', values: [condition.verdict] }
  const where = [...condition.where, filter]
  return { ...windowOf(condition, now), interval: null, by: condition.by, where, limit: 1000 }
}

export function heldVerdicts({ by }: VerdictCondition, rows: readonly Aggregate[]): readonly HeldCell[] {
  return cellsOf(rows, by, by).flatMap(({ values, rows: members }) => {
    const { requests } = addCounts(members)
    return requests === 0 ? [] : [{ values, value: requests, requests, faultCodes: null }]
  })
}

/** What ended longer ago is not news, and in the bundles of systems it is many. */
const endedDays = 30

export function heldCertificates(
  condition: CertificateCondition,
  place: { readonly organization: string; readonly environment: string },
  certificates: readonly CertificateFact[],
  now: number,
): readonly HeldCell[] {
  return certificates.flatMap((each): HeldCell[] => {
    const days = (each.notAfter - now) / dayMs
    if (each.organization !== place.organization) return []
    if (each.environment !== '' && each.environment !== place.environment) return []
    if (condition.certificate !== null && condition.certificate !== each.kind) return []
    if (condition.target !== null && condition.target !== each.target) return []
    if (condition.store !== null && condition.store !== each.store) return []
    // An anchor that nothing hangs on is looked at where anchors, or its store, are asked for by name.
    if (!each.isInUse && condition.certificate === null && condition.store === null) return []
    if (days > condition.days || days < -endedDays) return []
    const values = {
      certificate: each.kind,
      name: each.name,
      subject: each.subject,
      ...(each.target === null ? {} : { target: each.target }),
      ...(each.store === null ? {} : { store: each.store }),
    }
    return [{ values, value: Math.floor(days * 10) / 10, requests: 0, faultCodes: null }]
  })
}

/** I10. */
const maxInstances = 50

/** Where all conditions hold at once: cells of each that agree in what they share. */
export function together(conditions: readonly (readonly HeldCell[])[]): readonly (readonly HeldCell[])[] {
  let found: readonly (readonly HeldCell[])[] = [[]]
  for (const cells of conditions) {
    const next: (readonly HeldCell[])[] = []
    for (const before of found) {
      for (const cell of cells) {
        if (next.length === maxInstances) break
        if (before.every((each) => agree(each.values, cell.values))) next.push([...before, cell])
      }
    }
    found = next
  }
  return found
}

/** The one name of what a rule holds for. */
export function instanceKey(cells: readonly HeldCell[]): string {
  const values = Object.entries(instanceValues(cells)).sort(([one], [other]) => (one < other ? -1 : 1))
  return JSON.stringify(values)
}

export const instanceValues = (cells: readonly HeldCell[]): Readonly<Record<string, string>> =>
  Object.assign({}, ...cells.map(({ values }) => values)) as Readonly<Record<string, string>>

function compares(value: number, comparator: Comparator, threshold: number): boolean {
  switch (comparator) {
    case '>':
      return value > threshold
    case '>=':
      return value >= threshold
    case '<':
      return value < threshold
    case '<=':
      return value <= threshold
    default:
      return value === threshold
  }
}

/** null: nothing to measure, so nothing holds. */
function valueOf(condition: TrafficCondition, counts: Counts, whole: number, seconds: number): number | null {
  const { metric, percentile } = condition
  switch (metric) {
    case 'count':
      return counts.requests
    case 'tps':
      return counts.requests / seconds
    case 'rate':
      return whole === 0 ? null : counts.requests / whole
    case 'totalLatency':
      return counts.requests === 0 ? null : latencyPercentile(counts.total, percentile, counts.maxMs)
    default:
      return counts.targetRequests === 0 ? null : latencyPercentile(counts.target, percentile, counts.targetMaxMs)
  }
}

interface Cell {
  readonly values: Readonly<Record<string, string>>
  readonly rows: readonly Aggregate[]
}

function cellsOf(rows: readonly Aggregate[], grouped: readonly Dimension[], by: readonly Dimension[]): Cell[] {
  const cells = new Map<string, Aggregate[]>()
  for (const row of rows) {
    const key = JSON.stringify(by.map((dimension) => row.values[grouped.indexOf(dimension)] ?? ''))
    const members = cells.get(key)
    if (members === undefined) cells.set(key, [row])
    else members.push(row)
  }
  return [...cells].map(([key, members]) => {
    const values = JSON.parse(key) as string[]
    return { values: Object.fromEntries(by.map((dimension, at) => [dimension, values[at] ?? ''])), rows: members }
  })
}

function totalFor(values: Readonly<Record<string, string>>, totals: readonly Cell[]): number {
  const fitting = totals.filter((total) => agree(total.values, values))
  return addCounts(fitting.flatMap(({ rows }) => rows)).requests
}

function agree(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  return Object.entries(one).every(([name, value]) => other[name] === undefined || other[name] === value)
}

/** With the short name of a fault code beside it. */
function shown(values: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { faultCode } = values
  return faultCode === undefined ? values : { ...values, faultCodeName: faultCodeFacts(faultCode).faultCodeName }
}
