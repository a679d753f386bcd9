import { z } from 'zod'
import { type ApiRoute, json } from '../api.ts'
import { alertFindings, type KnownNames } from '../monitoring/alert-store.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { shortTargetName } from '../../monitor/target-name.ts'
import { targetsHere } from './support-scope.ts'

const Finding = z
  .object({
    code: z.string(),
    severity: z.enum(['error', 'warning', 'info']),
    object: z.string().meta({ description: '`ORG/ENV/apis/API/REVISION`, `ORG/ENV/virtualhosts/NAME`, and the like.' }),
    message: z.string(),
  })
  .meta({ id: 'Finding' })

/** What owners of stored objects should know of them, as they are in force. */
export const findingRoutes = (native: NativeGateway): readonly ApiRoute[] => [
  {
    method: 'GET',
    path: '/api/organizations/:org/findings',
    role: 'viewer',
    doc: {
      summary: 'What is to be said of the stored objects of an organization: not served, weakened, about to end',
      answer: z.object({ findings: z.array(Finding) }),
    },
    async handle({ services, params }) {
      const all = [
        ...services.gateway.findings(),
        ...(await services.read((view) => alertFindings(view, namesIn(native)))),
      ]
      const found = all.filter(({ object }) => object.startsWith(`${params['org'] ?? ''}/`))
      return json(200, {
        findings: found.map(({ code, severity, object, message }) => ({ code, severity, object, message })),
      })
    },
  },
]

function namesIn(native: NativeGateway): KnownNames {
  return {
    proxies: (organization) =>
      new Set(native.plan.proxies.flatMap((each) => (each.organization === organization ? [each.name] : []))),
    targets: (organization, environment) =>
      new Set(
        targetsHere(native, { organization, environment }).flatMap(({ name }) => [
          name,
          shortTargetName(name, organization, environment),
        ]),
      ),
  }
}
