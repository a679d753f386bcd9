import type { RequestSample, RollupKey } from '../observe/rollup.ts'
import { filterOf } from './dimensions.ts'
import { endOf, type Pending } from './pending.ts'
import type { SampleQuery, StoredSample } from './query.ts'
import type { Written } from './written.ts'

/** So few keys are looked up one by one. */
const fewKeys = 200

/** Newest first, by the time they ended: that is when they were counted. */
export function samples(query: SampleQuery, pending: Pending, written: Written | null): readonly StoredSample[] {
  const { from, to } = query
  const limit = Math.max(Math.min(query.limit ?? 10, 1_000), 1)
  const wanted = filterOf(query.where)
  const found: StoredSample[] = []
  for (const { key, samples: waiting } of cellsOf(pending)) {
    if (!wanted(key)) continue
    for (const sample of waiting) if (endOf(sample) >= from && endOf(sample) < to) found.push({ key, sample })
  }
  if (written !== null) {
    const ids = [...written.keys.entries()].filter(([, key]) => wanted(key)).map(([id]) => id)
    if (ids.length <= fewKeys) {
      const newest = written.db.prepare(
        'SELECT key, body FROM sample WHERE key = ? AND ended >= ? AND ended < ? ORDER BY ended DESC LIMIT ?',
      )
      for (const id of ids) found.push(...newest.all(id, from, to, limit).map((row) => stored(row, written)))
    } else {
      const all = new Set(ids)
      const newest = written.db.prepare(
        'SELECT key, body FROM sample WHERE ended >= ? AND ended < ? ORDER BY ended DESC',
      )
      let left = limit
      for (const row of newest.iterate(from, to)) {
        if (!all.has(Number(row['key']))) continue
        found.push(stored(row, written))
        if (--left === 0) break
      }
    }
  }
  return found.sort((a, b) => endOf(b.sample) - endOf(a.sample)).slice(0, limit)
}

/** The sample of a request. */
export function findSample(id: string, pending: Pending, written: Written | null): StoredSample | null {
  for (const { key, samples: waiting } of cellsOf(pending)) {
    const sample = waiting.find((candidate) => candidate.id === id)
    if (sample !== undefined) return { key, sample }
  }
  const row = written?.db.prepare('SELECT key, body FROM sample WHERE request = ? ORDER BY id DESC LIMIT 1').get(id)
  return row === undefined || written === null ? null : stored(row, written)
}

function* cellsOf(pending: Pending): Iterable<{ key: RollupKey; samples: readonly RequestSample[] }> {
  for (const cells of pending.minutes.values()) yield* cells.values()
}

function stored(row: Readonly<Record<string, unknown>>, written: Written): StoredSample {
  return {
    key: written.keys.get(Number(row['key'])) as RollupKey,
    sample: JSON.parse(String(row['body'])) as RequestSample,
  }
}
