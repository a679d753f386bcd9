import { z } from 'zod'
import { hiddenAs, isCredentialHeader, isCredentialParameter } from '../../observe/credentials.ts'
import { sessionJson, transactionJson } from '../../traces/edge-json.ts'
import { readSessionFile } from '../../traces/edge-file.ts'
import { sessionXml } from '../../traces/edge-xml.ts'
import { importLimits } from '../../traces/import-error.ts'
import { maskProblems } from '../../traces/mask-config.ts'
import { transactionText } from '../../traces/text.ts'
import { edgeSessionOf, edgeTransactionsOf, summariesOf } from '../../traces/summary.ts'
import type { SessionRequest, Traces, TraceSession } from '../../traces/types.ts'
import { ApiError, type ApiAnswer, type ApiCall, type ApiRoute, json } from '../api.ts'
import { problemText } from '../body-problems.ts'
import { roleIn } from '../roles.ts'
import { FoundTraces, Trace, TraceDetail, TraceStart, TraceTransaction } from './trace-documents.ts'
import {
  masksFor,
  mayReadSession,
  proxyRuns,
  refuseUnreadable,
  type RunningProxies,
  startSession,
  traceRefusal,
} from './trace-start.ts'

const RequestQuery = z.object({ requestId: z.string().meta({ description: 'The message id of the request.' }) })
const ExportQuery = z.object({
  format: z.enum(['xml', 'json']).optional().meta({ description: "`xml`: Edge's file; `json`: that of Apigee X." }),
})
const TransactionQuery = z.object({
  format: z.enum(['json', 'text']).optional().meta({ description: '`text`: a line for each step, for a person.' }),
})
const ListQuery = z.object({ proxy: z.string().optional().meta({ description: 'Only sessions of this proxy.' }) })

/** Debug sessions: of stored proxies and of those of the configuration file. */
export function traceRoutes(traces: Traces, gateway: RunningProxies): readonly ApiRoute[] {
  const base = '/api/organizations/:org/environments/:env/traces'
  return [
    {
      method: 'GET',
      path: '/api/traces',
      role: 'user',
      doc: {
        summary: 'The transactions of one request, in whichever sessions the caller may read',
        operationId: 'findTraces',
        query: RequestQuery,
        answer: FoundTraces,
      },
      handle: async (call) => json(200, { found: findRequest(call, traces) }),
    },
    {
      method: 'GET',
      path: base,
      role: 'viewer',
      doc: {
        summary: 'Debug sessions that run, and those that have ended and are kept',
        query: ListQuery,
        answer: z.object({ traces: z.array(Trace) }),
      },
      async handle(call) {
        const proxy = call.query.get('proxy')
        const told = sessionsHere(call, traces).filter(({ request }) => (proxy ?? request.proxy) === request.proxy)
        return json(200, { traces: told.map(traceFacts) })
      },
    },
    {
      method: 'POST',
      path: base,
      role: 'operator',
      doc: {
        summary: 'Start a debug session',
        body: TraceStart,
        answer: Trace,
        errors: { 409: 'A session of that name runs already.', 429: 'As many sessions run as are allowed.' },
      },
      handle: (call) => start(call, traces, gateway),
    },
    {
      method: 'POST',
      path: `${base}/import`,
      role: 'operator',
      maxBody: importLimits.bytes,
      doc: {
        summary: 'Keep an offline file of Edge (XML) or Apigee X (JSON), to look at it as at a session',
        body: z.unknown(),
        bodyTypes: ['application/xml', 'application/json'],
        answer: Trace,
        errors: { 429: 'There is no room for it beside the sessions that run.' },
      },
      handle: (call) => keepFile(call, traces),
    },
    {
      method: 'GET',
      path: `${base}/:trace`,
      role: 'viewer',
      doc: { summary: 'One debug session, by its id or name, and its transactions', answer: TraceDetail },
      async handle(call) {
        const session = sessionOf(call, traces)
        return json(200, {
          ...traceFacts(session),
          maskProblems: maskProblems(session.request.masks),
          transactions: summariesOf(session).map(summaryFacts),
        })
      },
    },
    {
      method: 'DELETE',
      path: `${base}/:trace`,
      role: 'operator',
      doc: { summary: 'End a debug session and drop its data', status: 204 },
      async handle(call) {
        traces.delete(found(call, traces).id)
        return { status: 204, bytes: '', type: '' }
      },
    },
    {
      method: 'GET',
      path: `${base}/:trace/transactions/:transaction`,
      role: 'viewer',
      doc: {
        summary: 'One transaction: each step, and the points of Edge',
        query: TransactionQuery,
        answer: TraceTransaction,
        answerTypes: { 'text/plain': z.string().meta({ description: 'For a person.' }) },
      },
      handle: async (call) => transaction(call, traces),
    },
    {
      method: 'GET',
      path: `${base}/:trace/export`,
      role: 'viewer',
      doc: {
        summary: 'The session as a file that other viewers load',
        query: ExportQuery,
        answer: z.looseObject({ DebugSession: z.looseObject({}), Messages: z.array(z.looseObject({})) }),
        answerTypes: { 'application/xml': z.string() },
      },
      handle: async (call) => exported(call, traces),
    },
  ]
}

