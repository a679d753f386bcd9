import { PosternError } from '../../core/errors.ts'
import type { Filter, Monitor, StoredSample } from '../query.ts'
import {
  type HeldCell,
  heldCertificates,
  heldTraffic,
  heldVerdicts,
  trafficQuestions,
  verdictQuestion,
  windowOf,
} from './evaluate.ts'
import type { AlertCondition, AlertRule, CertificateFact } from './rule.ts'

/** Whom conditions are asked of. */
export interface Asked {
  readonly monitor: Monitor
  readonly certificates: () => readonly CertificateFact[]
  /** Members of a collection by its id or name; null: there is none. */
  readonly collection: (organization: string, name: string) => Promise<Filter | null>
}

/** For what a condition holds now. */
export async function heldCells(
  asked: Asked,
  rule: AlertRule,
  condition: AlertCondition,
  now: number,
): Promise<readonly HeldCell[]> {
  const { monitor, certificates } = asked
  if (condition.kind === 'certificate-expires') return heldCertificates(condition, rule, certificates(), now)
  if (condition.kind === 'verdict-appears') {
    return heldVerdicts(condition, (await monitor.aggregate(verdictQuestion(condition, now))).rows)
  }
  const questions = trafficQuestions(condition, now, await members(asked, rule, condition.collection))
  const matching = await monitor.aggregate(questions.matching)
  const total = questions.total === null ? null : await monitor.aggregate(questions.total)
  return heldTraffic(condition, questions, matching.rows, total?.rows ?? [])
}

/** Newest requests of what fired: of its first condition that is about requests. */
export async function samplesOf(
  asked: Asked,
  rule: AlertRule,
  cells: readonly HeldCell[],
  now: number,
): Promise<readonly StoredSample[]> {
  const at = rule.conditions.findIndex(({ kind }) => kind !== 'certificate-expires')
  const condition = rule.conditions[at]
  if (condition === undefined || condition.kind === 'certificate-expires') return []
  const { values = {}, faultCodes = null } = cells[at] ?? {}
  const where: Filter[] = [
    ...condition.where,
    ...condition.by.map((dimension) => ({ dimension, values: [values[dimension] ?? ''] })),
  ]
  if (condition.kind === 'traffic') {
    const of = await members(asked, rule, condition.collection)
    where.push(...condition.matching, ...(of === null ? [] : [of]))
    if (faultCodes !== null) where.push({ dimension: 'faultCode', values: faultCodes })
  } else if (condition.verdict !== null) where.push({ dimension: 'verdict', values: [condition.verdict] })
  else where.push({ dimension: 'verdict', values: ['', 'trusted'], not: true })
  return asked.monitor.samples({ ...windowOf(condition, now), where, limit: 5 })
}

/** All that its conditions look at; null: none of them is about a time. */
export function longestWindow(rule: AlertRule, now: number): { readonly from: number; readonly to: number } | null {
  const windows = rule.conditions.flatMap((each) => (each.kind === 'certificate-expires' ? [] : [windowOf(each, now)]))
  if (windows.length === 0) return null
  return { from: Math.min(...windows.map(({ from }) => from)), to: Math.max(...windows.map(({ to }) => to)) }
}

async function members({ collection }: Asked, { organization }: AlertRule, name: string): Promise<Filter | null> {
  if (name === '') return null
  const found = await collection(organization, name)
  if (found !== null) return found
  throw new PosternError('alert-collection', `there is no collection ${name}`)
}
