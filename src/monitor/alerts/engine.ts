import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, PosternError } from '../../core/errors.ts'
import { parseAlert } from './bean.ts'
import { defaultDelivery, Delivery, type DeliveryHealth, type DeliveryLimits } from './delivery.ts'
import { type HeldCell, instanceKey, instanceValues, together, wholeMinute } from './evaluate.ts'
import { type Asked, heldCells, longestWindow, samplesOf } from './held.ts'
import { AlertHistory, type AlertInstance } from './history.ts'
import { AlertsFile } from './kept.ts'
import { type AlertNotice, grouped, messageFor, overText, summaryOf, verdictOf } from './message.ts'
import type { ReceiverProblem } from './receiver-problem.ts'
import { type AlertNotification, type AlertRule, isDeliverable, shownDestination } from './rule.ts'

/** A rule as it is stored. */
export interface StoredAlert {
  readonly id: string
  readonly organization: string
  /** Edge's bean, secrets put back. */
  readonly bean: unknown
}

export interface AlertEvent {
  readonly type: 'alert-fired' | 'alert-resolved'
  readonly at: number
  readonly organization: string
  readonly environment: string
  readonly alert: string
  readonly name: string
  readonly instance: string
  readonly summary: string
}

export interface AlertsOptions extends Asked {
  /** All of them; asked for at every evaluation. */
  readonly rules: () => Promise<readonly StoredAlert[]>
  readonly region: () => string
  /** Where what fired is kept over a restart; null: nowhere. */
  readonly file?: string | null
  /** PEM of the roots that receivers are verified with; null: those of the runtime. */
  readonly roots?: () => readonly string[] | null
  readonly onEvent?: (event: AlertEvent) => void
  /** Of receivers that begin to fail, and that no longer do. */
  readonly warn?: (code: string, message: string) => void
  readonly clock?: () => number
  /** 0: only `evaluate` does. */
  readonly everyMs?: number
  readonly delivery?: Partial<DeliveryLimits>
}

export interface DeliveryTest {
  readonly channel: AlertNotification['channel']
  readonly destination: string
  readonly delivered: boolean
  readonly status: number | null
  readonly ms: number
  readonly problem: ReceiverProblem | null
}

export interface AlertsHealth extends DeliveryHealth {
  readonly rules: number
  readonly firing: number
  /** When all rules were looked at last; null: never. */
  readonly evaluatedAt: number | null
  /** Rules that could not be evaluated the last time, with why. */
  readonly troubles: readonly { readonly organization: string; readonly alert: string; readonly message: string }[]
}

export interface Alerts {
  /** Looks at every rule now. One at a time: who comes meanwhile waits for the same. */
  evaluate(): Promise<void>
  history(organization: string, from: number, to: number, alertId: string | null): readonly AlertInstance[]
  instance(organization: string, id: string): AlertInstance | null
  /** Sends a marked message once to each receiver of a rule, and says what came of it. Rejects with `alert-invalid`, `alert-undeliverable`. */
  test(alert: StoredAlert): Promise<readonly DeliveryTest[]>
  health(): AlertsHealth
  close(): Promise<void>
}

export function openAlerts(options: AlertsOptions): Alerts {
  const engine = new Engine(options)
  const { everyMs = 10_000 } = options
  const timer = everyMs === 0 ? null : setInterval(() => void engine.evaluate(), everyMs)
  timer?.unref()
  return {
    evaluate: () => engine.evaluate(),
    history: (organization, from, to, alertId) => engine.history.list(organization, from, to, alertId),
    instance: (organization, id) => engine.history.get(organization, id),
    test: (alert) => engine.test(alert),
    health: () => engine.health(),
    async close() {
      if (timer !== null) clearInterval(timer)
      await engine.close()
    },
  }
}

/** I10. */
const maxRules = 1000
const maxTroubles = 50
const maxThrottled = 10_000
const maxThrottleMs = 604_800_000
/** For the evaluation under way, at the end. */
const closeMs = 1_000

/** What is about one thing is told by itself, up to this many at once. */
const maxSingle = 5
/** Leaves are known again when a backend has shown them: until then nobody knows whether theirs still holds. */
const unseenMs = 24 * 3_600_000

