import { type LevelName, levels } from './levels.ts'
import type { Written } from './written.ts'
import { pragma } from './store-file.ts'

export interface Retention {
  /** How long rows of each level are kept; ms. Samples go with the minutes. */
  readonly minutesMs: number
  readonly hoursMs: number
  readonly daysMs: number
  readonly maxBytes: number
}

/** Where there is too much, the finest goes first: this many minutes of each are kept as long as others have older rows. */
const crowdedOut: readonly (readonly [LevelName, number])[] = [
  ['minute', 60],
  ['hour', 1_440],
  ['day', 2_880],
  ['minute', 2],
]

/** One step is a few milliseconds: questions and rollups wait no longer for it. */
const stepRows = 1_000
const stepSamples = 300

/**
 * Takes out a little of what is too old, or too much.
 *
 * @param now ms
 * @returns there may be more
 */
export function retentionStep(written: Written, retention: Retention, now: number): boolean {
  const minute = Math.floor(now / 60_000)
  const kept: Readonly<Record<LevelName, number>> = {
    minute: retention.minutesMs,
    // A coarser level that went first would leave a time that only the finer one knows.
    hour: Math.max(retention.hoursMs, retention.minutesMs),
    day: Math.max(retention.daysMs, retention.hoursMs, retention.minutesMs),
  }
  for (const { name, minutes } of levels) {
    // What has ended that long ago; the unit that the limit lies in stays.
    const before = Math.floor((minute - kept[name] / 60_000) / minutes) * minutes
    if (prunes(written, name, before)) return more(written)
  }
  if (written.pruneSamples(now - retention.minutesMs, stepSamples) > 0) return more(written)
  if (written.bytes <= retention.maxBytes) return false
  for (const [name, keep] of crowdedOut) {
    const { minutes } = levels.find((level) => level.name === name) as (typeof levels)[number]
    const oldest = written.oldestOf(name)
    const before = Math.floor((minute - keep) / minutes) * minutes
    if (oldest === null || oldest >= before) continue
    written.prune(name, before, stepRows)
    // They explain the minutes.
    if (name === 'minute') written.pruneSamples(written.kept.minute * 60_000, stepSamples)
    return more(written)
  }
  return written.pruneSamples(now - 60_000, stepSamples) > 0 && more(written)
}

function prunes(written: Written, level: LevelName, before: number): boolean {
  const oldest = written.oldestOf(level)
  if (oldest === null || oldest >= before) return false
  return written.prune(level, before, stepRows) > 0
}

/** Free pages go back to the disk, some at once. */
function more(written: Written): true {
  if (pragma(written.db, 'freelist_count') > 0) written.db.exec('PRAGMA incremental_vacuum(256)')
  return true
}
