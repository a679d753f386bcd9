import { Worker } from 'node:worker_threads'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import type { MetricFamily } from '../observe/exposition.ts'
import type { SpanBatch } from '../observe/recording.ts'
import type { RollupMessage } from '../observe/rollup.ts'
import { addLosses, LossCount } from './losses.ts'
import type { FromObserver, Losses, ObserverAnswers, ObserverPlan, ObserverQuestion, ToObserver } from './protocol.ts'

export interface ObserverHooks {
  /** Trouble, once for each kind in a while. */
  warn(code: string, message: string): void
}

/** The main thread's side of the observer. Nothing here waits for it, but who asks a question. */
export interface ObserverHandle {
  configure(plan: ObserverPlan): void
  rollup(message: RollupMessage): void
  spans(batch: SpanBatch): void
  metrics(at: number, families: readonly MetricFamily[]): void
  /** @param done called at once: `bytes` may be written again */
  log(sink: string, bytes: Uint8Array, records: number, done: () => void): void
  /** Rejects with `monitoring-*`. */
  ask<K extends ObserverQuestion['kind']>(
    question: Extract<ObserverQuestion, { readonly kind: K }>,
  ): Promise<ObserverAnswers[K]>
  /** Since this was opened, over all threads. */
  losses(): Losses
  /** What is on its way to the thread, by what it is: messages, transactions, lines, questions. */
  queues(): Readonly<Record<string, number>>
  /** Sends away and writes what there is, at most for this long. */
  close(timeoutMs: number): Promise<void>
  /** Ends the thread without a word, as a crash would; another one begins. For tests of its death. */
  terminate(): Promise<void>
}

export function openObserver(hooks: ObserverHooks): ObserverHandle {
  return new Handle(hooks)
}

/** What may be on its way to the thread. (I10) */
const bounds = { rollups: 240, rows: 20_000, transactions: 4_096, logBytes: 8 * 1024 * 1024, questions: 256 }

const restartMs = 1_000
const warnAgainMs = 10 * 60_000
const warnedAtMost = 100
/** A question over more than this is answered by nobody in time to be of use. */
const questionMs = 30_000
/** What a thread that has been told its time is over may still need. */
const endMs = 1_000
const heapMb = 512

interface Question {
  readonly resolve: (result: ObserverAnswers[ObserverQuestion['kind']]) => void
  readonly reject: (error: PosternError) => void
  readonly timer: NodeJS.Timeout
}

class Handle implements ObserverHandle {
  readonly #hooks: ObserverHooks
  #plan: ObserverPlan | null = null
  #thread: Worker | null = null
  #startedAt = Number.NEGATIVE_INFINITY
  #restart: NodeJS.Timeout | null = null
  #closing: { readonly done: () => void } | null = null
  #ticket = 0
  readonly #questions = new Map<number, Question>()
  readonly #logs = new Map<number, { readonly sink: string; readonly bytes: number; readonly records: number }>()
  #logBytes = 0
  /** On their way, in their order. */
  #rollups: { readonly requests: number; readonly rows: number }[] = []
  #rows = 0
  #spans: number[] = []
  #transactions = 0
  #metrics = 0
  /** Counted while there was no thread. */
  #early: RollupMessage[] = []
  /** Requests that the thread holds in memory. */
  #waiting = 0
  readonly #lost = new LossCount()
  #lostThere: Losses | null = null
  readonly #warned = new Map<string, number>()

  constructor(hooks: ObserverHooks) {
    this.#hooks = hooks
  }

