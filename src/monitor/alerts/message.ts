import { createHmac } from 'node:crypto'
import type { StoredSample } from '../query.ts'
import type { HeldCell } from './evaluate.ts'
import type { AlertCondition, AlertNotification, AlertRule } from './rule.ts'

/** What has happened to a rule; what is delivered is made of it. */
export interface AlertNotice {
  readonly type: 'alert-fired' | 'alert-resolved' | 'alert-test'
  /** Ms since the epoch. */
  readonly at: number
  readonly alertId: string
  readonly instance: string
  readonly rule: AlertRule
  /** Of each condition the cell that made it hold. */
  readonly cells: readonly HeldCell[]
  readonly values: Readonly<Record<string, string>>
  readonly window: { readonly from: number; readonly to: number } | null
  /** Newest first. */
  readonly samples: readonly StoredSample[]
  /** Where it is of many that happened at once: each of them. */
  readonly each?: readonly AlertNotice[]
}

export interface Message {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

export function messageFor(notice: AlertNotice, to: AlertNotification): Message {
  const body = JSON.stringify(to.channel === 'slack' ? slackBody(notice) : webhookBody(notice))
  const headers = { 'content-type': 'application/json', 'user-agent': 'postern' }
  if (to.secret === '') return { body, headers }
  // The time is signed too, so that a receiver can refuse what is sent again.
  const time = String(Math.floor(notice.at / 1000))
  const signature = createHmac('sha256', to.secret).update(`${time}.${body}`).digest('hex')
  return { body, headers: { ...headers, 'postern-timestamp': time, 'postern-signature': `sha256=${signature}` } }
}

/** Of one rule at one time, as one message; what it says of a cell is said of the first. */
export function grouped(notices: readonly AlertNotice[]): AlertNotice {
  const [first] = notices
  const samples = notices.flatMap((notice) => notice.samples.slice(0, 1)).slice(0, 5)
  return { ...(first as AlertNotice), samples, each: notices }
}

/** One sentence. */
export function summaryOf({ type, rule, cells, values, each = [] }: AlertNotice): string {
  const place = placeText(rule, each.length > 0 ? {} : values)
  if (type === 'alert-test') return `Test of alert "${rule.name}" (${place}): nothing has happened.`
  if (each.length > 0) {
    const named = each
      .slice(0, 3)
      .map((notice) => `${wordsOf(notice.values)}${type === 'alert-fired' ? `: ${whyText(notice)}` : ''}`)
    const what = type === 'alert-fired' ? `holds for ${each.length}` : `is over for ${each.length}`
    return `Alert "${rule.name}" (${place}) ${what}: ${named.join('; ')}${each.length > 3 ? `; and ${each.length - 3} more` : ''}.`
  }
  if (type === 'alert-resolved') return overText(rule, values)
  return `Alert "${rule.name}" (${place}): ${whyText({ rule, cells })}.`
}

export function overText(
  rule: Pick<AlertRule, 'name' | 'organization' | 'environment'>,
  values: AlertNotice['values'],
): string {
  return `Alert "${rule.name}" (${placeText(rule, values)}) is over.`
}

const wordsOf = (values: AlertNotice['values']): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')

function placeText(
  { organization, environment }: Pick<AlertRule, 'organization' | 'environment'>,
  values: AlertNotice['values'],
): string {
  const where = wordsOf(values)
  return `${organization}/${environment}${where === '' ? '' : `, ${where}`}`
}

const whyText = ({ rule, cells }: Pick<AlertNotice, 'rule' | 'cells'>): string =>
  rule.conditions.map((condition, at) => conditionText(condition, cells[at]?.value ?? 0)).join('; ')

/** The newest that a request or a cell tells of; ''. */
export function verdictOf({ samples, values }: Pick<AlertNotice, 'samples' | 'values'>): string {
  return values['verdict'] ?? samples.find(({ key }) => key.verdict !== '')?.key.verdict ?? ''
}

function webhookBody(notice: AlertNotice) {
  const { type, at, rule, cells, values, window, samples } = notice
  return {
    type,
    test: type === 'alert-test',
    instance: notice.instance,
    at: new Date(at).toISOString(),
    alert: { id: notice.alertId, name: rule.name, description: rule.description, playbook: rule.playbook },
    organization: rule.organization,
    environment: rule.environment,
    summary: summaryOf(notice),
    verdict: verdictOf(notice),
    cell: values,
    window:
      window === null ? null : { from: new Date(window.from).toISOString(), to: new Date(window.to).toISOString() },
    conditions: rule.conditions.map((condition, index) => ({
      ...conditionFacts(condition),
      value: cells[index]?.value ?? null,
      requests: cells[index]?.requests ?? null,
    })),
    // Of many at once each; what is said above is of the first.
    ...(notice.each === undefined
      ? {}
      : {
          instances: notice.each.map((one) => ({
            instance: one.instance,
            cell: one.values,
            verdict: verdictOf(one),
            summary: summaryOf(one),
          })),
        }),
    requests: samples.map(({ key, sample }) => ({
      id: sample.id,
      at: new Date(sample.at).toISOString(),
      request: sample.request,
      proxy: key.proxy,
      target: key.target,
      status: key.status,
      verdict: key.verdict,
      faultCode: key.faultCode,
      faultSource: key.faultSource,
      summary: sample.summary,
    })),
  }
}

/** Slack's incoming webhooks: text, with three characters written otherwise. */
function slackBody(notice: AlertNotice) {
  const { rule, samples } = notice
  const verdict = verdictOf(notice)
  const newest = samples.find(({ sample }) => sample.summary !== '')
  const lines = [
    `*${plain(summaryOf(notice))}*`,
    ...(verdict === '' ? [] : [`verdict: ${plain(verdict)}`]),
    ...(newest === undefined ? [] : [plain(newest.sample.summary)]),
    ...(samples.length === 0 ? [] : [`message ids: ${samples.map(({ sample }) => plain(sample.id)).join(', ')}`]),
    ...(rule.playbook === '' ? [] : [`playbook: ${plain(rule.playbook)}`]),
  ]
  return { text: lines.join('\n') }
}

const plain = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

function conditionFacts(condition: AlertCondition) {
  const { kind, description } = condition
  if (kind === 'certificate-expires') return { metric: kind, description, days: condition.days }
  const durationSeconds = condition.durationMs / 1000
  if (kind === 'verdict-appears') return { metric: kind, description, durationSeconds }
  const { metric, comparator, threshold, percentile } = condition
  const isLatency = metric === 'totalLatency' || metric === 'targetLatency'
  return { metric, description, comparator, threshold, durationSeconds, ...(isLatency ? { percentile } : {}) }
}

function conditionText(condition: AlertCondition, value: number): string {
  if (condition.kind === 'certificate-expires') {
    return value < 0 ? `certificate ended ${-value} days ago` : `certificate ends in ${value} days`
  }
  const minutes = condition.durationMs / 60_000
  if (condition.kind === 'verdict-appears') return `${value} requests in ${minutes} min`
  const { metric, comparator, threshold } = condition
  return `${metric} ${Math.round(value * 10_000) / 10_000} ${comparator} ${threshold} over ${minutes} min`
}
