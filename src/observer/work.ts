import { PosternError } from '../core/errors.ts'
import { Store } from '../monitor/store.ts'
import type { MetricFamily } from '../observe/exposition.ts'
import type { RecordedTransaction, SpanBatch } from '../observe/recording.ts'
import type { RollupMessage } from '../observe/rollup.ts'
import { LossCount } from './losses.ts'
import type { FromObserver, ObserverAnswers, ObserverPlan, ObserverQuestion } from './protocol.ts'
import { Telemetry } from './telemetry.ts'

/** What the observer thread does, one plan after the other. */
export class ObserverWork {
  readonly #send: (message: FromObserver) => void
  #store: Store | null = null
  readonly #telemetry: Telemetry
  /** Of stores that are closed, and of what found none. */
  readonly #lost = new LossCount()
  #reported = ''

  constructor(send: (message: FromObserver) => void) {
    this.#send = send
    this.#telemetry = new Telemetry((code, message) => send({ type: 'warning', code, message }))
  }

  /** Requests whose rollups are in memory and in no file yet. */
  get waiting(): number {
    return this.#store?.waiting ?? 0
  }

  configure(plan: ObserverPlan): void {
    this.#telemetry.configure(plan)
    const { monitoring } = plan
    if (this.#store !== null && this.#store.file !== monitoring?.file) this.#closeStore()
    if (monitoring !== null) {
      if (this.#store === null) {
        this.#store = new Store(monitoring, { warn: (code, message) => this.#send({ type: 'warning', code, message }) })
      } else this.#store.configure(monitoring)
    }
  }

  rollup(message: RollupMessage): void {
    if (this.#store !== null) this.#store.add(message)
    else for (const { counts } of message.rows) this.#lost.rollupRequests += counts.requests
  }

  spans({ text }: SpanBatch): void {
    // Of our own making: a worker has written it.
    this.#telemetry.spans(JSON.parse(text) as readonly RecordedTransaction[])
  }

  metrics(at: number, families: readonly MetricFamily[]): void {
    this.#telemetry.metrics(at, families)
  }

  log(sink: string, bytes: Uint8Array, records: number): void {
    this.#telemetry.log(sink, bytes, records)
  }

  answer(question: ObserverQuestion): ObserverAnswers[ObserverQuestion['kind']] {
    const store = this.#store
    if (store === null) throw new PosternError('monitoring-off', 'monitoring is switched off: nothing is counted')
    switch (question.kind) {
      case 'aggregate':
        return store.aggregate(question.query)
      case 'samples':
        return store.samples(question.query)
      case 'find':
        return store.find(question.id)
      case 'health':
        return store.health()
      default:
        return question satisfies never
    }
  }

  /** Once a second. */
  tick(): void {
    this.#store?.tick()
    this.report()
  }

  /** Says what was lost, if that has changed. */
  report(): void {
    const count = new LossCount()
    count.add(this.#lost.sum)
    count.rollupRequests += this.#store?.lost ?? 0
    count.add(this.#telemetry.losses)
    const losses = count.sum
    const text = JSON.stringify(losses)
    if (text === this.#reported) return
    this.#reported = text
    this.#send({ type: 'losses', losses })
  }

  async close(timeoutMs: number): Promise<void> {
    // First what waits for nobody.
    this.#closeStore()
    await this.#telemetry.close(timeoutMs)
  }

  #closeStore(): void {
    this.#store?.close()
    this.#lost.rollupRequests += this.#store?.lost ?? 0
    this.#store = null
  }
}
