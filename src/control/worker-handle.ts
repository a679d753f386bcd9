import { serialize } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { PosternError } from '../core/errors.ts'
import type { LogBatch } from '../observe/log-batcher.ts'
import { createLogMemory } from '../observe/log-segments.ts'
import { createMetricsBuffer } from '../observe/metrics-writer.ts'
import type { MetricsRegistry, MetricsSource } from '../observe/metrics.ts'
import type { RecordedBatch, RecordingOrder } from '../observe/recording.ts'
import type { RollupMessage } from '../observe/rollup.ts'
import type { DiagnosisQuestion, ExactCause, SeenChain } from '../proxy/control-port.ts'
import type { GenerationPlan } from '../proxy/plan.ts'
import type { FromWorker, ToWorker, WorkerData } from '../worker/protocol.ts'

export interface WorkerHooks {
  /** Called back with what is known of it, or null. */
  diagnose(question: DiagnosisQuestion): Promise<ExactCause | null>
  chainSeen(seen: SeenChain): void
  log(batch: LogBatch, done: () => void): void
  /** What it has counted for monitoring. */
  rollup?(message: RollupMessage): void
  /** Requests that debug sessions or spans are made of. */
  recorded?(batch: RecordedBatch): void
  /** The thread is gone; `error` says why when it did not end on our word. */
  exited(handle: WorkerHandle, error: Error | null): void
}

/** The main thread's side of one worker. */
export class WorkerHandle {
  readonly worker: number
  readonly #thread: Worker
  readonly #metrics: MetricsRegistry
  #source: MetricsSource | null = null
  #pendingSource: MetricsSource | null = null
  /** Answers awaited, in the order of the questions. */
  readonly #answers: { resolve: (message: FromWorker) => void; reject: (error: Error) => void }[] = []
  #error: Error | null = null
  #ended = false

  constructor(data: Omit<WorkerData, 'logMemory'>, metrics: MetricsRegistry, hooks: WorkerHooks) {
    const logMemory = createLogMemory()
    this.worker = data.worker
    this.#metrics = metrics
    this.#thread = new Worker(new URL('../worker/main.ts', import.meta.url), {
      workerData: { ...data, logMemory } satisfies WorkerData,
      name: `postern-${data.worker}`,
    })
    this.#thread.on('message', (message: FromWorker) => {
      if (message.type === 'diagnose') {
        const { id } = message.question
        void hooks.diagnose(message.question).then((cause) => this.#send({ type: 'diagnosed', answer: { id, cause } }))
      } else if (message.type === 'chain-seen') {
        hooks.chainSeen(message.seen)
      } else if (message.type === 'log') {
        const { sink, segment, length, records } = message.message
        const memory = logMemory[segment]
        if (memory === undefined) return
        const bytes = new Uint8Array(memory, 0, length)
        hooks.log({ sink, bytes, records }, () => this.#send({ type: 'acknowledge', segment }))
      } else if (message.type === 'rollup') {
        hooks.rollup?.(message.message)
      } else if (message.type === 'recorded') {
        const { transactions, spans } = message.batch
        hooks.recorded?.(message.batch)
        this.#send({ type: 'took', transactions: transactions.length + (spans?.transactions ?? 0) })
      } else {
        this.#answers.shift()?.resolve(message)
      }
    })
    this.#thread.on('error', (error) => {
      this.#error = error instanceof Error ? error : new Error(String(error))
    })
    this.#thread.on('exit', (code) => {
      this.#ended = true
      const error = this.#error ?? new Error(`the thread ended with code ${code}`)
      for (const answer of this.#answers.splice(0)) answer.reject(error)
      this.#metrics.workerDied(this.worker)
      hooks.exited(this, error)
    })
  }

  /** The thread is gone. */
  get ended(): boolean {
    return this.#ended
  }

  /** It has had a generation in force. */
  get served(): boolean {
    return this.#source !== null
  }

  /** Builds a generation beside the running one. @returns the ports of listeners that it opened */
  async build(
    plan: GenerationPlan,
    ports: Readonly<Record<string, number>>,
  ): Promise<Readonly<Record<string, number>>> {
    const proxies = plan.proxies.map((proxy) => proxy.key)
    const targets = plan.targets.map((target) => target.name)
    const buffer = createMetricsBuffer({ proxies: proxies.length, targets: targets.length })
    const answer = await this.#ask(
      { type: 'build', generation: plan.generation, plan: written(plan), ports, metrics: buffer },
      buildTimeoutMs,
    )
    if (answer.type === 'build-failed') {
      const code = answer.code === '' ? 'generation-refused' : answer.code
      throw new PosternError(code, answer.message, { evidence: { refusedBy: 'worker' } })
    }
    this.#pendingSource = { worker: this.worker, buffer, proxies, targets }
    return answer.type === 'built' ? answer.ports : {}
  }

  async commit(generation: number): Promise<void> {
    // Attached before the worker counts into it, so nothing it counts is unseen.
    if (this.#pendingSource !== null) this.#metrics.attach(this.#pendingSource)
    await this.#ask({ type: 'commit', generation }, commitTimeoutMs)
    if (this.#source !== null) this.#metrics.retire(this.#source)
    this.#source = this.#pendingSource
    this.#pendingSource = null
  }

  discard(generation: number): void {
    this.#pendingSource = null
    this.#send({ type: 'discard', generation })
  }

  /** The debug sessions that run. */
  record(orders: readonly RecordingOrder[]): void {
    this.#send({ type: 'record', orders })
  }

  /** Readiness probes are answered with 503 from now on; everything else goes on. */
  unready(): void {
    this.#send({ type: 'unready' })
  }

  async drain(timeoutMs: number): Promise<void> {
    await this.#ask({ type: 'drain', timeoutMs })
  }

  /** Ends the thread without a word to its clients; for the end of the process, and for tests of a worker's death. */
  async terminate(): Promise<void> {
    await this.#thread.terminate()
  }

  /**
   * A worker that does not answer in time is ended: it serves nobody either, and waiting for it would hold up every later
   * change of trust. (I2, I10)
   */
  #ask(message: ToWorker, timeoutMs?: number): Promise<FromWorker> {
    if (this.#ended) return Promise.reject(new PosternError('worker-gone', `worker ${this.worker} has ended`))
    const answer = new Promise<FromWorker>((resolve, reject) => {
      this.#answers.push({ resolve, reject })
      this.#send(message)
    })
    if (timeoutMs === undefined) return answer
    const timer = setTimeout(() => {
      this.#error = new PosternError('worker-stuck', `it did not answer "${message.type}" within ${timeoutMs} ms`)
      void this.#thread.terminate()
    }, timeoutMs)
    return answer.finally(() => clearTimeout(timer))
  }

  #send(message: ToWorker): void {
    if (!this.#ended) this.#thread.postMessage(message)
  }
}

/** A generation of ten thousand targets takes its time; a commit is one turn of the event loop. */
const buildTimeoutMs = 120_000
const commitTimeoutMs = 10_000

const plansWritten = new WeakMap<GenerationPlan, SharedArrayBuffer>()

/** Lists that parts of a plan share are one list in it, and are again where it is read. */
function written(plan: GenerationPlan): SharedArrayBuffer {
  const known = plansWritten.get(plan)
  if (known !== undefined) return known
  const bytes = serialize(plan)
  const shared = new SharedArrayBuffer(bytes.byteLength)
  new Uint8Array(shared).set(bytes)
  plansWritten.set(plan, shared)
  return shared
}
