import { apigeeCode, edgeSource } from '../faults/apigee.ts'
import type { ProxyPlan } from '../proxy/plan.ts'
import type { AccessRecord } from './events.ts'
import { latencyBucket, latencyBuckets } from './latency.ts'
import { coarserKey, coarsestKey, isFailed, keyText, methodOf } from './rollup-key.ts'
import { failedSamples, sampleOf, shownSample } from './rollup-samples.ts'
import type { RequestSample, RollupCounts, RollupKey, RollupMessage } from './rollup.ts'

export interface RollupWriterOptions {
  readonly worker: number
  /** Of the gateway; what matched no proxy is counted there. */
  readonly organization: string
  readonly environment: string
  /** The message is used again when this returns: post it or copy it. */
  readonly send: (message: RollupMessage) => void
  readonly connections?: () => RollupMessage['connections']
  /** Event-loop delay since it was asked last. */
  readonly lag?: () => RollupMessage['lag']
  readonly clock?: () => number
  /** Rows of a message with all their words; as many again with fewer. */
  readonly maxRows?: number
  readonly maxSamples?: number
}

const minuteMs = 60_000

/** Rows of one proxy that are tried before the long way round: a few methods and statuses are nearly all of its requests. */
const recentRows = 16

/**
 * Counts the finished requests of one worker. A request like one of the last of its proxy costs comparisons and additions:
 * no text is made, nothing is looked up, nothing is allocated.
 */
export class RollupWriter {
  readonly #options: RollupWriterOptions
  readonly #clock: () => number
  readonly #maxRows: number
  readonly #maxSamples: number
  readonly #rows = new Map<string, Row>()
  /** By place of the proxy in the generation, from -1 on: a writer counts for one generation. */
  readonly #recent: Row[][] = []
  #from = 0
  /** End of the minute that is counted; 0: nothing is counted yet. */
  #until = 0
  #samples = 0
  #crowded = 0
  #connections = ''

  constructor(options: RollupWriterOptions) {
    this.#options = options
    this.#clock = options.clock ?? Date.now
    this.#maxRows = options.maxRows ?? 2_000
    this.#maxSamples = options.maxSamples ?? 500
  }

  /** @param index of the proxy in its generation; -1: none, or one that is gone */
  count(record: AccessRecord, index: number): void {
    // The wall clock is asked only where the minute seems to be over.
    if (record.startedAt + record.totalMs >= this.#until) this.#turn()
    const recent = (this.#recent[index + 1] ??= [])
    for (let at = 0; at < recent.length; at++) {
      const row = recent[at] as Row
      if (!row.takes(record)) continue
      if (at > 0) {
        recent[at] = recent[at - 1] as Row
        recent[at - 1] = row
      }
      this.#add(row, record)
      return
    }
    this.#add(this.#find(record, recent), record)
  }

  /** Once a second. */
  tick(): void {
    const connections = this.#options.connections?.() ?? []
    const text = connections.map(({ target, snapshot, open }) => `${target}\n${snapshot}\n${open}`).join('\n\n')
    if (this.#until === 0 && text === this.#connections) return
    this.#connections = text
    this.#send(connections)
  }

  /** Sends what there is: at a change of minute, and at the end. */
  flush(): void {
    if (this.#until !== 0) this.#send(this.#options.connections?.() ?? [])
  }

  #turn(): void {
    const now = this.#clock()
    if (this.#until !== 0) {
      // A request that says it ended later than now has seen the clock go back.
      if (now < this.#until) return
      this.flush()
    }
    this.#from = now
    this.#until = (Math.floor(now / minuteMs) + 1) * minuteMs
  }

  #send(connections: RollupMessage['connections']): void {
    const counted = [...this.#rows.values()].filter(({ counts }) => counts.requests > 0)
    this.#options.send({
      worker: this.#options.worker,
      from: this.#until === 0 ? this.#clock() : this.#from,
      rows: counted.map(({ key, counts, samples }) => ({ key, counts, samples: samples.map(shownSample) })),
      crowded: this.#crowded,
      connections,
      lag: this.#options.lag?.() ?? { p50: 0, p99: 0, max: 0 },
    })
    this.#until = 0
    this.#samples = 0
    this.#crowded = 0
    for (const [text, row] of this.#rows) {
      if (row.counts.requests > 0) {
        row.clear()
        continue
      }
      this.#rows.delete(text)
      const place = row.recent?.indexOf(row) ?? -1
      if (place !== -1) row.recent?.splice(place, 1)
    }
  }

  #find(record: AccessRecord, recent: Row[]): Row {
    const key = this.#keyOf(record)
    const text = keyText(key)
    const known = this.#rows.get(text)
    if (known !== undefined || this.#rows.size < this.#maxRows) {
      const row = known ?? new Row(key, record.proxy)
      if (known === undefined) this.#rows.set(text, row)
      // One that began under the generation before has made the row: those that come now are to find it at once.
      else row.plan = record.proxy
      if (row.recent === null) {
        row.recent = recent
        recent.unshift(row)
        if (recent.length > recentRows) (recent.pop() as Row).recent = null
      }
      return row
    }
    this.#crowded++
    const coarser = coarserKey(key)
    return this.#crowd(coarser) ?? (this.#crowd(coarsestKey(key, this.#options), Number.POSITIVE_INFINITY) as Row)
  }

  /** The row of a key with fewer words; null where there are too many of these as well. */
  #crowd(key: RollupKey, limit: number = this.#maxRows * 2): Row | null {
    const text = keyText(key)
    const known = this.#rows.get(text)
    if (known !== undefined) return known
    if (this.#rows.size >= limit) return null
    const row = new Row(key, null)
    this.#rows.set(text, row)
    return row
  }

  #keyOf({ proxy, listener, method, backend, status, fault }: AccessRecord): RollupKey {
    return {
      proxyKey: proxy?.key ?? '',
      organization: proxy?.organization ?? this.#options.organization,
      environment: proxy?.environment ?? this.#options.environment,
      proxy: proxy?.name ?? '',
      revision: proxy?.revision ?? '',
      basePath: proxy?.basePath ?? '',
      listener,
      method: methodOf(method),
      target: backend?.target ?? '',
      status,
      targetStatus: backend?.status ?? 0,
      fault: fault?.kind ?? '',
      verdict: fault?.verdict ?? '',
      party: fault?.party ?? '',
      faultCode: fault === null ? '' : apigeeCode(fault),
      faultSource: fault === null ? '' : edgeSource(fault.kind),
    }
  }

