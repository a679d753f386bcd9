import { z } from 'zod'
import { verdictCodes, type VerdictCode } from '../../verdict/codes.ts'
import type { Dimension, Filter } from '../query.ts'
import {
  type AlertCondition,
  type AlertNotification,
  type AlertRule,
  type CertificateCondition,
  channels,
  type Comparator,
} from './rule.ts'

/*
 * Edge's bean of an alert rule (apigee-edge.md 5.4), and two metrics of our own: `verdict-appears` and `certificate-expires`.
 * What the gateway cannot tell apart is refused by name.
 */

/** I10; both are Edge's. */
export const maxAlerts = 20
const maxConditions = 5
const durations = [60, 120, 180, 240, 300, 600, 900, 1200, 1800, 3600]

const Text = z.string().max(1000)
const Word = z.union([z.string().max(300), z.number()]).transform(String)

const Dimensions = z.strictObject({
  org: Word.optional(),
  env: Word.optional(),
  proxy: Word.optional(),
  proxyRevision: Word.optional(),
  target: Word.optional(),
  region: Word.optional(),
  developerApp: Word.optional(),
  collection: Word.optional(),
  statusCode: Word.optional(),
  targetStatusCode: Word.optional(),
  faultCodeName: Word.optional(),
  faultCodeCategory: Word.optional(),
  faultCodeSubCategory: Word.optional(),
  faultSource: Word.optional(),
  percentile: Word.optional(),
  verdict: Word.optional(),
  certificate: Word.optional().meta({
    description:
      'Of `certificate-expires`: leaf, client or anchor. Without it: leaves, certificates of ours, and anchors that a chain hangs on which a target has shown; with anchor, or a `store`, every anchor. What ended over 30 days ago does not count.',
  }),
  store: Word.optional(),
})

const conditionMetrics = [
  'rate',
  'count',
  'tps',
  'totalLatency',
  'targetLatency',
  'verdict-appears',
  'certificate-expires',
] as const

const Condition = z.object({
  description: Text.default(''),
  dimensions: Dimensions.default({}),
  metric: z.enum(conditionMetrics),
  threshold: z.coerce.number().min(0).max(1e12).default(0).meta({
    description: 'Of `rate` 0 to 1, of latencies milliseconds, of `certificate-expires` days.',
  }),
  durationSeconds: z.coerce
    .number()
    .refine((seconds) => durations.includes(seconds), `is none of ${durations.join(', ')}`)
    .default(60),
  comparator: z.enum(['>', 'gt', '>=', 'gte', '<', 'lt', '<=', 'lte', '==', 'eq']).default('>'),
  percentile: Word.optional(),
})

/** As it is stored and shown: every word is text by then. */
export const ShownCondition = Condition.extend({
  dimensions: z.record(z.string(), z.string()),
  percentile: z.string().optional(),
})

const Notification = z.object({
  channel: z.enum(channels),
  destination: z.string().min(1).max(2000),
  secret: z
    .union([z.literal(''), z.string().min(8).max(500)])
    .optional()
    .meta({
      description:
        'Of a webhook: key of the HMAC-SHA256 signature. It is sealed, and never shown again; left out, it stays; empty, it goes.',
    }),
})

