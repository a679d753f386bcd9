import { PosternError } from '../core/errors.ts'
import { isFailed } from '../observe/rollup-key.ts'
import type { RollupKey } from '../observe/rollup.ts'
import { addCell, addPacked, type Cell, emptyCell, packedRequests } from './cells.ts'
import { type KeptFrom, resolutionFrom, type Stretch, stretches } from './levels.ts'
import type { Aggregate, AggregateAnswer, AggregateQuery } from './query.ts'
import { filterOf, valuesOf } from './dimensions.ts'

/** What a question is answered from. */
export interface RowSource {
  readonly kept: KeptFrom
  keys(): Iterable<[number, RollupKey]>
  scan(
    stretch: Stretch,
    ids: readonly number[] | null,
    visit: (at: number, id: number, bytes: Uint8Array) => void,
  ): void
  /** What is not written yet; `at` in minutes. */
  pending(from: number, to: number, visit: (at: number, key: RollupKey, cell: Cell) => void): void
}

const minuteMs = 60_000

/** Of an answer: groups by intervals. It is read on the main thread, where ten thousand take some 30 ms. */
const maxRows = 20_000

/** So few keys are looked up one by one; more are read with everything beside them. */
const fewKeys = 50

interface Group {
  readonly values: readonly string[]
  requests: number
  readonly bins: Map<number, Sums>
}

interface Sums {
  readonly cell: Cell
  faults: number
  errors: number
  targetErrors: number
}

/** What a key adds to its group beside counts. */
interface Place {
  readonly group: Group
  readonly fault: boolean
  readonly error: boolean
  readonly targetError: boolean
}

export function aggregate(query: AggregateQuery, source: RowSource): AggregateAnswer {
  const from = Math.ceil(query.from / minuteMs)
  const to = Math.ceil(query.to / minuteMs)
  const interval = query.interval === null ? null : query.interval / minuteMs
  const bins = expectQuery(query)
  const limit = Math.max(Math.min(query.limit ?? 1_000, 10_000, Math.floor(maxRows / bins)), 1)

  const wanted = filterOf(query.where)
  const groups = new Map<string, Group>()
  const places = new Map<number, Place>()
  for (const [id, key] of source.keys()) if (wanted(key)) places.set(id, placeOf(key))
  const ids = places.size <= fewKeys ? [...places.keys()] : null
  const reads = stretches(from, to, interval, source.kept)
  const waiting: { readonly at: number; readonly place: Place; readonly cell: Cell }[] = []
  source.pending(from, to, (at, key, cell) => {
    if (wanted(key)) waiting.push({ at, place: placeOf(key), cell })
  })

  // Where more groups are possible than are wanted, the first look says which have the most requests.
  let chosen: ReadonlySet<Group> | null = null
  let truncated = false
  if (groups.size > limit) {
    for (const read of reads) {
      source.scan(read, ids, (_at, id, bytes) => {
        const place = places.get(id)
        if (place !== undefined) place.group.requests += packedRequests(bytes)
      })
    }
    for (const { place, cell } of waiting) place.group.requests += cell.requests
    const filled = [...groups.values()].filter(({ requests }) => requests > 0)
    truncated = filled.length > limit
    chosen = new Set(filled.sort((a, b) => b.requests - a.requests).slice(0, limit))
    for (const group of groups.values()) group.requests = 0
  }

  for (const read of reads) {
    source.scan(read, ids, (at, id, bytes) => {
      const place = places.get(id)
      if (place === undefined || chosen?.has(place.group) === false) return
      const sums = sumsAt(place.group, at)
      const before = sums.cell.requests
      addPacked(sums.cell, bytes)
      count(place, sums, sums.cell.requests - before)
    })
  }
  for (const { at, place, cell } of waiting) {
    if (chosen?.has(place.group) === false) continue
    const sums = sumsAt(place.group, at)
    addCell(sums.cell, cell)
    count(place, sums, cell.requests)
  }

  const rows = [...groups.values()]
    .filter(({ bins }) => bins.size > 0)
    .sort((a, b) => b.requests - a.requests)
    .flatMap(({ values, bins }) =>
      [...bins].sort(([a], [b]) => a - b).map(([at, sums]) => rowOf(interval === null ? query.from : at, values, sums)),
    )
  return { rows, truncated, resolution: resolutionFrom(from, source.kept) * minuteMs }

  function placeOf(key: RollupKey): Place {
    const values = valuesOf(key, query.by)
    const name = JSON.stringify(values)
    let group = groups.get(name)
    if (group === undefined) {
      group = { values, requests: 0, bins: new Map() }
      groups.set(name, group)
    }
    const backends = key.fault === '' ? key.status >= 400 && key.targetStatus >= 400 : key.faultSource === 'target'
    return {
      group,
      fault: key.fault !== '',
      error: key.status >= 400 || key.status === 0,
      targetError: backends && isFailed(key),
    }
  }

  function sumsAt({ bins }: Group, at: number): Sums {
    const bin = interval === null ? 0 : Math.floor(at / interval) * interval * minuteMs
    let sums = bins.get(bin)
    if (sums === undefined) {
      sums = { cell: emptyCell(), faults: 0, errors: 0, targetErrors: 0 }
      bins.set(bin, sums)
    }
    return sums
  }
}

function count({ group, fault, error, targetError }: Place, sums: Sums, requests: number): void {
  group.requests += requests
  if (fault) sums.faults += requests
  if (error) sums.errors += requests
  if (targetError) sums.targetErrors += requests
}

function rowOf(at: number, values: readonly string[], { cell, faults, errors, targetErrors }: Sums): Aggregate {
  return {
    at,
    values,
    requests: cell.requests,
    faults,
    errors,
    targetErrors,
    totalMs: cell.totalUs / 1000,
    maxMs: cell.maxUs / 1000,
    targetRequests: cell.targetRequests,
    targetMs: cell.targetUs / 1000,
    targetMaxMs: cell.targetMaxUs / 1000,
    requestBytes: cell.requestBytes,
    responseBytes: cell.responseBytes,
    total: cell.total,
    target: cell.target,
  }
}

/** @returns how many intervals there are */
function expectQuery({ from, to, interval }: AggregateQuery): number {
  if (!Number.isFinite(from) || !Number.isFinite(to) || from >= to) {
    throw new PosternError('monitoring-query', 'the time that is asked for has no length: "from" must be before "to"')
  }
  if (interval === null) return 1
  if (!(interval >= minuteMs) || interval % minuteMs !== 0) {
    throw new PosternError('monitoring-query', `the interval must be whole minutes; it has ${interval} ms`)
  }
  const bins = Math.ceil((to - from) / interval) + 1
  if (bins > maxRows) {
    const text = `${bins} intervals are too many, at most ${maxRows} can be answered: ask for a longer interval, or a shorter time`
    throw new PosternError('monitoring-query', text)
  }
  return bins
}
