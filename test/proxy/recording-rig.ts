import { randomBytes } from 'node:crypto'
import { serialize } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { createLogMemory } from '../../src/observe/log-segments.ts'
import { createMetricsBuffer } from '../../src/observe/metrics-writer.ts'
import type { RecordedStep, RecordedTransaction, RecordingOrder } from '../../src/observe/recording.ts'
import type { GenerationPlan, ListenerPlan, TargetTlsPlan } from '../../src/proxy/plan.ts'
import type { FromWorker, ToWorker, WorkerData } from '../../src/worker/protocol.ts'

/** Workers as the gateway runs them, and a main thread that is the test: it posts plans and orders, and gets what is recorded. */
export interface RecordingRig extends AsyncDisposable {
  /** Of the listener `http`, which speaks HTTP/2 by prior knowledge as well. */
  readonly port: number
  readonly recorded: readonly RecordedTransaction[]
  /** Native access lines so far. */
  readonly lines: () => readonly Readonly<Record<string, unknown>>[]
  /** Told that there was no room for. */
  readonly lost: number
  plan(change: PlanParts): Promise<void>
  /** Every worker has them when it returns, and has told what it had recorded. */
  order(orders: readonly RecordingOrder[]): Promise<void>
  /** The next transactions that no call has returned yet. */
  next(count: number): Promise<readonly RecordedTransaction[]>
  /** One transaction that was recorded of that path, sooner or later. */
  of(uri: string): Promise<RecordedTransaction>
  /** Whether it is told when transactions have been taken. */
  acknowledging: boolean
}

export type PlanParts = Pick<GenerationPlan, 'targets' | 'proxies'> &
  Partial<Omit<GenerationPlan, 'targets' | 'proxies'>>

export async function startRecordingRig(parts: PlanParts, workers = 1): Promise<RecordingRig> {
  const threads: Thread[] = []
  const recorded: RecordedTransaction[] = []
  const log: string[] = []
  const waiting = new Set<() => void>()
  const ticketKeys = randomBytes(48)
  let ports: Readonly<Record<string, number>> = {}
  let generation = 0
  let taken = 0
  let lost = 0
  const heard = (thread: Thread, message: FromWorker): void => {
    if (message.type === 'recorded') {
      const { transactions, spans } = message.batch
      const bare = JSON.parse(spans?.text ?? '[]') as readonly RecordedTransaction[]
      recorded.push(...transactions, ...bare)
      lost += message.batch.lost
      if (rig.acknowledging) thread.post({ type: 'took', transactions: transactions.length + bare.length })
      for (const wake of waiting) wake()
    } else if (message.type === 'log') {
      const { segment, length } = message.message
      log.push(thread.logText(segment, length))
      thread.post({ type: 'acknowledge', segment })
    }
  }
  const when = async (ready: () => boolean): Promise<void> => {
    while (!ready()) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          waiting.delete(wake)
          resolve()
        }
        waiting.add(wake)
      })
    }
  }
  const rig: RecordingRig = {
    get port() {
      return ports['http'] ?? 0
    },
    recorded,
    lines: () =>
      log
        .join('')
        .split('\n')
        .filter((line) => line.includes('"type":"access"'))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    get lost() {
      return lost
    },
    acknowledging: true,
    async plan(change) {
      const plan = generationPlan(++generation, change)
      for (const thread of threads) ports = { ...ports, ...(await thread.run(plan, ports)) }
    },
    async order(orders) {
      for (const thread of threads) thread.post({ type: 'record', orders })
      // What is asked afterwards is answered afterwards.
      for (const thread of threads) await thread.turn()
    },
    async next(count) {
      await when(() => recorded.length >= taken + count)
      taken += count
      return recorded.slice(taken - count, taken)
    },
    async of(uri) {
      const found = (): RecordedTransaction | undefined => recorded.find((each) => each.uri === uri)
      await when(() => found() !== undefined)
      return found() as RecordedTransaction
    },
    async [Symbol.asyncDispose]() {
      for (const thread of threads) await thread.end()
    },
  }
  for (let worker = 0; worker < workers; worker++) threads.push(new Thread(worker, ticketKeys, heard))
  await rig.plan(parts)
  return rig
}

/** Slots of an order: `[taken, most]`. */
export function slots(most: number): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(8)
  new Int32Array(shared)[1] = most
  return shared
}

export function takenOf({ slots: shared }: RecordingOrder): number {
  return new Int32Array(shared)[0] ?? 0
}