  configure(plan: ObserverPlan): void {
    this.#plan = plan
    if (this.#closing !== null) return
    if (this.#thread === null) {
      if (this.#restart === null) this.#start()
    } else this.#post({ type: 'configure', plan })
  }

  rollup(message: RollupMessage): void {
    if (message.rows.length === 0 || this.#plan?.monitoring == null) return
    const requests = message.rows.reduce((sum, { counts }) => sum + counts.requests, 0)
    const ended = this.#closing !== null
    if (ended || this.#rollups.length >= bounds.rollups || this.#rows + message.rows.length > bounds.rows) {
      this.#lost.rollupRequests += requests
      if (!ended) this.#behind('rollups')
      return
    }
    this.#rollups.push({ requests, rows: message.rows.length })
    this.#rows += message.rows.length
    if (this.#thread === null) this.#early.push(message)
    else this.#post({ type: 'rollup', message })
  }

  spans(batch: SpanBatch): void {
    const { transactions } = batch
    if (this.#thread === null || this.#transactions + transactions > bounds.transactions) {
      this.#lost.spans += transactions
      this.#behind('spans')
      return
    }
    this.#spans.push(transactions)
    this.#transactions += transactions
    this.#post({ type: 'spans', batch })
  }

  metrics(at: number, families: readonly MetricFamily[]): void {
    if (this.#thread === null || this.#metrics > 0) {
      this.#lost.metricExports++
      this.#behind('metrics')
      return
    }
    this.#metrics++
    this.#post({ type: 'metrics', at, families })
  }

  log(sink: string, bytes: Uint8Array, records: number, done: () => void): void {
    const ended = this.#thread === null || this.#closing !== null
    if (ended || this.#logBytes + bytes.length > bounds.logBytes) {
      done()
      this.#lost.log(sink, records)
      if (!ended) this.#behind('log lines')
      return
    }
    const copy = new Uint8Array(bytes)
    done()
    const ticket = ++this.#ticket
    this.#logs.set(ticket, { sink, bytes: copy.length, records })
    this.#logBytes += copy.length
    this.#post({ type: 'log', ticket, sink, bytes: copy, records }, [copy.buffer])
  }

  ask<K extends ObserverQuestion['kind']>(
    question: Extract<ObserverQuestion, { readonly kind: K }>,
  ): Promise<ObserverAnswers[K]> {
    if (this.#thread === null || this.#closing !== null || this.#questions.size >= bounds.questions) {
      const why = this.#questions.size >= bounds.questions ? 'too many questions wait' : 'its thread is not running'
      return Promise.reject(unavailable(why))
    }
    const ticket = ++this.#ticket
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#questions.delete(ticket)
        reject(unavailable(`there was no answer within ${questionMs / 1000} seconds`))
      }, questionMs)
      // The answer of a ticket is of the kind of its question: the thread has one table of them.
      const resolved = resolve as Question['resolve']
      this.#questions.set(ticket, { resolve: resolved, reject, timer })
      this.#post({ type: 'ask', ticket, question })
    })
  }

  losses(): Losses {
    return this.#lostThere === null ? this.#lost.sum : addLosses(this.#lost.sum, this.#lostThere)
  }