export const AlertBean = z.object({
  name: z.string().trim().min(1).max(255),
  description: Text.default(''),
  enabled: z.union([z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')]).default(true),
  playbook: z.string().max(2000).default(''),
  throttleIntervalSeconds: z.coerce.number().int().min(0).max(604_800).default(3600),
  organization: z.string().max(255).optional(),
  environment: z.string().max(255).optional(),
  alertType: z.literal('runtime').default('runtime'),
  alertSubType: z.literal('fixed').default('fixed'),
  conditions: z.array(Condition).min(1).max(maxConditions),
  notifications: z.array(Notification).max(10).default([]),
})

/** What was said, before defaults. */
const Unset = z.object({ conditions: z.array(z.object({ metric: z.string(), threshold: z.unknown().optional() })) })

export type ParsedAlert =
  | { readonly ok: true; readonly rule: AlertRule }
  | { readonly ok: false; readonly problems: readonly { readonly path: string; readonly message: string }[] }

/** Where a rule is made: its organization, and what a region can be called. */
export interface AlertPlace {
  readonly organization: string
  /** Of this gateway; ''. */
  readonly region: string
}

export function parseAlert(value: unknown, place: AlertPlace): ParsedAlert {
  const parsed = AlertBean.safeParse(value)
  if (!parsed.success) {
    return {
      ok: false,
      problems: parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })),
    }
  }
  const bean = parsed.data
  const problems: { path: string; message: string }[] = []
  const say = (path: string, message: string): void => void problems.push({ path, message })
  if (bean.organization !== undefined && bean.organization !== place.organization) {
    say('organization', `is not ${place.organization}`)
  }
  const environment = bean.environment ?? bean.conditions[0]?.dimensions.env ?? ''
  if (environment === '' || isAnyOrAll(environment)) say('environment', 'is missing')
  // A share of what is above nothing: it would fire at the first.
  for (const [at, written] of Unset.parse(value).conditions.entries()) {
    if (written.metric === 'rate' && written.threshold === undefined)
      say(`conditions.${at}.threshold`, 'of a rate is missing')
  }
  const conditions = bean.conditions.map((condition, at) =>
    conditionOf(condition, { ...place, environment }, (field, message) => say(`conditions.${at}.${field}`, message)),
  )
  const notifications = bean.notifications.map((each, at): AlertNotification => {
    const problem = destinationProblem(each)
    if (problem !== '') say(`notifications.${at}.destination`, problem)
    return { channel: each.channel, destination: each.destination, secret: each.secret ?? '' }
  })
  if (problems.length > 0) return { ok: false, problems }
  const { name, description, enabled, playbook } = bean
  const throttleMs = bean.throttleIntervalSeconds * 1000
  const { organization } = place
  const rule = {
    name,
    description,
    enabled,
    playbook,
    throttleMs,
    organization,
    environment,
    conditions,
    notifications,
  }
  return { ok: true, rule }
}

type Say = (field: string, message: string) => void
type Bean = z.output<typeof Condition>

const comparators: Readonly<Record<Bean['comparator'], Comparator>> = {
  '>': '>',
  gt: '>',
  '>=': '>=',
  gte: '>=',
  '<': '<',
  lt: '<',
  '<=': '<=',
  lte: '<=',
  '==': '==',
  eq: '==',
}

function conditionOf(bean: Bean, place: AlertPlace & { readonly environment: string }, say: Say): AlertCondition {
  const { dimensions, metric, description } = bean
  if (dimensions.org !== undefined && dimensions.org !== place.organization && !isAnyOrAll(dimensions.org)) {
    say('dimensions.org', `is not ${place.organization}`)
  }
  if (dimensions.region !== undefined && !isAnyOrAll(dimensions.region) && dimensions.region !== place.region) {
    say('dimensions.region', `is not the region of this gateway${place.region === '' ? '' : `, ${place.region}`}`)
  }
  if (dimensions.developerApp !== undefined && !isAnyOrAll(dimensions.developerApp)) {
    say('dimensions.developerApp', 'is not known of a request: no policy runs that would set it')
  }
  if (metric === 'certificate-expires') return certificateOf(bean, say)
  const by: Dimension[] = []
  const where: Filter[] = [{ dimension: 'organization', values: [place.organization] }]
  const take = (dimension: Dimension, value: string | undefined, into: Filter[]): void => {
    if (value === undefined || value === 'ALL') return
    if (value === 'ANY') by.push(dimension)
    else into.push({ dimension, values: [value] })
  }
  take('environment', dimensions.env ?? place.environment, where)
  take('proxy', dimensions.proxy, where)
  take('revision', dimensions.proxyRevision, where)
  const durationMs = bean.durationSeconds * 1000
  if (metric === 'verdict-appears') {
    take('target', dimensions.target ?? 'ANY', where)
    const verdict = dimensions.verdict ?? 'ANY'
    if (!isAnyOrAll(verdict) && !isVerdict(verdict)) say('dimensions.verdict', `is no verdict code: ${verdict}`)
    if (verdict === 'ANY') by.push('verdict')
    const code = isVerdict(verdict) ? verdict : null
    return { kind: 'verdict-appears', description, durationMs, by, where, verdict: code }
  }
  take('target', dimensions.target, where)
  const matching: Filter[] = []
  const fault = faultOf(dimensions)
  if (dimensions.statusCode !== undefined && fault !== null)
    say('dimensions', 'statusCode and faultCode* exclude each other')
  takeStatus(dimensions.statusCode, 'status', matching, by, say)
  takeStatus(dimensions.targetStatusCode, 'targetStatus', matching, by, say)
  take('faultSource', dimensions.faultSource, matching)
  if (dimensions.faultCodeName === 'ANY') by.push('faultCode')
  if (metric === 'rate') {
    if (matching.length === 0 && fault === null)
      say('dimensions', 'a rate is one of statusCode, faultSource or faultCode*')
    if (bean.threshold > 1) say('threshold', 'of a rate is from 0 to 1')
  }
  const percentile = percentileOf(bean.percentile ?? dimensions.percentile)
  if (percentile === null) say('percentile', 'is none of 50, 90, 95, 99')
  return {
    kind: 'traffic',
    description,
    metric,
    comparator: comparators[bean.comparator],
    threshold: bean.threshold,
    durationMs,
    percentile: percentile ?? 95,
    by,
    where,
    matching,
    fault,
    collection: isAnyOrAll(dimensions.collection ?? 'ALL') ? '' : (dimensions.collection ?? ''),
  }
}