/** An order for everything of proxy `p` of `acme` / `test`. */
export function order(change: Partial<RecordingOrder> = {}): RecordingOrder {
  return {
    session: 's1',
    organization: 'acme',
    environment: 'test',
    proxy: 'p',
    revision: null,
    headers: [],
    query: [],
    statuses: [],
    failuresOnly: false,
    bodyBytes: 1024,
    transactionBytes: 100_000,
    until: Date.now() + 600_000,
    slots: slots(100),
    ...change,
  }
}

/** Steps of one type, in their order. */
export function stepsOf<T extends RecordedStep['type']>(
  { steps }: RecordedTransaction,
  type: T,
): readonly Extract<RecordedStep, { type: T }>[] {
  return steps.filter((step): step is Extract<RecordedStep, { type: T }> => step.type === type)
}

export function typesOf({ steps }: RecordedTransaction): readonly string[] {
  return steps.map(({ type }) => type)
}

export function tlsPlan(anchor: string, change: Partial<TargetTlsPlan> = {}): TargetTlsPlan {
  return {
    snapshotId: 'snapshot-1',
    anchors: [anchor],
    intermediates: [],
    partialChain: false,
    serverName: 'backend.test',
    verifyNames: ['backend.test'],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: null,
    alpn: ['http/1.1'],
    clientCertificate: null,
    skipChain: false,
    skipName: false,
    exceptions: [],
    resumption: false,
    revocation: { mode: 'off' },
    onTrustChange: 'drain',
    ...change,
  }
}

class Thread {
  readonly #thread: Worker
  readonly #logMemory = createLogMemory()
  readonly #answers: ((message: FromWorker) => void)[] = []

  constructor(worker: number, ticketKeys: Uint8Array, heard: (thread: Thread, message: FromWorker) => void) {
    const workerData: WorkerData = { worker, ticketKeys, hostName: 'test', logMemory: this.#logMemory }
    this.#thread = new Worker(new URL('../../src/worker/main.ts', import.meta.url), { workerData })
    this.#thread.on('message', (message: FromWorker) => {
      if (message.type === 'built' || message.type === 'build-failed' || message.type === 'committed') {
        this.#answers.shift()?.(message)
      } else {
        heard(this, message)
      }
    })
  }

  post(message: ToWorker): void {
    this.#thread.postMessage(message)
  }

  logText(segment: number, length: number): string {
    const memory = this.#logMemory[segment]
    return memory === undefined ? '' : Buffer.from(memory, 0, length).toString('utf8')
  }

  async run(plan: GenerationPlan, ports: Readonly<Record<string, number>>): Promise<Readonly<Record<string, number>>> {
    const bytes = serialize(plan)
    const shared = new SharedArrayBuffer(bytes.length)
    new Uint8Array(shared).set(bytes)
    const metrics = createMetricsBuffer({ proxies: plan.proxies.length, targets: plan.targets.length })
    const built = await this.#ask({ type: 'build', generation: plan.generation, plan: shared, ports, metrics })
    if (built.type !== 'built') throw new Error(JSON.stringify(built))
    await this.#ask({ type: 'commit', generation: plan.generation })
    return built.ports
  }

  /** What was posted before has been read: a commit without anything built is answered, and changes nothing. */
  async turn(): Promise<void> {
    await this.#ask({ type: 'commit', generation: 0 })
  }

  async end(): Promise<void> {
    await this.#thread.terminate()
  }

  #ask(message: ToWorker): Promise<FromWorker> {
    const answer = new Promise<FromWorker>((resolve) => this.#answers.push(resolve))
    this.post(message)
    return answer
  }
}

const listener: ListenerPlan = {
  name: 'http',
  address: '127.0.0.1',
  port: 0,
  tls: null,
  h2c: true,
  probes: false,
  faults: 'native',
  faultDetail: 'standard',
  limits: {
    requestLineBytes: 8192,
    headerBytes: 32_768,
    headerCount: 100,
    connections: 1000,
    bodyBytes: null,
    streams: 100,
  },
  timeouts: { headMs: 10_000, bodyIdleMs: 10_000, keepAliveMs: 10_000, handshakeMs: 10_000, tunnelIdleMs: 10_000 },
  forwarded: { headers: 'none', trustedProxies: [] },
}

function generationPlan(generation: number, parts: PlanParts): GenerationPlan {
  return {
    generation,
    organization: 'acme',
    environment: 'test',
    region: '',
    listeners: [listener],
    logs: [{ format: 'native', sink: { kind: 'stdout' } }],
    diagnosis: { live: false, waitMs: 0 },
    monitoring: false,
    tracing: null,
    drains: {},
    trustChanged: false,
    ...parts,
  }
}
