import type { MetricFamily, MetricSample } from './exposition.ts'
import type { MetricsLayout } from './metrics-layout.ts'

import { histogramSamples } from './histogram.ts'
import {
  allFaultCodes,
  allVerdictCodes,
  codeClasses,
  handshakeBounds,
  handshakeResults,
  handshakeTimeSlots,
  proxyOffset,
  proxyRow,
  targetOffset,
  targetRow,
  workerRow,
} from './metrics-layout.ts'

/** One worker's counters for one generation, and what its rows are called. */
export interface MetricsSource {
  readonly worker: number
  readonly buffer: SharedArrayBuffer
  /** Names in the generation's order. */
  readonly proxies: readonly string[]
  readonly targets: readonly string[]
}

/** Label of what belongs to no proxy or no target. */
const noName = '(none)'

/**
 * The main thread's side: sums all workers and generations by name. A generation that has ended is folded into its
 * worker's totals, so counters do not fall when the configuration changes, and a connection may open under one
 * generation and close under the next. Names that no configuration in force has are forgotten, so label sets stay
 * bounded (I10).
 */
export class MetricsRegistry {
  #sources = new Set<MetricsSource>()
  #folded = new Map<number, Totals>()
  /** Counters of workers that died; their connections died with them. */
  #dead: Totals = emptyTotals()

  attach(source: MetricsSource): void {
    this.#sources.add(source)
  }