function certificateOf({ dimensions, threshold, description }: Bean, say: Say): CertificateCondition {
  const kind = dimensions.certificate ?? 'ANY'
  const known = (['leaf', 'anchor', 'client'] as const).find((each) => each === kind)
  if (known === undefined && !isAnyOrAll(kind)) say('dimensions.certificate', 'is none of leaf, anchor, client, ANY')
  if (threshold < 1 || threshold > 3650) say('threshold', 'is the days before the end: 1 to 3650')
  const named = (text: string | undefined): string | null => (text === undefined || isAnyOrAll(text) ? null : text)
  return {
    kind: 'certificate-expires',
    description,
    days: threshold,
    certificate: known ?? null,
    target: named(dimensions.target),
    store: named(dimensions.store),
  }
}

function takeStatus(
  value: string | undefined,
  dimension: 'status' | 'targetStatus',
  into: Filter[],
  by: Dimension[],
  say: Say,
): void {
  const field = dimension === 'status' ? 'dimensions.statusCode' : 'dimensions.targetStatusCode'
  if (value === undefined || value === 'ALL') return
  if (value === 'ANY') by.push(dimension)
  else if (/^[1-5]\d\d$/.test(value)) into.push({ dimension, values: [value] })
  else if (dimension === 'status' && /^[1-5]xx$/.test(value)) into.push({ dimension: 'statusClass', values: [value] })
  else if (dimension === 'status' && value === 'errors') {
    into.push({ dimension: 'statusClass', values: ['4xx', '5xx', 'none'] })
  } else say(field, dimension === 'status' ? 'is none of NNN, 2xx, 4xx, 5xx, errors' : 'is no status such as 503')
}

function faultOf(dimensions: z.output<typeof Dimensions>) {
  const { faultCodeName, faultCodeCategory, faultCodeSubCategory } = dimensions
  if (faultCodeName === undefined && faultCodeCategory === undefined && faultCodeSubCategory === undefined) return null
  const word = (text: string | undefined): string | null => (text === undefined || isAnyOrAll(text) ? null : text)
  const [name, category, subCategory] = [word(faultCodeName), word(faultCodeCategory), word(faultCodeSubCategory)]
  return {
    ...(name === null ? {} : { name }),
    ...(category === null ? {} : { category }),
    ...(subCategory === null ? {} : { subCategory }),
  }
}

function percentileOf(text: string | undefined): number | null {
  if (text === undefined) return 95
  const found = /^p?(50|90|95|99)$/.exec(text)
  return found === null ? null : Number(found[1])
}

/** '' where it can be used. */
function destinationProblem({ channel, destination, secret }: z.output<typeof Notification>): string {
  if (channel === 'email') return /^[^\s@]+@[^\s@]+$/.test(destination) ? '' : 'is no e-mail address'
  if (channel === 'pagerduty') return ''
  if (channel === 'slack' && secret !== undefined && secret !== '')
    return 'of slack takes no secret: it would not be looked at'
  const url = URL.canParse(destination) ? new URL(destination) : null
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return 'is no http or https URL'
  if (url.username !== '' || url.password !== '') return 'has a user or a password in it; sign with a secret instead'
  return ''
}

const isAnyOrAll = (text: string): boolean => text === 'ANY' || text === 'ALL'
const isVerdict = (text: string): text is VerdictCode => Object.hasOwn(verdictCodes, text)