interface Firing {
  readonly id: string
  /** As it was when it fired; null: before the last start. */
  readonly rule: AlertRule | null
  /** Its notice went out, so its end is told too. */
  readonly told: boolean
}

class Engine {
  readonly history = new AlertHistory()
  readonly #options: AlertsOptions
  readonly #clock: () => number
  readonly #delivery: Delivery
  /** By rule and what it holds for. */
  readonly #firing = new Map<string, Firing>()
  /** When a notice was sent last, by the same; the oldest first. */
  readonly #sent = new Map<string, number>()
  /** The minute up to which a rule was evaluated. */
  readonly #minutes = new Map<string, number>()
  readonly #file: AlertsFile
  /** When it looked for the first time. */
  #startedAt: number | null = null
  #isChanged = false
  #underWay: Promise<void> | null = null
  #evaluatedAt: number | null = null
  #rules = 0
  #tests = 0
  #closed = false
  #troubles: AlertsHealth['troubles'] = []

  constructor(options: AlertsOptions) {
    this.#options = options
    this.#clock = options.clock ?? Date.now
    this.#delivery = new Delivery(
      { ...defaultDelivery, ...options.delivery },
      { roots: options.roots ?? (() => null), warn: options.warn ?? (() => {}) },
    )
    this.#file = new AlertsFile(options.file ?? null, options.warn ?? (() => {}))
    const { instances, firing, sent } = this.#file.read()
    this.history.restore(instances)
    for (const [key, each] of firing) this.#firing.set(key, { ...each, rule: null })
    for (const [key, at] of sent.slice(-maxThrottled)) this.#sent.set(key, at)
  }

  evaluate(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    return (this.#underWay ??= this.#evaluate().finally(() => (this.#underWay = null)))
  }

  health(): AlertsHealth {
    return {
      ...this.#delivery.health(),
      rules: this.#rules,
      firing: this.#firing.size,
      evaluatedAt: this.#evaluatedAt,
      troubles: this.#troubles,
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#delivery.close()
    // A question that monitoring does not answer must not hold up the end.
    await Promise.race([this.#underWay, sleep(closeMs, undefined, { ref: false })])
    await this.#file.close()
  }

  async test(alert: StoredAlert): Promise<readonly DeliveryTest[]> {
    const parsed = parseAlert(alert.bean, { organization: alert.organization, region: this.#options.region() })
    if (!parsed.ok) {
      const [problem] = parsed.problems
      throw new PosternError('alert-invalid', `the alert is no longer valid: ${problem?.path}: ${problem?.message}`)
    }
    const { rule } = parsed
    if (rule.notifications.length === 0) {
      throw new PosternError('alert-undeliverable', 'the alert names no receiver: when it fires, nobody is told')
    }
    const notice: AlertNotice = {
      type: 'alert-test',
      at: this.#clock(),
      alertId: alert.id,
      instance: '',
      rule,
      cells: [],
      values: {},
      window: null,
      samples: [],
    }
    return Promise.all(rule.notifications.map((each) => this.#testOne(notice, each)))
  }

  async #testOne(notice: AlertNotice, to: AlertNotification): Promise<DeliveryTest> {
    const shown = { channel: to.channel, destination: shownDestination(to) }
    const refused = (code: string, message: string): DeliveryTest => {
      return { ...shown, delivered: false, status: null, ms: 0, problem: { code, verdict: null, message } }
    }
    if (!isDeliverable(to))
      return refused('undeliverable', `${to.channel} is stored, and nothing is sent to it from here`)
    if (this.#tests >= 16) return refused('busy', 'too many tests are under way')
    this.#tests++
    const started = performance.now()
    try {
      const { status, problem } = await this.#delivery.once(to.destination, messageFor(notice, to))
      return { ...shown, delivered: problem === null, status, ms: Math.round(performance.now() - started), problem }
    } finally {
      this.#tests--
    }
  }

  async #evaluate(): Promise<void> {
    const now = this.#clock()
    this.#startedAt ??= now
    const troubles: { organization: string; alert: string; message: string }[] = []
    const seen = new Set<string>()
    try {
      const stored = await this.#options.rules()
      const taken = stored.slice(0, maxRules)
      this.#rules = stored.length
      for (const alert of taken) {
        if (this.#closed) return
        await this.#evaluateOne(alert, now, seen, troubles)
      }
      if (stored.length > maxRules) {
        troubles.push({ organization: '', alert: '', message: `only the first ${maxRules} rules are looked at` })
      }
      // What was deleted, switched off or changed holds no more, and nobody needs be told.
      for (const [key, firing] of this.#firing) if (!seen.has(key)) this.#resolve(key, firing, now, null)
      for (const [prefix, minute] of this.#minutes) if (minute < wholeMinute(now)) this.#minutes.delete(prefix)
      this.#evaluatedAt = now
    } catch (error) {
      troubles.push({ organization: '', alert: '', message: messageOf(error) })
    }
    this.#troubles = troubles.slice(0, maxTroubles)
    this.#keep(now)
  }

  #keep(now: number): void {
    if (!this.#isChanged) return
    this.#isChanged = false
    // Longer than a rule can hold notices back, nobody needs to know of the last one.
    for (const [key, at] of this.#sent) if (now - at > maxThrottleMs) this.#sent.delete(key)
    this.#file.write({
      instances: this.history.all,
      firing: [...this.#firing].map(([key, { id, told }]) => [key, { id, told }]),
      sent: [...this.#sent],
    })
  }

  async #evaluateOne(
    alert: StoredAlert,
    now: number,
    seen: Set<string>,
    troubles: { organization: string; alert: string; message: string }[],
  ): Promise<void> {
    const { id, organization, bean } = alert
    const prefix = JSON.stringify([organization, id])
    const ours = (): readonly [string, Firing][] => [...this.#firing].filter(([key]) => key.startsWith(prefix))
    const parsed = parseAlert(bean, { organization, region: this.#options.region() })
    if (!parsed.ok) {
      const [problem] = parsed.problems
      troubles.push({ organization, alert: id, message: `${problem?.path ?? ''}: ${problem?.message ?? ''}` })
      return
    }
    const { rule } = parsed
    if (!rule.enabled) return
    const minute = wholeMinute(now)
    if (rule.conditions.every(({ kind }) => kind === 'traffic') && this.#minutes.get(prefix) === minute) {
      // Only whole minutes count for it, and there is no new one.
      for (const [key] of ours()) seen.add(key)
      return
    }
    try {
      const held: (readonly HeldCell[])[] = []
      for (const condition of rule.conditions) {
        const cells = await heldCells(this.#options, rule, condition, now)
        held.push(cells)
        // All must hold.
        if (cells.length === 0) break
      }
      const found = held.length < rule.conditions.length || held.at(-1)?.length === 0 ? [] : together(held)
      const holding = new Set<string>()
      const fresh: { readonly key: string; readonly cells: readonly HeldCell[] }[] = []
      for (const cells of found) {
        const key = `${prefix}${instanceKey(cells)}`
        seen.add(key)
        holding.add(key)
        if (!this.#firing.has(key)) fresh.push({ key, cells })
      }
      await this.#fire(fresh, alert, rule, now)
      const over: AlertNotice[] = []
      for (const [key, firing] of ours()) {
        if (holding.has(key)) continue
        seen.add(key)
        if (firing.rule === null && this.#isUnseen(firing, now)) continue
        over.push(...this.#resolve(key, firing, now, rule))
      }
      this.#deliver(over)
      this.#minutes.set(prefix, minute)
    } catch (error) {
      // Nobody knows whether it holds: it stays as it is.
      for (const [key] of ours()) seen.add(key)
      troubles.push({ organization, alert: id, message: messageOf(error) })
    }
  }

  /** Of one rule, all that began to hold at once. */
  async #fire(
    fresh: readonly { readonly key: string; readonly cells: readonly HeldCell[] }[],
    alert: StoredAlert,
    rule: AlertRule,
    now: number,
  ): Promise<void> {
    const notices: { readonly key: string; readonly notice: AlertNotice; readonly isThrottled: boolean }[] = []
    for (const { key, cells } of fresh) {
      const notice: AlertNotice = {
        type: 'alert-fired',
        at: now,
        alertId: alert.id,
        instance: randomUUID(),
        rule,
        cells,
        values: instanceValues(cells),
        window: longestWindow(rule, now),
        samples: await samplesOf(this.#options, rule, cells, now),
      }
      const last = this.#sent.get(key)
      // A clock that was set back would hold notices back until it is there again.
      notices.push({ key, notice, isThrottled: last !== undefined && now >= last && now - last < rule.throttleMs })
    }
    const became = this.#deliver(notices.flatMap(({ notice, isThrottled }) => (isThrottled ? [] : [notice])))
    for (const { key, notice, isThrottled } of notices) this.#begin(key, notice, isThrottled ? 'throttled' : became)
  }

  #begin(key: string, notice: AlertNotice, sent: AlertInstance['notice']): void {
    const { rule, at, instance: id, alertId, cells } = notice
    if (sent === 'sent') {
      this.#sent.delete(key)
      this.#sent.set(key, at)
      if (this.#sent.size > maxThrottled) this.#sent.delete(this.#sent.keys().next().value ?? '')
    }
    const summary = summaryOf(notice)
    this.#isChanged = true
    this.#firing.set(key, { id, rule, told: sent === 'sent' })
    this.history.add({
      id,
      alertId,
      name: rule.name,
      organization: rule.organization,
      environment: rule.environment,
      values: notice.values,
      firedAt: at,
      resolvedAt: null,
      measured: cells.map(({ value }) => value),
      summary,
      verdict: verdictOf(notice),
      requests: notice.samples.map(({ sample }) => sample.id),
      notice: sent,
    })
    this.#tell('alert-fired', at, rule, { alertId, id, summary })
  }

  /** @param rule as it is now; null: it is gone, and nobody needs be told. @returns what is to be delivered */
  #resolve(key: string, firing: Firing, now: number, rule: AlertRule | null): readonly AlertNotice[] {
    const { id, told } = firing
    this.#firing.delete(key)
    this.#isChanged = true
    const instance = this.history.resolve(id, now)
    const alertId = instance?.alertId ?? idOfKey(key)
    const values = instance?.values ?? {}
    const as = firing.rule ?? rule
    const place = as ?? instance
    if (place !== null) {
      this.#tell('alert-resolved', now, place, { alertId, id, summary: overText(place, values) })
    }
    if (!told || rule === null || as === null) return []
    const type = 'alert-resolved'
    return [{ type, at: now, alertId, instance: id, rule: as, cells: [], values, window: null, samples: [] }]
  }

  /** It is about a leaf that no backend has shown since the start. */
  #isUnseen({ id }: Firing, now: number): boolean {
    const values = this.history.all.find((each) => each.id === id)?.values
    if (values?.['certificate'] !== 'leaf' || now - (this.#startedAt ?? now) > unseenMs) return false
    return !this.#options
      .certificates()
      .some(({ kind, name, target }) => kind === 'leaf' && name === values['name'] && target === values['target'])
  }

  /** Notices of one rule: one by one, or where they are many, as one. */
  #deliver(notices: readonly AlertNotice[]): AlertInstance['notice'] {
    const [first] = notices
    if (first === undefined) return 'none'
    const { notifications } = first.rule
    const able = notifications.filter(isDeliverable)
    const messages = notices.length > maxSingle ? [grouped(notices)] : notices
    for (const notice of messages) {
      for (const to of able) this.#delivery.send(to.destination, messageFor(notice, to))
    }
    if (able.length > 0) return 'sent'
    return notifications.length > 0 ? 'undeliverable' : 'none'
  }

  #tell(
    type: AlertEvent['type'],
    at: number,
    { organization, environment, name }: Pick<AlertRule, 'organization' | 'environment' | 'name'>,
    { alertId, id, summary }: { readonly alertId: string; readonly id: string; readonly summary: string },
  ): void {
    this.#options.onEvent?.({ type, at, organization, environment, alert: alertId, name, instance: id, summary })
  }
}

/** Keys begin with organization and id of their rule. */
const idOfKey = (key: string): string => /^\["(?:[^"\\]|\\.)*","((?:[^"\\]|\\.)*)"\]/.exec(key)?.[1] ?? ''
