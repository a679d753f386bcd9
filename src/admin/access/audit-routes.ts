import { z } from 'zod'
import type { AuditQuery } from '../../state/types.ts'
import { type ApiCall, ApiError, type ApiRoute, json } from '../api.ts'

const Entry = z.object({
  at: z.number().meta({ description: 'Milliseconds since the epoch.' }),
  user: z.string(),
  from: z.string(),
  operation: z.string(),
  method: z.string(),
  uri: z.string(),
  status: z.number(),
  organization: z.string(),
  detail: z.string().optional().meta({ description: 'What became what, where that is told.' }),
})
const Query = z.object({
  organization: z.string().optional(),
  user: z.string().optional(),
  start: z.number().optional().meta({ description: 'Milliseconds since the epoch, inclusive.' }),
  end: z.number().optional(),
  rows: z.number().optional().meta({ description: 'Newest first; default 100, at most 10,000.' }),
})

/** Edge's own query of it is in edge/audits.ts. */
export const auditRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: '/api/audit',
    role: 'admin',
    doc: { summary: 'The audit trail, newest first', query: Query, answer: z.object({ entries: z.array(Entry) }) },
    async handle(call) {
      const organization = call.query.get('organization')
      const user = call.query.get('user')
      const query = {
        ...times(call),
        ...(organization === null ? {} : { organization }),
        ...(user === null ? {} : { user }),
      }
      return json(200, { entries: await call.services.store.audits(query) })
    },
  },
]

function times(call: ApiCall): Pick<AuditQuery, 'start' | 'end' | 'rows'> {
  const from = number(call, 'start')
  const to = number(call, 'end')
  const rows = number(call, 'rows')
  return {
    ...(from === null ? {} : { start: from }),
    ...(to === null ? {} : { end: to }),
    ...(rows === null ? {} : { rows: Math.min(rows, 10_000) }),
  }
}

function number(call: ApiCall, name: string): number | null {
  const text = call.query.get(name)
  if (text === null || text === '') return null
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new ApiError(
    400,
    'bad-query',
    `${name} is a number of milliseconds or rows, not ${JSON.stringify(text.slice(0, 40))}`,
  )
}
