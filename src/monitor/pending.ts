import { coarserKey, coarsestKey, isFailed } from '../observe/rollup-key.ts'
import { failedSamples } from '../observe/rollup-samples.ts'
import type { RequestSample, RollupKey, RollupMessage } from '../observe/rollup.ts'
import { addCounts, type Cell, clearCell, emptyCell } from './cells.ts'
import { textOfKey } from './store-keys.ts'

/** What of one row is not written yet; of a minute that runs, what came since it was written last. */
export interface PendingCell {
  readonly key: RollupKey
  readonly cell: Cell
  /** Newest last. */
  samples: readonly RequestSample[]
  /** Something of this minute is in the file already. */
  written: boolean
}

export interface PendingLimits {
  /** Rows of one minute with all their words, over all workers. */
  readonly minuteRows: number
  /** Rows that wait to be written. */
  readonly rows: number
  readonly minuteSamples: number
}

/**
 * What was counted and is not written yet. Rows of a minute that runs stay, emptied, when they were written: they are
 * counted against its limits until it is over.
 */
export class Pending {
  /** By minute since the epoch, then by key. */
  readonly minutes = new Map<number, Map<string, PendingCell>>()
  /** Requests that were given up because too much waited. */
  lost = 0
  /** Requests that were counted under fewer words than their own, by the workers or here. */
  crowded = 0
  /** Requests that wait here. */
  requests = 0
  readonly #limits: PendingLimits
  #rows = 0
  #samples = 0
  #samplesOf = 0

  constructor(limits: PendingLimits) {
    this.#limits = limits
  }

  add({ from, rows, crowded }: RollupMessage): void {
    this.crowded += crowded
    const minute = Math.floor(from / 60_000)
    for (const { key, counts, samples } of rows) {
      const pending = this.#cellOf(minute, key)
      addCounts(pending.cell, counts)
      if (pending.key.target !== key.target || pending.key.method !== key.method) this.crowded += counts.requests
      this.requests += counts.requests
      if (samples.length > 0) this.#keep(minute, pending, samples)
    }
    while (this.#rows > this.#limits.rows && this.minutes.size > 1) this.#giveUp()
  }

  /** It is written. */
  remove(minute: number, texts: readonly string[]): void {
    const cells = this.minutes.get(minute)
    if (cells === undefined) return
    for (const text of texts) {
      const pending = cells.get(text)
      if (pending === undefined) continue
      this.requests -= pending.cell.requests
      // Whoever holds it still must not write it again.
      clearCell(pending.cell)
      pending.samples = []
      cells.delete(text)
      this.#rows--
    }
    if (cells.size === 0) this.minutes.delete(minute)
  }

  /** What came so far is written, and more may come. */
  emptied(minute: number, cells: readonly PendingCell[]): void {
    for (const pending of cells) {
      this.requests -= pending.cell.requests
      clearCell(pending.cell)
      pending.written = true
      if (!isFailed(pending.key)) continue
      if (minute === this.#samplesOf) this.#samples -= pending.samples.length
      pending.samples = []
    }
  }

  /** Rows that wait and have nothing in the file. */
  get unwritten(): number {
    let rows = 0
    for (const cells of this.minutes.values()) for (const { written } of cells.values()) if (!written) rows++
    return rows
  }

  #cellOf(minute: number, key: RollupKey): PendingCell {
    let cells = this.minutes.get(minute)
    if (cells === undefined) {
      cells = new Map()
      this.minutes.set(minute, cells)
    }
    const { minuteRows } = this.#limits
    let fewer = key
    let text = textOfKey(key)
    if (cells.size >= minuteRows && !cells.has(text)) {
      fewer = coarserKey(key)
      text = textOfKey(fewer)
      if (cells.size >= minuteRows * 2 && !cells.has(text)) {
        fewer = coarsestKey(key, key)
        text = textOfKey(fewer)
      }
    }
    const known = cells.get(text)
    if (known !== undefined) return known
    const fresh: PendingCell = { key: fewer, cell: emptyCell(), samples: [], written: false }
    cells.set(text, fresh)
    this.#rows++
    return fresh
  }

  #keep(minute: number, pending: PendingCell, samples: readonly RequestSample[]): void {
    if (minute !== this.#samplesOf) {
      this.#samplesOf = minute
      this.#samples = 0
    }
    const before = pending.samples.length
    const all = [...pending.samples, ...samples].sort((a, b) => endOf(a) - endOf(b)).slice(-samplesOf(pending.key))
    if (this.#samples + all.length - before > this.#limits.minuteSamples) return
    this.#samples += all.length - before
    pending.samples = all
  }

  #giveUp(): void {
    const oldest = Math.min(...this.minutes.keys())
    const cells = this.minutes.get(oldest)
    if (cells === undefined) return
    for (const pending of cells.values()) {
      this.lost += pending.cell.requests
      this.requests -= pending.cell.requests
      clearCell(pending.cell)
      pending.samples = []
    }
    this.#rows -= cells.size
    this.minutes.delete(oldest)
  }
}

/** Samples of one key that a minute keeps. */
function samplesOf(key: RollupKey): number {
  return isFailed(key) ? failedSamples : 1
}

/** There is something that no file has. The sample of what went well is one of its minute, and waits for its end. */
export function isWaiting({ key, cell, samples }: PendingCell): boolean {
  return cell.requests > 0 || (samples.length > 0 && isFailed(key))
}

/** A sample belongs to the time its request was counted in. */
export function endOf(sample: RequestSample): number {
  return Math.round(sample.at + sample.totalMs)
}
