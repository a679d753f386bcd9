import { dayMs, hourMs, minuteMs, type TimeRange } from '../../monitor/time-range.ts'
import { ApiError } from '../api.ts'

/** Edge's units; each is one of the calendar. `second` is finer than the rollups. */
export const timeUnits = [
  'minute',
  'hour',
  'day',
  'week',
  'month',
  'quarter',
  'year',
  'decade',
  'century',
  'millennium',
] as const
export type TimeUnit = (typeof timeUnits)[number]

/** I10. */
const maxBuckets = 20_000
const maxCalendarBuckets = 400

/** `MM/DD/YYYY HH:MM~MM/DD/YYYY HH:MM`, UTC. */
export function timeRangeOf(text: string | null): TimeRange {
  if (text === null || text === '') throw bad('timeRange is missing: MM/DD/YYYY HH:MM~MM/DD/YYYY HH:MM')
  const [from, to, ...more] = text.split('~').map(edgeTime)
  if (from === undefined || to === undefined || more.length > 0 || from === null || to === null) {
    throw bad(`timeRange ${JSON.stringify(text)} is not MM/DD/YYYY HH:MM~MM/DD/YYYY HH:MM`)
  }
  return ordered(from, to)
}

export function ordered(from: number, to: number): TimeRange {
  if (from >= to) throw bad('the time range ends before it begins')
  return { from, to }
}

export function timeUnitOf(text: string | null): TimeUnit | null {
  if (text === null || text === '') return null
  const found = timeUnits.find((each) => each === text.toLowerCase())
  if (found !== undefined) return found
  const why = text === 'second' ? 'is finer than the minute that rollups have' : 'is not known'
  throw new ApiError(400, 'stats-time-unit', `timeUnit ${text} ${why}; there are ${timeUnits.join(', ')}`)
}

/** Minutes that local time is ahead of UTC; days and what is longer begin by it. */
export function offsetOf(text: string | null): number {
  if (text === null || text === '') return 0
  if (/^[+-]?\d{1,3}$/.test(text) && Math.abs(Number(text)) <= 14 * 60) return Number(text)
  throw bad(`tzo ${JSON.stringify(text)} is no number of minutes from -840 to 840`)
}

export type Buckets =
  /** The store can tell them apart itself. */
  | { readonly kind: 'even'; readonly interval: number; readonly starts: readonly number[] }
  /** Of the calendar: asked for one by one. `at` is where it begins, also before the range. */
  | { readonly kind: 'calendar'; readonly each: readonly (TimeRange & { readonly at: number })[] }

export function bucketsOf(range: TimeRange, unit: TimeUnit, offset: number): Buckets {
  const interval = unit === 'minute' ? minuteMs : unit === 'hour' ? hourMs : unit === 'day' ? dayMs : null
  if (interval !== null && (offset * minuteMs) % interval === 0) {
    const starts: number[] = []
    for (let at = range.from - (range.from % interval); at < range.to; at += interval) {
      starts.push(at)
      if (starts.length > maxBuckets) throw tooMany(unit)
    }
    return { kind: 'even', interval, starts }
  }
  const each: (TimeRange & { at: number })[] = []
  for (let at = startOf(range.from, unit, offset); at < range.to; ) {
    const next = startAfter(at, unit, offset)
    each.push({ at, from: Math.max(at, range.from), to: Math.min(next, range.to) })
    if (each.length > maxCalendarBuckets) throw tooMany(unit)
    at = next
  }
  return { kind: 'calendar', each }
}

function startOf(moment: number, unit: TimeUnit, offset: number): number {
  const shift = offset * minuteMs
  const local = new Date(moment + shift)
  const year = local.getUTCFullYear()
  const month = local.getUTCMonth()
  const first = (ofYear: number, ofMonth = 0): number => Date.UTC(ofYear, ofMonth, 1) - shift
  const even = (ms: number): number => Math.floor((moment + shift) / ms) * ms - shift
  switch (unit) {
    case 'minute':
      return even(minuteMs)
    case 'hour':
      return even(hourMs)
    case 'day':
      return even(dayMs)
    // Of Monday, as ISO 8601 has it; the epoch was a Thursday.
    case 'week':
      return Math.floor((moment + shift + 3 * dayMs) / (7 * dayMs)) * 7 * dayMs - 3 * dayMs - shift
    case 'month':
      return first(year, month)
    case 'quarter':
      return first(year, month - (month % 3))
    default:
      return first(year - (year % years[unit]))
  }
}

const years = { year: 1, decade: 10, century: 100, millennium: 1000 } as const

function startAfter(start: number, unit: TimeUnit, offset: number): number {
  const shift = offset * minuteMs
  const local = new Date(start + shift)
  const year = local.getUTCFullYear()
  const month = local.getUTCMonth()
  switch (unit) {
    case 'minute':
      return start + minuteMs
    case 'hour':
      return start + hourMs
    case 'day':
      return start + dayMs
    case 'week':
      return start + 7 * dayMs
    case 'month':
      return Date.UTC(year, month + 1, 1) - shift
    case 'quarter':
      return Date.UTC(year, month + 3, 1) - shift
    default:
      return Date.UTC(year + years[unit], 0, 1) - shift
  }
}

function edgeTime(text: string): number | null {
  const match = /^(\d{1,2})\/(\d{1,2})\/(\d{4})[ +](\d{1,2}):(\d{2})$/.exec(text.trim())
  if (match === null) return null
  const [month = 0, day = 0, year = 0, hour = 0, minute = 0] = match.slice(1).map(Number)
  const at = new Date(Date.UTC(year, month - 1, day, hour, minute))
  // 02/30 is no day, and 25:00 no hour.
  const isReal = at.getUTCMonth() === month - 1 && at.getUTCDate() === day && minute < 60
  return isReal && hour < 24 ? at.getTime() : null
}

const bad = (message: string): ApiError => new ApiError(400, 'stats-time-range', message)
const tooMany = (unit: TimeUnit): ApiError =>
  new ApiError(400, 'stats-time-unit', `timeUnit ${unit} divides the time range into too many; ask for less of it`)
