import type { RollupMessage } from '../observe/rollup.ts'
import type { WorkerRuntime } from './runtime.ts'

/** Open connections of one worker to backends: counted as they open and close, whatever became of their pool meanwhile. */
export class ConnectionCounts {
  /** Only what is open has a place here, so it is bounded as the connections are. (I10) */
  readonly #open = new Map<string, { readonly target: string; readonly snapshot: string; open: number }>()

  opened(target: string, snapshot: string): void {
    const key = keyOf(target, snapshot)
    const known = this.#open.get(key)
    if (known === undefined) this.#open.set(key, { target, snapshot, open: 1 })
    else known.open++
  }

  closed(target: string, snapshot: string): void {
    const key = keyOf(target, snapshot)
    const known = this.#open.get(key)
    if (known === undefined) return
    known.open--
    if (known.open === 0) this.#open.delete(key)
  }

  all(): RollupMessage['connections'] {
    return [...this.#open.values()].map((count) => ({ ...count }))
  }
}

/** Connections open to backends, by target and trust snapshot ('' for plain HTTP); those of retired pools are among them. */
export function connectionsBySnapshot({ connections }: WorkerRuntime): RollupMessage['connections'] {
  return connections.all()
}

const keyOf = (target: string, snapshot: string): string => `${snapshot}\n${target}`
