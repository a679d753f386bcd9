import { PosternError } from '../core/errors.ts'
import { Store } from '../monitor/store.ts'
import type { MetricFamily } from '../observe/exposition.ts'
import type { RecordedTransaction } from '../observe/recording.ts'
import type { RollupMessage } from '../observe/rollup.ts'
import { LossCount } from './losses.ts'
import type { Outlet } from './outlet.ts'
import type { FromObserver, ObserverAnswers, ObserverPlan, ObserverQuestion } from './protocol.ts'

/** What the observer thread does, one plan after the other. */
export class ObserverWork {
  readonly #send: (message: FromObserver) => void
  #store: Store | null = null
  readonly #outlets = new Map<string, { readonly plan: string; readonly outlet: Outlet }>()
  /** Of stores and outlets that are closed, and of what found none. */
  readonly #lost = new LossCount()
  #reported = ''

  constructor(send: (message: FromObserver) => void) {
    this.#send = send
  }

  /** Requests whose rollups are in memory and in no file yet. */
  get waiting(): number {
    return this.#store?.waiting ?? 0
  }

  configure(plan: ObserverPlan): void {
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

  spans(transactions: readonly RecordedTransaction[]): void {
    this.#lost.spans += transactions.length
  }

  metrics(_at: number, _families: readonly MetricFamily[]): void {
    this.#lost.metricExports++
  }

  log(sink: string, bytes: Uint8Array, records: number): void {
    const open = this.#outlets.get(sink)
    if (open === undefined) this.#lost.log(sink, records)
    else open.outlet.write(bytes, records)
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
    for (const [sink, { outlet }] of this.#outlets) if (outlet.dropped > 0) count.log(sink, outlet.dropped)
    const losses = count.sum
    const text = JSON.stringify(losses)
    if (text === this.#reported) return
    this.#reported = text
    this.#send({ type: 'losses', losses })
  }

  async close(timeoutMs: number): Promise<void> {
    // First what waits for nobody.
    this.#closeStore()
    await Promise.all([...this.#outlets.values()].map(({ outlet }) => outlet.close(timeoutMs)))
  }

  #closeStore(): void {
    this.#store?.close()
    this.#lost.rollupRequests += this.#store?.lost ?? 0
    this.#store = null
  }
}