  #add(row: Row, record: AccessRecord): void {
    const { counts, samples } = row
    const { totalMs, backend } = record
    counts.requests++
    counts.totalMs += totalMs
    if (totalMs > counts.maxMs) counts.maxMs = totalMs
    counts.requestBytes += record.requestBytes
    counts.responseBytes += record.responseBytes
    counts.total[latencyBucket(totalMs)]!++
    if (backend !== null && backend.firstByteMs >= 0) {
      const targetMs = backend.totalMs
      counts.targetRequests++
      counts.targetMs += targetMs
      if (targetMs > counts.targetMaxMs) counts.targetMaxMs = targetMs
      counts.target[latencyBucket(targetMs)]!++
    }
    if (!row.failed && samples.length > 0) return
    if (samples.length === failedSamples) samples.shift()
    else if (++this.#samples > this.#maxSamples) return
    samples.push(sampleOf(record))
  }
}

/** One row as it is counted. */
class Row {
  readonly key: RollupKey
  /** By identity, which is cheaper than to compare all that a proxy is called. */
  plan: ProxyPlan | null
  readonly failed: boolean
  readonly counts: Counting
  samples: RequestSample[] = []
  /** Where it is among the recent ones of its proxy. */
  recent: Row[] | null = null

  constructor(key: RollupKey, plan: ProxyPlan | null) {
    this.key = key
    this.plan = plan
    this.failed = isFailed(key)
    this.counts = {
      requests: 0,
      totalMs: 0,
      maxMs: 0,
      targetRequests: 0,
      targetMs: 0,
      targetMaxMs: 0,
      requestBytes: 0,
      responseBytes: 0,
      total: new Uint32Array(latencyBuckets),
      target: new Uint32Array(latencyBuckets),
    }
  }

  takes({ proxy, listener, method, backend, status, fault }: AccessRecord): boolean {
    const { key } = this
    if (status !== key.status || proxy !== this.plan || method !== key.method || listener !== key.listener) return false
    if (backend === null) {
      if (key.target !== '' || key.targetStatus !== 0) return false
    } else if (backend.target !== key.target || backend.status !== key.targetStatus) return false
    if (fault === null) return key.fault === ''
    return fault.kind === key.fault && (fault.verdict ?? '') === key.verdict && fault.party === key.party
  }

  clear(): void {
    const { counts } = this
    counts.requests = 0
    counts.totalMs = 0
    counts.maxMs = 0
    counts.targetRequests = 0
    counts.targetMs = 0
    counts.targetMaxMs = 0
    counts.requestBytes = 0
    counts.responseBytes = 0
    counts.total.fill(0)
    counts.target.fill(0)
    this.samples = []
  }
}

type Counting = { -readonly [K in keyof RollupCounts]: RollupCounts[K] }