  queues(): Readonly<Record<string, number>> {
    return {
      rollups: this.#rollups.length,
      spans: this.#transactions,
      logs: this.#logs.size,
      questions: this.#questions.size,
    }
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.#closing !== null) return
    if (this.#restart !== null) clearTimeout(this.#restart)
    const thread = this.#thread
    const ended = new Promise<void>((done) => {
      this.#closing = { done }
    })
    if (thread === null) {
      for (const { requests } of this.#rollups) this.#lost.rollupRequests += requests
      return
    }
    this.#post({ type: 'close', timeoutMs })
    const timer = setTimeout(() => {
      this.#warn('observer-stuck', `the thread of monitoring did not end within ${timeoutMs} ms and was cut off`)
      void thread.terminate()
    }, timeoutMs + endMs)
    await ended
    clearTimeout(timer)
  }

  async terminate(): Promise<void> {
    await this.#thread?.terminate()
  }

  #start(): void {
    this.#restart = null
    if (this.#plan === null) return
    this.#startedAt = performance.now()
    const thread = new Worker(new URL('./thread.ts', import.meta.url), {
      name: 'postern-observer',
      resourceLimits: { maxOldGenerationSizeMb: heapMb },
    })
    let failure: unknown = null
    thread.on('message', (message: FromObserver) => this.#received(message))
    thread.on('error', (error) => (failure = error))
    thread.on('exit', (code) => this.#exited(failure ?? new Error(`it ended with code ${code}`)))
    this.#thread = thread
    this.#post({ type: 'configure', plan: this.#plan })
    for (const message of this.#early.splice(0)) this.#post({ type: 'rollup', message })
  }

  #received(message: FromObserver): void {
    switch (message.type) {
      case 'taken':
        this.#waiting = message.waiting
        if (message.what === 'rollup') this.#rows -= this.#rollups.shift()?.rows ?? 0
        else if (message.what === 'spans') this.#transactions -= this.#spans.shift() ?? 0
        else this.#metrics--
        break
      case 'waiting':
        this.#waiting = message.waiting
        break
      case 'log-done': {
        this.#logBytes -= this.#logs.get(message.ticket)?.bytes ?? 0
        this.#logs.delete(message.ticket)
        break
      }
      case 'answer':
        this.#settle(message.ticket)?.resolve(message.result)
        break
      case 'refused':
        this.#settle(message.ticket)?.reject(new PosternError(message.code, message.message))
        break
      case 'losses':
        this.#lostThere = message.losses
        break
      case 'warning':
        // Who sends away says itself when something is new; only the same words are not said again.
        this.#warn(message.code, message.message, `${message.code} ${message.message}`)
        break
      case 'closed':
        // What it held is written, or counted as lost there; connections that are left open keep it from ending by itself.
        this.#waiting = 0
        void this.#thread?.terminate()
        break
      default:
        message satisfies never
    }
  }

  #settle(ticket: number): Question | undefined {
    const question = this.#questions.get(ticket)
    this.#questions.delete(ticket)
    clearTimeout(question?.timer)
    return question
  }

  #exited(failure: unknown): void {
    this.#thread = null
    for (const ticket of [...this.#questions.keys()]) {
      this.#settle(ticket)?.reject(unavailable(`its thread has ended: ${messageOf(failure)}`))
    }
    for (const { sink, records } of this.#logs.values()) this.#lost.log(sink, records)
    this.#lost.rollupRequests += this.#waiting + this.#rollups.reduce((sum, { requests }) => sum + requests, 0)
    this.#lost.spans += this.#transactions
    this.#lost.metricExports += this.#metrics
    if (this.#lostThere !== null) this.#lost.add(this.#lostThere)
    this.#lostThere = null
    this.#logs.clear()
    this.#logBytes = 0
    this.#rollups = []
    this.#rows = 0
    this.#spans = []
    this.#transactions = 0
    this.#metrics = 0
    this.#waiting = 0
    if (this.#closing !== null) {
      this.#closing.done()
      return
    }
    const code = codeOf(failure)
    this.#warn(
      'observer-died',
      `the thread of monitoring has ended and begins again: ${code === '' ? '' : `${code}: `}${messageOf(failure)}`,
    )
    const wait = Math.max(this.#startedAt + restartMs - performance.now(), 0)
    this.#restart = setTimeout(() => this.#start(), wait)
    this.#restart.unref()
  }

  #behind(what: string): void {
    const code = `observer-behind-${what.replaceAll(' ', '-')}`
    this.#warn(code, `the thread of monitoring does not keep up: ${what} are dropped and counted`)
  }

  #warn(code: string, message: string, kind: string = code): void {
    const now = performance.now()
    if (now - (this.#warned.get(kind) ?? Number.NEGATIVE_INFINITY) < warnAgainMs) return
    if (this.#warned.size >= warnedAtMost) this.#warned.clear()
    this.#warned.set(kind, now)
    this.#hooks.warn(code, message)
  }

  #post(message: ToObserver, transfer: ArrayBuffer[] = []): void {
    this.#thread?.postMessage(message, transfer)
  }
}

function unavailable(why: string): PosternError {
  return new PosternError('monitoring-unavailable', `monitoring cannot be asked: ${why}`)
}
