import { json, type ApiRoute } from '../api.ts'
import { badValue } from './bean.ts'
import { requireOrganization } from './scope.ts'

/** Who changed what, newest first (apigee-edge.md 1.9). `expand` is taken and means nothing: records are always whole. */
export const auditRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: '/v1/audits/organizations/:org',
    role: 'viewer',
    async handle(call) {
      const organization = await call.services.read((view) => requireOrganization(view, call.params['org'] ?? ''))
      const start = whole(call.query, 'startTime')
      const end = whole(call.query, 'endTime')
      const rows = whole(call.query, 'rows')
      const entries = await call.services.store.audits({
        organization,
        ...(start === null ? {} : { start }),
        ...(end === null ? {} : { end }),
        ...(rows === null ? {} : { rows: Math.min(rows, maxRows) }),
      })
      return json(
        200,
        entries.map((entry) => ({
          operation: entry.operation,
          // Edge has the request's body here, which may hold keys and passwords (I7).
          request: `${entry.method} ${entry.uri}`,
          requestUri: entry.uri,
          // Ours, Edge has no such field.
          ...(entry.detail === undefined ? {} : { detail: entry.detail }),
          responseCode: String(entry.status),
          timestamp: entry.at,
          user: entry.user,
        })),
      )
    },
  },
]

const maxRows = 10_000

function whole(query: URLSearchParams, name: string): number | null {
  const text = query.get(name)
  if (text === null || text === '') return null
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw badValue(name, 'must be a whole number')
}
