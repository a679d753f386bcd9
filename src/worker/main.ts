import { deserialize } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { codeOf, messageOf } from '../core/errors.ts'
import { LogBatcher } from '../observe/log-batcher.ts'
import { LogSegments } from '../observe/log-segments.ts'
import { buildGeneration, type Generation, retirePools, startChecks } from '../proxy/generation.ts'
import { ListenerRuntime, listenerKey } from '../proxy/listeners.ts'
import type { GenerationPlan } from '../proxy/plan.ts'
import { WorkerRuntime } from '../proxy/runtime.ts'
import type { FromWorker, ToWorker, WorkerData } from './protocol.ts'
import { Rollups } from './rollups.ts'

/** A generation that is built and not in force yet. */
interface Built {
  readonly generation: Generation
  readonly opened: readonly ListenerRuntime[]
  readonly changes: readonly (() => void)[]
  readonly kept: ReadonlySet<ListenerRuntime>
}

const { worker, ticketKeys, hostName, logMemory } = workerData as WorkerData
const runtime = new WorkerRuntime(
  worker,
  {
    diagnose: (question) => send({ type: 'diagnose', question }),
    chainSeen: (seen) => send({ type: 'chain-seen', seen }),
  },
  (batch) => send({ type: 'recorded', batch }),
)
const listeners = new Set<ListenerRuntime>()
/** Removed from the configuration while they had clients, whose requests are still served. */
const leaving = new Set<ListenerRuntime>()
let built: Built | null = null
const segments = new LogSegments(logMemory)
const rollups = new Rollups(runtime, (message) => send({ type: 'rollup', message }))

parentPort?.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'build':
      build(message.plan, message.ports, message.metrics).then(
        (ports) => send({ type: 'built', generation: message.generation, ports }),
        (error: unknown) =>
          send({
            type: 'build-failed',
            generation: message.generation,
            code: codeOf(error),
            message: messageOf(error),
          }),
      )
      break
    case 'commit':
      commit()
      send({ type: 'committed', generation: message.generation })
      break
    case 'discard':
      discard()
      break
    case 'acknowledge':
      segments.release(message.segment)
      break
    case 'unready':
      runtime.ready = false
      break
    case 'diagnosed':
      runtime.consultation.answered(message.answer)
      break
    case 'record':
      runtime.record(message.orders)
      break
    case 'took':
      runtime.recorder.took(message.transactions)
      break
    case 'drain':
      drain(message.timeoutMs)
      break
    default:
      message satisfies never
  }
})

async function build(
  shared: SharedArrayBuffer,
  ports: Readonly<Record<string, number>>,
  metrics: SharedArrayBuffer,
): Promise<Record<string, number>> {
  const plan = deserialize(new Uint8Array(shared)) as GenerationPlan
  const opened: ListenerRuntime[] = []
  const chosen: Record<string, number> = {}
  try {
    const context = {
      organization: plan.organization,
      environment: plan.environment,
      region: plan.region,
      hostName,
      pid: process.pid,
    }
    const generation = buildGeneration(plan, runtime.current, runtime, metrics, context)
    const changes: (() => void)[] = []
    const kept = new Set<ListenerRuntime>()
    for (const listener of plan.listeners) {
      const running = [...listeners].find((candidate) => candidate.key === listenerKey(listener))
      if (running !== undefined) {
        kept.add(running)
        changes.push(running.prepare(listener))
        continue
      }
      const fresh = new ListenerRuntime(listener, runtime, Buffer.from(ticketKeys))
      opened.push(fresh)
      const known = ports[listener.name]
      // A listener that changes its name or protocol finds the port taken by what it was.
      const ours = [...listeners].some((other) => other.plan.port === listener.port)
      chosen[listener.name] = await fresh.open(known ?? listener.port, known === undefined && !ours)
    }
    built = { generation, opened, changes, kept }
    return chosen
  } catch (error) {
    for (const listener of opened) listener.close()
    throw error
  }
}

/** Everything at once, in one turn of the event loop: no request sees half of a generation (I3). */
function commit(): void {
  if (built === null) return
  const { generation, opened, changes, kept } = built
  built = null
  const old = runtime.current
  const batcher = new LogBatcher({
    sinks: generation.plan.logs.map((log) => log.sink),
    segments,
    send: (message) => send({ type: 'log', message }),
    onDrop: (records) => runtime.logDropped(records),
  })
  rollups.commit(generation.plan)
  runtime.commit(generation, batcher)
  for (const change of changes) change()
  for (const listener of [...listeners]) {
    if (kept.has(listener)) continue
    listeners.delete(listener)
    listener.drain()
    leaving.add(listener)
  }
  for (const listener of leaving) if (listener.clients.size === 0) leaving.delete(listener)
  for (const listener of opened) {
    listeners.add(listener)
    listener.admit()
  }
  startChecks(old, generation)
  if (old !== null) retirePools(old, generation, runtime)
}

function discard(): void {
  for (const listener of built?.opened ?? []) listener.close()
  built = null
}

/** Finishes what is under way, then says so; at the latest after the timeout. */
function drain(timeoutMs: number): void {
  runtime.draining = true
  for (const listener of listeners) listener.drain()
  const all = [...listeners, ...leaving]
  const until = performance.now() + timeoutMs
  const timer = setInterval(() => {
    const busy = all.some((listener) => listener.clients.size > 0)
    if (busy && performance.now() < until) return
    clearInterval(timer)
    for (const listener of all) listener.close()
    for (const { servers, checks } of runtime.current?.targets.values() ?? []) {
      checks?.close()
      for (const { pool } of servers) pool.retire('cut')
    }
    runtime.close()
    rollups.close()
    send({ type: 'drained' })
  }, 20)
}

function send(message: FromWorker): void {
  parentPort?.postMessage(message)
}
