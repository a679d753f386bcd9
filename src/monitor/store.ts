import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import type { RollupMessage } from '../observe/rollup.ts'
import { aggregate } from './aggregate.ts'
import { isWaiting, Pending, type PendingCell, type PendingLimits } from './pending.ts'
import type { AggregateAnswer, AggregateQuery, MonitorHealth, SampleQuery, StoredSample } from './query.ts'
import { type Retention, retentionStep } from './retention.ts'
import { isDamage, moveAside } from './store-file.ts'
import { findSample, samples } from './store-samples.ts'
import { Written } from './written.ts'

export interface StorePlan extends Retention {
  /** null: in memory. */
  readonly file: string | null
}

export interface StoreHooks {
  warn(code: string, message: string): void
  readonly clock?: () => number
  readonly limits?: Partial<StoreLimits>
}

export interface StoreLimits extends PendingLimits {
  readonly keys: number
}

const usualLimits: StoreLimits = { minuteRows: 10_000, rows: 40_000, minuteSamples: 2_000, keys: 50_000 }

/** A minute is written when all workers have said what they counted in it: they do so within a second. */
const graceMs = 3_000
/** A minute that runs is written so often, and what a killed process loses is no older than this and two seconds. */
const runningMs = 4_000
/**
 * Or where it has very many rows, so seldom that it takes no more than a fiftieth of the time. 200 rows take 0.1 % of a core,
 * 0.35 % where all of them fail; 10,000 take 1.8 %, however many requests they are of.
 */
const runningShare = 50
/** After a failure the disk is left alone for so long. */
const retryMs = 60_000
const writtenAtOnce = 1_000
/** Of a minute that runs: rows of one transaction, some 5 ms. */
const runningAtOnce = 200
const stepBudgetMs = 15
/** It is said again after so long. */
const crowdedMs = 3_600_000
const purgeMs = 10 * 60_000

/**
 * The rollups, in a file; in memory, what came in the last seconds. What cannot be written stays in memory until it can, or until there is too much of it; then the oldest is given up and counted. Only questions throw, and only
 * `monitoring-*`.
 */
export class Store {
  #plan: StorePlan
  readonly #hooks: StoreHooks
  readonly #clock: () => number
  readonly #limits: StoreLimits
  readonly #pending: Pending
  #written: Written | null = null
  /** The file cannot be used, and no other may be begun in its place. */
  #refused = ''
  #problem = ''
  #retryAt = 0
  /** Of minutes that run, what is being written; when they were looked at last, and what writing them has taken since. */
  #running: { readonly minute: number; readonly cell: PendingCell }[] = []
  #runningAt = 0
  #runningTook = 0
  #purgeAt = 0
  #purgedTo = 0
  #crowdedAt = Number.NEGATIVE_INFINITY

  constructor(plan: StorePlan, hooks: StoreHooks) {
    this.#plan = plan
    this.#hooks = hooks
    this.#clock = hooks.clock ?? Date.now
    this.#limits = { ...usualLimits, ...hooks.limits }
    this.#pending = new Pending(this.#limits)
    this.#purgeAt = this.#clock() + purgeMs
    this.#guard(() => this.#open())
  }

  /** Takes up another plan; a change of `file` needs another store. */
  configure(plan: StorePlan): void {
    this.#plan = plan
  }

  get file(): string | null {
    return this.#plan.file
  }

  /** Requests that were given up. */
  get lost(): number {
    return this.#pending.lost
  }

  /** Requests that are in memory and in no file yet. */
  get waiting(): number {
    return this.#pending.requests
  }

  add(message: RollupMessage): void {
    const { crowded } = this.#pending
    this.#pending.add(message)
    const now = this.#clock()
    if (this.#pending.crowded === crowded || Math.abs(now - this.#crowdedAt) < crowdedMs) return
    this.#crowdedAt = now
    this.#hooks.warn(
      'monitoring-crowded',
      'there are more kinds of requests in a minute than rows are kept: the rest are counted by proxy, status and fault, without method and target',
    )
  }

