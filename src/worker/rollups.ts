import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { RollupMessage } from '../observe/rollup.ts'
import { RollupWriter } from '../observe/rollup-writer.ts'
import { connectionsBySnapshot } from '../proxy/connection-counts.ts'
import type { GenerationPlan } from '../proxy/plan.ts'
import type { WorkerRuntime } from '../proxy/runtime.ts'

/** How often the loop is looked at; Node reports the time between looks, so this much is no delay. */
const resolutionMs = 20
const flushMs = 1_000

/** Counting for monitoring, as the generation in force has it. */
export class Rollups {
  readonly #runtime: WorkerRuntime
  readonly #send: (message: RollupMessage) => void
  #running: { readonly stop: () => void } | null = null

  constructor(runtime: WorkerRuntime, send: (message: RollupMessage) => void) {
    this.#runtime = runtime
    this.#send = send
  }

  /** What was counted goes out: names and places of another generation are others. Before that one serves anybody. */
  commit(plan: GenerationPlan): void {
    this.close()
    if (!plan.monitoring) return
    const delay = monitorEventLoopDelay({ resolution: resolutionMs })
    delay.enable()
    const rollups = new RollupWriter({
      worker: this.#runtime.worker,
      organization: plan.organization,
      environment: plan.environment,
      send: this.#send,
      connections: () => connectionsBySnapshot(this.#runtime),
      lag: () => {
        const [p50, p99, max] = [delay.percentile(50), delay.percentile(99), delay.max].map((ns) =>
          Math.max(ns / 1e6 - resolutionMs, 0),
        ) as [number, number, number]
        delay.reset()
        return { p50, p99, max }
      },
    })
    const timer = setInterval(() => rollups.tick(), flushMs).unref()
    this.#runtime.rollups = rollups
    this.#running = {
      stop: () => {
        clearInterval(timer)
        rollups.flush()
        delay.disable()
      },
    }
  }

  close(): void {
    this.#runtime.rollups = null
    this.#running?.stop()
    this.#running = null
  }
}
