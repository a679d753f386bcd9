import { z } from 'zod'
import { type ApiRoute, json } from '../api.ts'
import { alertFindings } from '../monitoring/alert-store.ts'

const Finding = z
  .object({
    code: z.string(),
    severity: z.enum(['error', 'warning', 'info']),
    object: z.string().meta({ description: '`ORG/ENV/apis/API/REVISION`, `ORG/ENV/virtualhosts/NAME`, and the like.' }),
    message: z.string(),
  })
  .meta({ id: 'Finding' })

/** What owners of stored objects should know of them, as they are in force. */
export const findingRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: '/api/organizations/:org/findings',
    role: 'viewer',
    doc: {
      summary: 'What is to be said of the stored objects of an organization: not served, weakened, about to end',
      answer: z.object({ findings: z.array(Finding) }),
    },
    async handle({ services, params }) {
      const all = [...services.gateway.findings(), ...(await services.read(alertFindings))]
      const found = all.filter(({ object }) => object.startsWith(`${params['org'] ?? ''}/`))
      return json(200, {
        findings: found.map(({ code, severity, object, message }) => ({ code, severity, object, message })),
      })
    },
  },
]
