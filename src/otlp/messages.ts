/*
 * Messages of OTLP (opentelemetry-proto 1.x) in their JSON mapping, as far as they are sent: ids in hex, 64-bit integers as
 * decimal text, enumerations as numbers. JSON is written of them as they are, protobuf by the tables in `schema.ts`.
 */

export type AnyValue =
  | { readonly stringValue: string }
  | { readonly boolValue: boolean }
  | { readonly intValue: string }
  | { readonly doubleValue: Double }
  | { readonly arrayValue: { readonly values: readonly AnyValue[] } }

/** JSON has no number for the last three; the mapping has these words. */
export type Double = number | 'NaN' | 'Infinity' | '-Infinity'

export interface KeyValue {
  readonly key: string
  readonly value: AnyValue
}

export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly traceState?: string
  readonly parentSpanId?: string
  readonly flags: number
  readonly name: string
  /** 1 internal, 2 server, 3 client. */
  readonly kind: 1 | 2 | 3
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly KeyValue[]
  readonly events?: readonly SpanEvent[]
  readonly status?: { readonly message?: string; readonly code: 2 }
}

export interface SpanEvent {
  readonly timeUnixNano: string
  readonly name: string
  readonly attributes: readonly KeyValue[]
}

export interface Metric {
  readonly name: string
  readonly description: string
  readonly unit?: string
  readonly gauge?: { readonly dataPoints: readonly NumberPoint[] }
  readonly sum?: {
    readonly dataPoints: readonly NumberPoint[]
    /** 2: cumulative. */
    readonly aggregationTemporality: 2
    readonly isMonotonic: true
  }
  readonly histogram?: { readonly dataPoints: readonly HistogramPoint[]; readonly aggregationTemporality: 2 }
  readonly summary?: { readonly dataPoints: readonly SummaryPoint[] }
}

export interface NumberPoint {
  readonly attributes: readonly KeyValue[]
  readonly startTimeUnixNano?: string
  readonly timeUnixNano: string
  readonly asDouble: Double
}

export interface HistogramPoint {
  readonly attributes: readonly KeyValue[]
  readonly startTimeUnixNano: string
  readonly timeUnixNano: string
  readonly count: string
  readonly sum: Double
  readonly bucketCounts: readonly string[]
  readonly explicitBounds: readonly number[]
}

export interface SummaryPoint {
  readonly attributes: readonly KeyValue[]
  readonly startTimeUnixNano: string
  readonly timeUnixNano: string
  readonly count: string
  readonly sum: Double
  readonly quantileValues?: readonly { readonly quantile: number; readonly value: Double }[]
}

export interface LogRecord {
  readonly timeUnixNano?: string
  readonly observedTimeUnixNano: string
  readonly severityNumber?: number
  readonly severityText?: string
  readonly body: AnyValue
  readonly attributes?: readonly KeyValue[]
  readonly traceId?: string
  readonly spanId?: string
  readonly eventName?: string
}

export type AttributeValue = string | number | boolean | readonly string[] | null | undefined

/** Longer values are cut (I10). */
const maxCharacters = 4096

/** Attributes of what is known: null, undefined, '' and empty lists are left out. */
export function attributes(values: Readonly<Record<string, AttributeValue>>): readonly KeyValue[] {
  const list: KeyValue[] = []
  for (const [key, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === '') continue
    if (typeof value === 'object' && value.length === 0) continue
    list.push({ key, value: anyValue(value) })
  }
  return list
}

/** Well-formed and of a bounded length: what JSON and protobuf can both say. */
export function text(value: string): string {
  return (value.length > maxCharacters ? value.slice(0, maxCharacters) : value).toWellFormed()
}

export function double(value: number): Double {
  if (Number.isFinite(value)) return value
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity'
}

/** Ms since the epoch, with fractions, as nanoseconds; microseconds are as fine as a double goes. */
export function unixNano(ms: number): string {
  return ms > 0 && Number.isFinite(ms) ? `${Math.round(ms * 1000)}000` : '0'
}

/** ISO 8601; '' where it is no time. */
export function isoTime(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : ''
}

function anyValue(value: string | number | boolean | readonly string[]): AnyValue {
  if (typeof value === 'string') return { stringValue: text(value) }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: double(value) }
  }
  return { arrayValue: { values: value.map((item) => ({ stringValue: text(item) })) } }
}
