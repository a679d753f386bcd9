/*
 * Field numbers and wire types of the messages that are sent: opentelemetry-proto, `common/v1`, `resource/v1`, `trace/v1`,
 * `metrics/v1` and `logs/v1`. What is never set is not here.
 */

export type Scalar =
  | 'string'
  /** In hex. */
  | 'bytes'
  | 'bool'
  | 'enum'
  | 'double'
  | 'fixed32'
  | 'fixed64'
  | 'int64'

export interface Field {
  readonly number: number
  readonly type: Scalar | Schema
  readonly repeated?: true
}

/** A message: its fields by their names in JSON. */
export type Schema = Readonly<Record<string, Field>>

const anyValue: Schema = {
  stringValue: { number: 1, type: 'string' },
  boolValue: { number: 2, type: 'bool' },
  intValue: { number: 3, type: 'int64' },
  doubleValue: { number: 4, type: 'double' },
  // A list holds no lists here, so the table need not refer to itself.
  arrayValue: {
    number: 5,
    type: { values: { number: 1, type: { stringValue: { number: 1, type: 'string' } }, repeated: true } },
  },
}

const keyValues = {
  type: { key: { number: 1, type: 'string' }, value: { number: 2, type: anyValue } },
  repeated: true,
} as const satisfies Omit<Field, 'number'>

const span: Schema = {
  traceId: { number: 1, type: 'bytes' },
  spanId: { number: 2, type: 'bytes' },
  traceState: { number: 3, type: 'string' },
  parentSpanId: { number: 4, type: 'bytes' },
  name: { number: 5, type: 'string' },
  kind: { number: 6, type: 'enum' },
  startTimeUnixNano: { number: 7, type: 'fixed64' },
  endTimeUnixNano: { number: 8, type: 'fixed64' },
  attributes: { number: 9, ...keyValues },
  events: {
    number: 11,
    type: {
      timeUnixNano: { number: 1, type: 'fixed64' },
      name: { number: 2, type: 'string' },
      attributes: { number: 3, ...keyValues },
    },
    repeated: true,
  },
  status: { number: 15, type: { message: { number: 2, type: 'string' }, code: { number: 3, type: 'enum' } } },
  flags: { number: 16, type: 'fixed32' },
}

const pointTimes: Schema = {
  startTimeUnixNano: { number: 2, type: 'fixed64' },
  timeUnixNano: { number: 3, type: 'fixed64' },
}

const numberPoints: Schema = {
  dataPoints: {
    number: 1,
    type: { attributes: { number: 7, ...keyValues }, ...pointTimes, asDouble: { number: 4, type: 'double' } },
    repeated: true,
  },
}

const histogram: Schema = {
  dataPoints: {
    number: 1,
    type: {
      attributes: { number: 9, ...keyValues },
      ...pointTimes,
      count: { number: 4, type: 'fixed64' },
      sum: { number: 5, type: 'double' },
      bucketCounts: { number: 6, type: 'fixed64', repeated: true },
      explicitBounds: { number: 7, type: 'double', repeated: true },
    },
    repeated: true,
  },
  aggregationTemporality: { number: 2, type: 'enum' },
}

const summary: Schema = {
  dataPoints: {
    number: 1,
    type: {
      attributes: { number: 7, ...keyValues },
      ...pointTimes,
      count: { number: 4, type: 'fixed64' },
      sum: { number: 5, type: 'double' },
      quantileValues: {
        number: 6,
        type: { quantile: { number: 1, type: 'double' }, value: { number: 2, type: 'double' } },
        repeated: true,
      },
    },
    repeated: true,
  },
}

const metric: Schema = {
  name: { number: 1, type: 'string' },
  description: { number: 2, type: 'string' },
  unit: { number: 3, type: 'string' },
  gauge: { number: 5, type: numberPoints },
  sum: {
    number: 7,
    type: {
      ...numberPoints,
      aggregationTemporality: { number: 2, type: 'enum' },
      isMonotonic: { number: 3, type: 'bool' },
    },
  },
  histogram: { number: 9, type: histogram },
  summary: { number: 11, type: summary },
}

const logRecord: Schema = {
  timeUnixNano: { number: 1, type: 'fixed64' },
  severityNumber: { number: 2, type: 'enum' },
  severityText: { number: 3, type: 'string' },
  body: { number: 5, type: anyValue },
  attributes: { number: 6, ...keyValues },
  traceId: { number: 9, type: 'bytes' },
  spanId: { number: 10, type: 'bytes' },
  observedTimeUnixNano: { number: 11, type: 'fixed64' },
  eventName: { number: 12, type: 'string' },
}

export const resourceSchema: Schema = { attributes: { number: 1, ...keyValues } }

export const scopeSchema: Schema = {
  name: { number: 1, type: 'string' },
  version: { number: 2, type: 'string' },
}

export type Signal = 'spans' | 'metrics' | 'logs'

/** Of each kind of telemetry: its path, its message, and how the messages around it are called in JSON. */
export const signals: Readonly<
  Record<
    Signal,
    {
      readonly path: string
      readonly schema: Schema
      /** Of the request, of its resource and of that one's scope: field 1, 2 and 2 in all three kinds. */
      readonly names: readonly [resources: string, scopes: string, records: string]
      /** In the answer: how many of the request were refused. */
      readonly rejected: string
    }
  >
> = {
  spans: {
    path: '/v1/traces',
    schema: span,
    names: ['resourceSpans', 'scopeSpans', 'spans'],
    rejected: 'rejectedSpans',
  },
  metrics: {
    path: '/v1/metrics',
    schema: metric,
    names: ['resourceMetrics', 'scopeMetrics', 'metrics'],
    rejected: 'rejectedDataPoints',
  },
  logs: {
    path: '/v1/logs',
    schema: logRecord,
    names: ['resourceLogs', 'scopeLogs', 'logRecords'],
    rejected: 'rejectedLogRecords',
  },
}
