import { z } from 'zod'
import { measures } from '../../monitor/measures.ts'
import { chosenDimensions } from './monitoring-query.ts'
import { Time } from './documents.ts'
import { TargetDetail } from './targets.ts'

/* Questions and answers of the monitoring operations. */

const Moment = z.string().optional()

const byDimension = Object.fromEntries(
  chosenDimensions.map((name) => [
    name,
    z
      .string()
      .optional()
      .meta({ description: `Only this ${name}; given more than once: any of them. \`${name}!=\`: not this one.` }),
  ]),
)

/** Range and filters; every operation has them. */
const RangeQuery = z.object({
  from: Moment.meta({ description: 'ISO 8601, epoch, or `-1h`; default an hour before `to`.' }),
  to: Moment.meta({ description: 'Exclusive; default now.' }),
  ...byDimension,
})

const DimensionName = z.enum(chosenDimensions as [string, ...string[]])
const MeasureName = z.enum(measures)
const latency = z.enum(['total', 'target']).optional().meta({
  description: "Which latency is meant: the client's request, or the backend's part of it. Default total.",
})
const interval = z.string().optional().meta({ description: '`1m`, `5m`, `1h`, ...; chosen where it is not given.' })

export const MatrixQuery = RangeQuery.extend({
  rows: DimensionName,
  columns: DimensionName.or(z.literal('time')).optional().meta({ description: 'Default time.' }),
  measure: MeasureName.optional().meta({ description: 'Default requests.' }),
  latency,
  interval,
  limit: z.number().optional().meta({ description: 'Rows, and columns that are no times; default 50, at most 200.' }),
})

const Range = { from: Time, to: Time }
const Value = z.number().nullable().meta({ description: 'null: nothing to measure.' })
const truncated = z.boolean().meta({ description: 'There is more than is shown.' })
const resolution = z.number().meta({ description: 'Milliseconds; the finest that data of this time still has.' })

export const Matrix = z
  .object({
    ...Range,
    measure: MeasureName,
    latency: z.enum(['total', 'target']),
    interval: z.number().nullable().meta({ description: 'Milliseconds; null: the columns are no times.' }),
    rows: z.object({ dimension: DimensionName, values: z.array(z.string()), measures: z.array(Value) }),
    columns: z.object({ dimension: z.string(), values: z.array(z.string()) }),
    cells: z.array(z.array(Value)).meta({ description: 'Row by row.' }),
    truncated,
    resolution,
  })
  .meta({ id: 'MonitoringMatrix' })

export const SeriesQuery = RangeQuery.extend({
  by: z.string().optional().meta({ description: 'At most two dimensions, by a comma; none: all requests in one.' }),
  measure: z
    .string()
    .optional()
    .meta({ description: `At most 8 of ${measures.join(', ')}, by commas.` }),
  latency,
  interval,
  limit: z.number().optional().meta({ description: 'Default 20, at most 200.' }),
})

export const Series = z
  .object({
    ...Range,
    interval: z.number(),
    latency: z.enum(['total', 'target']),
    times: z.array(Time),
    series: z.array(
      z.object({
        values: z.record(z.string(), z.string()),
        whole: z.record(z.string(), Value).meta({ description: 'By measure, for the whole range.' }),
        points: z.record(z.string(), z.array(Value)).meta({ description: 'By measure, in the order of the times.' }),
      }),
    ),
    truncated,
    resolution,
  })
  .meta({ id: 'MonitoringSeries' })

export const MonitoredRequest = z
  .object({
    id: z.string().meta({ description: 'The message id, as in the header, the log lines and the fault.' }),
    at: Time,
    worker: z.number(),
    request: z.string(),
    host: z.string(),
    client: z.string(),
    proxy: z.string(),
    revision: z.string(),
    basePath: z.string(),
    listener: z.string(),
    method: z.string(),
    target: z.string(),
    status: z.number().meta({ description: '0: nothing was sent.' }),
    targetStatus: z.number().meta({ description: '0: none came.' }),
    fault: z.string(),
    verdict: z.string(),
    party: z.string(),
    faultCode: z.string(),
    faultSource: z.string(),
    summary: z.string(),
    totalMs: z.number(),
    targetMs: z.number().nullable(),
    requestBytes: z.number(),
    responseBytes: z.number(),
    backend: z.string(),
    snapshot: z.string(),
    traceId: z.string(),
    debugSession: z
      .object({ id: z.string(), name: z.string(), proxy: z.string(), revision: z.string().nullable() })
      .nullable()
      .meta({ description: 'A debug session that has recorded it.' }),
  })
  .meta({ id: 'MonitoredRequest' })

const Latency = z.object({ average: Value, max: Value, p50: Value, p90: Value, p95: Value, p99: Value })
const Shares = z.array(z.object({ value: z.string(), requests: z.number() }))

export const CellQuery = RangeQuery.extend({
  limit: z.number().optional().meta({ description: 'Requests shown; default 10, at most 100.' }),
})

export const Cell = z
  .object({
    ...Range,
    counts: z.object({
      requests: z.number(),
      faults: z.number(),
      errors: z.number(),
      targetErrors: z.number(),
      requestBytes: z.number(),
      responseBytes: z.number(),
    }),
    latency: z.object({ total: Latency, target: Latency }).meta({ description: 'Milliseconds.' }),
    breakdown: z.record(z.string(), Shares).meta({ description: 'By dimension; the most frequent first.' }),
    requests: z.array(MonitoredRequest).meta({ description: 'The newest first; of those that are kept.' }),
    targets: z.array(TargetDetail).meta({ description: 'Its backends, as `GET /api/target` shows them.' }),
  })
  .meta({ id: 'MonitoringCell' })

export const RequestsQuery = RangeQuery.extend({
  limit: z.number().optional().meta({ description: 'Default 10, at most 1000.' }),
})

export const DimensionsQuery = RangeQuery.extend({
  dimension: DimensionName.optional().meta({ description: 'Only this one.' }),
})

export const Health = z
  .object({
    file: z.string().nullable().meta({ description: 'null: in memory, nothing is kept over a restart.' }),
    bytes: z.number(),
    rows: z.number(),
    oldest: Time.nullable(),
    lostRequests: z.number(),
    problem: z.string().meta({ description: 'Of the last failure; empty while all is well.' }),
  })
  .meta({ id: 'MonitoringHealth' })
