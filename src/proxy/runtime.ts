import { Resolver } from '../dial/resolver.ts'
import type { AccessRecord, PosternEvent } from '../observe/events.ts'
import type { LogBatcher } from '../observe/log-batcher.ts'
import type { RecordedBatch, RecordingOrder } from '../observe/recording.ts'
import type { RollupWriter } from '../observe/rollup-writer.ts'
import { ConnectionCounts } from './connection-counts.ts'
import { Consultation } from './consultation.ts'
import type { ControlPort } from './control-port.ts'
import { Deadlines } from './deadlines.ts'
import type { Generation, ProxyRuntime } from './generation.ts'
import type { Pool } from './pool.ts'
import { Recorder } from './recorder.ts'
import { RecordingOrders } from './recording-orders.ts'
import { RequestIds } from './request-id.ts'
import { SeenChains } from './seen-chains.ts'

type EventBody = PosternEvent extends infer E ? (E extends PosternEvent ? Omit<E, 'at' | 'worker'> : never) : never

interface Flushable {
  flush(): void
}

/** What the connections of one worker share. */
export class WorkerRuntime {
  readonly worker: number
  readonly deadlines = new Deadlines()
  /** Open ones, to backends. */
  readonly connections = new ConnectionCounts()
  readonly resolver: Resolver
  /** Exact causes for failed dials. */
  readonly consultation: Consultation
  readonly seenChains: SeenChains
  /** Retired pools whose requests have longer than the drain time. */
  readonly lingering = new Set<Pool>()
  /** What readiness probes are told. */
  ready = true
  draining = false
  /** Counts finished requests for monitoring; null: nobody asks. */
  rollups: RollupWriter | null = null
  /** Requests told one by one: for debug sessions, and for the spans of distributed traces. */
  readonly recorder: Recorder
  readonly #orders = new RecordingOrders()
  #ids: RequestIds | null = null
  #generation: Generation | null = null
  #logs: LogBatcher | null = null
  #dateSecond = 0
  #date = ''
  readonly #dirty = new Set<Flushable>()

  /**
   * @param port null: nobody diagnoses, and nobody keeps what was seen
   * @param recorded where what was recorded is told
   */
  constructor(worker: number, port: ControlPort | null = null, recorded: (batch: RecordedBatch) => void = () => {}) {
    this.worker = worker
    this.recorder = new Recorder(recorded)
    this.resolver = new Resolver(worker)
    this.consultation = new Consultation(port)
    this.seenChains = new SeenChains(port)
  }

  /** The generation in force. Listeners accept nobody before there is one. */
  get generation(): Generation {
    if (this.#generation === null) throw new Error('no generation is in force')
    return this.#generation
  }

  get ids(): RequestIds {
    if (this.#ids === null) throw new Error('no generation is in force')
    return this.#ids
  }

  get current(): Generation | null {
    return this.#generation
  }

  /** From here on every request is served by `generation`. */
  commit(generation: Generation, logs: LogBatcher): void {
    this.#logs?.flush()
    this.#generation = generation
    this.#logs = logs
    this.consultation.configure(generation.plan.diagnosis)
    this.recorder.configure(generation.plan.tracing)
    this.#orders.apply(generation.proxies)
    this.#ids ??= new RequestIds(generation.plan.organization, this.worker)
  }

  /** All debug sessions that run. */
  record(orders: readonly RecordingOrder[]): void {
    // What has ended before is told before.
    this.recorder.flush()
    this.#orders.set(orders, this.#generation?.proxies ?? [])
  }

  /** Flushes a client at the end of this turn of the event loop, once. */
  flushLater(client: Flushable): void {
    if (this.#dirty.size === 0) setImmediate(() => this.#flushDirty())
    this.#dirty.add(client)
  }

  /** Value of a Date field, made once a second. */
  date(): string {
    const second = Math.floor(Date.now() / 1000)
    if (second !== this.#dateSecond) {
      this.#dateSecond = second
      this.#date = new Date(second * 1000).toUTCString()
    }
    return this.#date
  }

  /** A request has ended: counted and logged. */
  finished(record: AccessRecord, route: ProxyRuntime | null): void {
    const { generation } = this
    const { metrics } = generation
    const index = this.#rowOf(route, generation)
    metrics.request(index, record.status)
    if (record.fault !== null)
      metrics.fault(generation.targetIndex.get(record.backend?.target ?? '') ?? -1, record.fault)
    this.rollups?.count(record, index)
    const logs = this.#logs
    if (logs === null) return
    for (let sink = 0; sink < generation.logs.length; sink++) {
      const output = generation.logs[sink]
      if (output !== undefined) logs.append(sink, output.access(record))
    }
  }

  /** A request is sent again, without a policy that says so. */
  retried(target: string): void {
    const { generation } = this
    generation.metrics.retried(generation.targetIndex.get(target) ?? -1)
  }

  event(body: EventBody): void {
    const logs = this.#logs
    if (logs === null || this.#generation === null) return
    const event = { at: Date.now(), worker: this.worker, ...body } as PosternEvent
    this.#generation.logs.forEach((output, sink) => logs.append(sink, output.event(event)))
  }

  logDropped(records: number): void {
    this.#generation?.metrics.logDropped(records)
  }

  close(): void {
    this.deadlines.close()
    this.resolver.close()
    this.recorder.flush()
    this.#logs?.flush()
  }

  #flushDirty(): void {
    const dirty = [...this.#dirty]
    this.#dirty.clear()
    for (const client of dirty) client.flush()
  }

  #rowOf(route: ProxyRuntime | null, generation: Generation): number {
    if (route === null) return -1
    // A request that began under an earlier generation is counted under the proxy's row of today.
    return route.generation === generation.plan.generation
      ? route.index
      : (generation.proxyIndex.get(route.plan.key) ?? -1)
  }
}
