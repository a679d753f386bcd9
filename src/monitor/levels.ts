/*
 * Rows are kept by the minute, the hour and the day, each whole for its own time. Every count is in all three; a question
 * takes each stretch of time from one of them. Times here are minutes since the epoch.
 */

export type LevelName = 'minute' | 'hour' | 'day'

/** Finest first. */
export const levels: readonly { readonly name: LevelName; readonly minutes: number }[] = [
  { name: 'minute', minutes: 1 },
  { name: 'hour', minutes: 60 },
  { name: 'day', minutes: 1440 },
]

/** From when on each still has all that was counted. */
export type KeptFrom = Readonly<Record<LevelName, number>>

export interface Stretch {
  readonly level: LevelName
  readonly from: number
  /** Exclusive. */
  readonly to: number
}

/**
 * Where to read [from, to): from the coarsest that the interval allows, and from a coarser one where the finer is gone. A
 * row belongs to a time when its beginning does, so that times beside each other share none.
 *
 * @param interval in minutes; null: one for all
 */
export function stretches(from: number, to: number, interval: number | null, kept: KeptFrom): readonly Stretch[] {
  const found: Stretch[] = []
  const coarsest = levels.findLastIndex(({ minutes }) => interval === null || interval % minutes === 0)
  split(from, to, coarsest)
  return found

  /** Whole units of the level in the middle; what is left on both sides is finer. */
  function split(start: number, end: number, at: number): void {
    if (start >= end) return
    const level = levels[at]
    if (level === undefined) return
    const first = upTo(start, level.minutes)
    const last = downTo(end, level.minutes)
    if (first >= last) {
      split(start, end, at - 1)
      return
    }
    split(start, first, at - 1)
    take(first, last, at)
    split(last, end, at - 1)
  }

  function take(start: number, end: number, at: number): void {
    const level = levels[at] as (typeof levels)[number]
    const since = kept[level.name]
    const coarser = levels[at + 1]
    if (start >= since || coarser === undefined) {
      const whole = Math.max(start, since)
      if (whole < end) found.push({ level: level.name, from: whole, to: end })
      return
    }
    const border = Math.min(upTo(since, coarser.minutes), end)
    take(start, border, at + 1)
    if (border < end) take(border, end, at)
  }
}

/** Finest that is left of a time that begins here; minutes. */
export function resolutionFrom(from: number, kept: KeptFrom): number {
  return levels.find(({ name }) => from >= kept[name])?.minutes ?? 1440
}

export function downTo(minute: number, unit: number): number {
  return Math.floor(minute / unit) * unit
}

function upTo(minute: number, unit: number): number {
  return Math.ceil(minute / unit) * unit
}
