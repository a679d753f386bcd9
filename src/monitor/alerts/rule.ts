import type { VerdictCode } from '../../verdict/codes.ts'
import type { Dimension, Filter } from '../query.ts'

/** A rule as it is evaluated; made of Edge's bean (apigee-edge.md 5.4) by `parseAlert`. */
export interface AlertRule {
  readonly name: string
  readonly description: string
  readonly enabled: boolean
  /** Link or text; ''. */
  readonly playbook: string
  readonly throttleMs: number
  readonly organization: string
  readonly environment: string
  /** One to five; all must hold. */
  readonly conditions: readonly AlertCondition[]
  readonly notifications: readonly AlertNotification[]
}

export type AlertCondition = TrafficCondition | VerdictCondition | CertificateCondition

export type Comparator = '>' | '>=' | '<' | '<=' | '=='

export interface TrafficCondition {
  readonly kind: 'traffic'
  readonly description: string
  /** `rate`: the share of requests that match, 0 to 1. */
  readonly metric: 'rate' | 'count' | 'tps' | 'totalLatency' | 'targetLatency'
  readonly comparator: Comparator
  readonly threshold: number
  readonly durationMs: number
  /** Of latencies. */
  readonly percentile: number
  /** Dimensions that are ANY: each of their values by itself. */
  readonly by: readonly Dimension[]
  /** Which traffic is meant. */
  readonly where: readonly Filter[]
  /** Which of it counts, beside `fault`. */
  readonly matching: readonly Filter[]
  /** null: not asked for. All words absent: any fault code. */
  readonly fault: { readonly name?: string; readonly category?: string; readonly subCategory?: string } | null
  /** Name or id of a collection whose members are meant; ''. */
  readonly collection: string
}

/** A verdict other than `trusted` shows up. */
export interface VerdictCondition {
  readonly kind: 'verdict-appears'
  readonly description: string
  readonly durationMs: number
  readonly by: readonly Dimension[]
  readonly where: readonly Filter[]
  /** null: any. */
  readonly verdict: VerdictCode | null
}

export interface CertificateCondition {
  readonly kind: 'certificate-expires'
  readonly description: string
  readonly days: number
  /** null: any that is in use. */
  readonly certificate: CertificateFact['kind'] | null
  readonly target: string | null
  readonly store: string | null
}

/** A certificate that traffic depends on, or can. */
export interface CertificateFact {
  readonly kind: 'leaf' | 'anchor' | 'client'
  readonly name: string
  /** Whose it is: rules of other organizations do not see it. */
  readonly organization: string
  /** '': of every environment. */
  readonly environment: string
  readonly target: string | null
  readonly store: string | null
  /** Ms since the epoch. */
  readonly notAfter: number
  readonly subject: string
  /** Traffic depends on it: of an anchor, that a chain which a server has shown hangs on it. */
  readonly isInUse: boolean
}

export const channels = ['email', 'slack', 'pagerduty', 'webhook'] as const

export interface AlertNotification {
  readonly channel: (typeof channels)[number]
  /** E-mail address, URL, or integration key. */
  readonly destination: string
  /** Of `webhook`: key of the signature; '' for none. */
  readonly secret: string
}

/** What of a rule cannot leave this gateway: nothing here sends mail, or speaks to PagerDuty. */
export const isDeliverable = ({ channel }: Pick<AlertNotification, 'channel'>): boolean =>
  channel === 'webhook' || channel === 'slack'

/** A webhook's URL is often all that one needs to write to it. */
export function shownDestination({ channel, destination }: Pick<AlertNotification, 'channel' | 'destination'>): string {
  if (channel === 'email') return destination
  const url = URL.canParse(destination) ? new URL(destination) : null
  return url === null ? '***' : `${url.origin}/***`
}
