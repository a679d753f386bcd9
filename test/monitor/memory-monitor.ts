import { shortTargetName } from '../../src/monitor/target-name.ts'
import { latencyBucket, latencyBuckets } from '../../src/observe/latency.ts'
import type { RequestSample, RollupKey } from '../../src/observe/rollup.ts'
import type {
  Aggregate,
  AggregateAnswer,
  AggregateQuery,
  Dimension,
  Filter,
  Monitor,
  MonitorHealth,
  SampleQuery,
  StoredSample,
} from '../../src/monitor/query.ts'

/** A finished request: everything that is not said is of one that went well. */
export interface Finished {
  readonly at: number
  readonly id?: string
  readonly key?: Partial<RollupKey>
  readonly totalMs?: number
  /** -1: no backend answered. */
  readonly targetMs?: number
  readonly requestBytes?: number
  readonly responseBytes?: number
  readonly sample?: Partial<RequestSample>
}

/** Answers from a list of requests, by going through all of it: what every store must agree with. */
export function memoryMonitor(requests: readonly Finished[]): Monitor {
  const all = (): readonly Whole[] => requests.map(finished)
  return {
    async aggregate(query: AggregateQuery): Promise<AggregateAnswer> {
      const groups = new Map<string, Whole[]>()
      for (const each of all()) {
        if (each.sample.at < query.from || each.sample.at >= query.to || !holds(each.key, query.where)) continue
        const group = JSON.stringify(query.by.map((dimension) => valueOf(each.key, dimension)))
        const members = groups.get(group) ?? []
        members.push(each)
        groups.set(group, members)
      }
      const limit = Math.min(query.limit ?? 1000, 10_000)
      const sorted = [...groups].sort(([, one], [, other]) => other.length - one.length)
      const rows = sorted.slice(0, limit).flatMap(([group, members]) => {
        const values = JSON.parse(group) as string[]
        const intervals = new Map<number, Whole[]>()
        for (const each of members) {
          const at = query.interval === null ? query.from : each.sample.at - (each.sample.at % query.interval)
          const inside = intervals.get(at) ?? []
          inside.push(each)
          intervals.set(at, inside)
        }
        return [...intervals].map(([at, inside]) => aggregateOf(at, values, inside))
      })
      return {
        rows: rows.sort((one, other) => one.at - other.at),
        truncated: sorted.length > limit,
        resolution: 60_000,
      }
    },
    async samples(query: SampleQuery): Promise<readonly StoredSample[]> {
      return all()
        .filter(({ key, sample }) => sample.at >= query.from && sample.at < query.to && holds(key, query.where))
        .sort((one, other) => other.sample.at - one.sample.at)
        .slice(0, Math.min(query.limit ?? 10, 1000))
    },
    async find(id: string): Promise<StoredSample | null> {
      return all().find(({ sample }) => sample.id === id) ?? null
    },
    async health(): Promise<MonitorHealth> {
      const oldest = Math.min(...requests.map(({ at }) => at))
      return { file: null, bytes: 0, rows: requests.length, oldest, lostRequests: 0, problem: '' }
    },
  }
}

interface Whole extends StoredSample {
  readonly key: RollupKey
  readonly sample: RequestSample
}

let made = 0

export function finished(of: Finished): Whole {
  const key: RollupKey = {
    proxyKey: 'acme/test/orders/default',
    organization: 'acme',
    environment: 'test',
    proxy: 'orders',
    revision: '1',
    basePath: '/orders',
    listener: 'http',
    method: 'GET',
    target: 'acme/test/orders/default',
    status: 200,
    targetStatus: 200,
    fault: '',
    verdict: '',
    party: '',
    faultCode: '',
    faultSource: '',
    ...of.key,
  }
  const sample: RequestSample = {
    id: of.id ?? `id-${++made}`,
    at: of.at,
    worker: 1,
    request: `${key.method} ${key.basePath} HTTP/1.1`,
    host: 'api.example.com',
    client: '192.0.2.1:4711',
    totalMs: of.totalMs ?? 10,
    targetMs: of.targetMs ?? 6,
    requestBytes: of.requestBytes ?? 100,
    responseBytes: of.responseBytes ?? 1000,
    backend: '198.51.100.7:443',
    snapshot: 's1',
    summary: '',
    traceId: '',
    ...of.sample,
  }
  return { key, sample }
}

function valueOf(key: RollupKey, dimension: Dimension): string {
  if (dimension === 'statusClass') return key.status === 0 ? 'none' : `${Math.floor(key.status / 100)}xx`
  if (dimension === 'targetName') return shortTargetName(key.target, key.organization, key.environment)
  return String(key[dimension])
}

function holds(key: RollupKey, where: readonly Filter[]): boolean {
  return where.every(({ dimension, values, not = false }) => {
    const names = dimension === 'target' ? [key.target, valueOf(key, 'targetName')] : [valueOf(key, dimension)]
    return names.some((name) => values.includes(name)) !== not
  })
}

function aggregateOf(at: number, values: readonly string[], of: readonly Whole[]): Aggregate {
  const total = Array.from({ length: latencyBuckets }, () => 0)
  const target = Array.from({ length: latencyBuckets }, () => 0)
  const counts = { requests: of.length, faults: 0, errors: 0, targetErrors: 0, totalMs: 0, maxMs: 0 }
  const backend = { targetRequests: 0, targetMs: 0, targetMaxMs: 0, requestBytes: 0, responseBytes: 0 }
  for (const { key, sample } of of) {
    const isError = key.status === 0 || key.status >= 400
    if (key.fault !== '') counts.faults++
    if (isError) counts.errors++
    if ((key.fault !== '' || isError) && (key.faultSource === 'target' || key.targetStatus >= 400))
      counts.targetErrors++
    counts.totalMs += sample.totalMs
    counts.maxMs = Math.max(counts.maxMs, sample.totalMs)
    total[latencyBucket(sample.totalMs)] = (total[latencyBucket(sample.totalMs)] ?? 0) + 1
    backend.requestBytes += sample.requestBytes
    backend.responseBytes += sample.responseBytes
    if (sample.targetMs < 0) continue
    backend.targetRequests++
    backend.targetMs += sample.targetMs
    backend.targetMaxMs = Math.max(backend.targetMaxMs, sample.targetMs)
    target[latencyBucket(sample.targetMs)] = (target[latencyBucket(sample.targetMs)] ?? 0) + 1
  }
  return { at, values, ...counts, ...backend, total, target }
}