async function start(call: ApiCall, traces: Traces, gateway: RunningProxies): Promise<ApiAnswer> {
  const parsed = TraceStart.safeParse(await call.json())
  if (!parsed.success) {
    const problems = parsed.error.issues.map(problemText)
    throw new ApiError(400, 'bad-trace', problems.join('; '), { problems })
  }
  const { name = '', proxy, revision, headers, query, statuses, ...rest } = parsed.data
  const { org = '', env = '' } = call.params
  if (!proxyRuns(gateway, { organization: org, environment: env, proxy }, revision)) {
    const what = revision === null ? proxy : `revision ${revision} of ${proxy}`
    throw new ApiError(404, 'trace-proxy-unknown', `${what} does not run in environment ${env} of ${org}`)
  }
  if (rest.showCredentials && roleIn(call.principal, org) !== 'admin') {
    throw new ApiError(403, 'forbidden', `showCredentials needs the role admin in organization ${org}, or on *`)
  }
  const request: SessionRequest = {
    ...rest,
    name,
    organization: org,
    environment: env,
    proxy,
    revision,
    headers: headers.map((each) => [each.name.toLowerCase(), each.value] as const),
    query: query.map((each) => [each.name, each.value] as const),
    statuses: statuses.map(rangeOf),
    masks: await masksFor(call, org, proxy),
    user: call.principal.user,
  }
  const session = startSession(traces, request)
  call.note(`debug session ${session.request.name} of ${proxy}${rest.showCredentials ? ', credentials shown' : ''}`)
  return json(201, traceFacts(session))
}

async function keepFile(call: ApiCall, traces: Traces): Promise<ApiAnswer> {
  const { org = '', env = '' } = call.params
  const bytes = await call.body()
  try {
    const place = { organization: org, environment: env, bytes: bytes.length, user: call.principal.user }
    const session = traces.importSession(readSessionFile(bytes), place)
    call.note(`debug session ${session.request.name} from a file`)
    return json(201, traceFacts(session))
  } catch (error) {
    throw traceRefusal(error)
  }
}

function transaction(call: ApiCall, traces: Traces): ApiAnswer {
  const session = sessionOf(call, traces)
  const wanted = call.params['transaction'] ?? ''
  const edge = edgeTransactionsOf(session).find(({ id }) => id === wanted)
  if (edge === undefined) {
    throw new ApiError(404, 'transaction-unknown', `debug session ${session.request.name} has no transaction ${wanted}`)
  }
  const recorded = session.transactions.find(({ id }) => id === wanted) ?? null
  const format = call.query.get('format') ?? 'json'
  if (format === 'text') {
    const why = 'it came from a file, which has no more than the points of Edge'
    if (recorded === null) throw new ApiError(400, 'bad-query', `there is no text of ${wanted}: ${why}`)
    return { status: 200, bytes: transactionText(recorded), type: 'text/plain; charset=utf-8' }
  }
  if (format !== 'json') throw new ApiError(400, 'bad-query', 'format is json or text')
  return json(200, { transaction: recorded, edge: transactionJson(edge) })
}

