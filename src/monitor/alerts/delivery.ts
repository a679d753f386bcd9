import { setTimeout as sleep } from 'node:timers/promises'
import type { Message } from './message.ts'
import { post, type Posted } from './post.ts'

export interface DeliveryLimits {
  /** Messages that wait or are under way; more are dropped and counted. */
  readonly queued: number
  /** Under way at a time, in all and to one receiver: a slow one leaves room for the others. */
  readonly atOnce: number
  readonly atOnceToOne: number
  readonly attempts: number
  /** Of one attempt, and of a message from first to last; ms. */
  readonly timeoutMs: number
  readonly giveUpMs: number
  /** Before the second attempt; each next wait is four times as long. */
  readonly backoffMs: number
}

export const defaultDelivery: DeliveryLimits = {
  queued: 200,
  atOnce: 16,
  atOnceToOne: 4,
  attempts: 5,
  timeoutMs: 10_000,
  giveUpMs: 600_000,
  backoffMs: 2000,
}

/** Counted since the start of the process. */
export interface DeliveryHealth {
  readonly queued: number
  readonly delivered: number
  readonly retried: number
  /** All attempts failed, or the receiver will never take it. */
  readonly failed: number
  /** There was no room in the queue. */
  readonly dropped: number
  /** Of the last message that failed; ''. */
  readonly problem: string
}

export interface DeliveryHooks {
  /** PEM of the roots that receivers are verified with; null: those of the runtime. */
  readonly roots: () => readonly string[] | null
  /** Once when a receiver begins to fail, and once when it takes messages again. */
  readonly warn: (code: 'alert-not-delivered' | 'alert-receiver-restored', message: string) => void
}

/** I10: receivers whose failing is remembered; of more than these each failure is said. */
const maxFailing = 1000

/** Messages on their way to receivers. None of them holds another up for long, and nobody waits for any (I10). */
export class Delivery {
  readonly #limits: DeliveryLimits
  readonly #roots: () => readonly string[] | null
  readonly #closing = new AbortController()
  readonly #waiting: Job[] = []
  readonly #underWay = new Map<string, number>()
  readonly #pending = new Set<Promise<void>>()
  #queued = 0
  #delivered = 0
  #retried = 0
  #failed = 0
  #dropped = 0
  #problem = ''
  readonly #warn: DeliveryHooks['warn']
  /** Receivers that have taken nothing since a message for them was given up. */
  readonly #failing = new Set<string>()

  constructor(limits: DeliveryLimits, { roots, warn }: DeliveryHooks) {
    this.#limits = limits
    this.#roots = roots
    this.#warn = warn
  }

  send(url: string, message: Message): void {
    if (this.#closing.signal.aborted || this.#queued >= this.#limits.queued) {
      this.#dropped++
      return
    }
    this.#queued++
    this.#waiting.push({ url, receiver: new URL(url).origin, message, attempt: 1, since: performance.now() })
    this.#next()
  }

  /** Once, now, whatever waits. */
  once(url: string, message: Message): Promise<Posted> {
    return post(url, message, {
      timeoutMs: this.#limits.timeoutMs,
      roots: this.#roots(),
      signal: this.#closing.signal,
    })
  }

  health(): DeliveryHealth {
    return {
      queued: this.#queued,
      delivered: this.#delivered,
      retried: this.#retried,
      failed: this.#failed,
      dropped: this.#dropped,
      problem: this.#problem,
    }
  }

  /** What has not left is given up. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#dropped += this.#waiting.length
    this.#queued -= this.#waiting.length
    this.#waiting.length = 0
    await Promise.allSettled(this.#pending)
  }

  #next(): void {
    const all = [...this.#underWay.values()].reduce((sum, count) => sum + count, 0)
    for (let at = 0, free = this.#limits.atOnce - all; at < this.#waiting.length && free > 0; ) {
      const job = this.#waiting[at] as Job
      const toOne = this.#underWay.get(job.receiver) ?? 0
      if (toOne >= this.#limits.atOnceToOne) {
        at++
        continue
      }
      this.#waiting.splice(at, 1)
      this.#underWay.set(job.receiver, toOne + 1)
      free--
      this.#track(this.#attempt(job))
    }
  }

  async #attempt(job: Job): Promise<void> {
    const posted = await this.once(job.url, job.message)
    const left = (this.#underWay.get(job.receiver) ?? 1) - 1
    if (left === 0) this.#underWay.delete(job.receiver)
    else this.#underWay.set(job.receiver, left)
    this.#ended(job, posted)
    this.#next()
  }

  #ended(job: Job, { problem, again }: Posted): void {
    if (problem === null) {
      this.#delivered++
      this.#queued--
      if (this.#failing.delete(job.receiver)) {
        this.#warn('alert-receiver-restored', `${job.receiver} takes alerts again`)
      }
      return
    }
    const { attempts, giveUpMs, backoffMs } = this.#limits
    const wait = backoffMs * 4 ** (job.attempt - 1)
    const isLate = performance.now() - job.since + wait > giveUpMs
    if (!again || job.attempt >= attempts || isLate || this.#closing.signal.aborted) {
      this.#failed++
      this.#queued--
      this.#problem = `${job.receiver}: ${problem.message}`
      if (!this.#failing.has(job.receiver) && !this.#closing.signal.aborted) {
        if (this.#failing.size < maxFailing) this.#failing.add(job.receiver)
        this.#warn('alert-not-delivered', `an alert was given up, and those after it may be: ${this.#problem}`)
      }
      return
    }
    this.#retried++
    this.#track(this.#later({ ...job, attempt: job.attempt + 1 }, wait))
  }

  async #later(job: Job, wait: number): Promise<void> {
    try {
      await sleep(wait, undefined, { signal: this.#closing.signal, ref: false })
      this.#waiting.push(job)
      this.#next()
    } catch {
      // Closing is the one thing that ends the wait.
      this.#dropped++
      this.#queued--
    }
  }

  #track(work: Promise<void>): void {
    this.#pending.add(work)
    void work.finally(() => this.#pending.delete(work))
  }
}

interface Job {
  readonly url: string
  readonly receiver: string
  readonly message: Message
  readonly attempt: number
  /** By the monotonic clock. */
  readonly since: number
}