  /** The worker has finished the last request of this generation; its buffer is not read again. */
  retire(source: MetricsSource): void {
    if (!this.#sources.delete(source)) return
    let totals = this.#folded.get(source.worker)
    if (totals === undefined) this.#folded.set(source.worker, (totals = emptyTotals()))
    addTo(totals, source)
    this.#forgetUnknownNames()
  }

  /** Keeps the worker's counters and drops its gauges. Call it before a replacement with the same number attaches. */
  workerDied(worker: number): void {
    const totals = this.#folded.get(worker) ?? emptyTotals()
    this.#folded.delete(worker)
    for (const source of this.#sources) {
      if (source.worker !== worker) continue
      this.#sources.delete(source)
      addTo(totals, source)
    }
    totals.worker[workerRow.clientsOpen] = 0
    for (const row of totals.targets.values()) row[targetRow.unhealthy] = 0
    merge(this.#dead, totals)
    this.#forgetUnknownNames()
  }

  /** What all workers have counted. */
  families(): readonly MetricFamily[] {
    const totals = emptyTotals()
    for (const part of [this.#dead, ...this.#folded.values()]) merge(totals, part)
    for (const source of this.#sources) addTo(totals, source)
    return familiesOf(totals)
  }

  #forgetUnknownNames(): void {
    // Without any source there is no configuration to go by: the last worker has died and will be replaced.
    if (this.#sources.size === 0) return
    const live = [...this.#sources]
    const proxies = new Set([noName, ...live.flatMap((source) => source.proxies)])
    const targets = new Set([noName, ...live.flatMap((source) => source.targets)])
    for (const totals of [this.#dead, ...this.#folded.values()]) {
      for (const name of totals.proxies.keys()) if (!proxies.has(name)) totals.proxies.delete(name)
      for (const name of totals.targets.keys()) if (!targets.has(name)) totals.targets.delete(name)
    }
  }
}

/** One row of sums per name, in the slots of the layout. */
interface Totals {
  readonly worker: Float64Array
  readonly proxies: Map<string, Float64Array>
  readonly targets: Map<string, Float64Array>
}

function emptyTotals(): Totals {
  return { worker: new Float64Array(workerRow.size), proxies: new Map(), targets: new Map() }
}

function addTo(totals: Totals, source: MetricsSource): void {
  const values = new Float64Array(source.buffer)
  const layout: MetricsLayout = { proxies: source.proxies.length, targets: source.targets.length }
  addRow(totals.worker, values.subarray(0, workerRow.size))
  for (const [index, name] of [...source.proxies, noName].entries()) {
    const at = proxyOffset(index, layout)
    addRow(rowOf(totals.proxies, name, proxyRow.size), values.subarray(at, at + proxyRow.size))
  }
  for (const [index, name] of [...source.targets, noName].entries()) {
    const at = targetOffset(index, layout)
    addRow(rowOf(totals.targets, name, targetRow.size), values.subarray(at, at + targetRow.size))
  }
}

function merge(totals: Totals, other: Totals): void {
  addRow(totals.worker, other.worker)
  for (const [name, row] of other.proxies) addRow(rowOf(totals.proxies, name, proxyRow.size), row)
  for (const [name, row] of other.targets) addRow(rowOf(totals.targets, name, targetRow.size), row)
}

function addRow(sums: Float64Array, row: Float64Array): void {
  for (const [slot, value] of row.entries()) sums[slot]! += value
}

function rowOf(rows: Map<string, Float64Array>, name: string, size: number): Float64Array {
  let row = rows.get(name)
  if (row === undefined) rows.set(name, (row = new Float64Array(size)))
  return row
}

function familiesOf(totals: Totals): readonly MetricFamily[] {
  const proxies = [...totals.proxies]
  const targets = [...totals.targets].filter(([name]) => name !== noName)
  const single = (value: number): readonly MetricSample[] => [{ labels: {}, value }]
  return [
    {
      name: 'postern_requests_total',
      help: 'Requests finished, by proxy and class of the status sent.',
      type: 'counter',
      labels: ['proxy', 'code_class'],
      samples: proxies.flatMap(([proxy, row]) =>
        codeClasses.map((code_class, slot) => ({
          labels: { proxy, code_class },
          value: row[proxyRow.classes + slot] ?? 0,
        })),
      ),
    },
    {
      name: 'postern_faults_total',
      help: 'Requests that ended in a fault, by target and code: the verdict where a backend was judged, else the kind.',
      type: 'counter',
      labels: ['target', 'code'],
      samples: [...totals.targets].flatMap(([target, row]) =>
        nonZero(allFaultCodes, row, targetRow.faults).map(([code, value]) => ({ labels: { target, code }, value })),
      ),
    },
    {
      name: 'postern_upstream_tls_handshakes_total',
      help: 'TLS handshakes with backends. Result: verified, resumed or refused; code: the verdict.',
      type: 'counter',
      labels: ['target', 'result', 'code'],
      samples: targets.flatMap(([target, row]) => [
        {
          labels: { target, result: 'verified', code: 'trusted' },
          value: row[targetRow.handshakes + allVerdictCodes.indexOf('trusted')] ?? 0,
        },
        { labels: { target, result: 'resumed', code: 'trusted' }, value: row[targetRow.resumed] ?? 0 },
        ...nonZero(allVerdictCodes, row, targetRow.handshakes)
          .filter(([code]) => code !== 'trusted')
          .map(([code, value]) => ({ labels: { target, result: 'refused', code }, value })),
      ]),
    },
    {
      name: 'postern_upstream_tls_handshake_duration_seconds',
      help: 'Time of TLS handshakes with backends, by result; of those that were refused, where it was measured.',
      type: 'histogram',
      labels: ['target', 'result'],
      samples: targets.flatMap(([target, row]) =>
        handshakeResults.flatMap((result, index) => handshakeTimes({ target, result }, row, index)),
      ),
    },
    {
      name: 'postern_upstream_connections_opened_total',
      help: 'Connections opened to backends.',
      type: 'counter',
      labels: ['target'],
      samples: targets.map(([target, row]) => ({ labels: { target }, value: row[targetRow.opened] ?? 0 })),
    },
    {
      name: 'postern_upstream_unhealthy_servers',
      help: 'Servers that active checks find unhealthy. Every worker checks for itself and counts its own.',
      type: 'gauge',
      labels: ['target'],
      samples: targets.map(([target, row]) => ({ labels: { target }, value: row[targetRow.unhealthy] ?? 0 })),
    },
    {
      name: 'postern_upstream_ejections_total',
      help: 'Servers left out for a while because their requests failed in a row.',
      type: 'counter',
      labels: ['target'],
      samples: targets.map(([target, row]) => ({ labels: { target }, value: row[targetRow.ejections] ?? 0 })),
    },
    {
      name: 'postern_upstream_retries_total',
      help: 'Requests sent again after a try that failed.',
      type: 'counter',
      labels: ['target'],
      samples: targets.map(([target, row]) => ({ labels: { target }, value: row[targetRow.retries] ?? 0 })),
    },
    {
      name: 'postern_upstream_breaker_opened_total',
      help: 'Times the breaker of a target has opened.',
      type: 'counter',
      labels: ['target'],
      samples: targets.map(([target, row]) => ({ labels: { target }, value: row[targetRow.breakerOpened] ?? 0 })),
    },
    {
      name: 'postern_client_connections',
      help: 'Open connections of clients.',
      type: 'gauge',
      samples: single(totals.worker[workerRow.clientsOpen] ?? 0),
    },
    {
      name: 'postern_client_connections_opened_total',
      help: 'Connections accepted from clients.',
      type: 'counter',
      samples: single(totals.worker[workerRow.clientsOpened] ?? 0),
    },
    {
      name: 'postern_log_records_dropped_total',
      help: 'Log records given up by workers because the main thread was behind.',
      type: 'counter',
      samples: single(totals.worker[workerRow.logDropped] ?? 0),
    },
  ]
}

function handshakeTimes(
  labels: Readonly<Record<string, string>>,
  row: Float64Array,
  result: number,
): readonly MetricSample[] {
  const at = targetRow.handshakeTimes + result * handshakeTimeSlots
  const counts = row.subarray(at, at + handshakeBounds.length + 1)
  const seconds = row[at + handshakeTimeSlots - 1] ?? 0
  return sum(counts) === 0 ? [] : histogramSamples(labels, handshakeBounds, counts, seconds)
}

/** Most codes never happen to most targets; a series begins with its first count. */
function nonZero(codes: readonly string[], row: Float64Array, offset: number): readonly [string, number][] {
  return codes.flatMap((code, slot): [string, number][] => {
    const value = row[offset + slot] ?? 0
    return value === 0 ? [] : [[code, value]]
  })
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0)
}
