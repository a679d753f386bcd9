import { PosternError } from '../core/errors.ts'

/*
 * Times as people and clients write them, and how long an interval is chosen. Rollups are of a minute, so a range is widened
 * to whole minutes.
 */

export interface TimeRange {
  /** Ms since the epoch, inclusive; a whole minute. */
  readonly from: number
  /** Exclusive; a whole minute. */
  readonly to: number
}

export const minuteMs = 60_000
export const hourMs = 60 * minuteMs
export const dayMs = 24 * hourMs

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: minuteMs, h: hourMs, d: dayMs, w: 7 * dayMs }

/** I10. */
const longestMs = 10 * 366 * dayMs

/** `90s`, `5m`, `1h`, `7d`, `2w`; null for anything else. */
export function durationMs(text: string): number | null {
  const match = /^(\d{1,9})([smhdw])$/.exec(text.trim())
  const unit = match === null ? undefined : unitMs[match[2] as string]
  if (match === null || unit === undefined) return null
  const ms = Number(match[1]) * unit
  return ms > longestMs ? null : ms
}

/**
 * One moment: `now`, `-1h`, ISO 8601 (UTC where it names no zone), or milliseconds or seconds since the epoch. null for
 * anything else.
 */
export function momentOf(text: string, now: number): number | null {
  const word = text.trim()
  if (word === 'now') return now
  if (word.startsWith('-')) {
    const back = durationMs(word.slice(1))
    return back === null ? null : now - back
  }
  if (/^\d{9,10}$/.test(word)) return Number(word) * 1000
  if (/^\d{12,14}$/.test(word)) return Number(word)
  const iso = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:[.]\d{1,9})?)?)(Z|[+-]\d{2}:?\d{2})?)?$/.exec(word)
  if (iso === null) return null
  const [, day = '', time = '00:00', zone = 'Z'] = iso
  const at = Date.parse(`${day}T${time}${/^[+-]\d{4}$/.test(zone) ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone}`)
  return Number.isNaN(at) ? null : at
}

/** From `from` and `to` of a query; an hour until now where they are not said. Throws `monitoring-range`. */
export function rangeOf(from: string | null, to: string | null, now: number): TimeRange {
  const end = at('to', to ?? 'now', now)
  const start = from === null ? end - hourMs : at('from', from, now)
  if (start >= end) throw bad(`from is not before to`)
  return wholeMinutes(start, end)
}

export function wholeMinutes(from: number, to: number): TimeRange {
  if (to - from > longestMs) throw bad('the range is longer than ten years')
  return { from: Math.floor(from / minuteMs) * minuteMs, to: Math.ceil(to / minuteMs) * minuteMs }
}

const steps: readonly number[] = [
  ...[1, 2, 5, 10, 15, 30].map((each) => each * minuteMs),
  ...[1, 2, 3, 6, 12].map((each) => each * hourMs),
  ...[1, 2, 7, 14, 28].map((each) => each * dayMs),
]

/** The shortest of a few round intervals that divides a range into no more than `most`. */
export function chooseInterval({ from, to }: TimeRange, most = 60): number {
  const found = steps.find((step) => (to - from) / step <= most)
  return found ?? Math.ceil((to - from) / most / dayMs) * dayMs
}

/** As asked for, or chosen. Throws `monitoring-interval` where it is none, or makes too many (I10). */
export function intervalOf(text: string | null, range: TimeRange, most = 2000): number {
  if (text === null || text === '' || text === 'auto') return chooseInterval(range)
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : durationMs(text)
  if (ms === null || ms < minuteMs || ms % minuteMs !== 0) {
    throw new PosternError('monitoring-interval', `interval ${JSON.stringify(text)} is no multiple of a minute`)
  }
  if ((range.to - range.from) / ms > most) {
    throw new PosternError('monitoring-interval', `the interval divides the range into more than ${most}`)
  }
  return ms
}

/** Starts of the intervals of a range; hours and days begin by UTC, so the first may begin before it. */
export function startsOf({ from, to }: TimeRange, interval: number): readonly number[] {
  const starts: number[] = []
  for (let at = Math.floor(from / interval) * interval; at < to; at += interval) starts.push(at)
  return starts
}

function at(name: string, text: string, now: number): number {
  const moment = momentOf(text, now)
  if (moment !== null) return moment
  throw bad(
    `${name} ${JSON.stringify(text)} is no time: now, -1h, 2026-01-31T08:00:00Z, or milliseconds since the epoch`,
  )
}

const bad = (message: string): PosternError => new PosternError('monitoring-range', message)
