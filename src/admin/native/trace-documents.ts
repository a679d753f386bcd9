import { z } from 'zod'
import { sessionLimits } from '../../traces/session-limits.ts'
import { Time } from './documents.ts'

/* What requests about debug sessions and their answers look like. */

const { timeoutSeconds, transactions, bodyBytes, conditions, length } = sessionLimits

const text = z.string().min(1).max(length)

const Conditions = z
  .array(z.strictObject({ name: text, value: z.string().max(length) }))
  .max(conditions)
  .default([])

const Status = z.string().regex(/^(?:[1-5]xx|[1-5]\d\d(?:-[1-5]\d\d)?)$/, 'is no status: 503, 5xx or 500-504')

export const TraceStart = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9._:~@-]{1,128}$/, 'has other characters than A-Z a-z 0-9 . _ : ~ @ -, or more than 128')
    .refine((name) => name !== '.' && name !== '..', 'is no name')
    .optional()
    .meta({ description: 'Default: made up.' }),
  proxy: text,
  revision: text.nullable().default(null).meta({ description: 'null: whichever runs.' }),
  headers: Conditions.meta({ description: 'Request fields that must be there with this value; all must hold.' }),
  query: Conditions.meta({ description: 'Query parameters, likewise.' }),
  statuses: z
    .array(Status)
    .max(16)
    .default([])
    .meta({ description: 'Of the answer: `503`, `5xx` or `500-504`; empty: any.' }),
  failuresOnly: z.boolean().default(false).meta({ description: 'Only requests that ended in a fault.' }),
  timeoutSeconds: z.int().min(1).max(timeoutSeconds.most).default(timeoutSeconds.usual),
  maxTransactions: z.int().min(1).max(transactions.most).default(transactions.usual),
  bodyBytes: z.int().min(0).max(bodyBytes.most).default(bodyBytes.usual).meta({ description: 'Kept of each body.' }),
  showCredentials: z.boolean().default(false).meta({
    description:
      'Authorization fields, cookies and parameters such as `api_key` are kept as they came. Needs the role admin; only administrators may read the session.',
  }),
})

const Pair = z.object({ name: z.string(), value: z.string() })

const sessionFields = {
  id: z.string(),
  name: z.string(),
  organization: z.string(),
  environment: z.string(),
  proxy: z.string(),
  revision: z.string().nullable(),
  startedAt: Time,
  until: Time.meta({ description: 'When it ends by itself, or has ended.' }),
  active: z.boolean(),
  ended: z.enum(['', 'timeout', 'full', 'deleted', 'gone', 'imported']),
  user: z.string(),
  headers: z.array(Pair),
  query: z.array(Pair),
  statuses: z.array(z.string()),
  failuresOnly: z.boolean(),
  maxTransactions: z.number(),
  bodyBytes: z.number(),
  showCredentials: z.boolean(),
  count: z.number().meta({ description: 'Transactions it has.' }),
  bytes: z.number(),
}

export const Trace = z.object(sessionFields).meta({ id: 'Trace' })

const Summary = z
  .object({
    id: z.string().meta({ description: 'Of the request: message id.' }),
    at: Time.nullable(),
    ms: z.number().nullable(),
    method: z.string(),
    uri: z.string(),
    status: z.number().meta({ description: '0: none was sent.' }),
    code: z.string().meta({ description: 'Verdict or kind of the fault; empty where there was none.' }),
    faultCode: z.string().meta({ description: "Edge's." }),
    target: z.string(),
  })
  .meta({ id: 'TraceTransactionSummary' })

export const TraceDetail = z
  .object({
    ...sessionFields,
    maskProblems: z
      .array(z.string())
      .meta({ description: 'Paths of the mask configuration that do not work: bodies they are for are hidden whole.' }),
    transactions: z.array(Summary),
  })
  .meta({ id: 'TraceDetail' })

const Point = z.looseObject({ id: z.string(), results: z.array(z.looseObject({ actionResult: z.string() })) })

export const TraceTransaction = z
  .object({
    transaction: z
      .looseObject({
        id: z.string(),
        status: z.number(),
        steps: z.array(z.looseObject({ at: z.number(), type: z.string() })),
      })
      .nullable()
      .meta({ description: 'As it was recorded, masked: every step with its time. null: it came from a file.' }),
    edge: z
      .object({ completed: z.boolean(), point: z.array(Point) })
      .meta({ description: "The same as Edge's states and points." }),
  })
  .meta({ id: 'TraceTransaction' })

export const FoundTraces = z.object({ found: z.array(z.object({ trace: Trace, transaction: Summary })) })
