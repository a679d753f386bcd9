import { type ExpositionFormat, expositionContentTypes, expositionFormat } from '../observe/exposition.ts'
import { type ApiAnswer, type ApiCall, type ApiRoute, json } from './api.ts'

/** What the paths for operators tell of; the running gateway is one. */
export interface Operated {
  readonly ready: boolean
  metricsText(format: ExpositionFormat): string
  status(): unknown
  inventory(): unknown
}

/** For probes and scrapers, which carry no credentials, and for people. */
export function operatorRoutes(gateway: Operated): readonly ApiRoute[] {
  return [
    route('/metrics', 'anyone', ({ headers }) => {
      const format = expositionFormat(headers['accept'])
      const type = expositionContentTypes[format]
      return { status: 200, bytes: gateway.metricsText(format), type, headers: { vary: 'accept' } }
    }),
    route('/healthz', 'anyone', () => plain(200, 'ok\n')),
    route('/readyz', 'anyone', () => (gateway.ready ? plain(200, 'ok\n') : plain(503, 'draining\n'))),
    route('/status', 'viewer', () => json(200, gateway.status())),
    route('/inventory', 'viewer', () => json(200, gateway.inventory())),
  ]
}

function route(path: string, role: ApiRoute['role'], answer: (call: ApiCall) => ApiAnswer): ApiRoute {
  return { method: 'GET', path, role, maxBody: 0, handle: async (call) => answer(call) }
}

function plain(status: number, bytes: string): ApiAnswer {
  return { status, bytes, type: 'text/plain' }
}