  /** A little of what is to be done; once a second. */
  tick(): void {
    const now = this.#clock()
    if (now < this.#retryAt && this.#retryAt - now <= retryMs) return
    this.#guard(() => {
      const written = this.#open()
      const until = performance.now() + stepBudgetMs
      while (this.#writeSome(written, now - graceMs) && performance.now() < until);
      while (performance.now() < until && this.#writeRunning(written, now));
      while (performance.now() < until && retentionStep(written, this.#plan, now));
      if (now < this.#purgeAt) return
      this.#purgedTo = written.transaction(() => written.keys.purge(this.#purgedTo))
      if (this.#purgedTo === 0) this.#purgeAt = now + purgeMs
    })
  }

  /** Writes everything, the minute that runs as well. */
  close(): void {
    this.#guard(() => {
      const written = this.#open()
      while (this.#writeSome(written, Number.POSITIVE_INFINITY));
    })
    this.#pending.lost += this.#pending.requests
    this.#guard(() => this.#written?.close())
    this.#written = null
  }

  aggregate(query: AggregateQuery): AggregateAnswer {
    return this.#answer((written) =>
      aggregate(query, {
        kept: written?.kept ?? { minute: 0, hour: 0, day: 0 },
        keys: () => written?.keys.entries() ?? [],
        scan: (stretch, ids, visit) => written?.scan(stretch, ids, visit),
        pending: (from, to, visit) => {
          for (const [at, cells] of this.#pending.minutes) {
            if (at < from || at >= to) continue
            for (const { key, cell } of cells.values()) if (cell.requests > 0) visit(at, key, cell)
          }
        },
      }),
    )
  }

  samples(query: SampleQuery): readonly StoredSample[] {
    return this.#answer((written) => samples(query, this.#pending, written))
  }

  find(id: string): StoredSample | null {
    return this.#answer((written) => findSample(id, this.#pending, written))
  }

  health(): MonitorHealth {
    return this.#answer((written) => {
      const waiting = [...this.#pending.minutes]
      const oldest = waiting.map(([minute]) => minute * 60_000)
      if (written?.oldest != null) oldest.push(written.oldest)
      return {
        file: this.#plan.file,
        bytes: written?.bytes ?? 0,
        rows: (written?.rows ?? 0) + this.#pending.unwritten,
        oldest: oldest.length === 0 ? null : Math.min(...oldest),
        lostRequests: this.#pending.lost,
        problem: this.#problem || this.#refused,
      }
    })
  }

  #answer<T>(work: (written: Written | null) => T): T {
    try {
      return work(this.#written)
    } catch (error) {
      if (error instanceof PosternError) throw error
      this.#failed(error)
      // What was found to be damaged is out of the way by now; anything else is said.
      if (this.#written === null) return work(null)
      throw new PosternError('monitoring-unavailable', `the rollups cannot be read: ${messageOf(error)}`, {
        cause: error,
      })
    }
  }

  /** Whatever it throws is a problem of the file, and is tried again later. */
  #guard(work: () => void): void {
    try {
      work()
      this.#problem = ''
      this.#retryAt = 0
    } catch (error) {
      this.#failed(error)
    }
  }

  #open(): Written {
    if (this.#written !== null) return this.#written
    const { file } = this.#plan
    if (file === null || this.#refused !== '') return (this.#written = new Written(':memory:', this.#limits.keys))
    try {
      this.#written = new Written(file, this.#limits.keys)
    } catch (error) {
      if (codeOf(error) === 'monitoring-too-new') {
        this.#refused = messageOf(error)
        this.#hooks.warn(
          'monitoring-too-new',
          `${messageOf(error)}; until it is gone, rollups are kept in memory alone`,
        )
        return this.#open()
      }
      if (!isDamage(error)) throw error
      this.#setAside(file, error)
      this.#written = new Written(file, this.#limits.keys)
    }
    return this.#written
  }

  #setAside(file: string, error: unknown): void {
    const aside = moveAside(file, this.#clock())
    this.#hooks.warn(
      'monitoring-damaged',
      `${messageOf(error)}; the file is ${aside} now, and another one has begun: what it held is not shown any more`,
    )
  }

  #failed(error: unknown): void {
    const first = this.#problem === ''
    this.#problem = messageOf(error)
    this.#retryAt = this.#clock() + retryMs
    const { file } = this.#plan
    if (isDamage(error) && this.#written !== null && file !== null && this.#refused === '') {
      try {
        this.#written.close()
        this.#written = null
        this.#setAside(file, error)
        this.#retryAt = 0
        return
      } catch (failure) {
        this.#problem = messageOf(failure)
      }
    }
    if (!first) return
    this.#hooks.warn(
      'monitoring-not-written',
      `${file ?? 'memory'} cannot be written: ${this.#problem}; rollups wait in memory, and it is tried again every minute`,
    )
  }

  /** Of minutes that have ended by then, or that no clock has reached. @returns there may be more */
  #writeSome(written: Written, endedBy: number): boolean {
    const minute = [...this.#pending.minutes.keys()]
      .sort((a, b) => a - b)
      .find((candidate) => (candidate + 1) * 60_000 <= endedBy || candidate * 60_000 > endedBy + 2 * 60_000)
    if (minute === undefined) return false
    const cells = [...(this.#pending.minutes.get(minute) ?? [])].slice(0, writtenAtOnce)
    const waiting = cells.map(([, cell]) => cell).filter((each) => isWaiting(each) || each.samples.length > 0)
    if (waiting.length > 0) written.write(minute, waiting, true)
    this.#pending.remove(
      minute,
      cells.map(([text]) => text),
    )
    return true
  }

  /** Some of what came since the last look at the minutes that run. @returns there may be more */
  #writeRunning(written: Written, now: number): boolean {
    if (this.#running.length === 0) {
      const since = now - this.#runningAt
      if (this.#plan.file === null || (since >= 0 && since < Math.max(runningMs, runningShare * this.#runningTook))) {
        return false
      }
      this.#runningAt = now
      this.#runningTook = 0
      for (const [minute, cells] of this.#pending.minutes) {
        for (const cell of cells.values()) if (isWaiting(cell)) this.#running.push({ minute, cell })
      }
    }
    const [first] = this.#running
    if (first === undefined) return false
    const started = performance.now()
    let end = 0
    while (end < runningAtOnce && this.#running[end]?.minute === first.minute) end++
    // What has been written or given up since is empty.
    const cells = this.#running.slice(0, end).flatMap(({ cell }) => (isWaiting(cell) ? [cell] : []))
    if (cells.length > 0) written.write(first.minute, cells, false)
    this.#running.splice(0, end)
    this.#pending.emptied(first.minute, cells)
    this.#runningTook += performance.now() - started
    return true
  }
}
