import { transactionJson } from '../../traces/edge-json.ts'
import { edgeTransaction } from '../../traces/edge-points.ts'
import { transactionXml } from '../../traces/edge-xml.ts'
import { sessionLimits } from '../../traces/session-limits.ts'
import type { SessionRequest, Traces, TraceSession } from '../../traces/types.ts'
import { ApiError, type ApiAnswer, type ApiCall, type ApiRoute, json } from '../api.ts'
import { masksFor, proxyRuns, refuseUnreadable, type RunningProxies, startSession } from '../native/trace-start.ts'
import { apiProxy, requireRevision } from './asset.ts'
import { badValue } from './bean.ts'
import { requireEnvironment } from './scope.ts'

/** Edge's debug sessions (apigee-edge.md 1.8, tier 3). */
export function debugSessionRoutes(traces: Traces, gateway: RunningProxies): readonly ApiRoute[] {
  const collection = '/v1/organizations/:org/environments/:env/apis/:name/revisions/:revision/debugsessions'
  const session = `${collection}/:session`
  return [
    { method: 'POST', path: collection, role: 'operator', handle: (call) => create(call, traces, gateway) },
    {
      method: 'GET',
      path: collection,
      role: 'viewer',
      async handle(call) {
        await requireRunning(call, gateway)
        return json(
          200,
          sessionsOf(call, traces).map(({ request }) => request.name),
        )
      },
    },
    {
      method: 'GET',
      path: `${session}/data`,
      role: 'viewer',
      async handle(call) {
        return json(
          200,
          readable(call, traces).transactions.map(({ id }) => id),
        )
      },
    },
    { method: 'GET', path: `${session}/data/:transaction`, role: 'viewer', handle: async (call) => data(call, traces) },
    {
      method: 'DELETE',
      path: session,
      role: 'operator',
      async handle(call) {
        const found = sessionOf(call, traces)
        traces.delete(found.id)
        return json(200, bean(found))
      },
    },
  ]
}

/** Clients read `name` from the first chunk of the answer. The body is empty, its type misspelt (1.3, rule 10). */
async function create(call: ApiCall, traces: Traces, gateway: RunningProxies): Promise<ApiAnswer> {
  const form = await call.form()
  await requireRunning(call, gateway)
  const { org = '', env = '', name = '', revision = '' } = call.params
  const request: SessionRequest = {
    name: sessionName(form.get('session') ?? ''),
    organization: org,
    environment: env,
    proxy: name,
    revision,
    headers: filters(form, 'header_'),
    query: filters(form, 'qparam_'),
    statuses: [],
    failuresOnly: false,
    timeoutSeconds: timeoutOf(form.get('timeout')),
    maxTransactions: sessionLimits.transactions.usual,
    bodyBytes: sessionLimits.bodyBytes.usual,
    masks: await masksFor(call, org, name),
    showCredentials: false,
    user: call.principal.user,
  }
  return json(201, bean(startSession(traces, request)))
}

function data(call: ApiCall, traces: Traces): ApiAnswer {
  const { request, transactions } = readable(call, traces)
  const wanted = call.params['transaction'] ?? ''
  const found = transactions.find(({ id }) => id === wanted)
  if (found === undefined) {
    const message = `DebugSession ${request.name} has no transaction ${wanted}`
    throw new ApiError(404, 'distribution.DebugSessionTransactionNotFound', message)
  }
  const transaction = edgeTransaction(found, request.masks.variables)
  return wantsXml(call.headers['accept'] ?? '')
    ? { status: 200, bytes: transactionXml(transaction), type: 'application/xml' }
    : json(200, transactionJson(transaction))
}

/** JSON unless XML is asked for first, or alone (1.3, rule 5). */
function wantsXml(accept: string): boolean {
  const xml = accept.search(/(?:application|text)\/xml/i)
  const other = accept.search(/application\/json/i)
  return xml !== -1 && (other === -1 || xml < other)
}

const bean = ({ request }: TraceSession) => ({
  name: request.name,
  organization: request.organization,
  environment: request.environment,
  aPIProxy: request.proxy,
  revision: request.revision ?? '',
  timeout: request.timeoutSeconds,
})

function readable(call: ApiCall, traces: Traces): TraceSession {
  const found = sessionOf(call, traces)
  refuseUnreadable(call, found)
  return found
}

function sessionOf(call: ApiCall, traces: Traces): TraceSession {
  const name = call.params['session'] ?? ''
  const found = sessionsOf(call, traces).find(({ request }) => request.name === name)
  if (found !== undefined) return found
  throw new ApiError(404, 'distribution.DebugSessionNotFound', 'DebugSession ID not found')
}

/** Full ones stay until their time is over; then clients that poll hear of it. The native API has them longer. */
function sessionsOf({ params, services }: ApiCall, traces: Traces): readonly TraceSession[] {
  const { org = '', env = '', name = '', revision = '' } = params
  return traces.list(org, env, name, revision).filter(({ request, startedAt, imported }) => {
    return imported === null && startedAt + request.timeoutSeconds * 1000 > services.clock()
  })
}

/** What is missing is said as elsewhere; a revision that is there and does not run is 400. */
async function requireRunning(call: ApiCall, gateway: RunningProxies): Promise<void> {
  const { org = '', env = '', name = '', revision = '' } = call.params
  if (proxyRuns(gateway, { organization: org, environment: env, proxy: name }, revision)) return
  await call.services.read(async (view) => {
    await requireEnvironment(view, org, env)
    await requireRevision(view, { asset: apiProxy, org, name, revision })
  })
  throw new ApiError(
    400,
    'distribution.RevisionNotDeployed',
    `Revision ${revision} of APIProxy ${name} is not deployed in environment ${env} of organization ${org}`,
  )
}

function sessionName(name: string): string {
  // oxlint-disable-next-line no-control-regex
  if (name.length <= 128 && !/[/\\\u0000-\u001f\u007f]/.test(name) && name !== '.' && name !== '..') return name
  throw badValue('session', 'must have at most 128 characters, no slash and no control character')
}

function timeoutOf(text: string | null): number {
  const { usual, most } = sessionLimits.timeoutSeconds
  if (text === null || text === '') return usual
  if (/^\d{1,6}$/.test(text) && Number(text) >= 1) return Math.min(Number(text), most)
  throw badValue('timeout', `must be a number of seconds, 1 to ${most}`)
}

function filters(form: URLSearchParams, prefix: string): readonly (readonly [string, string])[] {
  const found = [...form].flatMap(([name, value]) =>
    name.startsWith(prefix) && name.length > prefix.length ? [[name.slice(prefix.length), value] as const] : [],
  )
  const { conditions, length } = sessionLimits
  if (found.length > conditions) throw badValue(`${prefix}*`, `has ${found.length} filters, at most ${conditions} hold`)
  const long = found.find(([name, value]) => name.length > length || value.length > length)
  if (long !== undefined) throw badValue(`${prefix}${long[0].slice(0, 64)}`, `is longer than ${length} characters`)
  return found
}
