import { z } from 'zod'
import { judgeCiphers } from './cipher-string.ts'

/*
 * The values of the configuration, one schema each. `title` completes the sentence "... is not a <title>" and `examples`
 * are what the error text and the reference page offer instead; both are JSON Schema keywords, so editors show them too.
 */

/** Longest time a timer takes: Node fires at once on anything beyond 2^31-1 ms, which would turn "never" into "now". */
const maxDurationMs = 7 * 24 * 3_600_000
const durationUnitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const sizeUnitBytes = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

export const Duration = z
  .union([z.int().min(1).max(maxDurationMs), z.string().regex(/^\d+(?:ms|s|m|h)$/)])
  .transform((value, context) => {
    if (typeof value === 'number') return value
    const ms = scaled(value, durationUnitMs)
    if (ms >= 1 && ms <= maxDurationMs) return ms
    refuse(context, `"${value}" is outside 1ms to 168h`, 'a duration from 1ms to 168h')
    return z.NEVER
  })
  .meta({
    id: 'Duration',
    title: 'duration',
    description: 'A whole number with `ms`, `s`, `m` or `h`; a bare number is milliseconds. From 1ms to 168h.',
    examples: ['10s', '500ms', '2m'],
  })

const longestRetention = 3650 * 24 * 3_600_000

/** No timer runs for it, so it may be years. */
export const Retention = z
  .string()
  .regex(/^\d+d$/)
  .transform((value, context) => {
    const ms = Number(value.slice(0, -1)) * 24 * 3_600_000
    if (ms >= 1 && ms <= longestRetention) return ms
    refuse(context, `"${value}" is outside 1d to 3650d`, 'a number of days from 1d to 3650d')
    return z.NEVER
  })
  .meta({
    id: 'Retention',
    title: 'number of days',
    description: 'A whole number with `d`, from 1d to 3650d.',
    examples: ['365d', '90d'],
  })

/** Milliseconds as somebody would write them: in the largest unit that divides them. */
export function durationText(ms: number): string {
  const unit = ms % 3_600_000 === 0 ? 'h' : ms % 60_000 === 0 ? 'm' : ms % 1000 === 0 ? 's' : 'ms'
  return `${ms / durationUnitMs[unit]}${unit}`
}

export const Size = z
  .union([z.int().min(1).max(Number.MAX_SAFE_INTEGER), z.string().regex(/^\d+(?:B|KiB|MiB|GiB)$/)])
  .transform((value, context) => {
    if (typeof value === 'number') return value
    const bytes = scaled(value, sizeUnitBytes)
    if (bytes >= 1 && Number.isSafeInteger(bytes)) return bytes
    refuse(context, `"${value}" is outside 1B to 8388607GiB`, 'a size of at least 1B')
    return z.NEVER
  })
  .meta({
    id: 'Size',
    title: 'size',
    description: 'A whole number with `B`, `KiB`, `MiB` or `GiB`; a bare number is bytes.',
    examples: ['16KiB', '1MiB', '25600'],
  })

export const Name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/)
  .meta({
    id: 'Name',
    title: 'name',
    description: 'Letters, digits, `.`, `_`, `-`; a letter or digit first; at most 128.',
    examples: ['billing', 'orders-v2'],
  })

export const Port = z
  .int()
  .min(0)
  .max(65_535)
  .meta({ id: 'Port', title: 'port (0 to 65535)', examples: ['8080', '8443'] })

/** Non-empty text for people and labels; control characters would break the line formats it is printed in. */
export const Label = z
  .string()
  // oxlint-disable-next-line no-control-regex
  .regex(/^[^\u0000-\u001f\u007f]{1,256}$/)
  .meta({ id: 'Label', title: 'text of 1 to 256 characters on one line', examples: ['payments team'] })

/** A revision is a label, but `revision: 3` is what everybody writes. */
export const Revision = z
  .union([z.int().min(0), Label])
  .transform(String)
  .meta({ id: 'Revision', title: 'revision', examples: ['1', '2026-03'] })

export const FilePath = z
  .string()
  // oxlint-disable-next-line no-control-regex
  .regex(/^[^\u0000]+$/)
  .meta({
    id: 'FilePath',
    title: 'path',
    description: "A relative path starts at the configuration file's folder.",
    examples: ['./corp-ca.pem', '/etc/postern/trust/corp'],
  })

export const Ciphers = z
  .string()
  .superRefine((text, context) => {
    for (const fault of judgeCiphers(text).faults) refuse(context, fault.message, fault.instead)
  })
  .meta({
    id: 'Ciphers',
    title: 'OpenSSL cipher string',
    description:
      'OpenSSL cipher string; TLS 1.3 suites by their `TLS_` names. A list without any `TLS_` name switches TLS 1.3 off, ' +
      'a list with nothing else leaves only TLS 1.3. Suites without authentication or encryption are never offered.',
    examples: ['TLS_AES_256_GCM_SHA384:ECDHE+AESGCM'],
  })

/** An end date. A date alone means the whole of that day, UTC: what people mean by "until 31 December". */
export const Until = z
  .string()
  .transform((text, context) => {
    const ms = parseUntil(text)
    if (ms !== null) return ms
    refuse(context, `"${text}" is not a date`, [
      '2027-03-31 (through the end of that day, UTC)',
      '2027-03-31T18:00:00Z',
    ])
    return z.NEVER
  })
  .meta({
    id: 'Until',
    title: 'date',
    description: 'ISO date (through the end of that day, UTC) or date and time with `Z` or an offset.',
    examples: ['2027-03-31', '2027-03-31T18:00:00Z'],
  })

/** Milliseconds since the epoch at which the exception ends, or null where the text is no date. */
export function parseUntil(text: string): number | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})(T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/.exec(text)
  if (!match) return null
  const midnight = Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]))
  // 31 February: Date rolls over silently
  if (new Date(midnight).toISOString().slice(0, 10) !== text.slice(0, 10)) return null
  if (match[4] === undefined) return midnight + 24 * 3_600_000
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? null : ms
}

function scaled(text: string, units: Readonly<Record<string, number>>): number {
  const match = /^(\d+)([A-Za-z]+)$/.exec(text)
  return Number(match?.[1]) * (units[match?.[2] ?? ''] ?? Number.NaN)
}

interface IssueSink {
  addIssue(issue: { code: 'custom'; message: string; params: { instead: string } }): void
}

/** Reports a fault with what to write instead; src/config/problems.ts prints both. */
export function refuse(context: IssueSink, message: string, instead: string | readonly string[]): void {
  context.addIssue({
    code: 'custom',
    message,
    params: { instead: typeof instead === 'string' ? instead : instead.join(' or ') },
  })
}