function exported(call: ApiCall, traces: Traces): ApiAnswer {
  const session = sessionOf(call, traces)
  const format = call.query.get('format') ?? 'xml'
  const file = edgeSessionOf(session, call.services.clock())
  const name = `trace-${file.api}-${file.sessionId}`.replace(/[^A-Za-z0-9._-]/g, '_')
  const headers = { 'content-disposition': `attachment; filename="${name}.${format}"` }
  if (format === 'xml') return { status: 200, bytes: sessionXml(file), type: 'application/xml', headers }
  if (format === 'json') return { status: 200, json: sessionJson(file), headers }
  throw new ApiError(400, 'bad-query', 'format is xml or json')
}

/** In every organization of the caller's, and in no other. */
function findRequest(call: ApiCall, traces: Traces): readonly z.output<typeof FoundTraces>['found'][number][] {
  const wanted = call.query.get('requestId') ?? ''
  if (wanted === '') throw new ApiError(400, 'bad-query', 'requestId is missing')
  return traces.all().flatMap((session) => {
    if (roleIn(call.principal, session.request.organization) === null || !mayReadSession(call, session)) return []
    const own = session.transactions.filter(({ id }) => id === wanted)
    const imported = session.imported?.transactions.filter(({ id }) => id === wanted) ?? []
    const only = {
      ...session,
      transactions: own,
      imported: session.imported && { ...session.imported, transactions: imported },
    }
    return summariesOf(only).map((each) => ({ trace: traceFacts(session), transaction: summaryFacts(each) }))
  })
}

function sessionsHere({ params }: ApiCall, traces: Traces): readonly TraceSession[] {
  return traces.all().filter(({ request }) => {
    return request.organization === params['org'] && request.environment === params['env']
  })
}

function sessionOf(call: ApiCall, traces: Traces): TraceSession {
  const session = found(call, traces)
  refuseUnreadable(call, session)
  return session
}

function found(call: ApiCall, traces: Traces): TraceSession {
  const id = call.params['trace'] ?? ''
  const here = sessionsHere(call, traces)
  // By its name too; where proxies have sessions of the same, the newest.
  const named = here.filter(({ request }) => request.name === id)
  const session = here.find((each) => each.id === id) ?? named.sort((one, other) => other.startedAt - one.startedAt)[0]
  if (session !== undefined) return session
  throw new ApiError(404, 'trace-unknown', `there is no debug session ${id}; it may have ended and been dropped`)
}

function traceFacts(session: TraceSession): z.output<typeof Trace> {
  const { request } = session
  // A session for the requests of one client may look for his key; that is not for whoever may see that there is a session.
  const shown =
    (hides: (name: string) => boolean) =>
    ([name, value]: readonly [string, string]) => ({ name, value: hides(name) ? hiddenAs : value })
  return {
    id: session.id,
    name: request.name,
    organization: request.organization,
    environment: request.environment,
    proxy: request.proxy,
    revision: request.revision,
    startedAt: timeOf(session.startedAt),
    until: timeOf(session.until),
    active: session.active,
    ended: session.ended,
    user: request.user,
    headers: request.headers.map(shown(isCredentialHeader)),
    query: request.query.map(shown(isCredentialParameter)),
    statuses: request.statuses.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)),
    failuresOnly: request.failuresOnly,
    maxTransactions: request.maxTransactions,
    bodyBytes: request.bodyBytes,
    showCredentials: request.showCredentials,
    count: session.imported?.transactions.length ?? session.transactions.length,
    bytes: session.bytes,
  }
}

function summaryFacts(summary: ReturnType<typeof summariesOf>[number]) {
  return { ...summary, at: summary.at === null ? null : timeOf(summary.at) }
}

const timeOf = (at: number): string => new Date(at).toISOString()

/** `503`, `5xx`, `500-504` */
function rangeOf(text: string): readonly [number, number] {
  if (text.endsWith('xx')) return [Number(text[0]) * 100, Number(text[0]) * 100 + 99]
  const [from = '', to = from] = text.split('-')
  return [Math.min(Number(from), Number(to)), Math.max(Number(from), Number(to))]
}
